"""Arguments and options that several commands share, and what a shell completes them with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context


def completion(names: Callable[[Context], Iterable[str]]) -> Callable[[str], list[str]]:
    """What the shell completes a word with: those of some names that begin so."""

    def complete(incomplete: str) -> list[str]:
        from devenv.cli.context import Context

        try:
            return [name for name in names(Context()) if name.startswith(incomplete)]
        except Exception:  # a completion that fails completes nothing
            return []

    return complete


def _backends(context: Context) -> Iterable[str]:
    from devenv.backends import BACKENDS

    return BACKENDS


backends = completion(_backends)
"""Names of backends."""

names_up = completion(lambda context: context.observe().units)
"""Names of running units."""

names_known = completion(lambda context: context.project.manifest.names())
"""Names in the manifest."""

profiles = completion(lambda context: context.project.manifest.outline.profiles)
"""Names of profiles."""


SHELLS = ("bash", "zsh", "fish")
shells = completion(lambda context: SHELLS)
"""Shells that complete command lines."""


Known = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...", help="Only these units and what they use.", autocompletion=names_known
    ),
]
Hosted = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="NAME",
        help="Run this service on this machine, as under a debugger; a relay leads the others to it.",
        autocompletion=names_known,
    ),
]
Up = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Units; default: all that run.", autocompletion=names_up),
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def one_of(given: Mapping[str, object]) -> None:
    """Raises `UsageError` where options come together of which each asks for something else."""
    options = [option for option, value in given.items() if value]
    if len(options) > 1:
        raise UsageError(f"{' and '.join(options)} do not go together", hint="one command for each")


def only_with(companion: str, given: Mapping[str, object], hint: str) -> None:
    """Raises `UsageError` for options that mean nothing without another one, which is not there."""
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} is for {companion}", hint=hint)


def moment(text: str) -> int:
    """`10m` ago, or a date and time of this machine, in seconds since the epoch. Raises `UsageError`."""
    if match := re.fullmatch(r"(\d{1,9})([smh])", text):
        return int(time.time()) - int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise UsageError(f'"{text}" is not a time', hint="--since 10m, or --since 2026-11-26T09:30") from None


def words(command: list[str] | None) -> list[str]:
    """A command as it was typed, with or without `--` before it."""
    typed = command or []
    return typed[1:] if typed[:1] == ["--"] else typed
