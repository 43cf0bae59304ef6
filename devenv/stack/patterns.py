"""Patterns of paths as `.gitignore` has them; any number of them is one regular expression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_MEMBERS = r"(?:\[:[^]]*:\]|\\.|[^\\])(?:\[:[^]]*:\]|\\.|[^]\\])*+"  # a `]` that is the first is one of them
_PIECE = re.compile(rf"\*\*/|/\*\*$|\*+|\?|\[[!^]?+{_MEMBERS}\]|\\.|.", re.S)
_MEMBER = re.compile(r"\[:([^]]*):\]|((?>\\.|.))-((?>\\.|.))|((?>\\.|.))", re.S)
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
"""What the names of POSIX in brackets stand for, as in `[[:digit:]]`."""


def match(patterns: Sequence[str], path: str) -> str:
    """The pattern that decides on a path, the last that matches; "" if none, or if that one has a `!`.

    A pattern with a slash before its end starts at the top; one of a folder matches all that is below it.
    """
    if not patterns or not _any(tuple(patterns)).match(path):
        return ""
    for pattern in reversed(patterns):
        if compiled(pattern.removeprefix("!")).match(path):
            return "" if pattern.startswith("!") else pattern
    return ""


def negated(patterns: Sequence[str], path: str) -> bool:
    """Whether the pattern that decides on a path has a `!`."""
    for pattern in reversed(patterns):
        if compiled(pattern.removeprefix("!")).match(path):
            return pattern.startswith("!")
    return False


def is_whole(pattern: str, path: str) -> bool:
    """Whether a pattern matches all of a path, and not only a folder above it."""
    return bool(_whole(pattern).match(path))


@lru_cache(maxsize=512)
def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{translated(pattern)}\Z", re.S)


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of one pattern, to be matched from the start of a path."""
    return re.compile(_regex(pattern), re.S)


@lru_cache(maxsize=128)
def _any(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_regex(pattern.removeprefix("!")) for pattern in patterns), re.S)


def _regex(pattern: str) -> str:
    text = pattern.removeprefix("./")
    anchored = "/" in text.rstrip("/")
    start = "/?" if anchored else "(?:.*/)?"
    end = "/" if text.endswith("/") else "(?:/|$)"
    return f"{start}{translated(text.strip('/'))}{end}"


def translated(glob: str) -> str:
    """A glob as a regular expression: only `**` matches a slash."""
    return "".join(_piece(piece) for piece in _PIECE.findall(glob))


def _piece(piece: str) -> str:
    match piece[0], piece:
        case _, "**/":
            return "(?:.*/)?"
        case _, "/**":
            return "/.*"
        case "*", _:
            return "[^/]*"
        case "?", _:
            return "[^/]"
        case "[", _ if len(piece) > 1:
            return f"(?!/){_one_of(piece[1:-1])}"
        case "\\", _ if len(piece) > 1:
            return re.escape(piece[1])
    return re.escape(piece)


def _one_of(members: str) -> str:
    """What stands in brackets, as a regular expression; a range that runs backwards is its first member.

    A class that does not exist is matched by nothing.
    """
    negated = members[0] in "!^"
    text = "^" if negated else ""
    for name, low, high, single in _MEMBER.findall(members[negated:]):
        if name not in ("", *_CLASSES):
            return "(?!)"
        if name:
            text += _CLASSES[name]
            continue
        text += re.escape((single or low)[-1])
        if high and low[-1] <= high[-1]:
            text += f"-{re.escape(high[-1])}"
    return f"[{text}]"
