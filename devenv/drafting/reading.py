"""A Compose project as values: the short and long forms of a key read as one."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from devenv.drafting.commandline import split
from devenv.drafting.interpolation import parts, plain, variables
from devenv.manifest.fragments import pairs
from devenv.manifest.shortports import COLON, short_port
from devenv.manifest.source import as_text


@dataclass(frozen=True, slots=True)
class Place:
    """The manifest's folder, as an absolute path or "", the Compose file's, relative to it, and a home.

    `absolute`: the paths that people wrote so; Compose makes all others absolute as well.
    """

    root: str = ""
    below: str = "."
    home: str = ""
    absolute: frozenset[str] = frozenset()


HERE = Place()


@dataclass(frozen=True, slots=True)
class Project:
    """Compose files, merged: services, and what stands beside them.

    `files`: as they are shown. `jobs`: services that are known to end; `private`: service -> its variables
    that are known to hold secrets; `fields`: service -> fields of the manifest that no key of Compose's says;
    `unknown`: variables whose values are elsewhere, where nobody here may look.
    """

    name: str
    services: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict)
    configs: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, Any] = field(default_factory=dict)
    top: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    folder: Place = HERE
    jobs: frozenset[str] = frozenset()
    private: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def project(
    merged: Mapping[str, Any], raw: Mapping[str, Any], *, files: tuple[str, ...], folder: Place
) -> Project:
    """The project of what Compose makes of its files, or of a file itself; `raw` has the order of keys."""
    services = _ordered(_mapping(merged.get("services")), raw.get("services"))
    return Project(
        name=str(raw.get("name") or ""),
        services={
            name: _written(_mapping(keys), _mapping(_mapping(raw.get("services")).get(name)))
            for name, keys in services.items()
        },
        volumes=_mapping(merged.get("volumes")),
        secrets=_mapping(merged.get("secrets")),
        configs=_mapping(merged.get("configs")),
        networks=_mapping(raw.get("networks")),
        top=tuple(key for key in raw if key not in ("services", "volumes", "secrets", "configs", "name")),
        files=files,
        folder=folder,
    )


def _written(keys: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """A service without what Compose adds to each, and with the build arguments that it leaves out."""
    build = _mapping(raw.get("build"))
    if isinstance(keys.get("build"), Mapping) and build.get("args"):
        args = dict.fromkeys(_names(build["args"])) | mapping(keys["build"].get("args"))
        keys = {**keys, "build": {**keys["build"], "args": args or build["args"]}}
    return {key: value for key, value in keys.items() if (key, value) != ("networks", {"default": None})}


def _ordered(value: Any, raw: Any) -> Any:
    """A value with its keys in the order of what people wrote, which Compose sorts."""
    if not isinstance(value, Mapping):
        return value
    written = _mapping(raw) if isinstance(raw, Mapping) else dict.fromkeys(_names(raw))
    order = [key for key in dict.fromkeys((*written, *value)) if key in value]
    return {key: _ordered(value[key], written.get(key)) for key in order}


def _names(raw: Any) -> list[str]:
    """The names of a list of `NAME=value`, or of names."""
    texts = raw if isinstance(raw, list) else []
    return [text.partition("=")[0] for text in texts if isinstance(text, str)]


def _mapping(value: Any) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """A list, or the only item of one."""
    return [] if value is None else [*value] if isinstance(value, list | tuple) else [value]


def mapping(value: Any) -> dict[str, Any]:
    """A mapping, or a list of `KEY=value` as one."""
    if isinstance(value, Mapping):
        return _mapping(value)
    return pairs([item for item in listed(value) if isinstance(item, str)])


def build(service: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How it is built, if it is; a text is the context."""
    value = service.get("build")
    return value if value is None or isinstance(value, Mapping) else {"context": value}


def environment(service: Mapping[str, Any]) -> dict[str, str | None]:
    """Its variables as texts; None for one that is passed on from the environment."""
    return {key: as_text(value) for key, value in mapping(service.get("environment")).items()}


def words(command: Any) -> list[str] | None:
    """The words of a command, split as Compose splits a line; None where none is set.

    Raises `ValueError` for a line with an open quote.
    """
    if command is None or command in ("", []):
        return None
    return (
        split(command).words if isinstance(command, str) else [str(as_text(word)) for word in listed(command)]
    )


def dependencies(service: Mapping[str, Any]) -> dict[str, str]:
    """Service -> the condition on it, from `depends_on`, `links` and `volumes_from`."""
    value = service.get("depends_on")
    needed = {
        str(name): str((item or {}).get("condition", "service_started"))
        for name, item in (value.items() if isinstance(value, Mapping) else ())
    }
    needed |= {str(name): "service_started" for name in listed(value) if isinstance(name, str)}
    for link in listed(service.get("links")):
        needed.setdefault(str(link).partition(":")[0], "service_started")
    return needed


def optional(service: Mapping[str, Any]) -> set[str]:
    """The services that it does without, where they are not started."""
    value = service.get("depends_on")
    items = value.items() if isinstance(value, Mapping) else ()
    return {str(name) for name, item in items if isinstance(item, Mapping) and item.get("required") is False}


def link_names(service: Mapping[str, Any]) -> dict[str, str]:
    """The other names that `links` gives services: name -> service."""
    links = (str(link).partition(":") for link in listed(service.get("links")))
    return {alias: name for name, _, alias in links if alias and alias != name}


@dataclass(frozen=True, slots=True)
class Published:
    """One port: `host` is "" for any free one, None where only the container's is named.

    `variable` is the container's, where a variable with a default says it.
    """

    container: int
    host: str | None = None
    protocol: str = "tcp"
    address: str = ""
    written: str = ""
    variable: str = ""


def ports(service: Mapping[str, Any], values: Mapping[str, str] = MappingProxyType({})) -> list[Published]:
    """Its published ports, ranges one by one. Raises `ValueError` for one that is no port.

    `values`: of variables, for a port in the container that only they say.
    """
    return [port for item in listed(service.get("ports")) for port in _ports(item, values)]


def _ports(item: Any, values: Mapping[str, str]) -> Iterator[Published]:
    if isinstance(item, Mapping):
        host = item.get("published")
        template = str(as_text(item.get("target", "")))
        target = plain(template, values)
        yield Published(
            int(target),
            "" if host is None else str(as_text(host)),
            str(item.get("protocol", "tcp")),
            str(item.get("host_ip", "")),
            f"{host}:{target}" if host else target,
            _variable(template),
        )
        return
    text = str(as_text(item))
    port = short_port(text)
    if port.published is None and ":" in plain(port.target, values):  # in a variable, or in its default
        port = short_port(f"{plain(port.target, values)}/{port.protocol}")
    host, address = port.published or "", port.address
    if ":" in (filled := plain(host, values)):  # an address and a port in one variable
        address, _, host = filled.rpartition(":")
    targets, hosts = _range(plain(port.target, values)), _range(plain(host)) if "-" in plain(host) else []
    for index, number in enumerate(targets):
        own = str(hosts[index]) if hosts and len(hosts) == len(targets) else host
        variable = _variable(port.target) if len(targets) == 1 else ""
        yield Published(number, own, port.protocol, address, text, variable)


def _variable(target: str) -> str:
    """A port in the container as Compose writes it, if it is one variable with a default."""
    return target if plain(target).isdecimal() and [*parts(target)] == [*variables(target)] else ""


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    if len(numbers) > 20:
        raise ValueError(text)
    return [*numbers]


@dataclass(frozen=True, slots=True)
class Mount:
    """Something mounted: `bind` a path of this machine, `volume` a named one, `tmpfs`, or `anonymous`.

    `unset` is a path in a variable that is not set.
    """

    kind: str
    source: str
    target: str
    read_only: bool = False
    written: Any = ""


def mounts(service: Mapping[str, Any], folder: Place = HERE) -> list[Mount]:
    """Its mounts; paths below `folder` are relative to it, as `./conf`."""
    return [_mount(item, folder) for item in listed(service.get("volumes"))]


def _mount(item: Any, folder: Place) -> Mount:
    if isinstance(item, Mapping) and ":" not in plain(str(item.get("target", ""))):
        source, target = str(item.get("source") or ""), str(item.get("target", ""))
        read_only, kind = bool(item.get("read_only")), str(item.get("type") or "volume")
    else:
        text = str(item.get("target")) if isinstance(item, Mapping) else str(item)
        source, target, *options = (*COLON.split(text), "")[:3] if COLON.search(text) else ("", text)
        read_only, kind = "ro" in str(options[:1]).strip("[]'").split(","), ""
    unset = _unset(source)
    source, target = plain(source, {"PWD": ".", "HOME": "~"}), plain(target)
    if kind in ("", "bind") and (unset or not source) and (kind or ":" in text):
        return Mount("unset", "", target, read_only, f"{unset}:{target}")
    if kind in ("", "volume"):
        kind = "bind" if source.startswith((".", "/", "~")) else "volume" if source else "anonymous"
    if kind == "bind":
        source = relative(source, folder)
    return Mount(kind, source, target, read_only, f"{source}:{target}{':ro' * read_only}")


def _unset(path: str) -> str:
    """The path, if it has a variable without a value."""
    names = (own.name for own in variables(path) if not own.default and own.name not in ("PWD", "HOME"))
    return path if any(names) else ""


def secrets(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The secrets that it mounts, each with its path in the container."""
    for item in listed(service.get("secrets")):
        name = str(item.get("source") if isinstance(item, Mapping) else item)
        target = str(item.get("target") or name) if isinstance(item, Mapping) else name
        yield name, target if target.startswith("/") else f"/run/secrets/{target}"


def configs(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The configs that it mounts, each with its path in the container."""
    for item in listed(service.get("configs")):
        own = item if isinstance(item, Mapping) else {"source": item}
        yield str(own.get("source")), str(own.get("target") or f"/{own.get('source')}")


def relative(path: str, folder: Place) -> str:
    """A path as a manifest writes it: `./conf`, `.`, `../other`; one elsewhere on this machine as it is."""
    path = plain(path, {"PWD": ".", "HOME": "~"})
    if path.startswith(("~", "git@", "github.com/")) or "://" in path:
        return path
    if not posixpath.isabs(path):
        path = posixpath.join(folder.below, path)
    elif folder.home and path.startswith(f"{folder.home}/."):  # a person's own, not the project's
        return f"~{path.removeprefix(folder.home)}"
    elif not folder.root or posixpath.commonpath([path, folder.root]) == "/":
        return path
    else:
        below = posixpath.relpath(path, folder.root)
        if below.startswith("../../..") or (below.startswith("..") and path in folder.absolute):
            return path  # nothing of the project
        path = below
    path = posixpath.normpath(path)
    return path if path == "." or path.startswith("..") else f"./{path}"


def inside(path: str) -> bool:
    """Whether a path, as `relative` writes it, is one of the project."""
    return path == "." or path.startswith("./")


def aliases(service: Mapping[str, Any]) -> list[str]:
    """Other names by which services reach it: of its networks, its host name, its container."""
    names = [str(alias) for network in _networks(service) for alias in listed(network.get("aliases"))]
    names += [str(service[key]) for key in ("hostname", "container_name") if service.get(key)]
    return [name for name in dict.fromkeys(plain(name) for name in names) if name]


def fixed_addresses(service: Mapping[str, Any]) -> list[str]:
    """The addresses that it has in its networks whoever starts first."""
    addresses = (network.get(f"ipv{number}_address") for network in _networks(service) for number in (4, 6))
    return [plain(str(address)) for address in addresses if address]


def _networks(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    networks = service.get("networks")
    return [network or {} for network in networks.values()] if isinstance(networks, Mapping) else []
