"""The forms of Compose's keys, for files that Compose itself has not checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devenv.manifest.source import Path


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value may be: a `scalar`, a list of `items`, a mapping of `values` or with `keys`.

    A key that is not among `keys` may hold anything, and nothing at all is allowed everywhere.
    """

    scalar: bool = False
    items: Shape | None = None
    values: Shape | None = None
    keys: Mapping[str, Shape] | None = None

    def __str__(self) -> str:
        forms = [
            ("text", self.scalar),
            ("a list", self.items),
            ("a mapping", self.values or self.keys is not None),
        ]
        return " or ".join(name for name, allowed in forms if allowed)


TEXT = Shape(scalar=True)
LIST = Shape(items=TEXT)
WORDS = Shape(scalar=True, items=TEXT)
PAIRS = Shape(items=TEXT, values=TEXT)
OBJECT = Shape(keys={})
OBJECTS = Shape(values=OBJECT)


def _objects(**keys: Shape) -> Shape:
    return Shape(items=Shape(scalar=True, keys=keys))


_TEXTS = (
    "image", "user", "working_dir", "hostname", "container_name", "mem_limit", "cpus", "scale", "restart",
    "shm_size", "stop_signal", "stop_grace_period", "network_mode", "platform", "init", "read_only",
    "privileged",
)  # fmt: skip
_BUILD = {
    **dict.fromkeys(("context", "dockerfile", "target"), TEXT),
    "args": PAIRS,
    "ssh": Shape(scalar=True, items=TEXT, keys={}),
    "secrets": _objects(source=TEXT),
    "cache_from": LIST,
    "platforms": LIST,
}
_LIMITS = {"limits": Shape(keys={"cpus": TEXT, "memory": TEXT}), "reservations": OBJECT}
_DEPLOY = {
    "replicas": TEXT,
    "labels": PAIRS,
    "restart_policy": Shape(keys={"condition": TEXT}),
    "resources": Shape(keys=_LIMITS),
}
_CHECK = {"test": WORDS, **dict.fromkeys(("interval", "timeout", "retries", "start_period"), TEXT)}
SERVICE = Shape(
    keys={
        **dict.fromkeys(_TEXTS, TEXT),
        **dict.fromkeys(("command", "entrypoint", "tmpfs"), WORDS),
        **dict.fromkeys(("profiles", "links", "expose", "cap_add", "cap_drop", "security_opt"), LIST),
        **dict.fromkeys(("environment", "labels", "sysctls"), PAIRS),
        "extra_hosts": Shape(items=TEXT, values=WORDS),
        "ulimits": Shape(values=Shape(scalar=True, keys={"soft": TEXT, "hard": TEXT})),
        "build": Shape(scalar=True, keys=_BUILD),
        "env_file": Shape(scalar=True, items=Shape(scalar=True, keys={"path": TEXT})),
        "depends_on": Shape(items=TEXT, values=Shape(keys={"condition": TEXT})),
        "ports": _objects(target=TEXT, published=TEXT, protocol=TEXT, host_ip=TEXT),
        "volumes": _objects(type=TEXT, source=TEXT, target=TEXT),
        "networks": Shape(items=TEXT, values=Shape(keys={"aliases": LIST})),
        "secrets": _objects(source=TEXT, target=TEXT),
        "configs": _objects(source=TEXT, target=TEXT),
        "healthcheck": Shape(keys=_CHECK),
        "deploy": Shape(keys=_DEPLOY),
    }
)
FILE = Shape(
    keys={
        "name": TEXT,
        "services": Shape(values=SERVICE),
        "volumes": OBJECTS,
        "secrets": Shape(values=Shape(keys={"file": TEXT, "environment": TEXT})),
        "configs": Shape(values=Shape(keys={"file": TEXT})),
    }
)


def faults(value: Any, shape: Shape = FILE, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where a value has another form than Compose takes, and which it takes."""
    match value:
        case None:
            return
        case Mapping() if shape.keys is not None or shape.values is not None:
            for key, item in value.items():
                inner = shape.values or (shape.keys or {}).get(str(key))
                if inner is not None:
                    yield from faults(item, inner, (*path, str(key)))
        case list() if shape.items is not None:
            for index, item in enumerate(value):
                if item is None:
                    yield (*path, index), "is empty"
                yield from faults(item, shape.items, (*path, index))
        case str() | int() | float() if shape.scalar:
            return
        case _:
            yield path, f"expected {shape}"
