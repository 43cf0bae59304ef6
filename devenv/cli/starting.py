"""Commands that write a project's first files: init."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.errors import ToolMissing, UsageError, did_you_mean

if TYPE_CHECKING:
    from devenv.cli.context import Context


def init(
    ctx: typer.Context,
    ci: Annotated[
        str | None, typer.Option("--ci", help="A CI pipeline: github, gitlab or jenkins.", metavar="SYSTEM")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="Where to; default: where the system looks.", metavar="FILE"),
    ] = None,
) -> None:
    """Write a CI pipeline that tests the stack and promotes it. A file that is there is left alone."""
    from devenv import __version__, assets
    from devenv.render.pipeline import SYSTEMS, pipeline

    context: Context = ctx.obj
    if ci is None:
        raise UsageError("init needs to know what to write", hint=f"devenv init --ci {'|'.join(SYSTEMS)}")
    if ci not in SYSTEMS:
        why = f"there are {', '.join(SYSTEMS)}"
        raise UsageError(
            f'no pipeline for "{ci}"', why=why, hint=did_you_mean(ci, SYSTEMS, "devenv init --help")
        )
    template, place = SYSTEMS[ci]
    manifest, _, _ = context.project.parsed
    secrets = context.load(tolerate=()).stack.secrets
    root = context.workspace.root
    text = pipeline(
        ci, assets.template(template), manifest, secrets, branch=_main_branch(root), version=__version__
    )
    file = Path(output) if output else root / place
    _write_new(file, text)
    context.console.print(str(file if output else place))
    if not manifest.environments:
        context.console.note("it promotes nowhere yet, as devenv.yaml has no environments:")


def _main_branch(root: Path) -> str:
    """What the remote calls its main branch; `main` where git does not say."""
    from devenv import proc

    try:
        head = proc.run_captured(
            ["git", "-C", str(root), "symbolic-ref", "--short", "refs/remotes/origin/HEAD"]
        )
    except ToolMissing:
        return "main"
    return head.stdout.strip().removeprefix("origin/") or "main"


def _write_new(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise UsageError(
            f"{file} is there already", hint="devenv init --ci SYSTEM -o FILE, then compare the two"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write {file}", why=str(error.strerror)) from None
