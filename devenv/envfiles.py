"""Files of variables, such as `.env`."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from devenv.errors import UsageError

PLAIN = re.compile(r"(?:#[^\n]*|([A-Za-z_]\w*)=([\w+/=:@.,%-]*))?\n", re.ASCII)
"""A line that says the same to everybody: without quotes, blanks, escapes, or a comment behind the value."""


def read_env(file: Path) -> dict[str, str]:
    """The variables of an env file; nothing is expanded. A missing file has none.

    Raises `UsageError` for one that cannot be read.
    """
    return {name: value for name, value, _ in _read(file)}


def odd_lines(file: Path) -> list[int]:
    """Numbers of the lines that are not `NAME=value`, which `read_env` leaves out. Raises as it does."""
    text = _text(file)
    if not text or _plain(text):
        return []
    from dotenv.parser import parse_stream

    return [binding.original.line for binding in parse_stream(StringIO(text)) if binding.error]


def read_written(file: Path) -> dict[str, str]:
    """The variables of an env file with their values as Compose takes them, which fills in `${NAME}` there.

    A dollar that it leaves alone, as in single quotes, is `$$`. Raises as `read_env` does.
    """
    return {
        name: value.replace("$", "$$") if quoted else value.replace("\\$", "$$")
        for name, value, quoted in _read(file)
    }


def _text(file: Path) -> str:
    if not file.is_file():
        return ""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {file}", why=why) from error


def _read(file: Path) -> list[tuple[str, str, bool]]:
    """Name and value of each variable, and whether the value stands in single quotes."""
    text = _text(file)
    if not text:
        return []
    if plain := _plain(text):
        return [(name, value, False) for name, value in plain.items()]
    from dotenv.parser import parse_stream  # which takes as long to import as half of devenv

    return [
        (binding.key, binding.value, binding.original.string.partition("=")[2].lstrip().startswith("'"))
        for binding in parse_stream(StringIO(text))
        if binding.key is not None and binding.value is not None
    ]


def _plain(text: str) -> dict[str, str]:
    """The variables of a file of plain lines; none where any other line is in it."""
    values, place = {}, 0
    while line := PLAIN.match(text, place):
        place = line.end()
        if line[1]:
            values[line[1]] = line[2]
    return values if place == len(text) else {}
