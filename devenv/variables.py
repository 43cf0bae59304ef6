"""`${env.NAME}` in a text: values from the environment, filled in before anything else reads it.

`${env.NAME:-default}` has a default for a variable that is not set or empty, `${env.NAME:?message}` a
message. Without the colon an empty one counts as set. A default may itself hold references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

START = "${env."
_NAME = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)")
_BRACE = re.compile(r"\$\{|\}")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<sign>:?[-?])(?P<rest>.*))?", re.DOTALL)


class Unfilled(ValueError):
    """A reference that cannot be filled in: what is wrong, and what to write."""

    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.message, self.suggestion = message, suggestion


def names_in(text: str) -> frozenset[str]:
    """The variables that a manifest's text may refer to; it need not be valid."""
    return frozenset(_NAME.findall(text)) if START in text else frozenset()


def filled(
    text: str, variables: Mapping[str, str], *, literal: Callable[[str], str] = str, escaped: str = "$${env."
) -> str:
    """The text with the values of its variables. Raises `Unfilled`.

    `literal` writes a value so that what reads the text next takes it as it is; `escaped` is what becomes
    of `$${env.`.
    """
    pieces, position = [], 0
    while (start := text.find(START, position)) != -1:
        inside = start + len(START)
        if text[position:start].endswith("$"):
            pieces += [text[position : start - 1], escaped]
            position = inside
        else:
            end = _end(text, start)
            name, sign, rest = _split(text[inside:end])
            value = variables.get(name)
            if value or (value is not None and not sign.startswith(":")):
                pieces += [text[position:start], literal(value)]
            elif sign.endswith("-"):  # the default is the manifest's own text
                pieces += [text[position:start], filled(rest, variables, literal=literal, escaped=escaped)]
            else:
                raise _lacking(name, "is not set" if value is None else "is empty", rest)
            position = end + 1
    return "".join([*pieces, text[position:]])


def _end(text: str, start: int) -> int:
    """Where the brace is that closes the reference which starts there."""
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "${" else -1
        if depth == 0:
            return brace.start()
    raise Unfilled(f'"{text[start:]}" is not closed', "close it with }, or write $${ for a literal ${")


def _split(inside: str) -> tuple[str, str, str]:
    """`NAME:-default` as name, sign and the rest."""
    match = _INSIDE.fullmatch(inside)
    if match is None:
        raise Unfilled(
            f"${{env.{inside}}} is not a reference to a variable",
            "write ${env.NAME}, ${env.NAME:-default} or ${env.NAME:?message}",
        )
    return match["name"], match["sign"] or "", match["rest"] or ""


def _lacking(name: str, lack: str, message: str) -> Unfilled:
    return Unfilled(
        f"{name} {lack}{message and ': '}{message}",
        f"echo '{name}=...' >> .env, or give it a default: ${{env.{name}:-...}}",
    )
