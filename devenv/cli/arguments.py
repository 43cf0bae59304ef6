"""Arguments and options that several commands share, and what a shell completes them with."""

from __future__ import annotations

from typing import Annotated

import typer


def names_up(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of running units, for the shell's completion."""
    from devenv.cli.context import Context

    try:
        return [name for name in Context().observe().units if name.startswith(incomplete)]
    except Exception:  # a completion that fails completes nothing
        return []


def names_known(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names in the manifest, for the shell's completion."""
    from devenv.cli.context import Context

    try:
        return [name for name in Context().project.names() if name.startswith(incomplete)]
    except Exception:
        return []


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


def words(command: list[str] | None) -> list[str]:
    """A command as it was typed, with or without `--` before it."""
    typed = command or []
    return typed[1:] if typed[:1] == ["--"] else typed
