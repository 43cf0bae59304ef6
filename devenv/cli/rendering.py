"""The generated files, to be read, or run by other tools. Command: render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.arguments import one_of, only_with
from devenv.cli.environments import environments
from devenv.cli.printing import keep_out_of_images
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.cli.context import Context


Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="The folder; default: .devenv/BACKEND.", metavar="FOLDER", file_okay=False
    ),
]
Chart = Annotated[
    Path | None,
    typer.Option("--chart", help="Instead, a Helm chart.", metavar="FOLDER", file_okay=False),
]
Swarm = Annotated[
    Path | None,
    typer.Option(
        "--swarm", help="Instead, files for `docker stack deploy`.", metavar="FOLDER", file_okay=False
    ),
]
Deck = Annotated[
    Path | None,
    typer.Option(
        "--deck", help="Instead, the gateway as a state file of decK.", metavar="FILE", dir_okay=False
    ),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "-e",
        "--environment",
        help="With --chart: values-ENV.yaml as well; with --swarm and --deck: as in ENV.",
        metavar="ENV",
        autocompletion=environments,
    ),
]
Package = Annotated[
    bool, typer.Option("--package", help="With --chart: NAME-VERSION.tgz instead of its files.")
]
Push = Annotated[
    str | None,
    typer.Option("--push", help="With --chart: package it, and push it there.", metavar="oci://..."),
]


def render(
    ctx: typer.Context,
    output: Output = None,
    chart: Chart = None,
    swarm: Swarm = None,
    deck: Deck = None,
    environment: Environment = None,
    package: Package = False,
    push: Push = None,
) -> None:
    """Write the generated files into a folder and print its path. Needs no engine and no cluster."""
    context: Context = ctx.obj
    one_of({"--chart": chart, "--swarm": swarm, "--deck": deck, "--output": output})
    if chart is not None:
        _chart(context, chart, environment, package=package or push is not None, push=push)
        return
    only_with("--chart", {"--package": package}, "devenv render --chart chart --package")
    only_with("--chart", {"--push": push}, f"devenv render --chart chart --push {push}")
    if swarm is not None:
        _swarm(context, swarm, environment)
        return
    if deck is not None:
        _deck(context, deck, environment)
        return
    hint = f"devenv render --chart chart --environment {environment}"
    only_with("--chart, --swarm and --deck", {"--environment": environment}, hint)
    _bundle(context, output)


def _bundle(context: Context, output: Path | None) -> None:
    """The files that the backend runs."""
    from devenv.plan.notes import unknown_images
    from devenv.render import RUNTIMES
    from devenv.writing import export

    loaded = context.load(strict=True, free=False, tolerate=(DevenvError,))
    for note in loaded.notes:
        context.console.note(note)
    space, backend = context.workspace, context.place.backend
    folder = output.resolve() if output else space.state / backend.name
    declared = context.project.declared(loaded, backend)
    bundle = context.project.bundle(loaded, backend, folder, declared)
    if RUNTIMES[backend.renderer].contained:
        for line in unknown_images(loaded.stack, declared):
            context.console.note(line)
    if output is None:
        space.write_bundle(bundle, backend.name, loaded.secrets, loaded.stack.words)
    else:
        why = "the image would contain the rendered files, including secrets"
        keep_out_of_images(loaded.stack, space.root, folder, bundle.files, why)
        export(bundle, folder)
        if bundle.private and not (folder / ".gitignore").exists():
            console = context.console
            console.note(
                f"{output} holds secrets in {', '.join(sorted(bundle.private))}: keep them out of Git"
            )
    context.console.print(str(output or folder))


def _chart(
    context: Context, output: Path, environment: str | None, *, package: bool, push: str | None
) -> None:
    from devenv.backends import helmcharts
    from devenv.engine.promotion import charts
    from devenv.writing import export_chart, write_for_people

    if push is not None:
        helmcharts.require_address(push, "--push")
    project, folder = context.project, output.resolve()
    promoted = charts.promoted(project, environment or "")
    values = {}
    if environment is not None:
        values[f"values-{environment}.yaml"] = charts.values_file(project, environment)
    files = (f"{promoted.stack.name}-0.tgz",) if package else charts.chart(project)
    why = "every rendering would change the image that the chart names"
    keep_out_of_images(promoted.stack, context.workspace.root, folder, {*files, *values}, why)
    for note in charts.notes(project, promoted.stack):
        context.console.note(note)
    if not package:
        export_chart({**charts.chart(project), **values}, folder)
        context.console.print(str(output))
        return
    packaged = charts.package(project, output, push=push or "")
    for name, text in values.items():
        write_for_people(folder / name, text)
    if push:
        address = f"{push.rstrip('/')}/{promoted.stack.name}"
        context.console.say(f"pushed {address} --version {packaged.version}   {packaged.digest}".rstrip())
    context.console.print(str(packaged.file))


def _swarm(context: Context, output: Path, environment: str | None) -> None:
    from devenv.engine.swarms import swarm
    from devenv.writing import export_chart

    rendered = swarm(context.project, output.resolve(), environment or "")
    root, why = context.workspace.root, "every rendering would change the image that the stack file names"
    keep_out_of_images(rendered.stack, root, output.resolve(), rendered.files, why)
    for note in rendered.notes:
        context.console.note(note)
    export_chart(rendered.files, output.resolve())
    context.console.print(str(output))


def _deck(context: Context, output: Path, environment: str | None) -> None:
    from devenv.engine.promotion import charts
    from devenv.writing import write_for_people

    write_for_people(output, charts.deck(context.project, environment or ""))
    context.console.print(str(output))
