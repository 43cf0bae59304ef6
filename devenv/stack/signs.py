"""Things that stand in a text as signs that nobody writes, while the text is taken apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

FIRST = 0xE000  # of the characters that Unicode gives no meaning


def with_signs(parts: Iterable[str | T]) -> tuple[str, dict[str, T]]:
    """The parts as one text, with a sign for each that is none; and what each sign stands for."""
    pieces: list[str] = []
    things: dict[str, T] = {}
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
        else:
            sign = chr(FIRST + len(things))
            things[sign] = part
            pieces.append(sign)
    return "".join(pieces), things
