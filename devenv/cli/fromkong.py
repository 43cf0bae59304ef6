"""`devenv init --from-kong`: a gateway's configuration, as a new manifest or added to the one here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devenv.cli.drafts import keep_secrets, manifest_at, say_next, table, write_draft
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.drafting.kong.forms import Gateway
    from devenv.engine.gateways import Addition


def from_kong(context: Context, file: str, output: str | None, *, force: bool, merge: bool) -> None:
    """Write a manifest with the gateway's routes; beside one that is there, print what it lacks.

    `merge` writes that into it, `force` makes a new one of the whole folder.
    """
    from devenv.engine import gateways

    gateway = gateways.read(Path.cwd() / file, file)
    target, there = manifest_at(output)
    if there and not force:
        context.option("file", str(there))
        _beside(context, gateway, file, merge=merge)
        return
    draft, added = gateways.drafted(gateway, target.parent, context.environment, file)
    _refuse_other_extra(target.parent, added, force=force)
    keep_secrets(context, target, draft.secrets)
    _write_extra(context, target.parent, added, file)
    write_draft(context, draft, target)


def _beside(context: Context, gateway: Gateway, file: str, *, merge: bool) -> None:
    """Print what the manifest lacks, or write it there."""
    from devenv.drafting.draft import in_order, telling
    from devenv.engine import gateways
    from devenv.envfiles import read_env
    from devenv.manifest import source
    from devenv.writing import write_for_people

    space, console = context.workspace, context.console
    _, document, _ = context.project.manifest.parsed
    value = source.as_yaml(document.value or {})
    variables = {**read_env(space.root / ".env"), **context.environment}
    added = gateways.addition(gateway, value, space.root, variables, file)
    console.hide(filter(telling, added.converted.secrets.values()))
    if merge:
        text = gateways.merged(space.text(), added)
        _refuse_other_extra(space.root, added, force=False)
        keep_secrets(context, space.file, added.converted.secrets)
        _write_extra(context, space.root, added, file)
        write_for_people(space.file, text, mode=space.file.stat().st_mode & 0o777)
        console.print(space.shown)
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


def _refuse_other_extra(folder: Path, added: Addition, *, force: bool) -> None:
    """Raises `UsageError` for another file that has the name of what stays in Kong's words."""
    from devenv.drafting.kong.convert import EXTRA
    from devenv.workspace import read_text

    target = folder / EXTRA
    if added.extra and not force and target.exists() and read_text(target, EXTRA) != added.extra:
        raise UsageError(
            f"{EXTRA} is there already", where=str(folder), hint="rename it, and name it in what is written"
        )


def _write_extra(context: Context, folder: Path, added: Addition, file: str) -> None:
    """Write what stays in Kong's words, as private as the file that it comes from."""
    from devenv.drafting.kong.convert import EXTRA
    from devenv.writing import write_for_people

    if not added.extra:
        return
    write_for_people(folder / EXTRA, added.extra, mode=(Path.cwd() / file).stat().st_mode & 0o666)
    context.console.print(EXTRA)
