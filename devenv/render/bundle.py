"""A bundle: the files a runtime consumes, as values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
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


class Quoted(str):
    """A text in quotes, whatever it is: in double ones, or in those of its class."""

    sign = '"'


class SingleQuoted(Quoted):
    """A text in single quotes, in which a backslash and a double quote are themselves."""

    sign = "'"


_WORD = re.compile(r"(?:-{0,2}[A-Za-z]|[_/$]|\.\.?/)|\d+(?:m?s|[MG]i)$")  # words, flags, paths, durations
_RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def _style(value: str) -> str | None:
    """A style in which parsers of YAML 1.1 and 1.2 both read the value as this text."""
    if "\n" in value and not value[0].isspace() and value.replace("\n", "").replace("\t", "").isprintable():
        return '"' if value.endswith("\n\n") else "|"  # a block that ends so would end the document as well
    if _WORD.match(value) and value.lower() not in _RESERVED and value.isprintable():
        return None
    return "'" if '"' in value and value.isprintable() else '"'


_EMITTER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_START = (yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False))
_END = (yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent())
_MAPPING = (yaml.MappingStartEvent(None, None, True, flow_style=False), yaml.MappingEndEvent())
_SEQUENCE = (yaml.SequenceStartEvent(None, None, True, flow_style=False), yaml.SequenceEndEvent())
_SCALARS = yaml.representer.SafeRepresenter()


class _Events(list[yaml.Event]):
    """What stands for values, in order.

    Nodes would be simpler, but PyYAML asks Python code for the type of each, and these types are certain.
    """

    def __init__(self) -> None:
        super().__init__(_START)

    def put(self, values: Iterable[Any]) -> None:
        """Append what stands for each value."""
        for value in values:
            if type(value) is str:
                self.append(_text(value))
            elif isinstance(value, dict):
                self.append(_MAPPING[0])
                self.put(chain.from_iterable(value.items()))
                self.append(_MAPPING[1])
            elif isinstance(value, list | tuple):
                self.append(_SEQUENCE[0])
                self.put(value)
                self.append(_SEQUENCE[1])
            else:
                self.append(_scalar(value))


@lru_cache(4096)  # most texts of a bundle are in many of its documents
def _text(value: str) -> yaml.ScalarEvent:
    return _scalar(value)


def _scalar(value: Any) -> yaml.ScalarEvent:
    """Numbers and truth values that keep their text become plain ones."""
    match value:
        case WrittenTruth():
            value = value.truth
        case Quoted():
            return yaml.ScalarEvent(None, None, (False, True), str(value), style=value.sign)
        case str():
            style = _style(value)
            return yaml.ScalarEvent(None, None, (style is None, True), value, style=style)
        case int() if not isinstance(value, bool):
            value = int(value)
        case float():
            value = float(value)
    node: Any = _SCALARS.represent_data(value)
    return yaml.ScalarEvent(None, node.tag, (node.style is None, False), node.value, style=node.style)


def to_yaml(value: Any) -> str:
    """YAML for people: keys in the order given, block text for lines, no aliases, lines not folded."""
    events = _Events()
    events.put([value])
    events.extend(_END)
    return str(yaml.emit(events, Dumper=_EMITTER, width=1000, allow_unicode=True))
