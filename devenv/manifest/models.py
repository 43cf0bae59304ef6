"""The models of the manifest. `devenv schema` prints them; every field has a description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from devenv.manifest.base import COMPOSE, HOSTS, PLATFORM, Env, Fragment, Fragments, Model, Publish, Resources
from devenv.manifest.environments import Environment
from devenv.manifest.fields import Address, Command, OneOrMany, Restart, Size, SmokeRequest, Switch, Text
from devenv.manifest.workloads import FileFrom, Job, PluginItem, Service


class Infra(Model):
    """A store, queue or tool of the catalogue, tuned or renamed. Takes the kind's own options too."""

    model_config = ConfigDict(extra="allow")

    kind: str | None = Field(None, description="The catalogue's kind; default: the name.")
    image: str | None = Field(None, description="Another image than the kind's own.")
    version: Text | None = Field(None, description="Another version than the pinned one.")
    external: Text | None = Field(
        None, description="Its URL where something else runs it: a text, ${env.NAME} or ${secret.NAME}."
    )
    publish: Publish | None = Field(
        None, description="Its port on this machine; or one per port name; or false for none at all."
    )
    memory: Size | None = Field(None, description="The most memory it may take: resources.memory in short.")
    resources: Resources = Field(Resources.model_construct(), description="Limits of CPU and memory.")
    args: Command | None = Field(None, description="More arguments for its program, after the kind's own.")
    files: dict[str, FileFrom] = Field(
        {},
        description="File in the container -> file in the project, {secret: NAME}, or {content: TEXT}. "
        "Read-only.",
    )
    restart: Restart | None = Field(
        None,
        description="Whether a program that ended is started again: no, on-failure, or always, also after "
        "the engine was restarted. Default: no, so that a crash is seen.",
    )
    env: Env = Field({}, description="More environment variables for the container.")
    seed: Annotated[list[str], OneOrMany()] = Field(
        [], description="Files or patterns loaded when the store is new."
    )
    hosts: dict[str, Address] = Field({}, description=HOSTS)
    platform: str | None = Field(None, description=PLATFORM)
    compose: Fragment = Field({}, description=COMPOSE)
    kubernetes: Fragments = Field({}, description="Merged last into the Kubernetes objects, by kind.")


class Consumer(Model):
    """Somebody who may call the gateway."""

    key: Annotated[list[str], OneOrMany()] = Field([], description="API keys for key-auth.")
    basic: dict[str, Text] = Field({}, description="User -> password for basic-auth.")
    jwt: list[dict[str, Text]] = Field(
        [], description="JWT credentials: key, secret, algorithm, rsa_public_key."
    )
    groups: list[str] = Field([], description="Groups for acl.")
    custom_id: str | None = Field(None, description="Your own id of this consumer.")
    plugins: list[PluginItem] = Field([], description="Kong plugins for this consumer.")


class Gateway(Model):
    """The API gateway (Kong); it appears as soon as anything has a route."""

    plugins: list[PluginItem] = Field([], description="Kong plugins for every route.")
    consumers: dict[str, Consumer] = Field({}, description="Who may call, with their credentials.")
    extra: str | None = Field(None, description="A declarative kong.yml to merge in.")


class SharedVolume(Model):
    """A volume that several services and jobs may share."""

    size: Size | None = Field(None, description="How much a cluster reserves: 5Gi. Default: 1Gi.")
    external: str | None = Field(
        None,
        description="A volume, or a cluster's claim, of this name, which devenv never makes or removes.",
    )


class Shipping(Model):
    """What takes something that every service has to give: its traces, or what it writes."""

    to: str | None = Field(
        None,
        description="A kind that takes it, or its name under infra:. Default: what the stack has, or the "
        "catalogue's first.",
    )


class SecretSource(Model):
    """Where a person gets the value of a secret."""

    ask: Text = Field(description="Where to get it: dashboard.stripe.com > API keys (test).")


class Manifest(Model):
    """A stack: services, jobs, what they need, and where it is promoted to."""

    name: str = Field(
        description="The stack's name: lower-case letters, digits and hyphens. Default: the folder's."
    )
    namespace: str | None = Field(
        None, description="Kubernetes namespace, and the second label of orders.<namespace>. Default: name."
    )
    backend: Literal["compose", "minikube", "kube", "process"] | None = Field(
        None, description="Backend, unless the command line or DEVENV_BACKEND names one."
    )
    registry: str | None = Field(None, description="Registry through which images reach a cluster.")
    services: dict[str, Service] = Field({}, description="Long-running programs.")
    jobs: dict[str, Job] = Field({}, description="Programs that run to their end.")
    infra: dict[str, Annotated[Infra, BeforeValidator(lambda v: {} if v is None else v)]] = Field(
        {}, description="Stores and tools to tune or rename."
    )
    volumes: dict[str, Annotated[SharedVolume, BeforeValidator(lambda v: {} if v is None else v)]] = Field(
        {}, description="Volumes that several services and jobs share, by name."
    )
    gateway: Gateway = Field(Gateway.model_construct(), description="The API gateway.")
    kinds: str = Field("infra", description="Folder with infra kinds of the project's own.")
    profiles: dict[str, list[str]] = Field(
        {}, description="Name -> services; `devenv up --profile NAME` starts these and what they use."
    )
    environments: dict[str, Environment] = Field({}, description="Where `devenv promote NAME` goes.")
    tracing: Annotated[Shipping, Switch("to")] | None = Field(
        None,
        description="Every service and job is told where its traces go, and so is the gateway: true, or "
        "what takes them: jaeger, otel-collector.",
    )
    logs: Annotated[Shipping, Switch("to")] | None = Field(
        None,
        description="What every unit writes goes to one place as well: true, or what takes it: fluent-bit, "
        "fluentd, logstash, otel-collector.",
    )
    secrets: dict[str, SecretSource] = Field(
        {}, description="Secret -> where a person gets its value, which `devenv onboard` asks for."
    )
    smoke: list[SmokeRequest] = Field(
        [], description="Requests that the stack answers once it is up: GET /api/orders 200."
    )


def schema() -> dict[str, Any]:
    """The manifest's JSON schema."""
    document = Manifest.model_json_schema()
    document["required"].remove("name")  # the folder's name is filled in before validation
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document, "title": "devenv.yaml"}
