"""Commands about an environment's cluster: promote, diff, history, rollback, retire."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.arguments import Json, Yes
from devenv.cli.asking import confirm_by_name
from devenv.cli.environments import Environment, confirm_at, release_of
from devenv.cli.printing import keep_out_of_images
from devenv.cli.promotion import rehearsing
from devenv.cli.promotion.adopting import (
    Adopt,
    companions_of,
    foreign_of,
    show_due,
)
from devenv.cli.promotion.run import Promoting, Request, sayer, shipping_of
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.promotion.promote import Release

DIFFERS = 4
"""Exit code of `diff` where something would change."""
PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+(/v[0-9]+)?")


ImageTag = Annotated[
    str | None,
    typer.Option(
        "--image-tag",
        help="Build nothing: take the images that were pushed as REGISTRY/STACK-SERVICE:TAG.",
        metavar="TAG",
    ),
]
Timeout = Annotated[
    int, typer.Option("--timeout", help="How long a rollout may take.", metavar="SECONDS", min=1)
]


def promote(
    ctx: typer.Context,
    environment: Environment,
    yes: Yes = False,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Although files differ from the commit.")
    ] = False,
    image_tag: ImageTag = None,
    create_secrets: Annotated[
        bool, typer.Option("--create-secrets", help="Make missing Secrets from .env and the environment.")
    ] = False,
    platform: Annotated[
        str,
        typer.Option("--platform", help="What to build for; default: what the nodes run.", metavar="OS/ARCH"),
    ] = "",
    write: Annotated[
        Path | None,
        typer.Option(
            "--write",
            help="Only push, and write values-ENV.yaml with the images' digests, for a cluster that pulls.",
            metavar="FOLDER",
            file_okay=False,
        ),
    ] = None,
    timeout: Timeout = 300,
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="On Minikube or --context NAME instead, and remove it again."),
    ] = False,
    adopt: Adopt = None,
) -> None:
    """Bring the stack to an environment's cluster with Helm. What does not become ready is rolled back."""
    context: Context = ctx.obj
    say = sayer(context)
    if rehearse:
        apart = {
            "--write": write,
            "--image-tag": image_tag,
            "--platform": platform,
            "--create-secrets": create_secrets,
            "--adopt": adopt,
        }
        for option in (name for name, value in apart.items() if value):
            why = "it takes this machine's images, and makes Secrets and releases of its own"
            raise UsageError(f"{option} is not for a rehearsal", why=why, hint="leave it out")
        rehearsing.rehearse(context, environment, yes=yes, timeout=timeout, say=say)
        return
    release = release_of(context, environment)
    if platform and not PLATFORM.fullmatch(platform):
        raise UsageError(f'"{platform}" is no platform', hint="--platform linux/amd64")
    if write is not None:
        for option, value in {"--create-secrets": create_secrets, "--adopt": adopt}.items():
            if value:
                raise UsageError("--write changes nothing in the cluster", hint=f"leave out {option}")
        _write(context, release, write, image_tag, platform, allow_dirty=allow_dirty)
        return
    request = Request(allow_dirty, image_tag, platform, create_secrets, frozenset(adopt or ()), yes, timeout)
    Promoting(context, release, request, say).run()


def _write(
    context: Context,
    release: Release,
    folder: Path,
    image_tag: str | None,
    platform: str,
    *,
    allow_dirty: bool,
) -> None:
    """Push, and write the environment's values for whatever brings a folder to the cluster."""
    from devenv.engine.promotion import charts
    from devenv.writing import export_chart

    console, project, environment = context.console, context.project, release.target.environment
    console.sentence(f"{console.style(release.target.release, 'bold')} to {environment}, through {folder}")
    name, say = f"values-{environment}.yaml", sayer(context)
    stack, why = charts.promoted(project, environment).stack, "every promotion would change the image"
    keep_out_of_images(stack, context.workspace.root, folder.resolve(), [name], why)
    with context.lock("devenv promote"):
        shipping, origin = shipping_of(
            context, release, strict=image_tag is None, allow_dirty=allow_dirty, platform=platform
        )
        there = shipping.images_there(image_tag)
        images = there | shipping.ship(there, say)
        text = charts.values_file(project, environment, images)
    file = folder / name
    unchanged = file.is_file() and file.read_bytes() == text.encode()
    export_chart({name: text}, folder.resolve())
    console.print(str(file))
    if unchanged:
        console.say("it is as it was; nothing to commit")
        return
    commit = f" {origin.commit[:12]}" if origin.commit else ""
    message = shlex.quote(f"{release.target.release}{commit} to {environment}")
    git = f"git -C {shlex.quote(str(folder))}"
    console.sentence("nothing in the cluster was changed; commit it:")
    console.say(f"{git} add {name}\n{git} commit -m {message}")


def diff(ctx: typer.Context, environment: Environment, image_tag: ImageTag = None) -> None:
    """Show what `promote` would change. Exits with 0 for nothing and with 4 for something."""
    from concurrent.futures import ThreadPoolExecutor

    from devenv.console.changes import change_lines
    from devenv.engine.promotion.parcel import parcel
    from devenv.plan.promotion.changes import count

    context: Context = ctx.obj
    release = release_of(context, environment)
    with ThreadPoolExecutor() as pool:  # Helm reads what serves while we render
        looked = pool.submit(release.look, context.project.manifest.outline.name)
        shipping, origin = shipping_of(context, release, strict=False, allow_dirty=True)
        sent = parcel(context.project, environment, shipping.images_there(image_tag), origin)
        looked.result()
    if release.unmended:
        context.console.note(release.unmended)
    companions = companions_of(context, release)
    due = companions.due()
    changes = release.changes(release.objects(sent))
    for name, chart in foreign_of(context, release, due).items():
        context.console.note(
            f"another hand installed {name}, from the chart {chart}: promotion asks whether to take it over"
        )
    show_due(context.console, release.target, due, companions.left())
    if changes:
        context.console.print("\n".join(change_lines(context.console, changes)))
    every = [*changes, *(change for each in due for change in each.changes)]
    context.console.say(count(every))
    if every or due:
        raise typer.Exit(DIFFERS)


def history(ctx: typer.Context, environment: Environment, json_: Json = False) -> None:
    """Show what was promoted to an environment: when, who, which commit."""
    from datetime import UTC, datetime

    from devenv.console.changes import companion_lines, companions_json, history_json, history_lines

    context: Context = ctx.obj
    release = release_of(context, environment)
    console, rows, now = context.console, release.history, datetime.now(UTC)
    others = companions_of(context, release).installed
    if json_:
        console.json([*history_json(release.target.release, rows), *companions_json(others)])
        return
    if rows:
        console.print("\n".join(history_lines(console, rows, now=now)))
    else:
        console.sentence(f"nothing was promoted to {environment} yet; devenv promote {environment}")
    if others:
        console.print("\n".join(["", *companion_lines(console, others, now=now)]))


def rollback(
    ctx: typer.Context,
    environment: Environment,
    revision: Annotated[
        int,
        typer.Argument(
            metavar="[REVISION]", help="Default: the one that served before.", min=0, show_default=False
        ),
    ] = 0,
    yes: Yes = False,
    timeout: Timeout = 300,
) -> None:
    """Go back to what served an environment before, also out of a promotion that was killed."""
    context: Context = ctx.obj
    release = release_of(context, environment)
    release.require_ours(context.project.manifest.outline.name)
    number = release.earlier(revision)
    if not yes:
        confirm_at(release.target, f"Go back to revision {number} in {environment}?")
    release.rollback(number, sayer(context), within=timeout)
    context.console.sentence(
        context.console.style(f"{environment} is back at revision {number}", "green", "bold")
    )


def retire(
    ctx: typer.Context,
    environment: Environment,
    yes: Yes = False,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Remove its volumes as well, with what is in them.")
    ] = False,
) -> None:
    """Remove what was promoted to an environment; volumes and Secrets of yours stay."""
    from devenv.engine.promotion.leftovers import Leftovers

    context: Context = ctx.obj
    release = release_of(context, environment)
    companions = companions_of(context, release)
    others, leftovers = companions.installed, Leftovers(release.client, release.target)
    there = leftovers.volumes(needed=volumes)
    going = there if volumes else {}
    if not release.history and not others and not going:
        context.console.sentence(f"nothing is promoted to {environment}{_kept(there, environment)}")
        return
    release.require_ours(context.project.manifest.outline.name)
    if not yes:
        data = f", with all data in {', '.join(going)}" if going else ""
        names = ", ".join([release.target.release, *others])
        line = f"{names} go{'' if others else 'es'} away from {release.target.where}{data}."
        confirm_by_name(line, environment)
    release.record.end(release.target, sayer(context))
    if release.helm.history(release.target.release):  # a first one that was interrupted took itself away
        release.helm.uninstall(release.target.release)
    leftovers.remove_hooks()
    for name in companions.retire():
        sayer(context)("removed", f"{name}, and what its chart brought")
    for name, path in going.items():
        release.client.delete(path)
        sayer(context)("removed", f"the volume {name}")
    kept = "" if volumes else _kept(leftovers.volumes(), environment)
    context.console.sentence(f"{environment} is retired{kept}")


def _kept(volumes: Collection[str], environment: str) -> str:
    """What is left in volumes, after what was said of the release."""
    if not volumes:
        return ""
    return f"; kept: {', '.join(volumes)}. devenv retire {environment} --volumes removes the data"
