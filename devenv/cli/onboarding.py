"""The command for the first hour: from a fresh clone to the first green."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.asking import answers, ask_hidden
from devenv.cli.doctor import examined
from devenv.cli.lifecycle import exit_on_failure, reported
from devenv.errors import FAILED, INTERRUPTED, DevenvError, UsageError
from devenv.writing import no_place, write_named

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.lifecycle import Outcome
    from devenv.engine.onboarding import Journey
    from devenv.stack.model import Stack

PATIENCE = 20.0  # seconds for the checks, which take that long only where something hangs


def onboard(
    ctx: typer.Context,
    report: Annotated[
        str | None,
        typer.Option("--report", help="Write a page in Markdown about it.", metavar="FILE"),
    ] = None,
) -> None:
    """Check this machine, ask for missing secrets, start everything, seed it and try its requests.

    On a terminal it then waits for your first edit. Each step is timed. Run it again after a step that
    failed: it goes on from there.
    """
    context: Context = ctx.obj
    page = Path(report) if report is not None else None
    if page is not None:
        _require_writable(page)
    try:
        _travel(context, page)
    except (KeyboardInterrupt, typer.Exit) as end:
        code = getattr(end, "exit_code", INTERRUPTED)
        if code == INTERRUPTED:
            context.console.sentence("interrupted: devenv onboard   goes on from here")
        raise typer.Exit(code) from None


def _travel(context: Context, page: Path | None) -> None:
    from devenv.engine import onboarding
    from devenv.engine.lifecycle import Request
    from devenv.plan import onboarding as plan
    from devenv.plan.status import pages_of

    console, journey = context.console, onboarding.Journey(context.workspace)
    with journey.step("doctor"):
        _check(context)
    with journey.step("secrets"):
        _ask_secrets(context)
    with journey.step("up"), context.lock("devenv onboard"):
        lifecycle = context.lifecycle(context.place)
        outcome: Outcome = reported(context, lambda report: lifecycle.up(Request(), report))
        exit_on_failure(context, outcome)
    stack = outcome.stack
    _seed(context, stack, journey)
    with journey.step("smoke"):
        lines = onboarding.smoke(context.project, stack, lambda line: _say(context, "smoke", line))
    pages = pages_of(stack)
    for name, url in pages.items():
        console.print(f"{name}  {url}")
    console.say(console.style(f"first green in {plan.shown(journey.passport.total)}", "green", "bold"))
    try:
        _edit(context, outcome, journey)
    finally:
        if page is not None:
            text = console.masked(plan.report(stack, journey.passport, lines, pages))
            write_named(page, text, option="--report")


def _say(context: Context, step: str, text: str) -> None:
    context.console.say(context.console.labelled(f"{step:<7}", text, "bold"))


def _check(context: Context) -> None:
    """The checks of `doctor`; the step ends the command where one fails, but not for missing secrets."""
    from devenv.console.checks import check_lines
    from devenv.doctor.verdict import Level

    verdicts = [verdict for verdict in examined(context, PATIENCE) if verdict.check != "secrets"]
    troubles = [verdict for verdict in verdicts if verdict.level is not Level.PASS]
    _say(context, "doctor", f"{len(verdicts) - len(troubles)} of {len(verdicts)} checks pass")
    for line in check_lines(context.console, troubles):
        context.console.say(line)
    if any(verdict.level is Level.FAIL for verdict in troubles):
        context.console.sentence("Fix what fails, then run `devenv onboard` again; it goes on from there.")
        raise typer.Exit(FAILED)


def _ask_secrets(context: Context) -> None:
    """Ask for each secret without a value, and keep it in `.env` at once. Nothing typed is shown."""
    from devenv.engine import onboarding
    from devenv.errors import ToolMissing

    stack = context.load(tolerate=(ToolMissing,)).stack
    missing = onboarding.missing(context.project, stack, context.environment)
    if missing and not answers():
        lines = [f"{name}: {source}" for name, source in missing.items() if source]
        raise UsageError(
            f"no value for the secret{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            why="\n".join(["there is no terminal to ask on", *lines]),
            hint=f"echo '{next(iter(missing))}=...' >> .env",
        )
    for name, source in missing.items():
        _say(context, "secrets", f"{name}   from {source}" if source else name)
        value = ask_hidden(name)
        context.console.hide([value])
        onboarding.keep(context.workspace, name, value)
    _say(context, "secrets", f"{len(missing)} new in .env" if missing else "all have values")
    context.renew()


def _seed(context: Context, stack: Stack, journey: Journey) -> None:
    """Run the jobs that seed, once for a checkout."""
    from devenv.plan.onboarding import seeds

    jobs = seeds(stack)
    if not jobs or "seed" in journey.passport.done:
        return
    with journey.step("seed"):
        for job in jobs:
            _run_job(context, job.name)
            _say(context, "seed", f"{job.name}  done")


def _edit(context: Context, outcome: Outcome, journey: Journey) -> None:
    """Wait for the first edit of whoever sits at this terminal; once for a checkout."""
    from devenv.cli import keys
    from devenv.cli.firstedit import FirstEdit
    from devenv.plan.onboarding import shown

    loaded = outcome.loaded
    built = [unit.name for unit in outcome.stack.units if unit.role == "service" and unit.build]
    if journey.passport.edited or loaded is None or not built or not keys.has_keys():
        return
    with context.workspace.only_one("watch", "onboard") as other:
        if other:
            return
        names = " or ".join([", ".join(built[:-1]), built[-1]] if built[1:] else built)
        _say(context, "edit", f"change a file of {names} and save it; Enter goes on without")
        first = FirstEdit(context, loaded)
        first.run()
    if first.file:
        journey.edited(first.file, first.seconds)
        _say(context, "edit", f"{first.file} was in use {shown(first.seconds)} after it was saved")


def _run_job(context: Context, name: str) -> None:
    with context.lock("devenv onboard"):
        lifecycle = context.lifecycle(context.place_in_use)
        outcome: Outcome = reported(context, lambda report: lifecycle.run(name, [], tty=False, report=report))
    exit_on_failure(context, outcome)
    assert outcome.once is not None
    code = outcome.once()
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise DevenvError(f"{name} ended with exit {code}", hint=f"devenv run {name}; then devenv onboard")


def _require_writable(file: Path) -> None:
    """Raises `UsageError` where the page will find no place: before minutes have gone by."""
    unwritable = partial(no_place, file, option="--report")
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if file.is_dir():
        raise unwritable("it is a folder")
    if not folder.is_dir():
        raise unwritable(f"{folder} is a file")
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise unwritable("permission denied")
