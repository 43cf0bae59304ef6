"""A bundle: the files a runtime consumes, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Bundle:
    """Relative path -> text. `private` files are readable by their owner only."""

    files: Mapping[str, str] = field(default_factory=dict)
    private: frozenset[str] = frozenset()


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Plain YAML: no aliases, block text for lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_multi_representer(float, _Dumper.represent_float)  # numbers that remember how they were written


def to_yaml(value: Any) -> str:
    """YAML for people: keys in the order given, lines not folded."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True))


def to_json(value: Any) -> str:
    """One-line JSON, for labels."""
    return json.dumps(value, separators=(",", ":"))
