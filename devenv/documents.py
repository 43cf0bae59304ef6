"""YAML documents, read by PyYAML's parser in C where it comes with one: ten times as fast as the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str) -> Any:
    """The value of the only document. Raises `yaml.YAMLError`."""
    return yaml.load(text, LOADER)


def load_all(text: str) -> Iterator[Any]:
    """The values of documents, without empty ones. Raises `yaml.YAMLError`."""
    return filter(None, yaml.load_all(text, LOADER))
