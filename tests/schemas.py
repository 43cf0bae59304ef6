"""Kubernetes' own schemas, each read once: the library reads a megabyte anew for every object."""

from __future__ import annotations

from functools import cache
from typing import Any

from kubernetes_validate import utils

utils.schema_contents = cache(utils.schema_contents)
utils.all_versions = cache(utils.all_versions)


def validate(document: Any, version: str) -> None:
    """Raises `kubernetes_validate.ValidationError` for an object that this Kubernetes would refuse."""
    utils.validate(document, version, strict=True)
