"""What would be done, and why. Command: plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devenv.cli.arguments import Hosted, Json, Known, one_of, only_with
from devenv.cli.environments import environments
from devenv.errors import FAILED, ToolMissing, UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.plan.model import Plan, Step


def plan(
    ctx: typer.Context,
    names: Known = None,
    json_: Json = False,
    host: Hosted = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Show instead what a changed file of each service causes.")
    ] = False,
    parity: Annotated[
        bool, typer.Option("--parity", help="Show instead what each backend does with every field.")
    ] = False,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", help="With --parity: exit 1 on `emulated` or on `lost`.", metavar="LEVEL"),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(
            "-e",
            "--environment",
            help="Show instead what `devenv promote` would do.",
            metavar="ENV",
            autocompletion=environments,
        ),
    ] = None,
) -> None:
    """Show what `devenv up` would do, each step with its cause; nothing when there is nothing to do.

    Without an engine it plans as if nothing runs.
    """
    context: Context = ctx.obj
    instead = {"--reload": reload, "--parity": parity, "--environment": environment}
    one_of(instead)
    if any(instead.values()):
        only_with("the plan of `devenv up`", {"--host": host}, "leave it out")
    if parity:
        if names:
            raise UsageError("--parity is about the whole manifest", hint="devenv plan --parity")
        _parity(context, json_=json_, fail_on=fail_on)
        return
    only_with("--parity", {"--fail-on": fail_on}, f"devenv plan --parity --fail-on {fail_on}")
    if reload:
        _reload(context, names or [], as_json=json_)
        return
    if environment is not None:
        from devenv.cli.promotion.run import planned

        if names:
            raise UsageError("a stack is promoted as a whole", hint=f"devenv plan -e {environment}")
        stack = context.project.manifest.outline.name
        _print_plan(context, stack, planned(context, environment), as_json=json_)
        return
    from devenv.plan.planner import Intent

    loaded = context.load(host=host or (), tolerate=(ToolMissing,))
    wanted = (*names, *(host or ())) if names else ()
    steps = context.project.plan(loaded, context.place.backend, Intent(wanted))
    for note in (*loaded.notes, *(context.project.manifest.derived() if context.console.verbose else ())):
        context.console.note(note)
    _print_plan(context, loaded.stack.id, steps, as_json=json_)


def _print_plan(context: Context, stack: str, steps: Plan, *, as_json: bool) -> None:
    if as_json:
        context.console.json({"stack": stack, "steps": [_step_json(step) for step in steps]})
    elif steps:
        from devenv.console import hanging

        lines = (line for step in steps for line in hanging(str(step), context.console.columns, "      "))
        context.console.print("\n".join(lines))


def _step_json(step: Step) -> dict[str, Any]:
    """A step for programs."""
    return {
        "step": step.number,
        "op": step.op,
        "target": step.target,
        "cause": step.cause,
        "recreate": step.recreate,
        "after": step.after,
    }


def _reload(context: Context, names: list[str], *, as_json: bool) -> None:
    from devenv.console.reload import rules_json, rules_table

    loaded = context.load(tolerate=(ToolMissing,))
    synced = loaded.synced
    services = list({**synced.followed, **synced.unruled})
    chosen = names or services
    for name in names:
        if name not in services:
            raise UsageError(f'no service "{name}"', hint=f"there are: {', '.join(services)}")
    rules = {name: rules for name, rules in synced.followed.items() if name in chosen}
    unruled = {
        name: f"{why}; {_instead(why)}" if name in synced.builds else why
        for name, why in synced.unruled.items()
        if name in chosen
    }
    unmatched = {name: synced.unmatched(loaded.stack.unit(name)) for name in rules if name in synced.rules}
    if as_json:
        context.console.json(rules_json(rules, unruled, unmatched))
    elif services:
        context.console.print("\n".join(rules_table(context.console, rules, unruled, unmatched)))


def _instead(why: str) -> str:
    """What becomes of a change to a service that nothing is sent to."""
    from devenv.engine.reloading.synced import BUILT

    ways = ", but for what reload: {sync: {FOLDER: /place}} names" if why == BUILT else ""
    return f"a change builds it{ways}"


def _parity(context: Context, *, json_: bool, fail_on: str | None) -> None:
    from devenv.console.tables import parity_table
    from devenv.engine.parity import parity
    from devenv.plan.parity import LEVELS

    if fail_on is not None and fail_on not in LEVELS[1:]:
        raise UsageError(f'no level "{fail_on}"', hint="--fail-on emulated, or --fail-on lost")
    rows = parity(context.project.manifest, plain=context.place.backend.name == "process")
    if json_:
        context.console.json(
            [
                {"field": row.path, **{name: asdict(support) for name, support in row.support.items()}}
                for row in rows
            ]
        )
    else:
        context.console.print("\n".join(parity_table(context.console, rows)))
    if fail_on is not None and any(LEVELS.index(row.worst) >= LEVELS.index(fail_on) for row in rows):
        raise typer.Exit(FAILED)
