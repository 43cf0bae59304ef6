"""`devenv init --from-kong`: a gateway's configuration, as a new manifest or added to the one here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devenv.cli.drafts import say_next, table, target_of, write_draft
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.gateways import Addition


def from_kong(context: Context, file: str, output: str | None, *, force: bool, merge: bool) -> None:
    """Write a manifest with the gateway's routes; beside one that is there, print what it lacks.

    `merge` writes that into it, `force` makes a new one of the whole folder.
    """
    from devenv.engine import gateways

    gateway = gateways.read(Path.cwd() / file, file)
    there = _existing(output)
    if there is not None and not force:
        context.option("file", str(there))
        _beside(context, file, merge=merge)
        return
    target = target_of(output, "devenv init --from-kong", force=force)
    draft, added = gateways.drafted(gateway, target.parent, context.environment, file)
    _write_extra(context, target.parent, added, force=force)
    write_draft(context, draft, target)


def _existing(output: str | None) -> Path | None:
    """The manifest that is there, where the new one would be written."""
    from devenv.workspace import NAMES

    place = Path(output).absolute() if output else Path.cwd()
    if place.is_dir():
        return next((place / name for name in NAMES if (place / name).exists()), None)
    return place if place.exists() else None


def _beside(context: Context, file: str, *, merge: bool) -> None:
    """Print what the manifest lacks, or write it there."""
    from devenv.drafting.draft import in_order
    from devenv.engine import gateways
    from devenv.envfiles import read_env
    from devenv.manifest import source
    from devenv.writing import write_whole

    space, console = context.workspace, context.console
    _, document, _ = context.project.manifest.parsed
    value = source.as_yaml(document.value or {})
    variables = {**read_env(space.root / ".env"), **context.environment}
    gateway = gateways.read(Path.cwd() / file, file)
    added = gateways.addition(gateway, value, space.root, variables, file)
    console.hide(added.converted.secrets.values())
    if merge:
        text = gateways.merged(space.text(), added)
        _write_extra(context, space.root, added, force=False)
        write_whole(space.file, text, mode=space.file.stat().st_mode & 0o777)
        console.print(space.shown)
        if secrets := added.converted.secrets:
            new = space.keep_secrets(secrets)
            console.say(f".devenv/secrets.env has {len(secrets)} values that stood in plain text ({new} new)")
    else:
        for line in gateways.fragment(added.values):
            console.print(line)
        console.print("")
    for line in table(console, list(in_order(added.converted.rows))):
        console.print(line)
    say_next(
        context,
        "devenv plan, then devenv up" if merge else f"devenv init --from-kong {file} --merge",
        space.root,
    )


def _write_extra(context: Context, folder: Path, added: Addition, *, force: bool) -> None:
    """Write what stays in Kong's words. Raises `UsageError` for another file of that name."""
    from devenv.drafting.kong.convert import EXTRA
    from devenv.writing import unwritable, write_whole

    target = folder / EXTRA
    if not added.extra:
        return
    if target.exists() and not force and target.read_text(encoding="utf-8") != added.extra:
        raise UsageError(
            f"{EXTRA} is there already", where=str(folder), hint="rename it, and name it in what is written"
        )
    try:
        write_whole(target, added.extra, mode=0o644)
    except OSError as error:
        raise unwritable(folder, error) from error
    context.console.print(EXTRA)
