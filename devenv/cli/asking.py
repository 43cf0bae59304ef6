"""Questions to the person at the terminal, before something is changed for good."""

from __future__ import annotations

import sys

import typer

from devenv.errors import FAILED, UsageError


def confirm(question: str) -> None:
    """Ask yes or no; anything but yes ends the command. Raises `UsageError` where nobody can be asked."""
    _require_terminal(question)
    if not typer.confirm(question, err=True):
        raise typer.Exit(FAILED)


def confirm_by_name(question: str, name: str) -> None:
    """The same, answered with a name: for what customers depend on."""
    _require_terminal(question)
    if typer.prompt(f"{question} Type {name} to go on", err=True) != name:
        raise typer.Exit(FAILED)


def answers() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _require_terminal(question: str) -> None:
    if not answers():
        why = f"there is no terminal to ask on: {question}"
        raise UsageError("this needs a confirmation", why=why, hint="add --yes")
