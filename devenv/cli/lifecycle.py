"""Commands that change what runs: up, down, restart, run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from devenv.cli.arguments import Hosted, Known, Up, Yes, names_known, profiles, words
from devenv.cli.asking import confirm
from devenv.cli.printing import print_logs
from devenv.errors import FAILED, INTERRUPTED, UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.console.board import Board
    from devenv.console.progress import Lines, Live
    from devenv.engine.lifecycle import Outcome, Request

T = TypeVar("T")


def up(
    ctx: typer.Context,
    names: Known = None,
    detach: Annotated[
        bool, typer.Option("-d", "--detach", help="Return once everything is healthy.")
    ] = False,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", help="Only the units of this profile.", metavar="NAME", autocompletion=profiles
        ),
    ] = None,
    remap_ports: Annotated[
        bool, typer.Option("--remap-ports", help="Use a free port where one is taken.")
    ] = False,
    build: Annotated[bool, typer.Option("--build", help="Build images even when nothing changed.")] = False,
    no_reload: Annotated[
        bool, typer.Option("--no-reload", help="Start everything as in production; show logs only.")
    ] = False,
    with_data: Annotated[
        bool,
        typer.Option(
            "--with-data",
            help="After a change of backend: copy the stores' data over, replacing what is there.",
        ),
    ] = False,
    host: Hosted = None,
    junit: Annotated[
        str | None,
        typer.Option("--junit", help="Write what became of each unit as JUnit XML, for CI.", metavar="FILE"),
    ] = None,
) -> None:
    """Build, start and wait until all units are healthy, then show logs. Ctrl-C leaves everything running."""
    from devenv.engine.lifecycle import Request

    context: Context = ctx.obj
    request = Request(
        tuple(names or ()),
        tuple(profile or ()),
        remap=remap_ports,
        rebuild=build,
        carry=with_data,
        reload=not no_reload,
        host=tuple(host or ()),
    )
    with context.lock("devenv up"):
        lifecycle = context.lifecycle(context.place)

        def bring_up(report: Lines | Live) -> Outcome:
            outcome = lifecycle.up(request, report)
            if junit:
                _write_junit(context, Path(junit), report.board, outcome)
            return outcome

        outcome = reported(context, bring_up)
    exit_on_failure(context, outcome)
    _say_ready(context, outcome)
    _say_hosted(context, outcome)
    if not detach:
        _follow(context, outcome, request)


def _write_junit(context: Context, file: Path, board: Board, outcome: Outcome) -> None:
    from devenv.console import plain
    from devenv.console.junit import junit
    from devenv.writing import write_named

    console = context.console
    failures = [
        (error, console.masked(plain("\n".join(console.error_lines(error))))) for error in outcome.failures
    ]
    text = junit(outcome.stack.name, board.rows.values(), failures)
    write_named(file, text, option="--junit")


def reported(context: Context, action: Callable[[Lines | Live], T]) -> T:
    """Run an action and show its progress. Exits with 130 after Ctrl-C."""
    from devenv.console.progress import progress

    with progress(context.console) as report:
        try:
            return action(report)
        except KeyboardInterrupt:
            rows = report.board.rows.values()
    # Only now, as the table would be drawn over what is printed beside it.
    _interrupted(context, [row.unit.name for row in rows if row.phase == "starting"])
    raise typer.Exit(INTERRUPTED)


def _interrupted(context: Context, starting: list[str]) -> None:
    from devenv import proc

    proc.interrupt_children()
    left = f"{', '.join(starting)} may still be starting; " if starting else ""
    context.console.note(
        f"interrupted: {left}`devenv status` shows what runs, `devenv up` resumes, `devenv down` stops it"
    )
    raise typer.Exit(INTERRUPTED)


def exit_on_failure(context: Context, outcome: Outcome) -> None:
    """End the command where a unit failed."""
    if outcome.failures:
        context.console.sentence("Running units were left running.")
        context.console.sentence("Fix the problem and run `devenv up` again; it resumes there.")
        raise typer.Exit(FAILED)


def _say_ready(context: Context, outcome: Outcome) -> None:
    from devenv.console import plain
    from devenv.plan.status import front_page_of

    console, seconds = context.console, outcome.seconds
    if seconds is None:
        parts = [f"{outcome.stack.name} is up, nothing to do"]
    else:
        parts = [console.style(f"ready in {seconds:.1f} s", "green", "bold")]
    if url := front_page_of(outcome.stack, outcome.units):
        parts.append(f"open {console.style(url, 'cyan')}")
    parts.append(f"stop: {console.style('devenv down', 'bold')}")
    line = "    ".join(parts)
    fits = not console.width or len(plain(line)) <= console.width
    console.say(line if fits else "\n  ".join(parts))


def _say_hosted(context: Context, outcome: Outcome) -> None:
    """How to start what runs on this machine."""
    from devenv.console.tables import hosted_lines

    hosted = [unit for unit in outcome.stack.units if unit.hosted and unit.name in outcome.units]
    if not hosted:
        return
    observed, (manifest, _, _) = context.observe_here().units, context.project.manifest.parsed
    for unit in hosted:
        build = manifest.services[unit.name].build
        folder = os.path.relpath(context.workspace.root / (build.folder if build else ""))
        program = observed[unit.name].program if unit.name in observed else ""
        context.console.say("\n".join(hosted_lines(context.console, unit, folder, program)))


def _follow(context: Context, outcome: Outcome, request: Request) -> None:
    """Show logs and send changed files until Ctrl-C, which leaves everything running."""
    from devenv.cli.watching import Watching

    console, place = context.console, context.place
    if outcome.loaded and outcome.loaded.synced.followed:
        with context.workspace.only_one("watch", "up") as first:
            if not first:
                asked = replace(request, rebuild=False, carry=False)
                Watching(context, asked, outcome.loaded, units=outcome.units).run()
                return
            console.note(f"{first} already sends changed files to this stack")
    console.sentence(console.style("logs follow; Ctrl-C leaves everything running", "dim"))
    observed = place.backend.observe(context.workspace.checkout).units
    units = [observed[name] for name in outcome.units if name in observed and observed[name].running]
    try:
        print_logs(console, place.backend, units, follow=True, tail=0)
    except KeyboardInterrupt:
        from devenv.console.tables import hosted_note

        console.say()
        console.sentence("still running; `devenv down` stops it, `devenv logs -f` shows the logs again")
        if line := hosted_note(outcome.stack):
            console.sentence(line)
        raise typer.Exit(INTERRUPTED) from None


def down(
    ctx: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", help="Remove the data as well; asks first.")] = False,
    yes: Yes = False,
    stop: Annotated[bool, typer.Option("--stop", help="With -b minikube: stop its profile as well.")] = False,
) -> None:
    """Stop and remove what this checkout started. Data stays unless --volumes."""
    from devenv.engine import lifecycle

    context: Context = ctx.obj
    console, backend, space = context.console, context.backend, context.workspace
    idle = backend.idle
    if stop and not idle:
        raise UsageError(f"--stop does nothing on {backend.name}", hint="devenv down")
    if volumes and not yes:
        confirm(f"Remove all data of {space.root.name}'s stores for good?")
    from devenv.backends.relay.look import end_all

    with context.lock("devenv down"):
        for name in (backend.name, *(other.name for other in context.left_over)):
            end_all(space.state / name)
        try:
            removed = lifecycle.down(
                backend, context.left_over, space.checkout, volumes=volumes, stop=stop, say=console.sentence
            )
        except KeyboardInterrupt:
            again = "devenv down --volumes" if volumes else "devenv down"
            console.note(f"interrupted: `devenv status` shows what still runs, `{again}` goes on")
            raise
        if volumes:
            from devenv.engine.onboarding import Journey

            Journey(space).forget("seed")
    if not removed.units and not removed.volumes:
        console.sentence("nothing of this checkout was running")
    if removed.units:
        console.sentence(f"removed {', '.join(removed.units)}")
    if removed.volumes:
        console.sentence(f"removed the data: {', '.join(removed.volumes)}")
    if removed.kept:
        console.sentence(
            f"data kept in {_counted(len(removed.kept), 'volume')}; devenv down --volumes removes it"
        )
    if idle and not stop:
        console.sentence(f"{idle} keeps running; stop it with: devenv down -b {backend.name} --stop")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def restart(ctx: typer.Context, names: Up = None) -> None:
    """Restart services and wait until they are healthy again."""
    from devenv.engine.place import Place

    context: Context = ctx.obj
    with context.lock("devenv restart"):
        units = [unit for unit in context.running(names or []) if unit.running or names]
        lifecycle = context.lifecycle(Place(context.backend))
        outcome = reported(context, lambda report: lifecycle.restart(units, report))
    exit_on_failure(context, outcome)


def run(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A job or service.", metavar="NAME", autocompletion=names_known)
    ],
    command: Annotated[
        list[str] | None, typer.Argument(help="The command; default: its own.", metavar="[COMMAND]...")
    ] = None,
) -> None:
    """Run a job, or a one-off command in a service's image. Starts what it uses first."""
    context: Context = ctx.obj
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    with context.lock("devenv run"):
        lifecycle = context.lifecycle(context.place_in_use)
        outcome = reported(
            context, lambda report: lifecycle.run(name, words(command), tty=tty, report=report)
        )
    exit_on_failure(context, outcome)
    assert outcome.once is not None
    raise typer.Exit(outcome.once())
