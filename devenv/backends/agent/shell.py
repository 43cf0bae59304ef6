"""Text for the shell in a container."""

from __future__ import annotations

import os

from devenv import assets


def script_of(name: str) -> str:
    """A script of ours that runs in containers."""
    return (assets.root() / f"templates/reload/{name}.sh").read_text(encoding="utf-8")


def call(function: str, *words: str | bytes) -> bytes:
    """A line that calls a function of the script."""
    return b" ".join((function.encode(), *map(quoted, words)))


def quoted(word: str | bytes) -> bytes:
    """A word for the shell, on one line."""
    raw = os.fsencode(word)
    return b"'" + raw.replace(b"'", b"'\\''").replace(b"\n", b"'\"$nl\"'") + b"'"
