"""Merges a fragment into an object, as `kubectl patch` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def overlay(base: Any, change: Any) -> Any:
    """Merge mappings, and lists of entries by their names; null removes a key; anything else is replaced."""
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        merged = {key: overlay(base.get(key), value) for key, value in change.items() if value is not None}
        return {key: value for key, value in base.items() if change.get(key, "") is not None} | merged
    if _named(base) and _named(change):
        entries = {entry["name"]: entry for entry in base}
        entries |= {entry["name"]: overlay(entries.get(entry["name"]), entry) for entry in change}
        return list(entries.values())
    return change


def _named(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, Mapping) and "name" in entry for entry in value)
    )
