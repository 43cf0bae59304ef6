"""The models of services and jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from devenv.manifest.base import (
    COMPOSE,
    HOSTS,
    PLATFORM,
    ContainerPort,
    Env,
    Fragment,
    Fragments,
    Model,
    PlainFragment,
    Port,
    Publish,
    Resources,
)
from devenv.manifest.contexts import is_folder
from devenv.manifest.fields import (
    Address,
    CapabilityName,
    Command,
    Duration,
    Flag,
    Numeric,
    OneOrMany,
    OrNone,
    Restart,
    Short,
    SignalName,
    Size,
    Text,
    UdpPort,
)


class Build(Model):
    """How an image is built."""

    context: str = Field(
        ".", description="The folder sent to the builder, or the URL of a Git repository: URL#REF:FOLDER."
    )
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
    network: Literal["host", "none"] | None = Field(
        None, description="What its RUN steps reach: host is this machine's own network, none is nothing."
    )

    @property
    def folder(self) -> str:
        """The folder of the project that its program comes from."""
        return self.context if is_folder(self.context) else "."


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
    config: PlainFragment = Field({}, description="Its settings.")


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


class Metrics(Model):
    """Where a service tells Prometheus of itself."""

    port: Text | None = Field(None, description="A port by its name or number. Default: the main one.")
    path: str = Field("/metrics", description="The path there.")

    @model_validator(mode="before")
    @classmethod
    def _by_a_path(cls, value: Any) -> Any:
        """`metrics: /path` is one on the main port."""
        match value:
            case {"port": str(path)} if path.startswith("/"):
                return {"path": path}
        return value


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


class Capabilities(Model):
    """Capabilities of Linux that a program has beyond the usual ones, or lacks of them."""

    add: Annotated[list[CapabilityName], OneOrMany()] = Field([], description="Those it gets: NET_ADMIN.")
    drop: Annotated[list[CapabilityName], OneOrMany()] = Field([], description="Those it loses; ALL is all.")


class Ulimit(Model):
    """A limit of the kernel on a process; -1 is none."""

    soft: Annotated[int, Field(ge=-1), Numeric()] = Field(description="The limit that counts.")
    hard: Annotated[int, Field(ge=-1), Numeric()] | None = Field(
        None, description="How far the program may raise it. Default: as soft."
    )


class HostPath(Model):
    """A file or folder of this machine, outside of the project."""

    path: str = Field(description="Where it is: /var/log, ~/.aws, or ../beside-the-project.")
    write: Flag = Field(False, description="It may be written to.")


class FileSource(Model):
    """A file that is none of the project: its content is a secret, or stands here."""

    secret: str | None = Field(None, description="Name of the secret.")
    content: Text | None = Field(None, description="The text itself; ${...} in it are filled in.")

    @model_validator(mode="after")
    def _one_of_them(self) -> FileSource:
        if (self.secret is None) == (self.content is None):
            problem = "is a file of the project, {secret: NAME} or {content: TEXT} - write one of them"
            raise PydanticCustomError("file_source", problem)
        return self


FileFrom = Annotated[str | FileSource, WithJsonSchema({"type": ["string", "object"]})]
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
        description="File or folder in the container -> that of the project, {secret: NAME}, or "
        "{content: TEXT}. Read-only.",
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
    privileged: Flag = Field(False, description="It may do what root on this machine may.")
    no_new_privileges: Flag = Field(
        False, description="No program in it, sudo for one, gets more rights than the one that starts it."
    )
    ulimits: dict[str, Annotated[Ulimit, Short("soft", (("type", ("integer", "string")),))]] = Field(
        {}, description="Limits of the kernel: {nofile: 65536, memlock: -1}."
    )
    sysctls: dict[str, Text] = Field(
        {}, description="Settings of the kernel for its network and memory: {net.core.somaxconn: 1024}."
    )
    hosts: dict[str, Address] = Field({}, description=HOSTS)
    host_paths: dict[str, Annotated[HostPath, Short("path")]] = Field(
        {},
        description="File or folder in the container -> that of this machine, outside of the project. "
        "Read-only, unless {path: ..., write: true}.",
    )
    platform: str | None = Field(None, description=PLATFORM)
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
    metrics: Annotated[Metrics, Short("port", (("type", ("string", "integer")),))] | None = Field(
        None,
        description="Where the stack's Prometheus asks it for metrics: a path, or a port by name.",
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
        None,
        description="Take image, platform, build, env, secrets, files, user and workdir of this service.",
    )
    manual: Flag = Field(False, description="Only run by `devenv run NAME`.")
    within: Duration = Field(300.0, description="Longest time it may take.")
