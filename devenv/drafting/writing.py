"""A draft as the text of a manifest, with its comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from devenv.drafting.draft import Draft, Row
from devenv.errors import ManifestInvalid
from devenv.manifest.source import Path, read

SCHEMA = "# yaml-language-server: $schema=.devenv/schema.json"
WIDTH = 100
_IN_ROWS = ("env", "compose")
_SECTIONS = ("services", "jobs", "infra", "volumes", "gateway", "profiles")


def text(draft: Draft) -> str:
    """The manifest, with what was dropped and what is left for people as comments."""
    value, writer = draft.value, Writer(draft)
    lines = [SCHEMA, f"# {draft.title}", ""]
    for key in [key for key in value if key not in _SECTIONS]:
        lines += [*writer.pair((key,), value[key], 0), ""]
    for key in (key for key in _SECTIONS if key in value):
        lines += [*writer.pair((key,), value[key], 0), ""]
    lines += [*_remarks("By hand:", draft, "by hand"), *_remarks("Dropped:", draft, "dropped")]
    return "\n".join(lines).rstrip("\n") + "\n"


def _remarks(title: str, draft: Draft, fate: str) -> Iterator[str]:
    rows = [row for row in draft.rows if row.fate == fate]
    if rows:
        yield f"# {title}"
        for row in rows:
            yield from (f"#   {line}" for line in _wrapped(row))
        yield ""


def _wrapped(row: Row) -> list[str]:
    line = f"{row.what}: {row.note}" if row.note else row.what
    return textwrap.wrap(" ".join(line.split()), WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [
        ""
    ]


class Writer:
    """Writes values as YAML: short ones in one line, long ones in rows."""

    def __init__(self, draft: Draft) -> None:
        self._comments, self._offers = draft.comments, draft.offers

    def pair(self, path: Path, value: Any, depth: int) -> Iterator[str]:
        """A key and its value; `depth` counts the levels above."""
        indent, comment = "  " * depth, self._comments.get(path, "")
        tail = f"   # {comment}" if comment else ""
        key = _key(path[-1])
        offers = [f"{indent}  # {line}" for line in self._offers.get(path, ())]
        if isinstance(value, str) and "\n" in value:
            yield from (f"{indent}{line}" for line in self._block(key, value, tail))
        elif isinstance(value, Mapping) and value and not self._short(path, value, depth, len(key)):
            yield f"{indent}{key}:{tail}"
            yield from offers if len(path) == 2 else ()
            for name in sorted(value, key=lambda name: (len(path), name) == (2, "compose")):
                yield from self.pair((*path, name), value[name], depth + 1)
        elif isinstance(value, list) and value and len(flow(value)) + 2 * depth + len(key) > WIDTH:
            yield f"{indent}{key}:{tail}"
            for item in value:
                yield from self._item(item, indent)
        else:
            yield f"{indent}{key}: {flow(value)}{tail}".rstrip()
        if len(path) != 2:
            yield from (f"{indent}# {line}" for line in self._offers.get(path, ()))

    def _short(self, path: Path, value: Mapping[str, Any], depth: int, key: int) -> bool:
        """Whether a mapping is written in one line."""
        if (
            len(path) == 1
            or path[-1] in _IN_ROWS
            or any(place[: len(path)] == path for place in self._marked)
        ):
            return False
        if path[0] == "infra" and len(path) == 2:
            nested = any(isinstance(item, Mapping) for item in value.values())
            return not nested and len(flow(value)) + key <= 80
        if len(path) == 2 and path[0] in ("services", "jobs"):
            return False
        return len(flow(value)) + 2 * depth + key <= 80

    @property
    def _marked(self) -> list[Path]:
        return [*self._comments, *self._offers]

    def _block(self, key: str, value: str, tail: str) -> Iterator[str]:
        if not _plain_lines(value):
            yield f"{key}: {json.dumps(value, ensure_ascii=False)}{tail}"
            return
        chomp = "" if value.endswith("\n") else "-"
        yield f"{key}: |{chomp}{tail}"
        yield from (f"  {line}".rstrip() for line in value.removesuffix("\n").split("\n"))

    def _item(self, item: Any, indent: str) -> Iterator[str]:
        if isinstance(item, str) and "\n" in item and _plain_lines(item):
            yield f"{indent}  - |{'' if item.endswith(chr(10)) else '-'}"
            yield from (f"{indent}    {line}".rstrip() for line in item.removesuffix("\n").split("\n"))
        else:
            yield f"{indent}  - {flow(item)}"


def _plain_lines(value: str) -> bool:
    """Whether a text can stand as a block: it begins with a sign, and no line ends with a blank."""
    lines = value.removesuffix("\n").split("\n")
    printable = all(sign == "\n" or sign == "\t" or sign.isprintable() for sign in value)
    return (
        printable
        and bool(lines[0])
        and not lines[0][0].isspace()
        and not any(re.search(r"\s$", line) for line in lines)
    )


def flow(value: Any) -> str:
    """A value in one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_key(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


_PLAIN = re.compile(
    r"(?=\S*\w)[A-Za-z_./-](?:[\w ./@:+=%*-]*[\w/.])?|\d+(?:ms|s|m|h|k|kb|mb|gb|g|Ki|Mi|Gi|K|M|G)", re.ASCII
)
_WORDS = {"y", "n", "yes", "no", "on", "off"}  # which older parsers take for truth values


def _reads_back(value: str) -> bool:
    """Whether a text without quotes is read as it is, in a list in one line too."""
    try:
        return bool(read(f"a: [{value}]", file="").value == {"a": [value]})
    except ManifestInvalid:
        return False


def _key(key: Any) -> str:
    return '"."' if key == "." else scalar(str(key))


def scalar(value: Any) -> str:
    """A text, number or truth value, in quotes only where it would be read as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if value == ".":
        return value
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS and _reads_back(value):
        return value
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return (
        json.dumps(value, ensure_ascii=not value.isprintable())
        if value.isprintable() or "\n" in value
        else _escaped(value)
    )


def _escaped(value: str) -> str:
    return str(yaml.safe_dump(value, default_style='"', width=float("inf"), allow_unicode=False)).strip()
