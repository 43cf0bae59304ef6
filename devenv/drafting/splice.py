"""Writes values into the text of a manifest that is there, and leaves everything else as people wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from devenv.drafting import writing
from devenv.drafting.draft import Draft
from devenv.errors import ManifestInvalid
from devenv.manifest.source import Path, read


class Unwritable(Exception):
    """The text has a form, such as an alias, in which a value cannot be written at its place."""


def put(text: str, path: Path, value: Any) -> str:
    """The text with a value at a path, where one that is there is replaced.

    Raises `Unwritable` where the text would not be read as just that.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    spliced = _spliced(text, root, path, value) if isinstance(root, yaml.MappingNode) else None
    expected = with_value(_value(text), path, value)
    if spliced is None or _value(spliced) != expected:
        raise Unwritable(".".join(map(str, path)))
    return spliced


def lines(path: Path, value: Any) -> list[str]:
    """A key and its value as lines of a manifest, from the first column on."""
    return [*writing.Writer(Draft("")).pair(path, value, 0)]


def _value(text: str) -> Any:
    try:
        return read(text, file="").value or {}
    except ManifestInvalid:
        return None


def with_value(value: Any, path: Path, new: Any) -> Any:
    """A mapping with another value at a path; what is missing above it is made."""
    if not path:
        return new
    own = value if isinstance(value, Mapping) else {}
    return {**own, path[0]: with_value(own.get(path[0]), path[1:], new)}


def _spliced(text: str, mapping: yaml.MappingNode, path: Path, value: Any) -> str | None:
    for at, part in enumerate(path):
        pair = next((pair for pair in mapping.value if pair[0].value == part), None)
        if pair is None:
            return _inserted(text, mapping, path[: at + 1], with_value(None, path[at + 1 :], value))
        below = pair[1]
        if at + 1 == len(path) or not isinstance(below, yaml.MappingNode):
            return _replaced(text, pair, with_value(None, path[at + 1 :], value))
        mapping = below
    return None


def _replaced(text: str, pair: tuple[yaml.Node, yaml.Node], value: Any) -> str:
    """The text with another value of a key, in one line."""
    start, end = pair[0].end_mark.index, pair[1].end_mark.index
    colon = text.index(":", start) + 1
    old = text[colon:end]
    tail = old[len(old.rstrip()) :] if "\n" in old else ""
    return f"{text[:colon]} {writing.flow(value)}{tail}{text[end:]}"


def _inserted(text: str, mapping: yaml.MappingNode, path: Path, value: Any) -> str:
    """The text with one more key in a mapping: after its last short value, or else before its first key."""
    key, column = path[-1], mapping.start_mark.column
    if mapping.flow_style:
        at = mapping.start_mark.index + 1
        more = ", " if mapping.value else ""
        return f"{text[:at]}{key}: {writing.flow(value)}{more}{text[at:]}"
    if len(path) == 1:
        return "\n".join([text.rstrip("\n"), "", *lines(path, value), ""])
    new = [f"{' ' * column}{line}" for line in lines(path, value)]
    for _, last in reversed(mapping.value):
        one_line = last.start_mark.line == last.end_mark.line
        if one_line and (isinstance(last, yaml.ScalarNode) or last.flow_style):
            end = text.find("\n", last.end_mark.index)
            end = len(text) if end < 0 else end
            return "\n".join([text[:end], *new]) + text[end:]
    at = mapping.start_mark.index - column
    return text[:at] + "\n".join([*new, ""]) + text[at:]
