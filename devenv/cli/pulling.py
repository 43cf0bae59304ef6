"""Bring files back from a container. Command: pull."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.arguments import Yes, names_up
from devenv.cli.asking import confirm
from devenv.errors import ToolMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.cli.context import Context
    from devenv.engine.loaded import Loaded
    from devenv.stack.model import Unit


def pull(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A service.", metavar="NAME", autocompletion=names_up)
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Files or folders of the project; default: reload.pull.", metavar="[PATH]..."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Bring files that a program in a container wrote back into the project. Asks before any is lost."""
    from devenv.engine.reloading.pull import unit_difference, write

    context: Context = ctx.obj
    console = context.console
    if name is None:
        raise UsageError(
            "pull brings files of a service back", hint="devenv pull NAME; `devenv up` pulls images"
        )
    loaded = context.load(tolerate=(ToolMissing,))
    loaded.require([name])
    (observed,) = context.running([name])
    root = context.workspace.root
    places = _places(loaded, loaded.stack.unit(name), [os.path.relpath(path, root) for path in paths or ()])
    changes = unit_difference(context.backend, loaded, observed, root, places)
    for path, why in changes.refused.items():
        console.note(f"{path} stays in the container: {why}")
    for file in changes.files:
        state = "changed here as well" if file.both else "new" if file.new else "changed"
        console.say(f"  {file.path}  {state}")
    lost = sum(file.both for file in changes.files)
    if lost and not yes:
        confirm(f"Overwrite {lost} file{'s' if lost > 1 else ''} that changed here as well?")
    write(root, changes.files)
    count = len(changes.files)
    console.say(f"{count} file{'' if count == 1 else 's'} of {name}" if count else f"{name} has nothing new")


def _places(loaded: Loaded, unit: Unit, named: Sequence[str]) -> dict[str, str]:
    """Path in the project -> path in the container."""
    from devenv.stack.reloading.rules import lies

    if unit.name not in loaded.synced.rules:
        usual = "as a plain process it works on the project's own files"
        if unit.role != "service":
            usual = "it is no service, and files are sent to services only"
        why = loaded.synced.unruled.get(unit.name, usual)
        raise UsageError(f"nothing comes back from {unit.name}", why=why, hint="devenv plan --reload")
    rules, root = loaded.synced.rules[unit.name], loaded.synced.state.parent
    paths = [os.path.normpath(path) for path in named or (unit.reload.pull if unit.reload else ())]
    if not paths:
        hint = f"devenv pull {unit.name} PATH, or reload: {{pull: [PATH]}} in devenv.yaml"
        raise UsageError(f"{unit.name} names no files that come back", hint=hint)
    places = {path: lies(rules, path, folder=(root / path).is_dir()) for path in paths}
    for path, place in places.items():
        if not place:
            why = "no COPY and no reload.sync brings it there"
            raise UsageError(
                f"nobody knows where {path} is in {unit.name}", why=why, hint="devenv plan --reload"
            )
    return places
