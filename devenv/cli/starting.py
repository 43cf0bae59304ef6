"""Commands that write a project's first files: init."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.arguments import completion, one_of, only_with
from devenv.cli.drafts import keep_secrets, say_next, target_of, write_draft
from devenv.errors import ToolMissing, UsageError, did_you_mean

if TYPE_CHECKING:
    from devenv.cli.context import Context


def _starters() -> Iterable[str]:
    from devenv import assets

    return assets.starters()


def _systems() -> Iterable[str]:
    from devenv.render.pipeline import SYSTEMS

    return SYSTEMS


Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE]...", help="With --from-compose, --from-kubernetes: the files; - is stdin."
    ),
]
FromCompose = Annotated[
    bool, typer.Option("--from-compose", help="A manifest that says what a Compose project says.")
]
FromKubernetes = Annotated[
    bool,
    typer.Option(
        "--from-kubernetes", help="A manifest of objects of Kubernetes, a kustomization or a Helm chart."
    ),
]
FromKong = Annotated[
    str | None,
    typer.Option(
        "--from-kong", metavar="FILE", help="Routes of a kong.yml, a decK state file or a kongfig file."
    ),
]
Merge = Annotated[
    bool, typer.Option("--merge", help="With --from-kong: write them into the manifest that is there.")
]
Template = Annotated[
    str | None,
    typer.Option(
        "--template",
        metavar="NAME",
        help="A first project: fullstack, node-web or python-api.",
        autocompletion=completion(lambda context: _starters()),
    ),
]
System = Annotated[
    str | None,
    typer.Option(
        "--ci",
        metavar="SYSTEM",
        help="A CI pipeline: github, gitlab or jenkins.",
        autocompletion=completion(lambda context: _systems()),
    ),
]
ReadAlso = Annotated[
    list[str] | None,
    typer.Option("-f", "--file", metavar="FILE", help="A Compose file, or the manifest for --ci."),
]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where to; default: where it is looked for."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a manifest that is there.")]


def init(
    ctx: typer.Context,
    files: Files = None,
    from_compose: FromCompose = False,
    from_kubernetes: FromKubernetes = False,
    from_kong: FromKong = None,
    merge: Merge = False,
    template: Template = None,
    ci: System = None,
    file: ReadAlso = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """Write a project's first devenv.yaml, or a CI pipeline. A file that is there is left alone.

    Without options it is made of what is here: a Compose file, or Dockerfiles and package files.
    """
    context: Context = ctx.obj
    named = [*(files or ()), *(file or ())]
    one_of(
        {
            "--ci": ci,
            "--template": template,
            "--from-kong": from_kong,
            "--from-kubernetes": from_kubernetes,
            "--from-compose": from_compose,
        }
    )
    if from_kong is None:
        only_with("--from-kong", {"--merge": merge}, "devenv init --from-kong FILE --merge")
    if ci is not None:
        if file:
            context.option("file", file[-1])
        _pipeline(context, ci, output)
    elif template is not None:
        _template(context, template, output, force=force)
    elif from_kong is not None:
        from devenv.cli.fromkong import from_kong as import_gateway

        import_gateway(context, from_kong, output, force=force, merge=merge)
    elif from_kubernetes:
        _from_kubernetes(context, named, output, force=force)
    elif from_compose or named:
        _from_compose(context, named, output, force=force)
    else:
        _of_what_is_here(context, output, force=force)


def _of_what_is_here(context: Context, output: str | None, *, force: bool) -> None:
    from devenv.engine import drafting
    from devenv.engine.unread import note_unread, unread

    target = target_of(output, "devenv init", force=force)
    if drafting.default_of(target.parent) is not None:
        _from_compose(context, [], output, force=force)
    else:
        try:
            draft = drafting.surveyed(target.parent, context.environment)
        except UsageError as error:
            if others := unread(target.parent):
                error.hint = "\n".join(f"devenv init {other.command}   {other.what}" for other in others)
            raise
        note_unread(draft, target.parent)
        write_draft(context, draft, target)


def _template(context: Context, name: str, output: str | None, *, force: bool) -> None:
    """Write a first project. Raises `UsageError` before anything is written if one of its files is there."""
    from devenv import assets
    from devenv.writing import write_for_people

    names = assets.starters()
    if name not in names:
        why = f"there are {', '.join(names)}"
        hint = did_you_mean(name, names, f"devenv init --template {names[-1]}")
        raise UsageError(f'no template "{name}"', why=why, hint=hint)
    folder = Path(output).absolute() if output else Path.cwd()
    files = assets.starter(name)
    there = [path for path in files if (folder / path).exists()]
    if there and not force:
        raise UsageError(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already",
            where=str(folder),
            hint=f"devenv init --template {name} -o FOLDER, or --force",
        )
    for path, text in files.items():
        write_for_people(folder / path, text)
        context.console.print(path)
    say_next(context, "devenv up", folder)


def _from_compose(context: Context, named: list[str], output: str | None, *, force: bool) -> None:
    from devenv.engine import drafting
    from devenv.engine.unread import note_unread

    target = target_of(output, "devenv init --from-compose", force=force)
    folder = target.parent
    files, remarks = drafting.compose_files(Path.cwd(), named)
    composed = drafting.composed(files, folder)
    for remark in (*remarks, *composed.remarks):
        context.console.note(remark)
    draft = drafting.drafted(composed.project, folder, context.environment)
    keep_secrets(context, target, draft.secrets)
    note_unread(draft, folder)
    write_draft(context, draft, target)


def _from_kubernetes(context: Context, named: list[str], output: str | None, *, force: bool) -> None:
    from devenv.engine import objects

    command = " ".join(["devenv init --from-kubernetes", *named])
    target = target_of(output, command, force=force)
    piped = sys.stdin.read() if objects.STDIN in named else ""
    items = objects.objects(Path.cwd(), named, piped)
    draft = objects.drafted(items, target.parent, context.environment, named)
    keep_secrets(context, target, draft.secrets)
    write_draft(context, draft, target)


def _pipeline(context: Context, ci: str, output: str | None) -> None:
    from devenv import __version__, assets
    from devenv.render.pipeline import SYSTEMS, pipeline

    if ci not in SYSTEMS:
        why = f"there are {', '.join(SYSTEMS)}"
        raise UsageError(
            f'no pipeline for "{ci}"', why=why, hint=did_you_mean(ci, SYSTEMS, "devenv init --help")
        )
    template, place = SYSTEMS[ci]
    manifest, _, _ = context.project.manifest.parsed
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
