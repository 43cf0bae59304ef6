"""Compose's `${NAME:-default}` in texts, and how a manifest says the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGN = re.compile(r":?[-?+]")


@dataclass(frozen=True, slots=True)
class Variable:
    """`${NAME:-default}`: `sign` is one of `-`, `?`, `+` with or without a colon, or ""."""

    name: str
    sign: str = ""
    rest: str = ""

    @property
    def default(self) -> str:
        """What stands for it where it is not set."""
        return plain(self.rest) if self.sign.endswith("-") else ""

    @property
    def written(self) -> str:
        """The same as Compose writes it."""
        return f"${{{self.name}{self.sign}{self.rest}}}"

    def ours(self, secrets: Collection[str] = (), *, demand: bool = True) -> str:
        """The same in a manifest, where an unset one is empty too; `+` is taken as not set.

        Without `demand`, one that has to be set may be empty.
        """
        if self.sign.endswith("+"):
            return ""
        if self.name in secrets:
            return f"${{secret.{self.name}}}"
        if not self.sign or (self.sign.endswith("?") and not demand):
            return f"${{env.{self.name}:-}}"
        return f"${{env.{self.name}{self.sign}{ours(self.rest, secrets, demand=demand)}}}"


Part = str | Variable


def parts(text: str) -> Iterator[Part]:
    """A text as literals and variables, with `$$` undone. What is not closed is literal."""
    literal, position = "", 0
    while position < len(text):
        sign = text.find("$", position)
        if sign < 0:
            break
        literal += text[position:sign]
        if text.startswith("$$", sign):
            literal, position = literal + "$", sign + 2
            continue
        variable, position = _variable(text, sign)
        if variable is None:
            literal += "$"
        else:
            yield from [literal] if literal else []
            literal = ""
            yield variable
    literal += text[position:]
    if literal:
        yield literal


def _variable(text: str, sign: int) -> tuple[Variable | None, int]:
    """The variable that begins at a `$`, and where it ends."""
    braced = text.startswith("${", sign)
    match = _NAME.match(text, sign + 1 + braced)
    if match is None:
        return None, sign + 1
    if not braced:
        return Variable(match[0]), match.end()
    end = _closing(text, match.end())
    if end < 0:
        return None, sign + 1
    inside = text[match.end() : end]
    operator = _SIGN.match(inside)
    if operator is None:
        return (Variable(match[0]), end + 1) if not inside else (None, sign + 1)
    return Variable(match[0], operator[0], inside[operator.end() :]), end + 1


def _closing(text: str, start: int) -> int:
    """Where the brace that is open at `start` closes, past those inside; -1 where it does not."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return -1


def plain(text: str, values: Mapping[str, str] | None = None) -> str:
    """The text with each variable's value, or else its default."""
    return "".join(
        part if isinstance(part, str) else (values or {}).get(part.name) or part.default
        for part in parts(text)
    )


def inlined(text: str, texts: Mapping[str, str]) -> str:
    """The text with other texts in the place of the variables of their names."""
    if not any(variable.name in texts for variable in variables(text)):
        return text
    return "".join(
        part.replace("$", "$$") if isinstance(part, str) else texts.get(part.name) or part.written
        for part in parts(text)
    )


def ours(text: str, secrets: Collection[str] = (), *, demand: bool = True) -> str:
    """The text as a manifest says it; `secrets` are the variables that it calls so."""
    return "".join(
        escaped(part) if isinstance(part, str) else part.ours(secrets, demand=demand) for part in parts(text)
    )


def escaped(literal: str) -> str:
    """A literal, so that no `${` in it is taken for a reference."""
    return literal.replace("${", "$${")


def variables(value: Any) -> Iterator[Variable]:
    """The variables in every text of a value."""
    match value:
        case str():
            yield from (part for part in parts(value) if isinstance(part, Variable))
        case Mapping():
            for item in value.values():
                yield from variables(item)
        case list() | tuple():
            for item in value:
                yield from variables(item)


def forms(value: Any) -> tuple[Any, ...]:
    """How to write a value, the best form first: with `${env.NAME}`, or with the defaults alone."""
    candidates = [
        everywhere(ours, value),
        everywhere(lambda text: ours(text, demand=False), value),
        everywhere(lambda text: escaped(plain(text)), value),
    ]
    return tuple(form for index, form in enumerate(candidates) if form not in candidates[:index])


def everywhere(change: Callable[[str], str], value: Any) -> Any:
    """A value with every text in it changed; keys stay."""
    match value:
        case str():
            return change(value)
        case Mapping():
            return {key: everywhere(change, item) for key, item in value.items()}
        case list() | tuple():
            return [everywhere(change, item) for item in value]
    return value
