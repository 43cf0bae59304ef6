"""Commands that change nothing of the stack: status, logs, exec, open, env, schema, completion."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import habits
from devenv.cli.arguments import SHELLS, Json, Up, Yes, moment, names_known, names_up, one_of, shells, words
from devenv.cli.environments import At, confirm_production, release_of
from devenv.cli.printing import print_logs, save_logs
from devenv.errors import FAILED, DevenvError, ToolMissing, UsageError, did_you_mean

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.loaded import Loaded
    from devenv.plan.model import Observed
    from devenv.stack.text import Text


def status(ctx: typer.Context, environment: At = None, json_: Json = False) -> None:
    """Show every unit's state, health and addresses. Exits with 1 when a unit is not as it should be."""
    from devenv.console.tables import status_json, status_table
    from devenv.plan.status import externals, statuses

    context: Context = ctx.obj
    if environment:
        context.look_at(environment)
    console, backend = context.console, context.backend
    observed = _described(context, environment) if environment else context.observe_here()
    units = statuses(observed)
    if units and not environment:
        with suppress(DevenvError):  # a manifest that is being edited hides nothing of what runs
            if "external" in context.workspace.text():  # reading it as a whole takes longer than all the rest
                units = [*externals(context.project.manifest.externals), *units]
    if environment and (unsettled := _unsettled(context, environment)):
        console.note(unsettled)
    if json_:
        rows = [status_json(unit) for unit in units]
        place = {"environment": environment} if environment else {}
        console.json({"stack": observed.stack, "backend": backend.name, **place, "units": rows})
    elif not units:
        context.say_that_nothing_runs(observed)
    else:
        if observed.namespace:  # where no port of this machine tells
            on = environment or backend.name
            where = f"on {on}: context {backend.home}, namespace {observed.namespace}"
            console.say(console.style(where, "dim"))
        console.print("\n".join(status_table(console, units)))
    if not all(unit.ok for unit in units):
        raise typer.Exit(FAILED)


def _unsettled(context: Context, environment: str) -> str:
    """What is under way of a release, or was left half done; "" where nothing is."""
    if helm := release_of(context, environment).record.read():
        return f"{helm.what}, is at work on it: {helm.outcome}"
    revision = context.promoted.pending() if context.promoted else ""
    if not revision:
        return ""
    heal = f"devenv rollback {environment}"
    return f"revision {revision} was begun and not ended: wait if somebody promotes; else: {heal}"


def _described(context: Context, environment: str) -> Observed:
    """What runs of a release, with what only the manifest says of it."""
    from devenv.engine.promotion import charts
    from devenv.plan.status import described

    observed, place = context.observe(), context.project.manifest.parsed[0].environments[environment]
    scheme = "https" if place.ingress.tls else "http"
    page = f"{scheme}://{place.host}" if place.host else ""
    return described(observed, charts.promoted(context.project, environment).stack, page)


def logs(
    ctx: typer.Context,
    names: Up = None,
    environment: At = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Follow until Ctrl-C.")] = False,
    tail: Annotated[
        str | None,
        typer.Option(
            "-n", "--tail", help="Only the last lines of each unit; `all` is the default.", metavar="LINES"
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Only the last 10m, or from 2026-11-26T09:30 on.", metavar="TIME"),
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("-t", "--timestamps", help="Show the time of each line.")
    ] = False,
    save: Annotated[
        str | None, typer.Option("--save", help="Write a file for each unit instead.", metavar="FOLDER")
    ] = None,
) -> None:
    """Show what services and stores print."""
    context: Context = ctx.obj
    begin = moment(since) if since is not None else None
    if tail is not None and tail != "all" and not tail.isdecimal():
        raise UsageError(f'"{tail}" is not a number of lines', hint="--tail 100, or --tail all")
    if save is not None and follow:
        raise UsageError("logs that are followed have no end to save", hint=f"devenv logs --save {save}")
    if environment:
        context.look_at(environment)
    context.hide_secrets()
    console, backend, units = context.console, context.backend, context.running(names or [])
    last = int(tail) if tail and tail != "all" else None
    if save is None:
        print_logs(console, backend, units, follow=follow, tail=last, since=begin, timestamps=timestamps)
    elif units:
        save_logs(console, backend, units, Path(save), tail=last, since=begin, timestamps=timestamps)


def exec_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A running unit.", metavar="NAME", autocompletion=names_up)],
    command: Annotated[
        list[str] | None, typer.Argument(help="The command; default: sh.", metavar="[COMMAND]...")
    ] = None,
    no_tty: Annotated[bool, typer.Option("-T", help="Without a terminal, for scripts.")] = False,
    environment: At = None,
    yes: Yes = False,
) -> None:
    """Run a command in a running unit."""
    from devenv.plan.status import state

    context: Context = ctx.obj
    if environment:
        habits.refuse_variable(environment)
        context.look_at(environment)
    (unit,) = context.running([name])
    if unit.hosted:
        hint = f'eval "$(devenv env {name} --export)"   then run the command here'
        raise UsageError(f"{name} runs on this machine, not in a container", hint=hint)
    if not unit.running or unit.state == "paused":
        again = shlex.join(["devenv", "run", name, *(words(command) or ["sh"])])
        runs = unit.one_shot and not environment
        raise UsageError(f"{name} is {state(unit)}", hint=again if runs else context.start_hint(name))
    if environment and not yes:
        confirm_production(context.target(environment), f"Run this in {name} of {environment}?")
    tty = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    raise typer.Exit(context.backend.exec(unit, words(command) or ["sh"], tty=tty, interactive=_has_input()))


def _has_input() -> bool:
    """Whether stdin may bring anything; the null device, as scripts and schedulers give it, brings nothing.

    A cluster loses the output of a quick command, now and then, when its stdin ends while it starts.
    """
    with suppress(OSError):  # stdin is closed
        status = os.fstat(0)
        return not (stat.S_ISCHR(status.st_mode) and status.st_rdev == Path(os.devnull).stat().st_rdev)
    return False


def open_(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="A unit; default: the front page.", metavar="[NAME]", autocompletion=names_up),
    ] = None,
) -> None:
    """Open a unit, or the front page, in the browser."""
    from devenv.plan.status import front_page, status

    context: Context = ctx.obj
    if name is not None:
        (unit,) = context.running([name])
        url = status(unit).url
    else:
        observed = context.observe()
        order: tuple[str, ...] = ()
        if not observed.units:
            raise UsageError("nothing of this checkout is running", hint="devenv up")
        with suppress(DevenvError):  # a broken manifest does not keep a page from being opened
            order = context.project.manifest.outline.units
        url = front_page(observed, order)
    if not url:
        raise UsageError(f"{name or 'what runs'} has no page", hint="devenv status")
    context.console.print(url)
    if sys.stdout.isatty() and not os.environ.get("CI"):
        typer.launch(url)


def env(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Only the variables of this service.", metavar="[NAME]", autocompletion=names_known
        ),
    ] = None,
    export: Annotated[
        bool, typer.Option("--export", help='Shell code with real values: eval "$(devenv env --export)".')
    ] = False,
    json_: Json = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show secrets in the clear.")] = False,
    vscode: Annotated[
        bool, typer.Option("--vscode", help="Add the service to .vscode/launch.json instead.")
    ] = False,
    idea: Annotated[
        bool, typer.Option("--idea", help="Write a run configuration for JetBrains IDEs instead.")
    ] = False,
    direnv: Annotated[
        bool, typer.Option("--direnv", help="Have direnv set the variables instead, in .envrc.")
    ] = False,
) -> None:
    """Print the variables with which a program on this machine reaches the stack. Needs no engine."""
    from devenv.stack import text
    from devenv.stack.hosting import unreached
    from devenv.stack.resolve import host_environment

    context: Context = ctx.obj
    written = {"--direnv": direnv, "--vscode": vscode, "--idea": idea}
    asked = " ".join(option for option, value in written.items() if value)
    one_of({"--export": export, "--json": json_, asked: asked})
    if name is None and (vscode or idea):
        option = "--vscode" if vscode else "--idea"
        raise UsageError("an editor starts one service", hint=f"devenv env NAME {option}")
    loaded = context.load(tolerate=(ToolMissing,))
    manifest, _, catalogue = context.project.manifest.parsed
    names = (*manifest.services, *manifest.jobs)
    if name is not None and name not in names:
        hint = did_you_mean(name, names, f"there are: {', '.join(names)}")
        raise UsageError(f'no service or job "{name}"', hint=hint)
    variables = host_environment(manifest, catalogue, loaded.world, name or "")
    for unit in unreached(loaded.stack, name or ""):
        context.console.sentence(f"{unit} is left out: it publishes no port on this machine")
    if asked:
        from devenv.cli import launching

        values = {key: text.reveal(value, loaded.secrets) for key, value in variables.items()}
        if direnv:
            launching.write_envrc(context, name or "")
        if vscode:
            launching.write_vscode(context, loaded, name or "", values)
        if idea:
            launching.write_idea(context, loaded, name or "", values)
        return
    _print_variables(context, loaded, variables, export=export, json=json_, reveal=export or reveal)


def _print_variables(
    context: Context, loaded: Loaded, variables: Mapping[str, Text], *, export: bool, json: bool, reveal: bool
) -> None:
    from devenv.masking import NOTHING
    from devenv.stack import text

    if reveal:
        context.console.mask = NOTHING
        shown = {key: text.reveal(value, loaded.secrets) for key, value in variables.items()}
    else:
        shown = {key: text.masked(value) for key, value in variables.items()}
    if json:
        context.console.json(shown)
    elif export:
        context.console.print("\n".join(_exported(shown)))
    elif shown:
        context.console.print("\n".join(f"{key}={value}" for key, value in shown.items()))


def _exported(variables: Mapping[str, str]) -> Iterator[str]:
    """A line of shell code for each variable; no shell can hold `log.level`."""
    for name, value in variables.items():
        if name.isidentifier():
            yield f"export {name}={shlex.quote(value)}"
        else:
            yield f"# {name} is no name to a shell"


def schema(ctx: typer.Context) -> None:
    """Print the manifest's JSON schema."""
    from devenv.manifest.models import schema as manifest_schema

    ctx.obj.console.json(manifest_schema())


def completion(
    ctx: typer.Context,
    shell: Annotated[
        str,
        typer.Argument(
            help="bash, zsh or fish; default: from $SHELL.", metavar="[SHELL]", autocompletion=shells
        ),
    ] = "",
) -> None:
    """Print the shell's completion script, for: eval "$(devenv completion bash)"."""
    from typer._completion_shared import get_completion_script

    name = shell or os.path.basename(os.environ.get("SHELL", "bash"))
    if name not in SHELLS:
        raise UsageError(f'no completion for "{name}"', hint="bash, zsh or fish")
    script = get_completion_script(prog_name="devenv", complete_var="_DEVENV_COMPLETE", shell=name)
    ctx.obj.console.print(script)
