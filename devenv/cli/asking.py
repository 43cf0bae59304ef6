"""Questions to the person at the terminal. At one, Ctrl-C and Ctrl-D interrupt the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from devenv.errors import FAILED, UsageError


def confirm(question: str) -> None:
    """Ask yes or no, before something is changed for good; anything but yes ends the command.

    Raises `UsageError` where nobody can be asked.
    """
    _require_terminal(question)
    with _interrupted():
        sure = typer.confirm(question, err=True)
    if not sure:
        raise typer.Exit(FAILED)


def confirm_by_name(question: str, name: str) -> None:
    """The same, answered with a name: for what customers depend on."""
    _require_terminal(question)
    with _interrupted():
        typed = typer.prompt(f"{question} Type {name} to go on", err=True)
    if typed != name:
        raise typer.Exit(FAILED)


def ask_hidden(question: str) -> str:
    """What somebody types, which is not shown."""
    with _interrupted(shown=False):
        return str(typer.prompt(f"{question} (not shown)", hide_input=True, err=True))


def answers() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


@contextmanager
def _interrupted(*, shown: bool = True) -> Iterator[None]:
    try:
        yield
    except typer.Abort:
        if shown:  # a hidden answer is ended with a line already
            typer.echo(err=True)
        raise KeyboardInterrupt from None


def _require_terminal(question: str) -> None:
    if not answers():
        why = f"there is no terminal to ask on: {question}"
        raise UsageError("this needs a confirmation", why=why, hint="add --yes")
