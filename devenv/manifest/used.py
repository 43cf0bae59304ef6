"""The fields that a manifest sets, with their paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from devenv.manifest.models import Manifest
from devenv.manifest.source import dotted


@dataclass(frozen=True, slots=True)
class Used:
    """A field that a manifest sets, and its path: `services.orders.health.http`."""

    model: str
    field: str
    path: str


def used(manifest: Manifest) -> Iterator[Used]:
    """Every field that is set, in the order of the models."""
    return _used(manifest, ())


def _used(value: Any, path: tuple[str | int, ...]) -> Iterator[Used]:
    match value:
        case BaseModel():
            for field in type(value).model_fields:
                if field in value.model_fields_set:
                    here = (*path, field)
                    yield Used(type(value).__name__, field, dotted(here))
                    yield from _used(getattr(value, field), here)
        case dict():
            for key, item in value.items():
                yield from _used(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _used(item, (*path, index))
