"""Parses YAML text to plain values, with the line and column of each.

Scalars follow YAML 1.2: `on`, `22:22` and `2024-01-01` stay text. Duplicate keys, custom tags,
and alias bombs are refused rather than guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from devenv import documents
from devenv.errors import ManifestInvalid, Problem
from devenv.variables import START, Unfilled

MAX_VALUES = 500_000  # after aliases are expanded
MAX_DEPTH = 40
RESET = ("!reset", "!override")  # Compose's tags, which mean the same here

Path = tuple[str | int, ...]
Finding = tuple[Path, str, str]
"""What a rule found: path, message and suggestion."""


class Written:
    """A scalar that remembers its text, so that version `9.10` is not `9.1`."""

    text: str

    def __repr__(self) -> str:
        return self.text  # fingerprints hash the repr, and so distinguish `1.1` from `1.10`


class WrittenFloat(Written, float):
    """A number with a fraction."""

    def __new__(cls, text: str) -> WrittenFloat:
        """The number, which keeps its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class WrittenInt(Written, int):
    """A whole number whose text is not its decimal form, such as `+15005550006` or `-0`."""

    def __new__(cls, text: str) -> WrittenInt:
        """The number, which keeps its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class WrittenTruth(Written, str):
    """A truth value whose text is not `true` or `false`: a text, except where a truth value is wanted."""

    @property
    def text(self) -> str:  # type: ignore[override]
        """The text itself."""
        return str.__str__(self)

    @property
    def truth(self) -> bool:
        """The value that it is in YAML."""
        return self.lower() == "true"


class Filled(str):
    """A text with a value from the environment in it; where a number is wanted, the number that it is."""

    __slots__ = ()


def as_yaml(value: Any) -> Any:
    """A value with every truth value as YAML means it, for what is passed on to other programs."""
    match value:
        case WrittenTruth():
            return value.truth
        case Filled():
            return as_yaml(scalar(value))
        case dict():
            return {key: as_yaml(item) for key, item in value.items()}
        case list():
            return [as_yaml(item) for item in value]
    return value


def as_text(value: Any) -> Any:
    """A number or truth value as the text it is written as; anything else as it is."""
    match value:
        case bool():
            return "true" if value else "false"
        case Written():
            return value.text
        case int() | float():
            return str(value)
    return value


def as_number(value: Any) -> Any:
    """A text from the environment as the number that it is; anything else as it is."""
    number = scalar(value) if isinstance(value, Filled) else value
    return number if isinstance(number, (int, float)) else value


@dataclass(frozen=True, slots=True)
class Reset:
    """A value of `compose:` that was written with `!reset`: it replaces what it would be merged with."""

    value: Any


@dataclass(frozen=True, slots=True)
class Source:
    """The values of a YAML file, and the line and column (from 1) of every key in it."""

    file: str
    value: Any
    marks: dict[Path, tuple[int, int]] = field(repr=False)

    def problem(self, path: Path, message: str, suggestion: str = "") -> Problem:
        """A problem at `path`, or at the nearest parent that is in the file."""
        nearest = path
        while nearest and nearest not in self.marks:
            nearest = nearest[:-1]
        line, column = self.marks.get(nearest, (1, 1))
        return Problem(line, column, dotted(path), message, suggestion, self.file)


def dotted(path: Path) -> str:
    """`("services", "a", "route", 0)` as `services.a.route[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


class _Loader(documents.LOADER):  # type: ignore[misc]
    """The C loader, with YAML 1.2's rules for which scalars are not text."""


_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": (re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    "int": (re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")),
    "float": (
        re.compile(r"^[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?$"),
        list("-+.0123456789"),
    ),
    "merge": (re.compile(r"^<<$"), ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _kind, _pattern, _first)


Fill = Callable[[str, Path, str], Any]
"""The value of a text with `${env.` in it; takes its path, and its quotes or ""."""


def read(text: str, *, file: str, fill: Fill | None = None) -> Source:
    """Parse a YAML document. Raises `ManifestInvalid` with every syntax problem.

    `fill` fills in variables of the environment, or raises `Unfilled`.
    """
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refused(file, "a NUL byte", "this is not a text file", line)
    try:
        node = yaml.compose(text, Loader=_Loader)
        bomb = _bomb(node) if node is not None and "*" in text else None  # only aliases expand
    except yaml.MarkedYAMLError as error:
        raise _refused(file, *_syntax(error, text)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sign = error.character if isinstance(error.character, str) else chr(error.character)
        raise _refused(file, f"a character YAML does not allow: {sign!r}", "", line) from None
    except RecursionError:
        raise _refused(file, "nested too deeply", f"{MAX_DEPTH} levels are the limit") from None
    if bomb is not None:
        mark = bomb.start_mark
        raise _refused(file, "aliases that expand without end", "", mark.line + 1, mark.column + 1)
    reader = _Reader(file, fill)
    value = reader.value(node, ()) if node is not None else None
    if reader.problems:
        raise ManifestInvalid(reader.problems)
    return Source(file, value, reader.marks)


def _refused(file: str, message: str, suggestion: str, line: int = 1, column: int = 1) -> ManifestInvalid:
    return ManifestInvalid([Problem(line, column, "", message, suggestion, file)])


def _syntax(error: yaml.MarkedYAMLError, text: str) -> tuple[str, str, int, int]:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = (error.problem or error.context or "not YAML").strip()
    suggestion = ""
    if text.splitlines()[line - 1 : line] and "\t" in text.splitlines()[line - 1][:column]:
        suggestion = "indent with spaces, not tabs"
    elif "nesting depth" in problem:  # newer parsers have a limit of their own
        problem, suggestion = "nested too deeply", f"{MAX_DEPTH} levels are the limit"
    elif "mapping values are not allowed" in problem:
        suggestion = "is a line above indented differently, or does a value with ': ' need quotes?"
    return problem, suggestion, line, column


def _bomb(root: yaml.Node) -> yaml.Node | None:
    """The innermost node with too many values once aliases are expanded, or None."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = MAX_VALUES + 1  # for an alias to a node that contains it
            sizes[id(node)] = 1 + sum(map(size, _children(node)))
        return sizes[id(node)]

    if size(root) <= MAX_VALUES:
        return None
    innermost, visited = root, set[int]()
    while id(innermost) not in visited:
        visited.add(id(innermost))
        innermost = next((child for child in _children(innermost) if size(child) > MAX_VALUES), innermost)
    return innermost


def _children(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.MappingNode():
            return [child for pair in node.value for child in pair]
        case yaml.SequenceNode():
            return list(node.value)
    return []


def _whole(text: str) -> int | str:
    if len(text) >= 20:  # too long for a count: a serial number
        return text
    number = int(text)
    return number if str(number) == text else WrittenInt(text)


def _truth(text: str) -> bool | WrittenTruth:
    return WrittenTruth(text) if text not in ("true", "false") else text == "true"


_SCALAR_VALUES: dict[str, Callable[[str], Any]] = {"bool": _truth, "int": _whole, "float": WrittenFloat}


def scalar(text: str) -> Any:
    """A text as the number or truth value that YAML would read without quotes, if it is one."""
    for kind, make in _SCALAR_VALUES.items():
        if _SCALARS[kind][0].match(text):
            return make(str(text))
    return str(text)


class _Reader:
    """Walks the node graph once: returns values, collects marks and problems."""

    def __init__(self, file: str, fill: Fill | None) -> None:
        self.file, self._fill = file, fill
        self.marks: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        if len(path) > MAX_DEPTH:
            self._stop(node, path, "nested too deeply")
        self.marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if node.tag in RESET and path[2:3] == ("compose",) and len(path) > 3:
            return Reset(self._untagged(node, path))
        match node:
            case yaml.ScalarNode():
                return self._scalar(node, path)
            case yaml.MappingNode() if node.tag == _TAG + "map":
                return self._mapping(node, path)
            case yaml.SequenceNode() if node.tag == _TAG + "seq":
                return self._items(node, path)
        self._tag(node, path)
        return None

    def _items(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        for index, item in enumerate(node.value):  # where a merged list was marked before
            self.marks[(*path, index)] = (item.start_mark.line + 1, item.start_mark.column + 1)
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _untagged(self, node: yaml.Node, path: Path) -> Any:
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return self._items(node, path)
        return None if node.value in ("", "~", "null") else node.value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        """Its own keys over those that it merges; the marks are those of the values that count."""
        merged: dict[str, Any] = {}
        merges = [value for key, value in node.value if key.tag == _TAG + "merge"]
        for value in reversed(merges):
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in reversed(sources):  # the first of several wins, and comes last
                inherited = self.value(source, path)
                if isinstance(inherited, dict):
                    merged |= inherited
                else:
                    self._problem(source, path, "`<<` takes a mapping")
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, path, "a key has to be plain text")
                continue
            key = key_node.value
            if "\0" in key:
                self._problem(key_node, path, "a NUL byte cannot stand in a key")
                continue
            here = (*path, key)
            self.marks[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in own:
                self._problem(key_node, here, "written twice", "YAML would silently keep the last one")
            own[key] = self.value(value_node, here)
        return {**merged, **own}

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if "\0" in text:  # no variable, path or argument can contain one
            self._problem(node, path, "a NUL byte cannot stand in a text")
            return None
        if kind in _SCALARS and not _SCALARS[kind][0].match(text):  # `!!int abc`
            self._problem(node, path, f'"{text}" is not what its tag says', "remove the tag")
            return None
        match kind:
            case "str" | "merge":
                return self._filled(text, path, node.style or "") if START in text else text
            case "null":
                return None
            case _ if kind in _SCALARS:
                return _SCALAR_VALUES[kind](text)
        self._tag(node, path)
        return None

    def _filled(self, text: str, path: Path, quotes: str) -> Any:
        if self._fill is None or str(path[0] if path else "").startswith("x-"):
            return text
        try:
            return self._fill(text, path, quotes)
        except Unfilled as error:
            line, column = self.marks[path]
            problem = Problem(line, column, dotted(path), error.message, error.suggestion, self.file)
            self.problems.append(problem)
        return None

    def _tag(self, node: yaml.Node, path: Path) -> None:
        hint = "it works only below compose:" if node.tag in RESET else ""
        self._problem(node, path, f"the tag {node.tag!r} means nothing here", hint)

    def _problem(self, node: yaml.Node, path: Path, message: str, suggestion: str = "") -> None:
        mark = node.start_mark
        self.problems.append(
            Problem(mark.line + 1, mark.column + 1, dotted(path), message, suggestion, self.file)
        )

    def _stop(self, node: yaml.Node, path: Path, message: str) -> None:
        self._problem(node, path, message)
        raise ManifestInvalid(self.problems)
