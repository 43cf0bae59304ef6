"""A bundle: the files a runtime consumes, as values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from devenv.manifest.source import WrittenTruth
from devenv.stack.world import BuildKey, Recipe


@dataclass(frozen=True, slots=True)
class Bundle:
    """Relative path -> text. `private` files are readable by their owner only."""

    files: Mapping[str, str] = field(default_factory=dict)
    private: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Source:
    """What rendering needs besides the stack, as values.

    `root` is the path from the bundle's folder to the project, `folder` the path back. `files` are contents
    by path in the project, `recipes` Dockerfiles and ignore files by build, `overrides` fragments by infra
    kind and then by kind of object. `registry` prefixes the names of built images.
    """

    root: str = "../.."
    folder: str = ".devenv/compose"
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    recipes: Mapping[BuildKey, Recipe] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    registry: str = ""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Plain YAML: no aliases, block text for lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))


_WORD = re.compile(r"(?:-{0,2}[A-Za-z]|[_/$]|\.\.?/)|\d+(?:m?s|[MG]i)$")  # words, flags, paths, durations
_RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def _style(value: str) -> str | None:
    """A style in which parsers of YAML 1.1 and 1.2 both read the value as this text."""
    if "\n" in value and not value[0].isspace() and value.replace("\n", "").replace("\t", "").isprintable():
        return "|"
    if _WORD.match(value) and value.lower() not in _RESERVED:
        return None
    return "'" if '"' in value and value.isprintable() else '"'


_Dumper.add_representer(str, _text)
_Dumper.add_representer(WrittenTruth, lambda dumper, value: dumper.represent_bool(value.truth))
# Numbers that keep their text (`Written`) are rendered as plain numbers.
_Dumper.add_multi_representer(float, lambda dumper, number: dumper.represent_float(float(number)))
_Dumper.add_multi_representer(int, lambda dumper, number: dumper.represent_int(int(number)))


def to_yaml(value: Any) -> str:
    """YAML for people: keys in the order given, lines not folded."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True))


def to_json(value: Any) -> str:
    """One-line JSON, for labels."""
    return json.dumps(value, separators=(",", ":"))
