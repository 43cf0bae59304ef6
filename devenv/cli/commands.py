"""The commands by name. The code of a command is imported, and its options are read, when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer

COMMANDS = {
    "up": ("lifecycle:up", "Start everything and wait until healthy."),
    "down": ("lifecycle:down", "Stop and remove what runs; keep the data."),
    "restart": ("lifecycle:restart", "Restart units and wait until healthy."),
    "run": ("lifecycle:run", "Run a job or a one-off command."),
    "watch": ("watching:watch", "Send changed files to what runs."),
    "pull": ("pulling:pull", "Bring files back from a container."),
    "why": ("watching:why", "Show what changed files caused, and why."),
    "status": ("inspect:status", "Show state, health and addresses."),
    "logs": ("inspect:logs", "Show what services and stores print."),
    "exec": ("inspect:exec_", "Run a command in a running unit."),
    "open": ("inspect:open_", "Open a page in the browser."),
    "env": ("inspect:env", "Print variables for this machine's programs."),
    "plan": ("planning:plan", "Show what `up` would do, and why."),
    "render": ("rendering:render", "Write the generated files."),
    "init": ("starting:init", "Write a first devenv.yaml, or a CI pipeline."),
    "promote": ("promotion.commands:promote", "Bring the stack to an environment's cluster."),
    "diff": ("promotion.commands:diff", "Show what `promote` would change."),
    "history": ("promotion.commands:history", "Show what was promoted, when and by whom."),
    "rollback": ("promotion.commands:rollback", "Go back to what served before."),
    "retire": ("promotion.commands:retire", "Remove what was promoted."),
    "onboard": ("onboarding:onboard", "Bring a fresh clone to its first green, step by step."),
    "doctor": ("doctor:doctor", "Check this machine against the manifest."),
    "kinds": ("kinds:kinds", "List what a stack can use; check or begin one of your own."),
    "schema": ("inspect:schema", "Print the manifest's JSON schema."),
    "completion": ("inspect:completion", "Print the shell's completion script."),
}
"""Name -> function in this package, and a line for the help; in the order of the help."""

RUNS_ANOTHER = {"run", "exec"}
"""Commands whose last arguments are another program's command line, options and all."""


class Commands(Mapping[str, Any]):
    """Click's command for each name, built on first use: building all takes longer than running one."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _build(name: str) -> Any:
    where, help_ = COMMANDS[name]
    module, _, function = where.partition(":")
    another = {"allow_interspersed_args": False}
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    command = app.command(name, short_help=help_, context_settings=another if name in RUNS_ANOTHER else None)
    command(getattr(import_module(f"devenv.cli.{module}"), function))
    return typer.main.get_command(app)
