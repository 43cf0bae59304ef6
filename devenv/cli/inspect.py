"""Commands that only look: status, logs, exec, open, env, plan, render, schema, completion."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devenv.cli.lifecycle import Known, Up, names_known, names_up, words
from devenv.errors import FAILED, UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.console import Console
    from devenv.plan.model import Found
    from devenv.plan.parity import Row, Support

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def status(ctx: typer.Context, json_: Json = False) -> None:
    """What is up, whether it is healthy, and where."""
    context: Context = ctx.obj
    observed = context.observe()
    found = sorted(observed.units.values(), key=lambda one: (_ROLES.index(one.role), one.unit))
    if json_:
        units = [_as_json(one) for one in found]
        context.console.json({"stack": observed.stack, "backend": context.backend.name, "units": units})
        return
    if not found:
        context.console.say("nothing of this checkout is up; begin with: devenv up")
        return
    if observed.namespace:  # where no port of this machine tells
        where = f"on {context.backend.name}: context {context.backend.home}, namespace {observed.namespace}"
        context.console.say(context.console.style(where, "dim"))
    rows = [_row(context.console, one) for one in found]
    context.console.print("\n".join(context.console.table(rows)))


_ROLES = ["infra", "setup", "job", "service", ""]


def state_of(one: Found) -> str:
    """A unit's state in a word."""
    if one.role in ("job", "setup") and one.state == "exited" and one.exit_code == 0:
        return "done"
    if one.state == "exited":
        return f"exited ({one.exit_code})"
    if one.state != "running" or one.healthy is None:
        return one.state
    return "healthy" if one.healthy else "unhealthy"


def urls(one: Found) -> list[str]:
    """Where a unit can be reached from this machine."""
    if not one.running:
        return []
    ports = [f"localhost:{host}" for _, host in one.ports.values() if host]
    links = [f"{label} {url}".strip() for label, url in one.links]
    return [*(links if one.role == "service" else [*ports[:1], *links]), *one.routes]


def _row(console: Console, one: Found) -> list[str]:
    state = state_of(one)
    colour = {"healthy": "green", "running": "green", "done": "dim"}.get(state, "red")
    what = one.engine or one.role
    version = one.version.removeprefix("RELEASE.").partition("T")[0]
    return [
        console.style(one.unit, "bold"),
        console.style(f"{what} {version}{' (stand-in)' * bool(one.stand_in and one.engine)}".strip(), "dim"),
        console.style(state, colour),
        "   ".join(urls(one)),
    ]


def _as_json(one: Found) -> dict[str, Any]:
    return {
        "name": one.unit,
        "kind": one.engine or one.role,
        "role": one.role,
        "state": state_of(one),
        "healthy": one.healthy,
        "urls": [url for _, url in one.links] if one.running else [],
        "ports": {one.port_names.get(port, str(port)): host for port, (_, host) in one.ports.items()},
    }


def logs(
    ctx: typer.Context,
    names: Up = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    tail: Annotated[
        int | None, typer.Option("-n", "--tail", help="Only the last lines of each.", min=0)
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only the last 30s, 10m, 2h.", metavar="TIME")
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("-t", "--timestamps", help="With the time of each line.")
    ] = False,
) -> None:
    """What services and stores print."""
    context: Context = ctx.obj
    if since is not None and not (since[:-1].isdecimal() and since[-1] in "smh"):
        raise UsageError(f'"{since}" is not a time', hint="--since 10m")
    context.hide_secrets()
    found = context.running(names or [])
    print_logs(context, found, follow=follow, tail=tail, since=since, timestamps=timestamps)


def print_logs(
    context: Context,
    found: Sequence[Found],
    *,
    follow: bool,
    tail: int | None,
    since: str | None,
    timestamps: bool,
) -> None:
    """Print log lines with their unit's name before them."""
    console, stop = context.console, threading.Event()
    units = [one.unit for one in found]
    try:
        for line in context.backend.logs(found, follow=follow, tail=tail, since=since, stop=stop):
            prefix = f"{console.prefix(line.unit, units)} " if len(units) > 1 else ""
            moment = f"{console.style(line.time[:23], 'dim')} " if timestamps else ""
            console.print(f"{prefix}{moment}{line.text}")
    finally:
        stop.set()


def exec_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A unit that is up.", autocompletion=names_up)],
    command: Annotated[list[str] | None, typer.Argument(help="The command; default: sh.")] = None,
    no_tty: Annotated[bool, typer.Option("-T", help="No terminal, as in scripts.")] = False,
) -> None:
    """Run a command in a unit that is up."""
    context: Context = ctx.obj
    (found,) = context.running([name])
    if not found.running:
        raise UsageError(f"{name} is {state_of(found)}", hint=f"devenv up {name}")
    tty = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    raise typer.Exit(context.backend.exec(found, words(command) or ["sh"], tty=tty, interactive=True))


def open_(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A unit; default: the front page.", autocompletion=names_up)
    ] = None,
) -> None:
    """Open a unit, or the front page, in the browser."""
    context: Context = ctx.obj
    if name is not None:
        (found,) = context.running([name])
        url = next((url for _, url in found.links), "")
    else:
        url = _front_page(list(context.observe().units.values()))
    if not url:
        raise UsageError(f"{name or 'nothing that is up'} has no page", hint="devenv status   shows what has")
    context.console.print(url)
    if sys.stdout.isatty() and not os.environ.get("CI"):
        typer.launch(url)


def _front_page(units: list[Found]) -> str:
    routes = [route for one in units for route in one.routes if not route.startswith("~")]
    gateway = next((one for one in units if one.engine == "kong" and one.running), None)
    if gateway is not None and routes:
        port = next(host for _, host in gateway.ports.values())
        return f"http://localhost:{port}{min(routes, key=len)}"
    return next((url for one in units if one.role == "service" for _, url in one.links), "")


def env(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Only what this service gets.", autocompletion=names_known)
    ] = None,
    export: Annotated[
        bool, typer.Option("--export", help='Shell code with real values: eval "$(devenv env --export)".')
    ] = False,
    json_: Json = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show secrets in the clear.")] = False,
) -> None:
    """The variables with which a program on this machine reaches the stack."""
    from devenv.stack import text
    from devenv.stack.resolve import host_environment

    context: Context = ctx.obj
    loaded = context.load(strict=False)
    manifest, _, catalogue = context.project.parsed
    if name is not None and name not in (*manifest.services, *manifest.jobs):
        raise UsageError(f'no service or job "{name}"', hint=f"there are: {', '.join(manifest.services)}")
    found = host_environment(manifest, catalogue, loaded.world, name or "")
    if export or reveal:
        context.console.hidden = []
        found = {key: text.reveal(value, loaded.secrets) for key, value in found.items()}
    else:
        found = {key: text.masked(value) for key, value in found.items()}
    if json_:
        context.console.json(found)
    elif export:
        shell = {
            key: value for key, value in found.items() if key.isidentifier()
        }  # `a.b` is none of a shell's
        context.console.print("\n".join(f"export {key}={shlex.quote(value)}" for key, value in shell.items()))
    elif found:
        context.console.print("\n".join(f"{key}={value}" for key, value in found.items()))


def plan(
    ctx: typer.Context,
    names: Known = None,
    json_: Json = False,
    parity: Annotated[
        bool, typer.Option("--parity", help="Instead: what each backend does with every field.")
    ] = False,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", help="With --parity: exit 1 on emulated or lost.", metavar="LEVEL"),
    ] = None,
) -> None:
    """What `devenv up` would do, each step with its cause. Prints nothing when there is nothing to do."""
    context: Context = ctx.obj
    if parity:
        _parity(context, json_=json_, fail_on=fail_on)
        return
    loaded = context.load(strict=False)
    found, _ = context.project.plan(loaded, names or [])
    for note in (*context.project.notes(), *loaded.moved):
        context.console.note(note)
    if json_:
        steps = [
            {
                "step": step.number,
                "op": step.op,
                "target": step.target,
                "cause": step.cause,
                "after": step.after,
            }
            for step in found
        ]
        context.console.json({"stack": loaded.stack.id, "steps": steps})
    elif found:
        context.console.print(str(found))


def _parity(context: Context, *, json_: bool, fail_on: str | None) -> None:
    from devenv.plan.parity import LEVELS

    if fail_on is not None and fail_on not in LEVELS[1:]:
        raise UsageError(f'no level "{fail_on}"', hint="--fail-on emulated, or --fail-on lost")
    rows = context.project.parity()
    if json_:
        context.console.json(
            [{"field": row.path, **{k: _support(v) for k, v in row.support.items()}} for row in rows]
        )
    else:
        context.console.print("\n".join(_parity_table(context.console, rows)))
    if fail_on is not None and any(LEVELS.index(row.worst) >= LEVELS.index(fail_on) for row in rows):
        raise typer.Exit(FAILED)


def _support(support: Support) -> dict[str, str]:
    """A support as JSON has it."""
    return {"level": support.level, "reason": support.reason}


_LEVEL_STYLES = {"same": "dim", "emulated": "yellow", "lost": "red"}


def _parity_table(console: Console, rows: list[Row]) -> list[str]:
    """What differs, a row each; what is the same everywhere is only counted."""
    different = [row for row in rows if row.worst != "same"]
    same = len(rows) - len(different)
    if not different:
        return [f"{same} fields, the same on every backend"]
    backends = list(different[0].support)
    table = [["field", *backends, "why"]]
    for row in different:
        levels = [console.style(one.level, _LEVEL_STYLES[one.level]) for one in row.support.values()]
        reasons = dict.fromkeys(one.reason for one in row.support.values() if one.reason)
        table.append([row.path, *levels, "; ".join(reasons)])
    return [*console.table(table), f"{same} more fields are the same on every backend"]


def render(
    ctx: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The folder; default: .devenv/compose.", file_okay=False),
    ] = None,
) -> None:
    """Write the generated files into a folder and print its path."""
    from devenv.workspace import write_whole

    context: Context = ctx.obj
    loaded = context.load()
    space, backend = context.workspace, context.backend
    folder = output.resolve() if output else space.state / backend.name
    bundle = backend.render(
        loaded.stack, fingerprints=loaded.fingerprints, secrets=loaded.secrets, folder=folder
    )
    if output is None:
        space.write_bundle(bundle, backend.name, loaded.secrets)
    else:
        for name, content in bundle.files.items():
            write_whole(folder / name, content, mode=0o600 if name in bundle.private else 0o644)
    context.console.print(str(output or folder))


def schema(ctx: typer.Context) -> None:
    """Print the manifest's JSON schema."""
    from devenv.manifest.models import schema as manifest_schema

    ctx.obj.console.json(manifest_schema())


def completion(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")] = "",
) -> None:
    """Print the shell's completion: eval "$(devenv completion bash)"."""
    from typer._completion_shared import get_completion_script

    name = shell or os.path.basename(os.environ.get("SHELL", "bash"))
    if name not in ("bash", "zsh", "fish"):
        raise UsageError(f'no completion for "{name}"', hint="bash, zsh or fish")
    script = get_completion_script(prog_name="devenv", complete_var="_DEVENV_COMPLETE", shell=name)
    ctx.obj.console.print(script)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(status)
    app.command()(logs)
    takes_a_command = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command(name="exec", context_settings=takes_a_command)(exec_)
    app.command(name="open")(open_)
    app.command()(env)
    app.command()(plan)
    app.command()(render)
    app.command()(schema)
    app.command()(completion)
