"""The command that checks this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.arguments import Json, Yes
from devenv.cli.asking import confirm
from devenv.errors import FAILED, DevenvError, ToolMissing, UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.doctor.verdict import Verdict, Wanted

WAITING = 0.7  # part of the time that a backend is waited for: the manifest is read after that


def doctor(
    ctx: typer.Context,
    fix: Annotated[
        bool, typer.Option("--fix", help="Run the safe ones of the commands that help; asks first.")
    ] = False,
    json_: Json = False,
    yes: Yes = False,
    within: Annotated[
        float,
        typer.Option("--within", help="How long all checks together may take.", metavar="SECONDS", min=0.1),
    ] = 1.0,
) -> None:
    """Check this machine against the manifest: what works, what may trouble, and what to type.

    Without a manifest, the machine alone. Changes nothing without --fix. Exits 1 when a check fails.
    """
    from devenv.console.checks import as_json, check_lines, summary
    from devenv.doctor.verdict import Level

    context: Context = ctx.obj
    console = context.console
    verdicts = examined(context, within)
    if fix:
        commands = _safe(verdicts)
        for line in check_lines(console, verdicts):
            console.say(line)
        if commands:
            _run(context, commands, yes=yes)
            context.renew()
            verdicts = examined(context, within)
        else:
            console.say("nothing that --fix could run")
    if json_:
        console.json(as_json(verdicts))
    else:
        for line in [*check_lines(console, verdicts), summary(console, verdicts)]:
            console.print(line)
    if any(verdict.level is Level.FAIL for verdict in verdicts):
        raise typer.Exit(FAILED)


def examined(context: Context, seconds: float) -> list[Verdict]:
    """What the checks say of this machine and the manifest, within so many seconds."""
    from devenv.doctor.examination import Examination

    examination = Examination(context.environment, seconds=seconds)
    return examination.verdicts(_wanted(context, seconds * WAITING))


def _wanted(context: Context, seconds: float) -> Wanted:
    """What the machine is to run. Raises `UsageError` for a file or backend that was named in vain."""
    from devenv.backends import containers
    from devenv.doctor.verdict import Wanted
    from devenv.engine.wanted import wanted
    from devenv.plan.choice import choose

    options, environment = context.options, context.environment
    asked = {"flag": options.backend or "", "environment": environment.get("DEVENV_BACKEND") or ""}
    try:
        default = Wanted(choose(**asked, absent=containers.absent(environment)).backend)
    except ToolMissing:  # a Docker context that is not there, as the check of the engine says
        default = Wanted(choose(**asked).backend)
    try:
        context.workspace  # noqa: B018  looked for on first use
    except UsageError:
        if options.file or environment.get("DEVENV_FILE"):
            raise
        return default
    try:
        context.project.manifest.outline  # noqa: B018  read on first use
    except DevenvError as error:
        return replace(default, invalid=error)
    try:
        backend = context.place.backend
    except ToolMissing as error:
        return replace(default, invalid=error)
    return wanted(context.project, backend, context.promises, seconds=seconds)


def _safe(verdicts: Sequence[Verdict]) -> list[str]:
    """The commands that --fix may run, each once."""
    fixes = [verdict.fix for verdict in verdicts if verdict.fix is not None]
    return list(dict.fromkeys(fix.command for fix in fixes if fix.safe))


def _run(context: Context, commands: list[str], *, yes: bool) -> None:
    """Run the commands, once they have been shown and agreed to. The one that fails says so itself."""
    from devenv import proc

    context.console.say("\nThis will run:\n" + "\n".join(f"  {command}" for command in commands))
    if not yes:
        confirm("Go on?")
    for command in commands:
        if code := proc.run_attached(["sh", "-c", command]):
            context.console.note(f"exit {code}: {command}")
