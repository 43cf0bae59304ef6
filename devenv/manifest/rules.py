"""Rules that a manifest can break even if its models validate: a list of small checks, all of them run.

Each check yields `(path, message, suggestion)`; a new rule is one function and one entry in `RULES`.
"""

from __future__ import annotations

import itertools
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel

from devenv.errors import did_you_mean
from devenv.manifest import fragments
from devenv.manifest.kong.rules import findings as kong_refusals
from devenv.manifest.models import Infra, Job, Manifest, Service
from devenv.manifest.source import Path
from devenv.manifest.versions import Supported

Finding = tuple[Path, str, str]
NEEDS_SHELL = re.compile(r"[$|&;<>()`*?~#\n\\]")
REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
BUILD_SECRET = re.compile(
    r"\$(?P<short>[A-Za-z_][A-Za-z0-9_]*)|\$\{secret\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}"
)
NAME = 63  # characters of a host name's part
NAME_WITH_VOLUMES = 52
SERVICE_ATTRIBUTES = frozenset({"url", "host", "port", "public_url", "public_host", "public_port"})
STACK_ATTRIBUTES = frozenset({"name", "namespace"})


@dataclass(frozen=True, slots=True)
class Kind:
    """The facts of an infra kind that the rules check against."""

    options: Mapping[str, Literal["text", "list", "secret"]]
    attributes: frozenset[str]
    part: str | None = None
    ports: frozenset[str] = frozenset()
    services: tuple[str, ...] = ()
    """Names of all its services."""
    uses: tuple[str, ...] = ()
    volumes: frozenset[str] = frozenset()
    """Names of its volumes, as in its file."""
    gateway: bool = False
    supported: Supported = field(default_factory=Supported)


def unit_name(service: str, *, kind: str, name: str) -> str:
    """The unit name of a kind's service, for an infra called `name`.

    `postgres-databases` of `db` is `db-databases`; the `kibana` that comes with elasticsearch keeps its
    name, and is `search-kibana` where elasticsearch is called `search`.
    """
    if service == kind or service.startswith(f"{kind}-"):
        return name + service.removeprefix(kind)
    return service if name == kind else f"{name}-{service}"


@dataclass(frozen=True)
class Scope:
    """The manifest with the names it defines or implies."""

    manifest: Manifest
    kinds: Mapping[str, Kind]

    @cached_property
    def workloads(self) -> dict[tuple[str, str], Service | Job]:
        """Services and jobs, by their path in the manifest."""
        manifest = self.manifest
        return {("services", name): service for name, service in manifest.services.items()} | {
            ("jobs", name): job for name, job in manifest.jobs.items()
        }

    @cached_property
    def infra(self) -> dict[str, str]:
        """Infra name -> kind, declared or named in `uses`."""
        infra = {name: declared.kind or name for name, declared in self.manifest.infra.items()}
        for workload in self.workloads.values():
            for use in workload.uses:
                name = use.partition("/")[0]
                if name in self.kinds and name not in self.names:
                    infra.setdefault(name, name)
        if self.routed and not any(self.kinds[kind].gateway for kind in infra.values() if kind in self.kinds):
            gateways = (name for name, kind in self.kinds.items() if kind.gateway)
            infra |= {name: name for name in itertools.islice(gateways, 1)}
        kinds = [*infra.values()]
        for kind in kinds:  # grows while iterating: a used kind may use others
            for use in self.kinds[kind].uses if kind in self.kinds else ():
                used = use.partition("/")[0]
                if used not in kinds:
                    infra[used] = used
                    kinds.append(used)
        return infra

    def parts(self, name: str) -> list[str]:
        """The parts of an infra that services, jobs and kinds use: `billing` for `postgres/billing`."""
        uses = [use.partition("/") for workload in self.workloads.values() for use in workload.uses]
        for kind in self.infra.values():
            parts = [use.partition("/") for use in self.kinds[kind].uses]
            uses += [(self.provider(used), slash, part) for used, slash, part in parts]
        return list(dict.fromkeys(part for used, _, part in uses if used == name and part))

    def provider(self, kind: str) -> str:
        """The name of an infra of this kind: the one named after the kind, or the first."""
        if self.infra.get(kind) == kind:
            return kind
        return next(name for name, other in self.infra.items() if other == kind)

    @property
    def routed(self) -> bool:
        """Whether any service has a route."""
        return any(service.route for service in self.manifest.services.values())

    @cached_property
    def names(self) -> dict[str, str]:
        """Every declared name -> its section."""
        manifest = self.manifest
        return (
            dict.fromkeys(manifest.infra, "infra")
            | dict.fromkeys(manifest.jobs, "jobs")
            | dict.fromkeys(manifest.services, "services")
        )


def check(manifest: Manifest, kinds: Mapping[str, Kind]) -> list[Finding]:
    """Everything wrong with the manifest as a whole."""
    scope = Scope(manifest, kinds)
    return [finding for rule in RULES for finding in rule(scope)]


_LABEL = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ENV = re.compile(r"(?!\.\.|\.\Z)[A-Za-z_.-][A-Za-z0-9_.-]*\Z")  # what Docker and Kubernetes both take


def as_label(text: str) -> str:
    """The text turned into a valid name, or ""."""
    label = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:63].rstrip("-")
    return label if _LABEL.match(label) else ""


def names_are_labels(scope: Scope) -> Iterator[Finding]:
    """Names are RFC 1123 labels of at most 63 characters."""
    manifest = scope.manifest
    names: list[tuple[Path, str]] = [(("name",), manifest.name)]
    if manifest.namespace is not None:
        names.append((("namespace",), manifest.namespace))
    for section in ("services", "jobs", "infra", "profiles", "environments"):
        names += [((section, name), name) for name in getattr(manifest, section)]
    for path, name in names:
        if len(name) > NAME:
            yield path, f"a name has at most {NAME} characters, this one {len(name)}", ""
        elif not _LABEL.match(name):
            better = as_label(name)
            hint = f'write "{better}"' if better else "begin with a letter"
            yield path, "a name is lower-case letters, digits and hyphens (it becomes a host name)", hint


def names_are_unique(scope: Scope) -> Iterator[Finding]:
    """A service, a job and a store do not share a name, nor the name of a store's part."""
    sections: dict[str, str] = {}
    for section in ("services", "jobs", "infra"):
        for name in getattr(scope.manifest, section):
            if name in sections:
                yield (section, name), f"{sections[name]}.{name} has that name already", "one name, one thing"
            sections.setdefault(name, section)
    parts: dict[str, str] = {}
    for name, kind in scope.infra.items():
        if name == kind and sections.get(name) in ("services", "jobs"):
            owner = "the gateway" if scope.kinds[kind].gateway else f"the {kind} that another kind uses"
            key = "gateway" if scope.kinds[kind].gateway else f"the-{kind}"
            hint = f"rename it, or {owner}: infra: {{{key}: {{kind: {kind}}}}}"
            yield (sections[name], name), f"{owner} has that name already", hint
        for service in scope.kinds[kind].services if kind in scope.kinds else ():
            part = unit_name(service, kind=kind, name=name)
            if part == name:
                continue
            if part in sections:
                yield (sections[part], part), f"{name} has a part of that name", "call it something else"
            elif other := parts.get(part) or (part if part in scope.infra else ""):
                hint = f"rename one: infra: {{other-name: {{kind: {kind}}}}}"
                yield ("infra", name), f"it has a part called {part}, as {other} has", hint
            parts.setdefault(part, name)


@dataclass(frozen=True, slots=True)
class DeclaredVolume:
    """A volume: its path in the manifest, the unit that owns it, and its key there."""

    path: Path
    owner: str
    key: str

    @property
    def name(self) -> str:
        """Its name among the volumes of the stack."""
        return f"{self.owner}-{self.key}"


def _volumes(scope: Scope) -> Iterator[DeclaredVolume]:
    for name, kind in scope.infra.items():
        keys = sorted(scope.kinds[kind].volumes) if kind in scope.kinds else ()
        yield from (DeclaredVolume(("infra", name), name, key) for key in keys)
    for path, workload in scope.workloads.items():
        yield from (DeclaredVolume((*path, "volumes", key), path[1], key) for key in workload.volumes)


def volumes_are_called_apart(scope: Scope) -> Iterator[Finding]:
    """No two volumes have the same name: `OWNER-KEY` is ambiguous, as both may contain hyphens."""
    owners: dict[str, str] = {}
    for volume in _volumes(scope):
        owner = owners.setdefault(volume.name, volume.owner)
        if owner != volume.owner:
            message = f"is the volume {volume.name}, which {owner} has already"
            yield volume.path, message, "another name, or both would have one volume"


def names_fit_everywhere(scope: Scope) -> Iterator[Finding]:
    """Names fit in 63 characters, also after Kubernetes adds eleven to the name of a StatefulSet."""
    reported: set[str] = set()
    for volume in _volumes(scope):
        length = len(volume.owner)
        if volume.path[0] != "jobs" and length > NAME_WITH_VOLUMES and volume.owner not in reported:
            reported.add(volume.owner)
            message = f"with volumes a name has at most {NAME_WITH_VOLUMES} characters, this one {length}"
            yield volume.path[:2], message, "Kubernetes would make no pod of it"
        elif length <= NAME < len(volume.name):
            message = f"{volume.name} would be its whole name, which has at most {NAME} characters"
            yield volume.path, f"{message}, this one {len(volume.name)}", "a shorter name"


def images_have_one_origin(scope: Scope) -> Iterator[Finding]:
    """A service or job has exactly one of build, image and like."""
    for path, workload in scope.workloads.items():
        origins = [key for key in ("build", "image", "like") if getattr(workload, key, None) is not None]
        if not origins:
            yield (
                path,
                "says neither build nor image",
                "build: ./folder-with-a-Dockerfile, or image: name:tag",
            )
        elif len(origins) > 1:
            yield (*path, origins[-1]), f"stands beside {origins[0]}", "keep one of them"
        like = getattr(workload, "like", None)
        if like is not None and like not in scope.manifest.services:
            yield (*path, "like"), f'no service "{like}"', did_you_mean(like, scope.manifest.services)
        if workload.image is not None and not workload.image.strip():
            yield (*path, "image"), "is empty", ""


def commands_are_whole(scope: Scope) -> Iterator[Finding]:
    """A command in one line has balanced quotes."""
    for path, workload in scope.workloads.items():
        for key in ("command", "entrypoint"):
            line = getattr(workload, key)
            if isinstance(line, str) and not NEEDS_SHELL.search(REFERENCE.sub("", line)):
                try:
                    shlex.split(line)
                except ValueError as error:
                    yield (*path, key), f"not a command: {str(error).lower()}", "or write it as a list"


LONGEST = 128 * 1024 - 1  # bytes of one word or variable that Linux hands to a program


def words_fit(scope: Scope) -> Iterator[Finding]:
    """Variables and words of commands are short enough for the kernel to hand them over."""
    texts: list[tuple[Path, str]] = []
    for path, workload in scope.workloads.items():
        texts += [((*path, "env", key), f"{key}={value}") for key, value in workload.env.items()]
        for key in ("command", "entrypoint"):
            words = getattr(workload, key)
            texts += (
                [((*path, key), words)]
                if isinstance(words, str)
                else [((*path, key, index), word) for index, word in enumerate(words or ())]
            )
    for at, text in texts:
        if (size := len(text.encode())) > LONGEST:
            message = f"{size // 1024} KiB are more than a program can be given (128)"
            yield at, message, "put it into a file: files:"


def ports_are_clear(scope: Scope) -> Iterator[Finding]:
    """Ports have valid numbers and names, each once."""
    for name, service in scope.manifest.services.items():
        path: Path = ("services", name)
        if service.port is not None and service.ports:
            yield (*path, "ports"), "stands beside port", "keep one of them"
        for key in service.ports:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,14}", key):
                yield (
                    (*path, "ports", key),
                    "a port name is at most 15 lower-case letters, digits, hyphens",
                    "",
                )
        numbers: dict[int, str] = {}
        for key, number in service.ports.items():
            if number in numbers:
                hint = "one port has one name"
                yield (*path, "ports", key), f"{numbers[number]} is {number} already", hint
            numbers.setdefault(number, key)
        names = set(service.ports) or ({"http"} if service.port else set())
        if isinstance(service.publish, dict):
            for key in service.publish:
                if key not in names:
                    yield (*path, "publish", key), f'no port "{key}"', did_you_mean(key, names)
        if service.publish is not None and not names:
            yield (*path, "publish"), "there is no port to publish", "add port:"
        if service.route and not names:
            yield (*path, "route"), "a routed service has a port", "add port:"


def host_ports_are_claimed_once(scope: Scope) -> Iterator[Finding]:
    """No two units publish the same port of this machine."""
    claimed: dict[int, str] = {}
    for section in ("services", "infra"):
        for name, declared in getattr(scope.manifest, section).items():
            ports = declared.publish if isinstance(declared.publish, dict) else {None: declared.publish}
            for key, port in ports.items():
                path: Path = (section, name, "publish") if key is None else (section, name, "publish", key)
                if port is None:
                    continue
                if not 1 <= port <= 65535:
                    yield path, f"{port} is not a port", "1 to 65535"
                elif port in claimed:
                    yield path, f"{claimed[port]} is published on {port} already", "give one another port"
                claimed.setdefault(port, f"{section}.{name}")


def uses_exist(scope: Scope) -> Iterator[Finding]:
    """`uses` names existing services, jobs, kinds or parts of kinds."""
    names = {**dict.fromkeys(scope.kinds, "kind"), **scope.names}
    for path, workload in scope.workloads.items():
        for index, use in enumerate(workload.uses):
            at: Path = (*path, "uses", index)
            name, slash, part = use.partition("/")
            if name == path[1]:
                yield at, "uses itself", "take it out"
            elif name not in names:
                hint = did_you_mean(name, names, f"infra kinds: {', '.join(sorted(scope.kinds))}")
                yield at, f'no service, job or infra kind "{name}"', hint
            elif slash:
                kind = scope.kinds.get(scope.infra.get(name, ""))
                if kind is None or kind.part is None:
                    yield at, f'"{name}" has no parts', f'write "{name}"'
                elif not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", part):
                    yield at, f'"{part}" is not a name of a {kind.part}', "letters, digits, _ and -"


def uses_have_no_cycle(scope: Scope) -> Iterator[Finding]:
    """Nothing uses itself, directly or through others."""
    graph = {
        path[1]: [use.partition("/")[0] for use in workload.uses]
        for path, workload in scope.workloads.items()
    }
    sections = {path[1]: path[0] for path in scope.workloads}
    visited: set[str] = set()
    for start in graph:
        trail = _cycle(start, graph, visited)
        if trail:
            yield (sections[trail[0]], trail[0], "uses"), f"a cycle: {' -> '.join(trail)}", "take one out"


def _cycle(start: str, graph: Mapping[str, list[str]], visited: set[str]) -> list[str]:
    """The first cycle reachable from `start`, as a trail; adds everything it walks to `visited`."""
    trail: list[str] = []
    todo = [(start, iter(graph.get(start, ())))] if start not in visited else []
    trail += [start] if todo else []
    while todo:
        name, rest = todo[-1]
        following = next(rest, None)
        if following is None:
            todo.pop()
            trail.pop()
            visited.add(name)
        elif following in trail and following != name:
            visited.update(trail)
            return [*trail[trail.index(following) :], following]
        elif following in graph and following not in visited and following != name:
            todo.append((following, iter(graph[following])))
            trail.append(following)
    return []


def routes_are_claimed_once(scope: Scope) -> Iterator[Finding]:
    """No two services have the same route."""
    claimed: dict[tuple[str, str, str], str] = {}
    for name, service in scope.manifest.services.items():
        for index, route in enumerate(service.route):
            path: Path = ("services", name, "route", index)
            if not route.path.startswith(("/", "~/")):
                yield path, f'"{route.path}" is not a path', f'write "/{route.path}"'
            for host in route.host or [""]:
                for method in route.methods or [""]:
                    claim = (route.path, host, method.upper())
                    if claim in claimed:
                        yield (
                            path,
                            f"{claimed[claim]} has the route {route.path} already",
                            "one route, one service",
                        )
                    claimed.setdefault(claim, f"services.{name}")


def kong_starts(scope: Scope) -> Iterator[Finding]:
    """The gateway's configuration has nothing that keeps Kong from starting."""
    return kong_refusals(scope.manifest)


def health_is_one_probe(scope: Scope) -> Iterator[Finding]:
    """A health check has one probe, and an HTTP probe has a port to ask."""
    for name, service in scope.manifest.services.items():
        health = service.health
        if health is None:
            continue
        path: Path = ("services", name, "health")
        probes = [key for key in ("http", "tcp", "grpc", "exec") if getattr(health, key) is not None]
        if len(probes) != 1:
            yield path, f"one of http, tcp, grpc, exec, not {' and '.join(probes) or 'none'}", ""
        elif probes[0] == "http" and not (service.port or service.ports):
            yield path, "an HTTP probe asks the service's port, and there is none", "add port:"
        if health.http is not None and not health.http.startswith("/"):
            yield path, f'"{health.http}" is not a path', f'write "/{health.http}"'


def paths_stay_inside(scope: Scope) -> Iterator[Finding]:
    """Paths stay inside the project."""
    paths: list[tuple[Path, str]] = []
    for path, workload in scope.workloads.items():
        if workload.build is not None:
            paths.append(((*path, "build", "context"), workload.build.context))
            dockerfile = workload.build.dockerfile and posixpath.join(
                workload.build.context, workload.build.dockerfile
            )
            paths.append(((*path, "build", "dockerfile"), dockerfile))
            secrets = workload.build.secrets.items()
            paths += [((*path, "build", "secrets", k), v) for k, v in secrets if not v.startswith("$")]
        paths += [((*path, "files", k), v) for k, v in workload.files.items() if isinstance(v, str)]
        reload = getattr(workload, "reload", None)
        paths += [((*path, "reload", "sync", k), k) for k in (reload.sync if reload else {})]
    for name, infra in scope.manifest.infra.items():
        paths += [(("infra", name, "seed", index), seed) for index, seed in enumerate(infra.seed)]
    if scope.manifest.gateway.extra is not None:
        paths.append((("gateway", "extra"), scope.manifest.gateway.extra))
    paths.append((("kinds",), scope.manifest.kinds))
    for at, text in paths:
        if not text.strip():
            yield at, "names nothing", "write a path beside or below devenv.yaml"
        elif posixpath.isabs(text) or posixpath.normpath(text).split("/")[0] == "..":
            yield at, f'"{text}" leaves the project', "name something beside or below devenv.yaml"


def container_paths_are_absolute(scope: Scope) -> Iterator[Finding]:
    """Paths in containers are absolute and below the root."""
    for unit, workload in scope.workloads.items():
        path: Path = unit
        targets: list[tuple[Path, str]] = [((*path, "files", key), key) for key in workload.files]
        targets += [((*path, "volumes", key), target) for key, target in workload.volumes.items()]
        reload = getattr(workload, "reload", None)
        targets += [((*path, "reload", "sync", k), v) for k, v in (reload.sync.items() if reload else ())]
        for at, target in targets:
            if not target.startswith("/") or ".." in target.split("/") or posixpath.normpath(target) == "/":
                yield at, f'"{target}" is not a path in a container', "an absolute path below /"
        for key in workload.volumes:
            if not _LABEL.match(key):
                yield (*path, "volumes", key), "a volume's name is lower-case letters, digits, hyphens", ""


def container_paths_are_claimed_once(scope: Scope) -> Iterator[Finding]:
    """No two files or volumes of a unit share a path."""
    for path, workload in scope.workloads.items():
        like = scope.manifest.services.get(getattr(workload, "like", None) or "")
        inherited = like.files if like else {}
        claimed = {posixpath.normpath(target): "a file" for target in inherited}
        for target in workload.files:
            place = posixpath.normpath(target)
            if place in claimed and target not in inherited:
                yield (*path, "files", target), f"another file is {place} already", "one path, one file"
            claimed[place] = "a file"
        for key, target in workload.volumes.items():
            place = posixpath.normpath(target)
            if place in claimed:
                hint = "give one of them another path"
                yield (*path, "volumes", key), f"{claimed[place]} has {place} already", hint
            claimed.setdefault(place, f"volume {key}")


def manual_jobs_wait_for_nobody(scope: Scope) -> Iterator[Finding]:
    """Nothing that starts by itself waits for a job that is started by hand."""
    jobs = scope.manifest.jobs
    for path, workload in scope.workloads.items():
        for index, use in enumerate(workload.uses):
            if use in jobs and jobs[use].manual and not getattr(workload, "manual", False):
                hint = f"take manual: off {use}, or it out of uses:"
                yield (*path, "uses", index), f"{use} is manual, and so would be waited for without end", hint


def variables_have_names(scope: Scope) -> Iterator[Finding]:
    """Variables and secrets have names that a shell can hold."""
    variables: list[tuple[Path, str]] = []
    secrets: list[tuple[Path, str]] = []
    for path, workload in scope.workloads.items():
        variables += [((*path, "env", key), key) for key in workload.env]
        variables += [
            ((*path, "build", "args", key), key) for key in (workload.build.args if workload.build else ())
        ]
        secrets += [((*path, "secrets", index), key) for index, key in enumerate(workload.secrets)]
        secrets += [
            ((*path, "files", target, "secret"), source.secret)
            for target, source in workload.files.items()
            if not isinstance(source, str)
        ]
    variables += [
        (("infra", name, "env", key), key)
        for name, infra in scope.manifest.infra.items()
        for key in infra.env
    ]
    variables += [
        (("environments", name, "services", service, "env", key), key)
        for name, environment in scope.manifest.environments.items()
        for service, override in environment.services.items()
        for key in override.env
    ]
    for at, key in variables:
        if not _ENV.match(key):
            yield (
                at,
                f'"{key}" is not a name of an environment variable',
                "letters, digits, _, dots and hyphens",
            )
    for at, key in secrets:
        if not _VARIABLE.match(key):
            yield at, f'"{key}" is not a name of a secret', "as an environment variable"


def build_secrets_are_whole(scope: Scope) -> Iterator[Finding]:
    """A build secret is a file of the project or one whole secret."""
    for path, workload in scope.workloads.items():
        for key, source in workload.build.secrets.items() if workload.build is not None else ():
            at: Path = (*path, "build", "secrets", key)
            if not re.fullmatch(r"[A-Za-z0-9._-]+", key):
                yield at, f'"{key}" is not an id of a build secret', "letters, digits, dots, hyphens and _"
            if (source.startswith("$") or "${" in source) and not BUILD_SECRET.fullmatch(source):
                hint = "a file of the project, or a whole secret: ${secret.NAME}"
                yield at, f'"{source}" is no build secret', hint


def fragments_have_an_effect(scope: Scope) -> Iterator[Finding]:
    """Every key under `compose:` has an effect."""
    manifest = scope.manifest
    for section in ("services", "jobs", "infra"):
        for name, workload in getattr(manifest, section).items():
            for path, message, suggestion in fragments.findings(workload.compose, infra=section == "infra"):
                yield (section, name, "compose", *path), message, suggestion


def infra_is_in_the_catalogue(scope: Scope) -> Iterator[Finding]:
    """A store has an existing kind, and only options of that kind."""
    for name, infra in scope.manifest.infra.items():
        path: Path = ("infra", name)
        kind = scope.kinds.get(infra.kind or name)
        if kind is None:
            at = (*path, "kind") if infra.kind else path
            kinds = f"known: {', '.join(sorted(scope.kinds))}"
            yield (
                at,
                f'no infra kind "{infra.kind or name}"',
                did_you_mean(infra.kind or name, scope.kinds, kinds),
            )
            continue
        if isinstance(infra.publish, dict):
            for key in infra.publish:
                if key not in kind.ports:
                    hint = did_you_mean(key, kind.ports, f"known here: {', '.join(sorted(kind.ports))}")
                    yield (*path, "publish", key), f'no port "{key}"', hint
        common = set(Infra.model_fields) - {"kind", "image", "env", "publish", "compose", "kubernetes"}
        for option, value in (infra.model_extra or {}).items():
            if option not in kind.options:
                options = sorted(set(kind.options) | set(Infra.model_fields))
                hint = did_you_mean(option, options, f"known here: {', '.join(options)}")
                yield (*path, option), "unknown key", hint
            elif problem := _wrong_type(kind.options[option], value):
                yield (*path, option), *problem
        for option in common & infra.model_fields_set - set(kind.options):
            yield (*path, option), f"{infra.kind or name} has no {option}", "take it out"


def infra_is_new_enough(scope: Scope) -> Iterator[Finding]:
    """A store's version is one that its kind supports."""
    for name, infra in scope.manifest.infra.items():
        kind = scope.kinds.get(infra.kind or name)
        if kind is None or "${" in f"{infra.image}{infra.version}":
            continue
        image = infra.image or ""
        version = infra.version or kind.supported.version_of(image)
        if oldest := kind.supported.needed(version, image):
            key = "version" if infra.version else "image"
            hint = f"{oldest} or newer; an older one runs as a service of your own"
            yield ("infra", name, key), f"the kind {infra.kind or name} does not run {version}", hint


def _wrong_type(expected: str, value: Any) -> tuple[str, str] | None:
    items = value if isinstance(value, list) and expected == "list" else [value]
    if all(isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in items):
        return None
    return f"expected {'a list of texts' if expected == 'list' else 'text'}", ""


def other_names_exist(scope: Scope) -> Iterator[Finding]:
    """Profiles and environments name existing units."""
    manifest = scope.manifest
    for profile, members in manifest.profiles.items():
        for index, name in enumerate(members):
            if name not in scope.names and name not in scope.infra:
                yield (
                    ("profiles", profile, index),
                    f'nothing is called "{name}"',
                    did_you_mean(name, scope.names),
                )
    for key, environment in manifest.environments.items():
        for section, names in (("services", manifest.services), ("infra", scope.infra)):
            for name in getattr(environment, section):
                if name not in names:
                    path: Path = ("environments", key, section, name)
                    yield path, f'no {section.removesuffix("s")} "{name}"', did_you_mean(name, names)


def references_resolve(scope: Scope) -> Iterator[Finding]:
    """Each `${...}` names something that exists, in a place where references are filled in."""
    for path, text in strings(scope.manifest):
        for match in REFERENCE.finditer(text):
            if match[1] is not None and not _filled_in(path):
                yield path, f'"{match[0]}" is not filled in here', "write out what it stands for"
            elif match[1] is not None:
                yield from _reference(scope, path, match[0], match[1])


def _filled_in(path: Path) -> bool:
    """Whether references are filled in there: not in paths, which are read before anything is resolved."""
    match path:
        case ("services" | "jobs", _, section, *_) if section in _FILLED_IN:
            return True
        case ("services" | "jobs", _, "uses" | "secrets" | "like", *_):
            return True  # names, checked by other rules
        case ("services" | "jobs", _, "build", "args" | "secrets", *_) | ("services", _, "reload", "run", *_):
            return True
        case ("infra", _, option, *_):
            return option not in ("kind", "seed")
    return path[:2] in (("gateway", "plugins"), ("gateway", "consumers"))


_FILLED_IN = {"image", "command", "entrypoint", "env", "health", "route", "host"}


def _reference(scope: Scope, path: Path, whole: str, inside: str) -> Iterator[Finding]:
    name, dot, attribute = inside.partition(".")
    if not whole.endswith("}"):
        yield path, f'"{whole}" has no end', "close it with }, or write $${ for a literal ${"
    elif _is_public(path) and (name == "secret" or _is_secret(scope, name, attribute)):
        hint = "it is for env, files, commands and gateway plugins"
        yield path, f"${{{inside}}}: a secret would be seen here", hint
    elif name == "secret" and dot:
        if not _VARIABLE.match(attribute):
            yield path, f'"{attribute}" is not a name of a secret', "as an environment variable"
    elif not dot:
        hint = "write ${name.attribute}, or $${ for a literal ${ that the shell should see"
        yield path, f"${{{inside}}} names nothing", hint
    else:
        attributes = _attributes(scope, name)
        if name in scope.infra and path[0] == "infra":
            hint = "only a secret, a service or the stack can be named here"
            yield path, f"${{{inside}}}: a store's options cannot name a store", hint
        elif name in scope.manifest.jobs:
            yield path, f"${{{inside}}}: {name} is a job, which has no address", ""
        elif not attributes:
            names = [*scope.manifest.services, *scope.infra, "secret", "stack"]
            hint = f"uses: [{name}] brings it" if name in scope.kinds else did_you_mean(name, names)
            yield path, f'${{{inside}}}: nothing is called "{name}"', hint
        elif attribute not in attributes and attribute in SERVICE_ATTRIBUTES:
            yield path, f"${{{inside}}}: {name} has no port", "add port:"
        elif attribute not in attributes:
            listing = ", ".join(sorted(word for word in attributes if "." not in word))
            hint = did_you_mean(attribute, attributes, f"it has: {listing}")
            yield path, f'${{{inside}}}: {name} has no "{attribute}"', hint


def _is_public(path: Path) -> bool:
    """Whether the value becomes visible to anybody: in labels, addresses or image names."""
    match path:
        case ("services", _, "route", *rest):
            return "plugins" not in rest
        case ("services", _, "health", "http") | (_, _, "image"):
            return True
    return path[2:] == ("version",)


def _is_secret(scope: Scope, name: str, attribute: str) -> bool:
    kind = scope.kinds.get(scope.infra.get(name, ""))
    return kind is not None and kind.options.get(attribute) == "secret"


def _attributes(scope: Scope, name: str) -> frozenset[str]:
    if name == "stack":
        return STACK_ATTRIBUTES
    if name in scope.manifest.services:
        ported = scope.manifest.services[name].named_ports
        return SERVICE_ATTRIBUTES if ported else frozenset({"host", "public_host"})
    kind = scope.kinds.get(scope.infra.get(name, ""))
    return kind.attributes if kind else frozenset()


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a model, with its path, except in fragments, which are passed on verbatim."""
    match value:
        case str():
            yield path, value
        case BaseModel():
            fields = [*type(value).model_fields, *(value.model_extra or {})]
            for name in fields:
                if name not in ("environments", "compose", "kubernetes"):
                    yield from strings(getattr(value, name), (*path, name))
        case dict():
            for key, item in value.items():
                yield from strings(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from strings(item, (*path, index))


RULES: tuple[Callable[[Scope], Iterator[Finding]], ...] = (
    names_are_labels,
    names_are_unique,
    volumes_are_called_apart,
    names_fit_everywhere,
    images_have_one_origin,
    commands_are_whole,
    words_fit,
    ports_are_clear,
    host_ports_are_claimed_once,
    uses_exist,
    uses_have_no_cycle,
    routes_are_claimed_once,
    kong_starts,
    health_is_one_probe,
    paths_stay_inside,
    container_paths_are_absolute,
    container_paths_are_claimed_once,
    manual_jobs_wait_for_nobody,
    variables_have_names,
    build_secrets_are_whole,
    fragments_have_an_effect,
    infra_is_in_the_catalogue,
    infra_is_new_enough,
    other_names_exist,
    references_resolve,
)
