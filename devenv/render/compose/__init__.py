"""Stack to a Compose bundle that works with plain `docker compose` alone.

`compose.yaml` contains no secrets: they are variables, whose values are in the `.env` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from devenv.manifest.fragments import GATEWAY, named_volumes
from devenv.render.bundle import Bundle, Source, to_yaml
from devenv.render.compose.builds import build, build_secrets, from_bundle, recipes
from devenv.render.compose.checks import duration, healthcheck, is_checked
from devenv.render.compose.hatch import laid_over
from devenv.render.kong import kong_yml
from devenv.stack import labels, text
from devenv.stack.external import MACHINE
from devenv.stack.model import File, Stack, Ulimit, Unit
from devenv.stack.text import Secret

RESTARTS = {"on-failure": "on-failure", "always": "unless-stopped"}
"""What devenv stopped, as it moved the stack to another backend, must not come back with the engine."""
CONTAINERS = "/var/lib/docker/containers"
"""Where an engine keeps what containers write, unless it runs without root."""
NO_NEW_PRIVILEGES = "no-new-privileges:true"
LONGEST = 100  # characters of a path in the name of a file of the bundle


def project_files(stack: Stack) -> Collection[str]:
    """None: files are mounted from the project."""
    return ()


def override_names(stack: Stack) -> Collection[str]:
    """None: the catalogue is in Compose's format."""
    return ()


def render(stack: Stack, source: Source) -> Bundle:
    """The bundle. It contains the recipes, so that `docker compose build` sends the same files as devenv.

    Raises `KeyError` for a secret without a value.
    """
    secrets = source.secrets
    document: dict[str, Any] = {
        "name": stack.id,
        "services": {
            unit.name: laid_over(
                escaped({**described(stack, unit, source), **unit.extra}), unit.compose, source.root
            )
            for unit in stack.units
        },
        "networks": {"default": {"name": stack.id, "labels": labels.owner(stack)}},
    }
    volumes = {volume.name for unit in stack.units for volume in unit.volumes}
    volumes |= {name for unit in stack.units for name in named_volumes(unit.compose)}
    external = {volume.name: volume.external for volume in stack.shared_volumes if volume.external}
    if volumes:
        document["volumes"] = {
            name: {"name": external[name], "external": True}
            if name in external
            else {"name": f"{stack.id}_{name}", "labels": labels.owner(stack)}
            for name in sorted(volumes)
        }
    if secrets_of_builds := build_secrets(stack, source.root):
        document["secrets"] = secrets_of_builds
    head = f"# Rendered by devenv from {stack.name}'s devenv.yaml: change that, not this. Works on its own:\n"
    head += "# docker compose up\n"
    files = {"compose.yaml": head + to_yaml(document), ".env": _env(stack, secrets)}
    for unit in stack.units:
        for file in unit.files:
            if not file.source:
                files[beside(unit, file)] = _content(stack, file, secrets)
    return Bundle({**files, **recipes(stack, source)}, private=frozenset({"compose.yaml", ".env"}))


def described(stack: Stack, unit: Unit, source: Source) -> dict[str, Any]:
    """A unit in Compose's words, its texts still sealed, without `extra` and the user's fragment."""
    spec: dict[str, Any] = {"image": unit.image}
    if unit.build is not None:
        spec["build"] = build(unit, source)
    if unit.entrypoint is not None:
        spec["entrypoint"] = list(unit.entrypoint)
    if unit.command is not None:
        spec["command"] = list(unit.command)
    if unit.env:
        spec["environment"] = dict(unit.env)
    if unit.published:
        spec["ports"] = [
            f"127.0.0.1:{port.host or port.container}:{port.container}{'/udp' if port.udp else ''}"
            for port in unit.published
        ]
    if mounts := [
        *_volumes(unit),
        *_files(unit, source.root),
        *of_this_machine(unit, source.root),
        *_logs(unit),
    ]:
        spec["volumes"] = mounts
    if unit.tmpfs:
        spec["tmpfs"] = list(unit.tmpfs)
    if unit.needs:
        spec["depends_on"] = {
            need.unit: {"condition": _condition(stack, need.unit, source)} for need in unit.needs
        }
    if unit.probe is not None and is_checked(unit, source):
        spec["healthcheck"] = healthcheck(unit.probe)
    if unit.unchecked:
        spec["healthcheck"] = {"disable": True}  # that of the image as well
    spec |= {key: value for key, value in _settings(unit).items() if value is not None}
    if hosts := _hosts(stack, unit):
        spec["extra_hosts"] = hosts
    if unit.shipped:
        # What the engine does anyway; the labels are written beside each line, for what reads the files.
        spec["logging"] = {"driver": "json-file", "options": {"labels": ",".join(labels.OF_LOGS)}}
    if unit.restart in RESTARTS:
        spec["restart"] = RESTARTS[unit.restart]
    spec["stop_grace_period"] = duration(unit.grace)
    if unit.init:
        spec["init"] = True  # a program that runs as PID 1 without handlers ignores TERM
    if unit.manual:
        spec["profiles"] = ["manual"]
    spec["networks"] = {"default": {"aliases": _aliases(stack, unit)}}
    spec["labels"] = labels.identity(stack, unit) | labels.description(
        stack, unit, source.fingerprints.get(unit.name, "")
    )
    return spec


def _settings(unit: Unit) -> dict[str, Any]:
    """What Compose calls otherwise; None for what the unit does not set."""
    return {
        "mem_limit": unit.memory,
        "cpus": unit.cpu,
        "user": unit.user,
        "hostname": unit.hostname,
        "working_dir": unit.workdir,
        "shm_size": unit.shm,
        "stop_signal": unit.stop_signal,
        "read_only": unit.read_only or None,
        "cap_add": [*unit.cap_add] or None,
        "cap_drop": [*unit.cap_drop] or None,
        "privileged": unit.privileged or None,
        "security_opt": [NO_NEW_PRIVILEGES] if unit.no_new_privileges else None,
        "ulimits": {limit.name: _limit(limit) for limit in unit.ulimits} or None,
        "sysctls": dict(unit.sysctls) or None,
        "platform": unit.platform,
    }


def _limit(limit: Ulimit) -> int | dict[str, int]:
    return limit.soft if limit.soft == limit.hard else {"soft": limit.soft, "hard": limit.hard}


def _volumes(unit: Unit) -> list[Any]:
    return [f"{volume.name}:{volume.target}" for volume in unit.volumes]


def _files(unit: Unit, root: str) -> list[Any]:
    return [
        {
            "type": "bind",
            "source": from_bundle(root, file.source) if file.source else f"./{beside(unit, file)}",
            "target": file.target,
            "read_only": True,
            "bind": {"create_host_path": False},
        }
        for file in unit.files
    ]


def of_this_machine(unit: Unit, root: str) -> Iterator[str]:
    """Paths of this machine. Compose itself knows where `~` is."""
    for own in unit.host_paths:
        path = own.path if own.path.startswith(("/", "~")) else from_bundle(root, own.path)
        yield f"{path}:{own.target}{'' if own.write else ':ro'}"


def _logs(unit: Unit) -> list[Any]:
    """The files that the engine writes for all containers, where a unit reads those of the stack."""
    if not unit.logs:
        return []
    mount = {"type": "bind", "source": CONTAINERS, "target": unit.logs, "read_only": True}
    return [{**mount, "bind": {"create_host_path": False}}]


def beside(unit: Unit, file: File) -> str:
    """The path in the bundle of a file that is none of the project's."""
    path = file.target.strip("/")
    plain = path.replace("/", "_")
    if "_" in path or plain != plain.lower() or len(plain) > LONGEST:  # another path may get the same name
        plain = f"{plain[-LONGEST:]}.{text.digest(path)[:6]}"
    return f"files/{unit.name}/{plain}"


def _content(stack: Stack, file: File, secrets: Mapping[str, str]) -> str:
    if file.rendered:
        return kong_yml(stack, secrets)
    return secrets[file.secret] if file.secret else text.reveal(file.content, secrets)


def _hosts(stack: Stack, unit: Unit) -> list[str]:
    """Names with their addresses; that of this machine too, as Linux does not know it otherwise."""
    hosts = {MACHINE: GATEWAY} if _calls_machine(stack, unit) else {}
    return [f"{name}:{address}" for name, address in {**hosts, **dict(unit.hosts)}.items()]


def _calls_machine(stack: Stack, unit: Unit) -> bool:
    """Whether a unit may call this machine: it names it, or a store's address that is a secret as a whole."""
    secret = {name for external in stack.externals for name in text.secrets_in(external.url)}
    words = [*(value for _, value in unit.env), *(unit.command or ()), *(unit.entrypoint or ())]
    calls = (MACHINE in text.masked(word) or secret & set(text.secrets_in(word)) for word in words)
    return any(calls)


def _condition(stack: Stack, name: str, source: Source) -> str:
    unit = stack.unit(name)
    if unit.one_shot:
        return "service_completed_successfully"
    return "service_healthy" if is_checked(unit, source) else "service_started"


def as_image(unit: Unit, rendered: Mapping[str, Any], imaged: Unit) -> dict[str, Any]:
    """What is laid over a rendered service for what its image says; the user's fragment is left alone."""
    changes: dict[str, Any] = {}
    before, after = _run(unit), _run(imaged)
    if before != after and {key: rendered.get(key) for key in before} == before:
        changes = {key: words or [] for key, words in after.items() if words != before[key]}
    if imaged.probe and imaged.probe != unit.probe:
        changes["healthcheck"] = escaped(healthcheck(imaged.probe))
        changes["labels"] = {labels.LABEL + "probe": labels.check(imaged.probe)}
    return changes


def _run(unit: Unit) -> dict[str, Any]:
    """What a unit runs, as it is rendered."""
    words = {"entrypoint": unit.entrypoint, "command": unit.command}
    return {key: None if value is None else escaped(list(value)) for key, value in words.items()}


def _aliases(stack: Stack, unit: Unit) -> list[str]:
    domains = dict.fromkeys((stack.namespace, "default"))
    names = [
        f"{name}.{namespace}{tail}"
        for name in (unit.name, *unit.aliases)
        for namespace in domains
        for tail in ("", ".svc", ".svc.cluster.local")
    ]
    return [*unit.aliases, *names]


def _variable(secret: Secret) -> str:
    return f"${{{secret.variable}}}"


def escaped(value: Any, variable: Callable[[Secret], str] = _variable) -> Any:
    """Escape for Compose's interpolation: double each dollar, and turn each secret into its variable."""
    match value:
        case str() | text.Sealed():
            return text.rewrite(value, variable, lambda plain: plain.replace("$", "$$"))
        case dict():
            return {key: escaped(item, variable) for key, item in value.items()}
        case list():
            return [escaped(item, variable) for item in value]
    return value


def _env(stack: Stack, secrets: Mapping[str, str]) -> str:
    lines = ["# Secrets of this checkout; never commit this file."]
    parts = [secret for external in stack.externals for secret in external.secrets()]
    for name in sorted(stack.secrets | stack.generated):
        forms = [text.Secret(name, place) for place in text.PLACES]
        for secret in [*forms, *(secret for secret in parts if secret.name == name)]:
            # In single quotes Compose has no way to write a backslash before a quote.
            escaped = re.sub(r'([\\"$])', r"\\\1", secret.value(secrets))
            lines.append(f'{secret.variable}="{escaped}"')
    return "\n".join(lines) + "\n"
