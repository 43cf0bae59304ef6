"""Values of a Compose file, as the manifest says them: one line of YAML, or "" where that is not simple.

A value of a variable is never shown: it may be a password.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devenv.manifest.fragments import mount, pairs
from devenv.manifest.shortports import short_port
from devenv.manifest.source import Reset, as_text, as_yaml

_PLAIN = re.compile(r"[A-Za-z0-9_./$~+-](?:[A-Za-z0-9_./$@%+=:~*<>&|() -]*[A-Za-z0-9_./$@%+=~)-])?")
_NO_TEXT = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?|true|false|null|~", re.IGNORECASE)


def flow(value: Any) -> str:
    """A value as one line of YAML; `...` for a part that is not shown."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case None:
            return ""
        case str():
            plain = value == "..." or (_PLAIN.fullmatch(value) and not _NO_TEXT.fullmatch(value))
            return value if plain and ": " not in value else json.dumps(value, ensure_ascii=False)
    return str(as_text(value))


def scalar(key: str, value: Any) -> str:
    """`grace: 30s`."""
    return f"{key}: {flow(value)}" if isinstance(value, (str, int, float)) else ""


def hosts(value: Any) -> str:
    """`hosts: {db.legacy: 10.0.0.5}`, of a mapping, or a list of `NAME:ADDRESS`."""
    entries = host_entries(value)
    return f"hosts: {flow(entries)}" if entries else ""


def host_entries(value: Any) -> dict[str, str]:
    """Name -> address, of Compose's `extra_hosts` in any of its forms."""
    if isinstance(value, dict):
        return {str(name): str(address).strip("[]") for name, address in value.items()}
    items = [re.split("[:=]", str(item), maxsplit=1) for item in value] if isinstance(value, list) else []
    return {item[0]: item[1].strip("[]") for item in items if len(item) == 2}


def security(value: Any) -> str:
    """`no_new_privileges: true`; what else there is, is Compose's alone."""
    options = [str(option) for option in value] if isinstance(value, list) else []
    others = [option for option in options if not NO_NEW_PRIVILEGES.fullmatch(option)]
    parts = ["no_new_privileges: true"] if len(others) < len(options) else []
    return " and ".join([*parts, *([hatch("security_opt", others)] if others else [])])


NO_NEW_PRIVILEGES = re.compile(r"no-new-privileges(?:[:=]true)?")


def sysctls(value: Any) -> str:
    """`sysctls: {net.core.somaxconn: 1024}`, of a list of `NAME=VALUE`."""
    return f"sysctls: {flow(pairs(value))}" if isinstance(value, list) else ""


def hatch(key: str, value: Any) -> str:
    """`compose: {privileged: true}`; a mapping may hold passwords and is not shown."""
    if isinstance(value, (Reset, dict)):
        return ""
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return ""
    return f"compose: {flow({key: as_yaml(value)})}" if value is not None else ""


def uses(value: Any) -> str:
    """`uses: [db]`, of names, of `name:alias`, or of a mapping with conditions."""
    if not isinstance(value, (list, dict)) or not value:
        return ""
    return f"uses: {flow([str(name).partition(':')[0] for name in value])}"


def env(value: Any, *, key: str = "env") -> str:
    """`env: {NAME: ...}` of a mapping or a list; a name alone comes from the environment."""
    if not isinstance(value, (list, dict)) or not value:
        return ""
    if any(isinstance(item, (list, dict)) for item in value):
        return ""
    texts = pairs(value).items()
    passed = {name: f"${{env.{name}}}" if text is None else "..." for name, text in texts}
    return f"{key}: {flow(passed)}"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A port of a container, and the one on this machine: a number, or a reference to a variable."""

    target: int
    published: int | str | None
    udp: bool = False

    @property
    def port(self) -> int | str:
        """The port in the container as the manifest has it."""
        return f"{self.target}/udp" if self.udp else self.target

    @property
    def name(self) -> str:
        """A name for it among others."""
        return f"port-{self.target}{'-udp' if self.udp else ''}"


_PUBLISHED = re.compile(r"(?P<number>\d+)|\$\{(?P<variable>\w+)(?P<default>(?::?-\d+)?)\}")


def _mapped(value: Any) -> list[Mapped]:
    """The ports of Compose's list; none where one of them is a range, or of a third protocol."""
    mapped = []
    for entry in value if isinstance(value, list) else [value]:
        port = short_port(_short(entry) if isinstance(entry, dict) else str(entry))
        match = _PUBLISHED.fullmatch(port.published or port.target)
        if not port.target.isdecimal() or match is None or port.protocol == "sctp":
            return []
        target, published = int(port.target), _published(match)
        mapped.append(Mapped(target, None if published == target else published, udp=port.protocol == "udp"))
    return mapped


def _published(match: re.Match[str]) -> int | str:
    """A port of this machine: its number, or a reference to the variable that has it."""
    if match["number"]:
        return int(match["number"])
    default = match["default"].lstrip(":-")
    return f"${{env.{match['variable']}{':-' + default if default else ''}}}"


def _short(port: dict[str, Any]) -> str:
    """Compose's long form of a port in its short one."""
    text = ":".join(str(port[key]) for key in ("published", "target") if key in port)
    return f"{text}/{port['protocol']}" if "protocol" in port else text


def ports(value: Any) -> str:
    """`port: 80 and publish: 8080`, or the same by names."""
    match _mapped(value):
        case []:
            return ""
        case [port]:
            parts = [scalar("port", port.port), scalar("publish", port.published)]
        case several:
            published = {port.name: port.published for port in several if port.published}
            parts = [
                f"ports: {flow({port.name: port.port for port in several})}",
                f"publish: {flow(published)}" if published else "",
            ]
    return " and ".join(part for part in parts if part)


def publish(value: Any) -> str:
    """`publish: 15432`, of a store whose kind knows its ports."""
    match _mapped(value):
        case [port] if not port.udp:
            return scalar("publish", port.published or port.target)
    return ""


def limits(cpu: Any, memory: Any) -> str:
    """`resources: {cpu: "0.5", memory: 512m}`."""
    amounts = {"cpu": cpu, "memory": memory}
    filled = {key: amount for key, amount in amounts.items() if isinstance(amount, (str, int, float))}
    return f"resources: {flow(filled)}" if filled else ""


def _of_deploy(value: Any) -> tuple[Any, Any, Any]:
    """Cores, memory and replicas of Compose's `deploy`."""
    mapping = value if isinstance(value, dict) else {}
    resources = mapping.get("resources")
    most = resources.get("limits") if isinstance(resources, dict) else None
    most = most if isinstance(most, dict) else {}
    return most.get("cpus"), most.get("memory"), mapping.get("replicas")


def deploy(value: Any) -> str:
    """`resources: {memory: 512m} and replicas: 2`."""
    parts = [limits_of(value), scalar("replicas", _of_deploy(value)[2])]
    return " and ".join(part for part in parts if part) or "compose: {deploy: ...}"


def limits_of(value: Any) -> str:
    """`resources: {memory: 512m}`, of `deploy`."""
    return limits(*_of_deploy(value)[:2])


def args(value: Any) -> str:
    """`args: [--loglevel, debug]`, of a store's command; its program is left out."""
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or any(isinstance(word, (dict, list)) for word in words):
        return ""
    words = words[1:] if words and not str(words[0]).startswith("-") else words
    return f"args: {flow(words)}" if words else ""


_URL = re.compile(r"(?:curl|wget)\s.*?https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(/[\w./-]*)?['\"]?")


def _exec(test: Any) -> Any:
    match test:
        case str():
            return test
        case ["CMD-SHELL", str(line)]:
            return line
        case ["CMD", *words] if words:
            return words
    return None


def health(value: Any) -> str:
    """`health: /healthz` or `health: {exec: ...}` of a healthcheck."""
    if not isinstance(value, dict):
        return ""
    if value.get("disable") is True or value.get("test") in ("NONE", ["NONE"]):
        return "health: none"
    command = _exec(value.get("test"))
    if command is None:
        return ""
    line = command if isinstance(command, str) else " ".join(map(str, command))
    if match := _URL.search(line):
        return f"health: {match[1] or '/'}"
    return f"health: {flow({'exec': command})}"


def check(value: Any) -> str:
    """`exec: [pg_isready]`, of a healthcheck's test."""
    command = _exec(value)
    return "" if command is None else f"exec: {flow(command)}"


_ROUTE = re.compile(r"(Host|PathPrefix)\(`([^`]+)`\)")


def labels(value: Any) -> str:
    """`route: /api`, of a rule for Traefik; other labels stay Compose's."""
    if not isinstance(value, (list, dict)):
        return ""
    for name, rule in pairs(value).items():
        if str(name).startswith("traefik.http.routers.") and str(name).endswith(".rule"):
            parts = dict(_ROUTE.findall(str(rule)))
            if parts:
                path, host = parts.get("PathPrefix", "/"), parts.get("Host")
                return f"route: {flow({'path': path, 'host': host} if host else path)}"
    return ""


def volumes(value: Any) -> str:
    """`volumes: {data: /folder}`, `files: {/file: ./file}` and `reload: {sync: {./src: /app}}`.

    What lies outside of the project is mounted with `host_paths: {/folder: /of/this/machine}`.
    """
    named: dict[str, str] = {}
    files: dict[str, str] = {}
    sync: dict[str, str] = {}
    outside: dict[str, Any] = {}
    for source, target, read_only in _mounts(value):
        name = posixpath.basename(source).lstrip(".")
        if source.startswith(("/", "~", "..", "$")):
            outside[target] = source if read_only else {"path": source, "write": True}
        elif not source.startswith("."):
            named[source] = target
        elif read_only or "." in name:
            files[target] = source
        else:
            sync[source] = target
    parts = {"volumes": named, "files": files, "host_paths": outside}
    lines = [f"{key}: {flow(part)}" for key, part in parts.items() if part]
    lines += [f"reload: {flow({'sync': sync})}"] if sync else []
    return " and ".join(lines)


def _mounts(value: Any) -> Iterator[tuple[str, str, bool]]:
    """Source, target and whether it is read-only, of each mount that has a source."""
    for entry in value if isinstance(value, list) else ():
        source, target = mount(entry)
        long = isinstance(entry, dict)
        if source:
            yield source, target, bool(entry.get("read_only")) if long else str(entry).endswith(":ro")


SCRIPTS = "/docker-entrypoint-initdb.d"  # where images of stores look for what they run once


def store_files(value: Any) -> str:
    """`seed: ./init.sql` and `files: {/etc/my.cnf: ./my.cnf}`, of the volumes of a store."""
    own = {target: source for source, target, _ in _mounts(value) if source.startswith((".", "/", "~"))}
    seeds = [source for target, source in own.items() if target.startswith(SCRIPTS)]
    files = {target: source for target, source in own.items() if not target.startswith(SCRIPTS)}
    parts = [f"seed: {flow(seeds if len(seeds) > 1 else seeds[0])}"] if seeds else []
    return " and ".join([*parts, *([f"files: {flow(files)}"] if files else [])])


def platform(value: Any) -> str:
    """`platform: linux/amd64`, of a list with one."""
    return scalar("platform", value[0]) if isinstance(value, list) and len(value) == 1 else ""


def contexts(value: Any) -> str:
    """`additional_contexts: {shared: ./shared}`, of a list of `NAME=context`."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return ""
    return f"additional_contexts: {flow(pairs(value))}"
