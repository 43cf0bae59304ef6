"""The Dockerfile language: instructions and stages; and facts about a base image.

`dockerfile-parse` does not read here-documents, comments within continued lines, or `# escape=`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

UNKNOWN = "\0"
"""Stands for the value of a variable that the base image or the builder sets."""

_FROM = re.compile(r"(\S+)(?:\s+AS\s+(\S+))?\s*$", re.I)
_FLAG = re.compile(r"--([a-z-]+)(?:=(\"[^\"]*\"|\S*))?(?:\s+|$)")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(.+?)\s*$")
HEREDOC = re.compile(r"(?<!\S)\d*<<(-?)([\"']?)(\w[\w.-]*)\2(?=\s|$)")
_TAKE_HEREDOCS = ("RUN", "COPY", "ADD")
_VARIABLE = re.compile(r"\\\$|\$(?:\{(\w+)(?:(:?[-+])([^}]*))?\}|(\w+))")
_PLATFORM = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)$")
_SHELL_LESS = re.compile(
    r"scratch$|gcr\.io/distroless/(?!.*debug)|(?:cgr\.dev/)?chainguard/(?:static|glibc-dynamic)(?!.*-dev)"
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: the text after its flags as one line, and the bodies of its here-documents."""

    keyword: str
    text: str
    line: int
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[str, ...] = ()

    def flag(self, name: str) -> str:
        """The value of a flag, or ""."""
        return next((value for key, value in self.flags if key == name), "")

    @property
    def mounts(self) -> tuple[dict[str, str], ...]:
        """The options of each `--mount`."""
        values = (value for name, value in self.flags if name == "mount")
        return tuple(
            {key: rest for key, _, rest in (option.partition("=") for option in value.split(","))}
            for value in values
        )

    @property
    def trigger(self) -> Instruction:
        """The instruction that an ONBUILD holds, or this one."""
        if self.keyword != "ONBUILD" or not self.text:
            return self
        return replace(_instruction(self.text, self.line), heredocs=self.heredocs)

    @property
    def shown(self) -> str:
        """The instruction without its flags but `--from`, cut to fit into a line."""
        source = f"--from={self.flag('from')}" if self.flag("from") else ""
        line = " ".join(f"{self.keyword} {source} {self.text}".split())
        return line if len(line) <= 48 else f"{line[:45].rstrip()}..."


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its name in lower case, or its number; what it is made from; and its instructions."""

    name: str
    base: str
    instructions: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The stages in order, by name, and the arguments from before the first one."""

    stages: Mapping[str, Stage]
    arguments: Mapping[str, str]

    def final(self, target: str | None) -> str:
        """The name of the stage that is built; "" if there is no such stage."""
        *_, last = ("", *self.stages)
        return self.named(target) if target else last

    def named(self, name: str) -> str:
        """The stage that a name or a number refers to; "" if it is no stage."""
        if name.lower() in self.stages:
            return name.lower()
        return list(self.stages)[int(name)] if name.isdecimal() and int(name) < len(self.stages) else ""

    def chain(self, name: str) -> tuple[Stage, ...]:
        """A stage and those that it is made from, in order."""
        if name not in self.stages:
            return ()
        order = list(self.stages)
        base = self.stages[name].base.lower()
        earlier = base in order and order.index(base) < order.index(name)
        return (*(self.chain(base) if earlier else ()), self.stages[name])


def has_shell(image: str) -> bool:
    """Whether an image may have an `sh`: False only for images known to have none."""
    return not _SHELL_LESS.match(image.removeprefix("docker.io/"))


def base_image(dockerfile: str, target: str | None = None, args: Mapping[str, str] | None = None) -> str:
    """The base image of the target, or of the last stage, followed through earlier stages; "" if unknown."""
    parsed = parse(dockerfile, args or {})
    chain = parsed.chain(parsed.final(target))
    return chain[0].base if chain else ""


def parse(dockerfile: str, args: Mapping[str, str]) -> Dockerfile:
    """The stages of a Dockerfile; what comes before the first FROM, or is no instruction, is left out."""
    stages: dict[str, Stage] = {}
    values: dict[str, str] = {}
    name = ""
    for step in instructions(dockerfile):
        if step.keyword == "FROM" and (match := _FROM.match(step.text)):
            name = (match[2] or str(len(stages))).lower()
            stages[name] = Stage(name, expand(match[1], values).replace(UNKNOWN, ""))
        elif stages:
            stages[name] = replace(stages[name], instructions=(*stages[name].instructions, step))
        elif step.keyword == "ARG":
            for key, default in pairs(step.text):
                values[key] = args.get(key, expand(default or "", values))
    return Dockerfile(stages, {**values, **args})


def directives(dockerfile: str) -> dict[str, str]:
    """The parser directives at the top, such as `escape`."""
    values: dict[str, str] = {}
    for line in dockerfile.removeprefix("\ufeff").splitlines():
        match = _DIRECTIVE.match(line.strip())
        if match is None or match[1].lower() in values:
            break
        values[match[1].lower()] = match[2]
    return values


def instructions(dockerfile: str) -> Iterator[Instruction]:
    """The instructions, without comments. Any text is read as some instructions; nothing is an error."""
    escape = re.escape(directives(dockerfile).get("escape", "\\")[:1])
    continued = re.compile(rf"(?:^|(?<!{escape})){escape}[ \t]*$")
    lines = enumerate(dockerfile.removeprefix("\ufeff").splitlines(), 1)
    joined, first = "", 0
    for number, line in lines:
        if line.lstrip().startswith("#") or not line.strip():
            continue
        first = first or number
        joined += line
        if continued.search(joined):
            joined = continued.sub("", joined)
            continue
        yield _with_heredocs(_instruction(joined, first), lines)
        joined, first = "", 0
    if joined.strip():
        yield _instruction(joined, first)


def _instruction(line: str, number: int) -> Instruction:
    keyword, *rest = line.split(None, 1)
    text = rest[0].strip() if rest else ""
    flags = []
    while match := _FLAG.match(text):
        flags.append((match[1], (match[2] or "").strip('"')))
        text = text[match.end() :]
    return Instruction(keyword.upper(), text, number, tuple(flags))


def _with_heredocs(step: Instruction, lines: Iterator[tuple[int, str]]) -> Instruction:
    """The instruction with its here-documents, which are taken from the lines that follow."""
    inner = step.trigger
    if inner.keyword not in _TAKE_HEREDOCS or inner.text.startswith("["):
        return step
    bodies = [_body(lines, match[3], "\t " if match[1] else "") for match in HEREDOC.finditer(inner.text)]
    return replace(step, heredocs=tuple(bodies)) if bodies else step


def _body(lines: Iterator[tuple[int, str]], end: str, indent: str) -> str:
    body: list[str] = []
    for _, line in lines:
        text = line.lstrip(indent) if indent else line
        if text.rstrip() == end:
            break
        body.append(text)
    return "\n".join(body)


def expand(text: str, values: Mapping[str, str]) -> str:
    """A text with its variables replaced; a variable without a value becomes `UNKNOWN`."""

    def value(match: re.Match[str]) -> str:
        name, operator, word = match[1] or match[4], match[2] or "", match[3] or ""
        if not name:
            return "$"
        current = values.get(name)
        there = current is not None and (current != "" or ":" not in operator)
        if operator.endswith("+"):
            return word if there else ""
        if not there and operator:
            return word
        return UNKNOWN if current is None else current

    return _VARIABLE.sub(value, text) if "$" in text else text


def pairs(text: str) -> Iterator[tuple[str, str | None]]:
    """The names and values of an ARG or ENV; the value is None where only a name is written."""
    first = text.split(None, 1)
    if len(first) == 2 and "=" not in first[0]:  # ENV name value
        yield first[0], first[1].strip("\"'")
        return
    for word in words(text):
        key, sign, value = word.partition("=")
        yield key, value if sign else None


def listed(text: str) -> list[str]:
    """The arguments of a COPY, in either form."""
    array = _json(text)
    return array if array is not None else words(text)


def argv(text: str) -> tuple[str, ...]:
    """The words of a CMD or ENTRYPOINT; the shell form is a script for `sh -c`."""
    array = _json(text)
    return tuple(array) if array is not None else ("sh", "-c", text)


def words(text: str) -> list[str]:
    """A line's words, without their quotes."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def of_builder(name: str) -> bool:
    """Whether the builder sets this argument, from the platform."""
    return bool(_PLATFORM.match(name))


def _json(text: str) -> list[str] | None:
    if not text.startswith("["):
        return None
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) and all(isinstance(word, str) for word in value) else None
