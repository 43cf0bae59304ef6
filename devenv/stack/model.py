"""Stack and Unit: the description that all renderers, planners and backends read."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from devenv.stack import text
from devenv.stack.external import External
from devenv.stack.ports import Claim, Key
from devenv.stack.routing import Gateway
from devenv.stack.text import Text

Role = Literal["service", "job", "infra", "setup"]
"""`setup` is a one-shot that belongs to an infra unit, such as making MinIO's buckets."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port in the container and the one on 127.0.0.1 that leads to it, if it is `published`."""

    name: str
    container: int
    host: int | None = None
    wanted: int | None = None
    published: bool = True
    udp: bool = False


def port_of(claim: Claim, name: str, hosts: Mapping[Key, int]) -> Port:
    """The port of a claim, with what it got of this machine."""
    host = hosts.get(claim.key)
    wanted = claim.wanted if claim.published or host else None
    return Port(name, claim.container, host, wanted, claim.published, claim.udp)


@dataclass(frozen=True, slots=True)
class Need:
    """A unit that has to be ready first, or for a one-shot (`done`): has succeeded."""

    unit: str
    done: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """A check of whether a unit is ready. Times are in seconds; `exec` runs in the container.

    `of_image`: it is the image's own; never in a fingerprint, which has the image instead.
    """

    kind: Literal["http", "tcp", "grpc", "exec"]
    port: int = 0
    path: str = ""
    command: tuple[Text, ...] = ()
    every: float = 0.5
    timeout: float = 2.0
    within: float = 60.0
    of_image: bool = False

    @property
    def shown(self) -> str:
        """The check, for display."""
        if self.of_image:
            return "HEALTHCHECK of the image; health: in devenv.yaml replaces it"
        match self.kind:
            case "exec":
                return text.masked(text.join(" ", self.command))
            case "http":
                return f"GET {self.path} on port {self.port}"
        return f"port {self.port}"


NAMED = ":context"
"""Where a key has the Dockerfile, for a context that has none."""


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is built; `digest` covers everything that goes into it.

    `contexts` are more of them, by name; `folders` those that are folders of the project.
    `remote`: the context is a repository, which the builder fetches; nothing is known of what is in it.
    `base` leaves out the sources that hot reload sends to a running container: while it is the same, the
    container needs no other image.
    """

    context: str
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: tuple[tuple[str, Text], ...] = ()
    secrets: tuple[tuple[str, Text], ...] = ()
    ssh: str | None = None
    contexts: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    platform: str | None = None
    network: str | None = None
    remote: bool = False
    digest: str = ""
    base: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The key of its sources."""
        return self.context, self.dockerfile

    @property
    def folder(self) -> str:
        """The folder of the project that its program comes from."""
        return "." if self.remote else self.context

    @property
    def more_keys(self) -> tuple[tuple[str, str], ...]:
        """The keys of its other contexts that are folders of the project."""
        return tuple((folder, NAMED) for folder in self.folders)


EXECUTABLE = "x"
"""Ends the digest of a file that its owner may execute; no digit of a digest is one."""


@dataclass(frozen=True, slots=True)
class File:
    """A read-only file in the container: from the project, a secret, a text, or written by a renderer.

    `digest` is one of its bytes and mode, so that a changed file makes a container stale; `holds` are the
    secrets in a text or a rendered file. A folder of the project has its files `inside`: path -> digest.
    """

    target: str
    source: str = ""
    secret: str = ""
    content: Text = ""
    rendered: str = ""
    digest: str = ""
    holds: tuple[str, ...] = ()
    inside: tuple[tuple[str, str], ...] = ()

    @property
    def executable(self) -> bool:
        """Whether a program may be started from it."""
        return self.digest.endswith(EXECUTABLE)

    @property
    def each(self) -> tuple[File, ...]:
        """Itself, or the files of its folder."""
        if not self.inside:
            return (self,)
        return tuple(
            File(posixpath.join(self.target, name), posixpath.join(self.source, name), digest=digest)
            for name, digest in self.inside
        )


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume, kept until `down --volumes`, and where it is mounted.

    A `shared` one is of several units; it has a `size` in bytes, or is `external` and has that name.
    """

    name: str
    target: str
    shared: bool = False
    size: int | None = None
    external: str = ""


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A limit of the kernel on a unit's processes; -1 is none."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class HostPath:
    """A path of this machine, outside of the project, and where it is mounted."""

    target: str
    path: str
    write: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Settings that a store applies to new data: option or variable -> value, or its files' digests.

    `later`: those that its check also applies to existing data -> what it does, in a word ("set").
    `unfinished`: a file that exists in the data from before the first script until after the last one.
    """

    settings: tuple[tuple[str, Any], ...] = ()
    later: tuple[tuple[str, str], ...] = ()
    unfinished: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A link to show: a label and a URL."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Process:
    """A way to run a kind as a plain process, see `kinds.file.Process`. `folder`: of a package's programs."""

    command: Text
    program: str = ""
    package: str = ""
    folder: str = ""
    packages: tuple[str, ...] = ()
    new: Text = ""
    environment: tuple[tuple[str, Text], ...] = ()
    clients: tuple[tuple[str, str], ...] = ()
    stop: str = "TERM"
    rootless: bool = False
    stand_in: bool = False
    note: str = ""
    install: str = ""
    oldest: str = ""
    asked: str = ""
    carries: bool = True


@dataclass(frozen=True, slots=True)
class Reload:
    """What a changed file of the project causes, beyond what its Dockerfile implies.

    `restart`: on every change, never, or for some patterns; None where the program's command tells. `pull`:
    what comes back from a container on request.
    """

    sync: tuple[tuple[str, str], ...] = ()
    ignore: tuple[str, ...] = ()
    run: tuple[tuple[str, tuple[Text, ...]], ...] = ()
    restart: bool | tuple[str, ...] | None = None
    rebuild: tuple[str, ...] = ()
    pull: tuple[str, ...] = ()


SECTIONS: Mapping[str, str] = {"service": "services", "job": "jobs", "infra": "infra", "setup": "infra"}
"""Role of a unit -> the section of the manifest that it comes from."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What runs as one container: a service, a job, a store, or a store's one-shot.

    A `Text` may contain secrets. `memory` is in bytes, `cpu` in cores, `grace` in seconds. `uid` is the user
    that the image's entrypoint switches to if started as root. `unchecked`: it is ready as soon as it runs,
    whatever its image checks. `dump` writes a store's content to stdout and
    `load` reads it from stdin; of a `copied` one both do so while it is stopped. `extra` are Compose keys
    that have no neutral form; `compose` and `kubernetes` are the user's fragments, merged last. `reloads`:
    changed sources are sent to its containers, and its program can be restarted in them; `sourceless`: it
    starts when they are there, as its image has none. `reload`, `host` and `process` do not concern the
    container: what the manifest says of a changed file, and how a service or a kind runs as a plain
    process. `hosted`: the container only relays to a program on this machine, see `stack.hosting`. `logs`:
    the folder in which it reads what the stack's containers write, as far as they are `shipped`.
    `shell_line`: its command is a line for a shell; `implied_check`: the manifest says nothing of its
    health. `image_user` is what its image says, see `stack.imaged`.
    """

    name: str
    role: Role
    image: str
    engine: str = ""
    version: str = ""
    build: Build | None = None
    command: tuple[Text, ...] | None = None
    entrypoint: tuple[Text, ...] | None = None
    env: tuple[tuple[str, Text], ...] = ()
    ports: tuple[Port, ...] = ()
    needs: tuple[Need, ...] = ()
    probe: Probe | None = None
    unchecked: bool = False
    volumes: tuple[Volume, ...] = ()
    files: tuple[File, ...] = ()
    tmpfs: tuple[str, ...] = ()
    replicas: int = 1
    memory: int | None = None
    cpu: float | None = None
    grace: float = 10.0
    within: float = 300.0
    restart: Literal["no", "on-failure", "always"] | None = None
    user: str | None = None
    uid: int | None = None
    workdir: str | None = None
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    no_new_privileges: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    host_paths: tuple[HostPath, ...] = ()
    platform: str | None = None
    init: bool = False
    shm: int | None = None
    stop_signal: str | None = None
    hostname: str | None = None
    aliases: tuple[str, ...] = ()
    logs: str = ""
    shipped: bool = False
    manual: bool = False
    data: Data | None = None
    dump: tuple[str, ...] = ()
    load: tuple[str, ...] = ()
    copied: bool = False
    links: tuple[Link, ...] = ()
    routes: tuple[str, ...] = ()
    gateway: bool = False
    reload: Reload | None = None
    reloads: bool = False
    sourceless: bool = False
    host: Text | None = None
    hosted: bool = False
    shell_line: bool = False
    implied_check: bool = False
    image_user: str = ""
    process: tuple[Process, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    compose: Mapping[str, Any] = field(default_factory=dict)
    kubernetes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown_command(self) -> str:
        """Its command, for display; words with blanks or quotes in them are quoted, to be copied."""
        words = map(text.masked, self.command or ())
        return " ".join(
            shlex.quote(word) if not word or re.search(r"[\s'\"]", word) else word for word in words
        )

    @property
    def published(self) -> tuple[Port, ...]:
        """The ports of this machine that lead to it; those of a hosted unit are left to its program."""
        return () if self.hosted else tuple(port for port in self.ports if port.published)

    @property
    def own_volumes(self) -> tuple[Volume, ...]:
        """Its volumes that no other unit has."""
        return tuple(volume for volume in self.volumes if not volume.shared)

    @property
    def shared_volumes(self) -> tuple[Volume, ...]:
        """Its volumes that other units may have as well."""
        return tuple(volume for volume in self.volumes if volume.shared)

    @property
    def forwarded(self) -> tuple[Port, ...]:
        """Those of them that a forward of connections can serve."""
        return tuple(port for port in self.published if not port.udp)

    @property
    def one_shot(self) -> bool:
        """Whether it runs to its end."""
        return self.role in ("job", "setup")

    def comes_again(self, code: int) -> bool:
        """Whether it is started again by itself after it ended with this code."""
        return self.restart == "always" or (self.restart == "on-failure" and code != 0)

    @property
    def section(self) -> str:
        """Where the manifest, and the values of its chart, have it."""
        return SECTIONS[self.role]

    def port(self, container: int) -> Port | None:
        """The port with this number in the container."""
        return next((port for port in self.ports if port.container == container), None)


@dataclass(frozen=True, slots=True)
class Identity:
    """The stack's id in labels and selectors, and the checkout that owns it; none owns a promoted stack."""

    id: str
    checkout: str = ""

    @classmethod
    def of_checkout(cls, name: str, checkout: str) -> Identity:
        """The identity of a local stack: its name and a hash of the checkout's path, to be unique."""
        return cls(f"{name}-{checkout[:6]}", checkout)


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything that should run.

    `secrets` have to come from the user; `generated` secrets are generated once per checkout.
    """

    name: str
    namespace: str
    identity: Identity
    units: tuple[Unit, ...]
    gateway: Gateway | None = None
    secrets: frozenset[str] = frozenset()
    generated: frozenset[str] = frozenset()
    registry: str = ""
    externals: tuple[External, ...] = ()

    @property
    def id(self) -> str:
        """Its id in labels and selectors: `shop-3fa1b2` for a stack of a checkout."""
        return self.identity.id

    @property
    def checkout(self) -> str:
        """The checkout that owns it, if one does."""
        return self.identity.checkout

    @property
    def domain(self) -> str:
        """The domain of its units: `UNIT.DOMAIN` is a full address."""
        return f"{self.namespace}.svc.cluster.local"

    @property
    def words(self) -> frozenset[str]:
        """Words that are no secret: the names of units and kinds, and what stores are told in the open."""
        values = (value for unit in self.units if unit.role == "infra" for _, value in unit.env)
        names = (name for unit in self.units for name in (unit.name, unit.engine))
        return frozenset({self.name, *names, *(value for value in values if isinstance(value, str))} - {""})

    @property
    def shared_volumes(self) -> tuple[Volume, ...]:
        """The volumes that units share, each once."""
        return tuple({volume.name: volume for unit in self.units for volume in unit.shared_volumes}.values())

    def beside(self, unit: Unit) -> tuple[str, ...]:
        """The unit and all that share a volume with it, or with one that does."""
        names, volumes = set[str](), {volume.name for volume in unit.shared_volumes}
        while joined := [
            other
            for other in self.units
            if other.name not in names and not volumes.isdisjoint(each.name for each in other.shared_volumes)
        ]:
            names |= {other.name for other in joined}
            volumes |= {volume.name for other in joined for volume in other.shared_volumes}
        return tuple(other.name for other in self.units if other.name in names)

    def unit(self, name: str) -> Unit:
        """The unit of that name. Raises `KeyError`."""
        for unit in self.units:
            if unit.name == name:
                return unit
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(unit.name == name for unit in self.units)
