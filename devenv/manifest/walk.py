"""Finds the model that describes a place in the manifest."""

from __future__ import annotations

import typing
from types import UnionType
from typing import Annotated, Any, Union

from pydantic import BaseModel

from devenv.manifest.models import Manifest
from devenv.manifest.source import Path


def model_at(path: Path, root: type[BaseModel] = Manifest) -> type[BaseModel] | None:
    """The model of the mapping at `path`; skips steps of pydantic's own that are no fields."""
    models: list[Any] = [root]
    for part in path:
        next_models = [step for annotation in models for step in _step(annotation, part)]
        models = next_models or models
    return next((model for model in models if _is_model(model)), None)


def _step(annotation: Any, part: str | int) -> list[Any]:
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return _flat(field.annotation)
        return []
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case _ if typing.get_origin(annotation) is dict and isinstance(part, str):
            return _flat(arguments[1])
        case _ if typing.get_origin(annotation) is list and isinstance(part, int):
            return _flat(arguments[0])
    return []


def _flat(annotation: Any) -> list[Any]:
    """Without `Annotated` and with unions taken apart."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _flat(typing.get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [flat for member in typing.get_args(annotation) for flat in _flat(member)]
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
