"""Writes and reads the labels that mark everything devenv creates.

They are the only record of what runs. On Kubernetes, selectors use labels and the rest are annotations; on
Compose all of them are labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # reading labels must not pay for the model
    from devenv.stack.model import Probe, Stack, Unit

LABEL = "devenv.dev/"

OF_LOGS = (LABEL + "stack", LABEL + "unit", LABEL + "role")
"""Labels that stand beside each line which a container writes, where the stack's logs are read."""

BUILT_AS = "built-as"
"""On an image: the name it was built under. Further tags, and images based on it, are not devenv's."""

BROUGHT = "brought"
"""On a workload: the id that this machine's engine had for its image when the nodes were brought that."""

EDITED = "edited"
"""On a pod: files were sent to it. Only then is it asked which, as that takes a process in its container."""

HALF_MADE = "the first start did not finish"
"""A store's check prints this about half-made data."""


@dataclass(frozen=True, slots=True)
class PortLabel:
    """A port in a label, with its wanted and its actual number on this machine."""

    name: str
    container: int
    wanted: int = 0
    host: int = 0


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a container or an object as a value. `serves`: service -> paths, on the gateway only."""

    unit: str = ""
    stack: str = ""
    checkout: str = ""
    role: str = ""
    engine: str = ""
    version: str = ""
    fingerprint: str = ""
    probe: str = ""
    unfinished: str = ""
    gateway: bool = False
    hosted: bool = False
    ports: tuple[PortLabel, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def owner(stack: Stack) -> dict[str, str]:
    """Labels of the owner: stack and checkout."""
    values = {"stack": stack.id, "checkout": stack.checkout}
    return {LABEL + key: value for key, value in values.items() if value}


def identity(stack: Stack, unit: Unit) -> dict[str, str]:
    """Labels that select the containers or objects of a unit."""
    return {**owner(stack), LABEL + "unit": unit.name, LABEL + "role": unit.role}


def description(stack: Stack, unit: Unit, fingerprint: str) -> dict[str, str]:
    """Labels that describe a unit to commands without its manifest. Empty values are left out.

    The fingerprint covers all of them, so that a label is never out of date.
    """
    values = {
        "engine": unit.engine,
        "version": unit.version,
        "fingerprint": fingerprint,
        "ports": _json([[port.name, port.container, port.wanted, port.host] for port in unit.ports]),
        "links": _json([[link.label, link.url] for link in unit.links]),
        "probe": check(unit.probe) if unit.probe else "",
        "unfinished": unit.data.unfinished if unit.data else "",
        "gateway": _json(_serves(stack)) if stack.gateway and stack.gateway.unit == unit.name else "",
        "hosted": "true" if unit.hosted else "",
    }
    return {LABEL + key: value for key, value in values.items() if value not in ("", "[]")}


def check(probe: Probe) -> str:
    """A check as the label says it."""
    return f"{probe.kind}:{probe.port}{probe.path}"


def _serves(stack: Stack) -> dict[str, list[str]]:
    return {unit.name: list(unit.routes) for unit in stack.units if unit.routes}


def read(labels: Mapping[str, str]) -> Labels:
    """The labels of a container, or the labels and annotations of an object, as a value.

    What another version or somebody else wrote into them is left out, as far as it means nothing here.
    """

    def value(key: str) -> str:
        return labels.get(LABEL + key, "")

    gateway = value("gateway")
    return Labels(
        unit=value("unit"),
        stack=value("stack"),
        checkout=value("checkout"),
        role=value("role"),
        engine=value("engine"),
        version=value("version"),
        fingerprint=value("fingerprint"),
        probe=value("probe"),
        unfinished=value("unfinished"),
        gateway=bool(gateway),
        hosted=bool(value("hosted")),
        ports=tuple(_ports(value("ports"))),
        links=tuple(_links(value("links"))),
        serves=dict(_routes(gateway)),
    )


def _ports(text: str) -> Iterator[PortLabel]:
    for entry in _list(text):
        match entry:
            case [str(name), int(container), int() | None as wanted, int() | None as host, *_]:
                yield PortLabel(name, container, wanted or 0, host or 0)


def _links(text: str) -> Iterator[tuple[str, str]]:
    for entry in _list(text):
        match entry:
            case [str(label), str(url), *_]:
                yield label, url


def _routes(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for service, paths in _mapping(text).items():
        if isinstance(paths, list):
            yield service, tuple(map(str, paths))


def _list(text: str) -> list[Any]:
    value = _value(text)
    return value if isinstance(value, list) else []


def _mapping(text: str) -> dict[str, Any]:
    value = _value(text)
    return value if isinstance(value, dict) else {}


def _value(text: str) -> object:
    """What a label holds as JSON; None for one that somebody else wrote."""
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
