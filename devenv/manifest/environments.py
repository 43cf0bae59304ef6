"""The models of the places that a stack is promoted to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from devenv.manifest.base import Count, Env, Model, PlainFragment, Resources
from devenv.manifest.fields import Numeric, Short, Size, Text


class Autoscale(Model):
    """Horizontal scaling in a cluster."""

    min: Count = Field(1, description="Fewest pods.")
    max: Count = Field(description="Most pods.")
    cpu: Annotated[int, Field(ge=1, le=100), Numeric()] = Field(80, description="Target CPU, in percent.")


class BuildOverride(Model):
    """What differs for an image that is promoted."""

    target: str | None = Field(None, description="The stage to stop at: the one for production.")
    args: dict[str, Text] = Field({}, description="Build arguments, added to those of the service.")


class Override(Model):
    """What differs for one job in one environment."""

    build: BuildOverride = Field(
        BuildOverride.model_construct(), description="Another target or other arguments."
    )
    image: str | None = Field(None, description="Another ready-made image.")
    resources: Resources = Field(Resources.model_construct(), description="Limits of CPU and memory.")
    env: Env = Field({}, description="Environment variables, added to those of the service or job.")


class ServiceOverride(Override):
    """What differs for one service in one environment."""

    replicas: Annotated[int, Field(ge=0, le=100), Numeric()] | None = Field(None, description="How many run.")
    autoscale: Autoscale | None = Field(None, description="Horizontal scaling, instead of replicas.")


class External(Model):
    """A store that something else runs: a Secret or a host."""

    secret: str | None = Field(
        None, description="A Kubernetes Secret with the variables as keys that devenv injects locally."
    )
    host: str | None = Field(
        None,
        description="A host name with the store at its usual port; user and password as in the manifest.",
    )


class ExternalInfra(Model):
    """A store that something else runs in one environment."""

    external: External = Field(description="Where it is: {secret: NAME} or {host: NAME}.")


class Deployed(Model):
    """How a store runs in one environment's cluster."""

    size: Size | None = Field(None, description="Size of its volume: 20Gi.")
    class_: str | None = Field(None, alias="class", description="Storage class of its volume.")


class DeployedInfra(Model):
    """A store that runs in one environment's cluster."""

    deploy: Deployed = Field(description="Size and class of its volume.")


class Ingress(Model):
    """How the environment is reached."""

    class_: str | None = Field(None, alias="class", description="Ingress class.")
    tls: str | None = Field(None, description="Secret with the certificate.")
    annotations: dict[str, Text] = Field({}, description="Annotations of the Ingress.")


class Chart(Model):
    """A chart of other people, released before ours."""

    chart: str = Field(description="Its address: oci://HOST/PATH. With repo: only its name there.")
    repo: str | None = Field(None, description="The address of a chart repository: https://...")
    version: str = Field(description="Its exact version.")
    values: str | None = Field(None, description="A values file, beside or below devenv.yaml.")


class ExternalSecrets(Model):
    """A store from which the External Secrets operator makes the stack's Secret."""

    store: str = Field(min_length=1, description="Name of the SecretStore or ClusterSecretStore.")
    kind: Literal["SecretStore", "ClusterSecretStore"] = Field("SecretStore", description="Which of the two.")
    prefix: str = Field("", description="What stands before a secret's name in the store: shop/staging/.")
    entry: str = Field(
        "", description="Instead of prefix: the one entry of the store whose properties are the secrets."
    )


class SecretsFrom(Model):
    """What makes the stack's Secret in one environment: an operator of its cluster."""

    external: ExternalSecrets | None = Field(None, description="External Secrets, from this store.")
    sealed: str | None = Field(None, description="Sealed Secrets, from this file of kubeseal's.")


class ParentGateway(Model):
    """The Gateway of a cluster that serves an environment's routes."""

    gateway: str = Field(description="Its name.")
    namespace: str | None = Field(None, description="Its namespace. Default: the environment's.")
    listener: str | None = Field(None, description="One of its listeners. Default: all that allow it.")


class HttpRoutes(Model):
    """Routes as HTTPRoutes of the Gateway API."""

    httproute: Annotated[ParentGateway, Short("gateway")] = Field(description="The Gateway that serves them.")


class Environment(Model):
    """A place that `devenv promote` goes to."""

    context: str = Field(description="The only kube context it may touch.")
    namespace: str | None = Field(None, description="Kubernetes namespace. Default: the stack's.")
    registry: str | None = Field(None, description="Where images are pushed.")
    host: str | None = Field(None, description="Public host name.")
    ingress: Ingress = Field(Ingress.model_construct(), description="Ingress class and certificate.")
    gateway: Literal["deploy", "loadbalancer", "ingress", "kong"] | HttpRoutes = Field(
        "deploy",
        description="What serves the routes: the stack's own gateway, in front of it a load balancer of the "
        "cluster's instead of an Ingress, an Ingress, an Ingress of Kong's "
        "controller, or {httproute: NAME}.",
    )
    secret: str | None = Field(
        None, description="Kubernetes Secret with the stack's secrets. Default: NAME-secrets."
    )
    secrets: SecretsFrom | None = Field(
        None, description="An operator that makes that Secret: {external: {store: NAME}} or {sealed: FILE}."
    )
    services: dict[str, ServiceOverride] = Field({}, description="What differs, by service.")
    jobs: dict[str, Override] = Field({}, description="What differs, by job.")
    infra: dict[str, Literal["deploy"] | ExternalInfra | DeployedInfra] = Field(
        {}, description="For each store: `deploy`, {deploy: {size: 20Gi}}, or {external: {secret: NAME}}."
    )
    values: PlainFragment = Field({}, description="More values for the chart, merged last.")
    charts: dict[str, Chart] = Field(
        {}, description="Charts of other people by release name, in the order in which they are released."
    )
