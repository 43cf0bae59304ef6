"""The infra kinds, read from the Compose files in `compose/`.

A kind is data: options with defaults, what is injected into whoever uses it, and the services that
make it up. Nothing here knows any kind by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from devenv.errors import DevenvError
from devenv.manifest import rules, source
from devenv.manifest.versions import Supported, matches
from devenv.stack.world import merge


@dataclass(frozen=True, slots=True)
class Part:
    """What `uses: [postgres/billing]` means: the option set to `billing`, and the list it joins."""

    option: str
    collects: str = ""


@dataclass(frozen=True, slots=True)
class GatewayKind:
    """Where a gateway reads its routes, and the port it serves them on."""

    config: str
    port: int


@dataclass(frozen=True)
class Kind:
    """One infra kind as its file describes it."""

    name: str
    about: str
    options: Mapping[str, Any]
    url: str
    env: Mapping[str, str]
    services: Mapping[str, Mapping[str, Any]]
    part: Part | None = None
    gateway: GatewayKind | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    supported: Supported = field(default_factory=Supported)
    uid: int | None = None
    dump: tuple[str, ...] = ()
    load: tuple[str, ...] = ()
    process: Mapping[str, Any] = field(default_factory=dict)
    production: str = ""

    def services_of(self, version: str) -> Mapping[str, Any]:
        """The services as this version wants them."""
        found: Mapping[str, Any] = self.services
        for condition, change in self.versions.items():
            if matches(version, condition):
                found = merge(found, change.get("services", {}))
        return found

    @cached_property
    def facts(self) -> rules.Kind:
        """What the manifest's rules check against."""
        return rules.Kind(
            options={name: _type(default) for name, default in self.options.items()},
            attributes=frozenset(self.options),
            part=self.part.option if self.part else None,
            ports=frozenset(port["name"] for port in self.services[self.name].get("ports", ())),
            suffixes=frozenset(service.removeprefix(self.name) for service in self.services) - {""},
            supported=self.supported,
        )


class Catalogue(Mapping[str, Kind]):
    """Kinds by name; a file is parsed when its kind is first asked for."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._kinds: dict[str, Kind] = {}

    def __getitem__(self, name: str) -> Kind:
        if name not in self._kinds:
            self._kinds[name] = _read(name, self._texts[name])
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._texts))

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, name: object) -> bool:
        return name in self._texts


class Facts(Mapping[str, rules.Kind]):
    """The catalogue as the manifest's rules see it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __getitem__(self, name: str) -> rules.Kind:
        return self._catalogue[name].facts

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogue)

    def __len__(self) -> int:
        return len(self._catalogue)

    def __contains__(self, name: object) -> bool:
        return name in self._catalogue


def _type(default: Any) -> Literal["text", "list", "secret"]:
    match default:
        case list():
            return "list"
        case {"secret": True}:
            return "secret"
    return "text"


def _read(name: str, text: str) -> Kind:
    file = f"compose/{name}.yaml"
    value = source.read(text, file=file).value
    said = value.get("x-devenv") if isinstance(value, dict) else None
    services = value.get("services") if isinstance(value, dict) else None
    if not isinstance(said, dict) or not isinstance(services, dict) or name not in services:
        raise DevenvError(
            f"{file} is not a kind",
            why=f"it needs an x-devenv block and a service called {name}",
            hint="compare it with compose/valkey.yaml",
        )
    part, gateway = said.get("part"), said.get("gateway")
    return Kind(
        name=name,
        about=said.get("about", ""),
        options=said.get("options", {}),
        url=said.get("url", ""),
        env=said.get("env", {}),
        services=services,
        part=Part(**part) if part else None,
        gateway=GatewayKind(**gateway) if gateway else None,
        links=said.get("links", {}),
        versions=said.get("versions", {}),
        supported=Supported(said.get("oldest", {}), said.get("tag", "")),
        uid=said.get("uid"),
        dump=tuple(said.get("dump", {}).get("exec", ())),
        load=tuple(said.get("load", {}).get("exec", ())),
        process=said.get("process", {}),
        production=said.get("production", ""),
    )
