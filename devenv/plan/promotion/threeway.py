"""An object of a cluster after an upgrade by Helm 3, which changes what two revisions differ in: values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAME = "name"
"""By which Kubernetes tells the parts of most lists apart, as containers and volumes."""


def merged(before: Any, after: Any, live: Any) -> Any:
    """The live object with what is new in `after` and without what only `before` has; the rest stays."""
    if isinstance(after, Mapping) and isinstance(live, Mapping):
        before = before if isinstance(before, Mapping) else {}
        kept = {key: value for key, value in live.items() if key not in before or key in after}
        changed = {key: merged(before.get(key), value, live.get(key)) for key, value in after.items()}
        return {**kept, **changed}
    if _is_named(after) and _is_named(live):
        earlier = _by_name(before) if _is_named(before) else {}
        now, new = _by_name(live), _by_name(after)
        others = [part for name, part in now.items() if name not in earlier and name not in new]
        return [merged(earlier.get(name), part, now.get(name)) for name, part in new.items()] + others
    return after


def change(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What makes one of the other, as a JSON merge patch: null removes, a list is replaced as a whole."""
    removed = {key: None for key in live if key not in wanted}
    changed = {
        key: change(live[key], value)
        if isinstance(value, Mapping) and isinstance(live.get(key), Mapping)
        else value
        for key, value in wanted.items()
        if live.get(key) != value
    }
    return {**removed, **changed}


def _is_named(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    names = [part.get(NAME) if isinstance(part, Mapping) else None for part in value]
    return None not in names and len(set(names)) == len(names)


def _by_name(parts: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {part[NAME]: part for part in parts}
