"""Commands that change what runs: up, down, restart, run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.errors import FAILED, INTERRUPTED, ToolMissing, UsageError, did_you_mean

if TYPE_CHECKING:
    from devenv.backends.base import Backend
    from devenv.cli.context import Context
    from devenv.cli.loading import Loaded
    from devenv.errors import DevenvError
    from devenv.plan.model import Plan
    from devenv.stack.model import Stack, Unit


def names_up(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of what is up, for the shell's completion."""
    from devenv.cli.context import Context

    try:
        return [name for name in Context().observe().units if name.startswith(incomplete)]
    except Exception:  # a completion that fails says nothing
        return []


def names_known(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names the manifest knows, for the shell's completion."""
    from devenv.cli.context import Context

    try:
        known = Context().project.names()
        return [name for name in known if name.startswith(incomplete)]
    except Exception:
        return []


Known = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Only these and what they use.", autocompletion=names_known),
]
Up = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", autocompletion=names_up)]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def up(
    ctx: typer.Context,
    names: Known = None,
    detach: Annotated[
        bool, typer.Option("-d", "--detach", help="Return once everything is healthy.")
    ] = False,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", help="Only this profile of the manifest.")
    ] = None,
    remap_ports: Annotated[
        bool, typer.Option("--remap-ports", help="Where a port is taken, use a free one.")
    ] = False,
    build: Annotated[bool, typer.Option("--build", help="Build images even when nothing changed.")] = False,
    with_data: Annotated[
        bool,
        typer.Option(
            "--with-data",
            help="From another backend, bring the stores' content along, in place of what they hold here.",
        ),
    ] = False,
) -> None:
    """Build, start and wait until all is healthy; then show logs until Ctrl-C, which leaves it running."""
    context: Context = ctx.obj
    started = time.monotonic()
    with lock(context, "devenv up"), closing(context.project.promises):
        loaded = context.load(remap=remap_ports, start=True)
        if with_data and context.other is not None:
            _carry(context, loaded)
            loaded = context.load(remap=remap_ports)
        wanted = [*(names or []), *_members(loaded, profile or [])]
        plan, units = context.project.plan(loaded, wanted, rebuild=build)
        _leave_other(context)
        if plan:
            for note in (*context.project.notes(), *loaded.moved):
                context.console.note(note)
            carry_out(context, loaded, plan, units)
        context.backend.forward(loaded.stack)  # whatever the plan was: who held the ports may be gone
    _ready(context, loaded.stack, units, time.monotonic() - started if plan else None)
    if not detach:
        _follow(context, units)


def _carry(context: Context, loaded: Loaded) -> None:
    """Bring the stores up here with what they hold on the backend that is left, before anything uses them."""
    from devenv.engine import carry

    other, space = context.other, context.workspace
    assert other is not None
    folder = space.state / "carried"
    there = other.observe(space.checkout)
    saved = carry.save(other, there, carry.stores(loaded.stack), folder, context.console.say)
    _leave_other(context)
    if saved:
        names = [unit.name for unit in saved]
        plan, units = context.project.plan(loaded, names)
        if plan:
            carry_out(context, loaded, plan, units)
        carry.load(context.backend, context.observe(), saved, folder, source=other.name)


def _leave_other(context: Context) -> None:
    """A stack runs on one backend: what this checkout has on another is stopped first, its data kept."""
    space, other = context.workspace, context.other
    if other is not None:
        try:
            if other.home != context.backend.home:
                removed = other.remove(space.checkout, volumes=False, say=context.console.say)
                if removed.units:
                    context.console.note(f"the stack ran on {other.name}: stopped there, its data kept")
                if other.idle:
                    context.console.note(_goes_on(other))
        except ToolMissing as error:
            context.console.note(f"the stack ran on {other.name}, which does not answer: {error.what}")
    space.write({"backend": context.backend.name + "\n"})


def lock(context: Context, purpose: str) -> AbstractContextManager[None]:
    """The stack's lock; says so when somebody else holds it."""

    def waiting(holder: str) -> None:
        context.console.note(f"waiting for {holder} to finish with this stack")

    return context.workspace.lock(purpose=purpose, on_wait=waiting)


def carry_out(context: Context, loaded: Loaded, plan: Plan, units: Sequence[str]) -> None:
    """Run a plan and show it. Exits with 1 after a failure, with 130 after Ctrl-C."""
    from devenv.console.progress import progress
    from devenv.engine.runner import Work, run
    from devenv.events import Planned
    from devenv.plan.model import Op

    backend, stack, space = context.backend, loaded.stack, context.workspace
    folder = space.state / backend.name
    bundle = backend.render(stack, fingerprints=loaded.fingerprints, secrets=loaded.secrets, folder=folder)
    folder = space.write_bundle(bundle, backend.name, loaded.secrets)
    backend.follow(stack, folder)
    work = Work(stack, backend, space.root, loaded.fingerprints, loaded.secrets)
    failures: list[DevenvError] = []
    with progress(context.console) as report:
        try:
            report(Planned(stack, plan, backend.name, context.where(), tuple(units)))
            failures = run(plan, work, report)
        except KeyboardInterrupt:
            _interrupted(
                context, [row.unit.name for row in report.board.rows.values() if row.phase == "starting"]
            )
    if not failures:
        made = {step.target for step in (*plan.of(Op.BUILD), *plan.of(Op.APPLY))}
        context.project.remember_builds(loaded, loaded.current | made)
    if failures:
        context.console.say("what is up stays up; mend it and run `devenv up` again, it goes on from here")
        raise typer.Exit(FAILED)


def _interrupted(context: Context, starting: list[str]) -> None:
    from devenv import proc

    proc.interrupt_children()
    left = f"{', '.join(starting)} may still be starting; " if starting else ""
    context.console.note(
        f"interrupted: {left}`devenv status` tells, `devenv down` ends it, `devenv up` goes on"
    )
    raise typer.Exit(INTERRUPTED)


def _members(loaded: Loaded, profiles: list[str]) -> list[str]:
    wanted: list[str] = []
    for profile in profiles:
        if profile not in loaded.profiles:
            listed = ", ".join(loaded.profiles) or "there are none"
            hint = did_you_mean(profile, loaded.profiles, f"profiles: {listed}")
            raise UsageError(f'no profile "{profile}"', hint=hint)
        wanted += loaded.profiles[profile]
    return wanted


def _ready(context: Context, stack: Stack, names: Sequence[str], seconds: float | None) -> None:
    console = context.console
    head = "nothing to do" if seconds is None else f"ready in {seconds:.1f} s"
    url = front([unit for unit in stack.units if unit.name in names])
    said = [console.style(head, "green", "bold") if seconds is not None else f"{stack.name} is up, {head}"]
    said += [f"open {console.style(url, 'cyan')}"] if url else []
    console.say("    ".join([*said, f"stop: {console.style('devenv down', 'bold')}"]))


def front(units: Sequence[Unit]) -> str:
    """The URL that a person would open first: the gateway's shortest route, else the first service."""
    gateway = next((unit for unit in units if any(file.rendered for file in unit.files)), None)
    routes = [route for unit in units for route in unit.routes if not route.startswith("~")]
    if gateway is not None and routes:
        return f"http://localhost:{gateway.ports[0].host}{min(routes, key=len)}"
    services = sorted(units, key=lambda unit: unit.role != "service")
    return next((link.url for unit in services for link in unit.links), "")


def _follow(context: Context, names: Sequence[str]) -> None:
    """Logs until Ctrl-C. What runs goes on running."""
    from devenv.cli.inspect import print_logs

    context.console.say(context.console.style("logs follow; Ctrl-C leaves everything running", "dim"))
    observed = context.observe()
    found = [
        observed.units[name] for name in names if name in observed.units and observed.units[name].running
    ]
    try:
        print_logs(context, found, follow=True, tail=0, since=None, timestamps=False)
    except KeyboardInterrupt:
        context.console.say("\nstill running; `devenv down` ends it, `devenv logs -f` shows this again")
        raise typer.Exit(INTERRUPTED) from None


def down(
    ctx: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", help="The data too; asks first.")] = False,
    yes: Yes = False,
    stop: Annotated[bool, typer.Option("--stop", help="With -b minikube: stop its profile, too.")] = False,
) -> None:
    """Stop and remove what this checkout started. Data stays unless --volumes."""
    context: Context = ctx.obj
    console = context.console
    idle = context.backend.idle
    if stop and not idle:
        raise UsageError(f"there is nothing to stop on {context.backend.name}", hint="devenv down")
    if volumes and not yes:
        _confirm(f"Remove all data of {context.workspace.root.name}'s stores for good?")
    with lock(context, "devenv down"):
        removed = context.backend.remove(context.workspace.checkout, volumes=volumes, say=console.say)
        if stop:
            console.say(f"stopping {idle}")
            context.backend.stop()
    if not removed.units and not removed.volumes:
        console.say("nothing of this checkout was up")
    if removed.units:
        console.say(f"removed {_counted(len(removed.units), 'container')}")
    if removed.volumes:
        console.say(f"removed the data: {', '.join(removed.volumes)}")
    if removed.kept:
        console.say(f"data kept in {_counted(len(removed.kept), 'volume')}; devenv down --volumes removes it")
    if idle and not stop:
        console.say(_goes_on(context.backend))


def _goes_on(backend: Backend) -> str:
    return f"{backend.idle} goes on; devenv down -b {backend.name} --stop   ends it"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(question, why="nobody is there to answer", hint="add --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(FAILED)


def restart(ctx: typer.Context, names: Up = None) -> None:
    """Restart services and wait until they are healthy again."""
    from devenv.plan.planner import plan_restart

    context: Context = ctx.obj
    with lock(context, "devenv restart"):
        found = [one for one in context.running(names or []) if one.running or names]
        loaded = context.load()
        plan = plan_restart([one.unit for one in found if one.unit in loaded.stack])
        if plan:
            carry_out(context, loaded, plan, [one.unit for one in found])


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or service.", autocompletion=names_known)],
    command: Annotated[list[str] | None, typer.Argument(help="Another command than its own.")] = None,
) -> None:
    """Run a job, or a one-off command in a service's image, with all that it uses up."""
    context: Context = ctx.obj
    with lock(context, "devenv run"), closing(context.project.promises):
        loaded = context.load(start=True)
        plan = context.project.plan_run(loaded, name)
        unit = loaded.stack.unit(name)
        if plan:
            carry_out(context, loaded, plan, [need.unit for need in unit.needs])
        folder = context.workspace.write_bundle(
            context.backend.render(
                loaded.stack,
                fingerprints=loaded.fingerprints,
                secrets=loaded.secrets,
                folder=context.workspace.state / context.backend.name,
            ),
            context.backend.name,
            loaded.secrets,
        )
        context.backend.follow(loaded.stack, folder)
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    raise typer.Exit(context.backend.run(unit, words(command), tty=tty))


def words(command: list[str] | None) -> list[str]:
    """A command as it was typed, with or without `--` before it."""
    given = command or []
    return given[1:] if given[:1] == ["--"] else given


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    app.command()(down)
    app.command()(restart)
    app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(run)
