"""The models of the manifest. `devenv schema` prints them; every field has a description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from devenv.manifest.fields import (
    FROM_ENVIRONMENT,
    CapabilityName,
    Command,
    Cpu,
    Duration,
    Flag,
    Numeric,
    OneOrMany,
    OrFalse,
    OrNone,
    OrUdp,
    Restart,
    Short,
    SignalName,
    Size,
    SmokeRequest,
    Text,
    UdpPort,
)
from devenv.manifest.source import as_yaml

Port = Annotated[int, Field(ge=1, le=65535), Numeric()]
ContainerPort = Annotated[Port, OrUdp()]
Publish = Annotated[
    int | dict[str, Annotated[Port, OrFalse()]],
    Numeric(),
    OrFalse(),
    WithJsonSchema(
        {
            "type": ["integer", "boolean", "object", "string"],
            "pattern": FROM_ENVIRONMENT,
            "not": {"const": True},
        }
    ),
]
Fragment = dict[str, Any]
PlainFragment = Annotated[Fragment, BeforeValidator(as_yaml)]
Fragments = dict[str, PlainFragment]
COMPOSE = "Merged last into the Compose service: lists append, mappings merge, `!reset` replaces."


class Model(BaseModel):
    """Strict, closed and unchangeable. As in Compose, what begins with `x-` is the user's own and ignored."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"patternProperties": {"^x-": {}}},
        # Most models are only ever validated as part of another; hence a default is `model_construct`ed.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not any(key.startswith("x-") for key in value):
            return value
        own = {field.alias for field in cls.model_fields.values()}
        return {key: item for key, item in value.items() if not key.startswith("x-") or key in own}


class Build(Model):
    """How an image is built."""

    context: str = Field(".", description="The folder sent to the builder.")
    dockerfile: str = Field("Dockerfile", description="The Dockerfile, relative to the context.")
    target: str | None = Field(None, description="The stage to stop at.")
    args: dict[str, Text] = Field({}, description="Build arguments.")
    secrets: dict[str, str] = Field(
        {},
        description="Build secrets: id -> file in the project, or ${secret.NAME}, in short $NAME.",
    )
    ssh: str | None = Field(None, description="SSH agent or key to forward: `default` or `id=path`.")
    additional_contexts: dict[str, str] = Field(
        {},
        description="More contexts, for `COPY --from=NAME` and `FROM NAME`: a folder of the project, "
        "docker-image://IMAGE, or the URL of a Git repository, with #REF.",
    )
    cache_from: Annotated[list[str], OneOrMany()] = Field(
        [], description="Images whose layers are reused, or type=registry,ref=IMAGE."
    )
    platform: str | None = Field(
        None, description="What the image is for: linux/amd64. Default: this machine, or the cluster's nodes."
    )


class Health(Model):
    """When a service counts as ready: one of http, tcp, grpc or exec."""

    http: str | None = Field(None, description="A path that answers 2xx or 3xx on the service's port.")
    tcp: Port | None = Field(None, description="A port that accepts connections.")
    grpc: Port | None = Field(None, description="A port that speaks grpc.health.v1.")
    exec: Command | None = Field(None, description="A command in the container that ends with 0.")
    every: Duration = Field(0.5, description="Time between two probes while starting.")
    timeout: Duration = Field(2.0, description="Longest time one probe may take.")
    within: Duration = Field(60.0, description="Longest time until ready; then the service has failed.")


def _plugin(value: Any) -> Any:
    match value:
        case str():
            return {"name": value}
        case dict() if len(value) == 1:
            ((name, config),) = value.items()
            return {"name": name, "config": config or {}}
    raise PydanticCustomError("plugin", "is not a plugin - write its name, or {name: {its: settings}}")


class Plugin(Model):
    """A Kong plugin and its settings."""

    name: str
    config: PlainFragment = {}


PluginItem = Annotated[
    Plugin,
    BeforeValidator(_plugin),
    WithJsonSchema(
        {
            "description": "A Kong plugin: its name, or {name: {its: settings}}.",
            "anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}],
        }
    ),
]


class Route(Model):
    """A path of the gateway that leads to a service."""

    path: str = Field(description="Path prefix, or a regular expression after `~`.")
    host: Annotated[list[str], OneOrMany()] = Field([], description="Only for these host names.")
    methods: Annotated[list[str], OneOrMany()] = Field([], description="Only for these HTTP methods.")
    strip: Flag = Field(False, description="Take the path off before the service sees the request.")
    plugins: list[PluginItem] = Field([], description="Kong plugins for this route.")


class Reload(Model):
    """What a changed file causes. The default is inferred from the Dockerfile."""

    sync: dict[str, str] = Field(
        {},
        description="Folder or file of the project -> its path in the container, instead of what COPY says.",
    )
    ignore: list[str] = Field([], description="Patterns of files that are never sent.")
    run: dict[str, Command] = Field({}, description="File pattern -> command to run after it changed.")
    restart: Flag | list[str] | None = Field(
        None,
        description="Restart on every change (true), never (false), or when one of these patterns changed. "
        "By default, unless the program reloads by itself.",
    )
    rebuild: list[str] = Field([], description="Patterns of files that need a new image.")
    pull: list[str] = Field(
        [], description="Files or folders of the project that `devenv pull` brings back from the container."
    )


class Resources(Model):
    """The most a service may take."""

    cpu: Cpu | None = Field(None, description="Cores: 500m or 0.5.")
    memory: Size | None = Field(None, description="Memory: 256Mi.")


class Capabilities(Model):
    """Capabilities of Linux that a program has beyond the usual ones, or lacks of them."""

    add: Annotated[list[CapabilityName], OneOrMany()] = Field([], description="Those it gets: NET_ADMIN.")
    drop: Annotated[list[CapabilityName], OneOrMany()] = Field([], description="Those it loses; ALL is all.")


class SecretFile(Model):
    """A file whose content is a secret."""

    secret: str = Field(description="Name of the secret.")


FileFrom = Annotated[str | SecretFile, WithJsonSchema({"type": ["string", "object"]})]
Env = dict[str, Text]
Uses = Annotated[list[str], OneOrMany()]


class Workload(Model):
    """What services and jobs have in common."""

    build: Annotated[Build, Short("context")] | None = Field(
        None, description="Folder with a Dockerfile, or how to build the image."
    )
    image: str | None = Field(None, description="A ready-made image, instead of build.")
    command: Command | None = Field(None, description="Overrides the image's command.")
    entrypoint: Command | None = Field(None, description="Overrides the image's entrypoint.")
    uses: Uses = Field(
        [],
        description="What it needs: infra kinds or names, services, jobs; `postgres/billing` for one "
        "database of a store. Sets the start order and injects the addresses.",
    )
    env: Env = Field({}, description="Environment variables; they win over injected ones.")
    env_file: Annotated[list[str], OneOrMany()] = Field(
        [],
        description="Files of the project with more variables; a later one wins, and env over all.",
    )
    secrets: list[str] = Field(
        [], description="Names taken from the environment, .env or .devenv/secrets.env; never printed."
    )
    resources: Resources = Field(Resources.model_construct(), description="Limits of CPU and memory.")
    volumes: dict[str, str] = Field({}, description="Named volume -> folder in the container.")
    files: dict[str, FileFrom] = Field(
        {},
        description="File or folder in the container -> that of the project, or {secret: NAME}. Read-only.",
    )
    user: Text | None = Field(
        None, description="Whom it runs as, in the image: a number, NUMBER:GROUP, or a name."
    )
    workdir: str | None = Field(None, description="The folder in the container that it runs in.")
    read_only: Flag = Field(
        False, description="Its root file system cannot be written; volumes and tmpfs can."
    )
    capabilities: Capabilities = Field(
        Capabilities.model_construct(), description="Capabilities of Linux to add or drop."
    )
    init: Flag = Field(
        True, description="Another program is process 1 and reaps what it leaves; false for s6 and the like."
    )
    tmpfs: Annotated[list[str], OneOrMany()] = Field(
        [], description="Folders in memory: /tmp, or /run:size=64m."
    )
    shm: Size | None = Field(None, description="Size of /dev/shm: 256Mi.")
    stop_signal: SignalName | None = Field(None, description="The signal that stops it. Default: TERM.")
    grace: Duration = Field(10.0, description="Time between TERM and KILL.")
    compose: Fragment = Field({}, description=COMPOSE)
    kubernetes: Fragments = Field({}, description="Merged last into the Kubernetes objects, by kind.")


class Service(Workload):
    """A long-running program."""

    host: str | None = Field(None, description="How to run it as a plain process on this machine.")
    port: ContainerPort | None = Field(
        None, description="The port it listens on, in the container: 8000, or 53/udp."
    )
    ports: dict[str, ContainerPort] = Field(
        {}, description="Several ports by name; the first is the main one."
    )
    publish: Publish | None = Field(
        None, description="Its port on this machine; or one per port name; or false for none at all."
    )
    route: Annotated[list[Annotated[Route, Short("path")]], OneOrMany()] = Field(
        [], description="Where the gateway offers it: a path, a route, or a list of them."
    )
    health: Annotated[Annotated[Health, Short("http")] | Literal["none"], OrNone()] | None = Field(
        None,
        description="When it is ready: an HTTP path, or {http|tcp|grpc|exec: ...}; or none: as soon as it "
        "runs, whatever its image checks.",
    )
    reload: Reload | None = Field(None, description="What a changed file causes.")
    restart: Restart | None = Field(
        None,
        description="Whether a program that ended is started again: no, on-failure, or always, also after "
        "the engine was restarted. Default: no, so that a crash is seen.",
    )
    manual: Flag = Field(False, description="Only started by its name, or by a profile that lists it.")
    aliases: Annotated[list[str], OneOrMany()] = Field(
        [], description="More names under which the other units reach it."
    )
    replicas: Annotated[int, Field(ge=0, le=100), Numeric()] = Field(1, description="How many run.")

    @property
    def named_ports(self) -> dict[str, int]:
        """Its ports by name, the main one first."""
        name = "udp" if isinstance(self.port, UdpPort) else "http"
        return self.ports or ({name: self.port} if self.port else {})

    @property
    def tcp_port(self) -> int | None:
        """The first of its ports that can be asked, as checks and routes do."""
        return next((port for port in self.named_ports.values() if not isinstance(port, UdpPort)), None)


class Job(Workload):
    """A program that runs to its end; whoever uses it waits for its success."""

    like: str | None = Field(
        None, description="Take image, build, env, secrets, files, user and workdir of this service."
    )
    manual: Flag = Field(False, description="Only run by `devenv run NAME`.")
    within: Duration = Field(300.0, description="Longest time it may take.")


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
        {}, description="File in the container -> file in the project, or {secret: NAME}. Read-only."
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


Count = Annotated[int, Field(ge=1), Numeric()]


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
    gateway: Literal["deploy", "ingress", "kong"] | HttpRoutes = Field(
        "deploy",
        description="What serves the routes: the stack's own gateway, an Ingress, an Ingress of Kong's "
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


class SharedVolume(Model):
    """A volume that several services and jobs may share."""

    size: Size | None = Field(None, description="How much a cluster reserves: 5Gi. Default: 1Gi.")
    external: str | None = Field(
        None,
        description="A volume, or a cluster's claim, of this name, which devenv never makes or removes.",
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
    backend: Literal["compose", "minikube", "kube"] | None = Field(
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
