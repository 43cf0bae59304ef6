"""Rules about paths in the project and in containers."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from devenv.manifest.contexts import is_folder
from devenv.manifest.rules.names import LABEL
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path


def paths_stay_inside(scope: Scope) -> Iterator[Finding]:
    """Paths stay inside the project."""
    paths: list[tuple[Path, str]] = []
    for path, workload in scope.workloads.items():
        if workload.build is not None:
            if is_folder(workload.build.context):
                paths.append(((*path, "build", "context"), workload.build.context))
            more = workload.build.additional_contexts.items()
            paths += [((*path, "build", "additional_contexts", k), v) for k, v in more if is_folder(v)]
            dockerfile = workload.build.dockerfile and posixpath.join(
                workload.build.context, workload.build.dockerfile
            )
            paths.append(((*path, "build", "dockerfile"), dockerfile))
            secrets = workload.build.secrets.items()
            paths += [((*path, "build", "secrets", k), v) for k, v in secrets if not v.startswith("$")]
        paths += [((*path, "files", k), v) for k, v in workload.files.items() if isinstance(v, str)]
        paths += [((*path, "env_file", index), file) for index, file in enumerate(workload.env_file)]
        reload = getattr(workload, "reload", None)
        paths += [((*path, "reload", "sync", k), k) for k in (reload.sync if reload else {})]
    for name, infra in scope.manifest.infra.items():
        paths += [(("infra", name, "files", k), v) for k, v in infra.files.items() if isinstance(v, str)]
        for option in scope.file_options(name):
            value = infra.seed if option == "seed" else (infra.model_extra or {}).get(option, [])
            listed = enumerate(value) if isinstance(value, list) else [(0, value)]
            paths += [
                (("infra", name, option, index), text) for index, text in listed if isinstance(text, str)
            ]
    if scope.manifest.gateway.extra is not None:
        paths.append((("gateway", "extra"), scope.manifest.gateway.extra))
    for key, environment in scope.manifest.environments.items():
        for name, chart in environment.charts.items():
            if chart.values is not None:
                paths.append((("environments", key, "charts", name, "values"), chart.values))
        if environment.secrets and environment.secrets.sealed is not None:
            paths.append((("environments", key, "secrets", "sealed"), environment.secrets.sealed))
    paths.append((("kinds",), scope.manifest.kinds))
    for at, text in paths:
        if not text.strip():
            yield at, "is empty", "write a path beside or below devenv.yaml"
        elif posixpath.isabs(text) or posixpath.normpath(text).split("/")[0] == "..":
            yield at, f'"{text}" is outside the project', "write a path beside or below devenv.yaml"


def host_paths_are_outside(scope: Scope) -> Iterator[Finding]:
    """What is mounted of this machine lies outside of the project, which has `files` and `reload.sync`."""
    for path, workload in scope.workloads.items():
        for target, own in workload.host_paths.items():
            at: Path = (*path, "host_paths", target)
            if not own.path.strip():
                yield at, "is empty", "write a path of this machine: /var/log"
            elif own.path.startswith("~") and own.path != "~" and not own.path.startswith("~/"):
                yield at, f'"{own.path}" is the home of another user', "write ~/..., or the whole path"
            elif not own.path.startswith(("/", "~")) and posixpath.normpath(own.path).split("/")[0] != "..":
                hint = f"write files: {{{target}: {own.path}}}, or reload: {{sync: {{{own.path}: {target}}}}}"
                yield at, f'"{own.path}" is in the project', hint


def container_paths_are_absolute(scope: Scope) -> Iterator[Finding]:
    """Paths in containers are absolute and below the root."""
    for unit, workload in scope.workloads.items():
        path: Path = unit
        targets: list[tuple[Path, str]] = [((*path, "files", key), key) for key in workload.files]
        targets += [((*path, "host_paths", key), key) for key in workload.host_paths]
        targets += [((*path, "volumes", key), target) for key, target in workload.volumes.items()]
        targets += [((*path, "tmpfs", index), _folder(entry)) for index, entry in enumerate(workload.tmpfs)]
        if workload.workdir and workload.workdir != "/":
            targets.append(((*path, "workdir"), workload.workdir))
        reload = getattr(workload, "reload", None)
        targets += [((*path, "reload", "sync", k), v) for k, v in (reload.sync.items() if reload else ())]
        yield from _no_places(targets)
        for key in workload.volumes:
            if not LABEL.match(key):
                yield (*path, "volumes", key), "a volume's name is lower-case letters, digits, hyphens", ""

    for name, infra in scope.manifest.infra.items():
        yield from _no_places([(("infra", name, "files", target), target) for target in infra.files])


def _no_places(targets: list[tuple[Path, str]]) -> Iterator[Finding]:
    for at, target in targets:
        if not target.startswith("/") or ".." in target.split("/") or posixpath.normpath(target) == "/":
            yield at, f'"{target}" is not a path in a container', "write an absolute path below /"


def _folder(entry: str) -> str:
    """The folder of a tmpfs, without its options."""
    return entry.partition(":")[0]


def container_paths_are_claimed_once(scope: Scope) -> Iterator[Finding]:
    """No two files or volumes of a unit share a path."""
    for path, workload in scope.workloads.items():
        like = scope.manifest.services.get(getattr(workload, "like", None) or "")
        inherited = like.files if like else {}
        claimed = {posixpath.normpath(target): "a file" for target in inherited}
        for target in workload.files:
            place = posixpath.normpath(target)
            if place in claimed and target not in inherited:
                yield (
                    (*path, "files", target),
                    f"another file has the path {place} already",
                    "keep one of them",
                )
            claimed[place] = "a file"
        for key, target in workload.volumes.items():
            place = posixpath.normpath(target)
            if place in claimed:
                hint = "give one of them another path"
                yield (*path, "volumes", key), f"{claimed[place]} has the path {place} already", hint
            claimed.setdefault(place, f"volume {key}")
        for target in workload.host_paths:
            place = posixpath.normpath(target)
            if place in claimed:
                hint = "give one of them another path"
                yield (*path, "host_paths", target), f"{claimed[place]} has the path {place} already", hint
            claimed.setdefault(place, "a path of this machine")
        for index, entry in enumerate(workload.tmpfs):
            place = posixpath.normpath(_folder(entry))
            if place in claimed:
                hint = "give one of them another path"
                yield (*path, "tmpfs", index), f"{claimed[place]} has the path {place} already", hint
            claimed.setdefault(place, "a tmpfs")
    for name, infra in scope.manifest.infra.items():
        kind = scope.kinds.get(scope.infra[name])
        for target in infra.files:
            if kind is not None and posixpath.normpath(target) in kind.targets:
                hint = "give it another path"
                yield ("infra", name, "files", target), "the kind mounts something of its own there", hint
