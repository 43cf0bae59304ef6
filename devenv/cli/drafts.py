"""What the ways to a first manifest share: where it goes, how it is written, and what is said of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.console import Console
    from devenv.drafting.draft import Draft, Row


def manifest_at(output: str | None) -> tuple[Path, Path | None]:
    """Where the new manifest goes, and the one that is there."""
    from devenv import MANIFESTS

    target = Path(output).absolute() if output else Path.cwd() / MANIFESTS[0]
    if target.is_dir():
        target /= MANIFESTS[0]
    names = MANIFESTS if target.name in MANIFESTS else (target.name,)
    there = next((target.with_name(name) for name in names if target.with_name(name).exists()), None)
    return there or target, there


def target_of(output: str | None, command: str, *, force: bool) -> Path:
    """The manifest to write. Raises `UsageError` for one that is there, unless it may be replaced."""
    target, there = manifest_at(output)
    if there and not force:
        raise UsageError(
            f"{there.name} is there already",
            where=str(there.parent),
            hint=f"{command} --force   replaces it",
        )
    return target


def write_draft(context: Context, draft: Draft, target: Path) -> None:
    """Write the draft; print what became of everything, and what to type next."""
    from devenv.drafting import writing
    from devenv.workspace import Workspace
    from devenv.writing import write_for_people

    console = context.console
    write_for_people(target, writing.text(draft))
    console.print(Workspace(target).shown)
    for line in table(console, list(draft.table())):
        console.print(line)
    up = "devenv up"
    if names := _without_value(context, draft, target):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        up = f"devenv onboard, which asks for {names[0]}{more}"
    say_next(context, f"devenv plan, then {up}", target.parent)


def _without_value(context: Context, draft: Draft, manifest: Path) -> list[str]:
    """Secrets of the draft that have no value on this machine yet."""
    from devenv.workspace import Workspace

    units = (unit for key in ("services", "jobs") for unit in draft.value.get(key, {}).values())
    wanted = {name for unit in units for name in unit.get("secrets", ())}
    values = Workspace(manifest).secret_values(
        wanted=wanted, generated=(), environment=context.environment, strict=False
    )
    return sorted(name for name, value in values.items() if not value)


def keep_secrets(context: Context, manifest: Path, secrets: Mapping[str, str]) -> None:
    """Keep what stood in plain text, and say so. It comes first: what is written then relies on it."""
    from devenv.drafting.draft import telling
    from devenv.workspace import Workspace

    console = context.console
    console.hide(filter(telling, secrets.values()))
    if secrets:
        new = Workspace(manifest).keep_secrets(secrets)
        plain = sum(map(bool, secrets.values()))  # the others are empty until somebody sets them
        values = f"{plain} value{'' if plain == 1 else 's'}"
        console.sentence(f".devenv/secrets.env has {values} that stood in plain text ({new} new)")


def table(console: Console, rows: Sequence[Row]) -> list[str]:
    """What became of everything; in a narrow terminal the notes stand below what they are about."""
    cells = [[console.style(row.fate, *STYLES[row.fate]), row.what, row.note] for row in rows]
    return console.table(cells, width=console.columns)


def say_next(context: Context, commands: str, folder: Path) -> None:
    """Say what to type next."""
    there = f"cd {os.path.relpath(folder)}, then " if folder != Path.cwd() else ""
    context.console.say("")
    context.console.say(f"next: {context.console.style(there + commands, 'bold')}")


STYLES = {"kept": ("green",), "derived": ("cyan",), "dropped": ("dim",), "by hand": ("yellow", "bold")}
