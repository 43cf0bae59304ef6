"""Charts of other people that come along, and releases that another hand installed.

Those are taken over only by who saw what changes, and typed the name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.asking import answers, confirm_by_name
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.console import Console
    from devenv.engine.promotion.companions import Companions
    from devenv.engine.promotion.promote import Release
    from devenv.plan.promotion.changes import Target
    from devenv.plan.promotion.companions import Due

Adopt = Annotated[
    list[str] | None,
    typer.Option("--adopt", help="Take over this release, which another hand installed.", metavar="RELEASE"),
]


def require_adoptable(
    target: Target, foreign: Mapping[str, str], adopt: Collection[str], *, here: Callable[[], bool] = answers
) -> None:
    """Raises `UsageError` for a release of another hand that nobody named, and nobody is `here` to.

    `foreign`: release -> the chart that it was installed from.
    """
    for name, chart in foreign.items():
        if name not in adopt and not here():
            raise UsageError(
                f"the release {name} is not this stack's",
                where=f"{target.where}, chart {chart}",
                why="another hand installed it",
                hint=f"devenv diff {target.environment}   shows what promotion makes of it; then"
                f"\ndevenv promote {target.environment} --adopt {name}   takes it over",
            )


def confirm_adoption(foreign: Mapping[str, str], adopt: Collection[str]) -> None:
    """Ask about each release of another hand, once what would change has been shown."""
    for name, chart in foreign.items():
        if name not in adopt:
            confirm_by_name(f"Another hand installed {name}, from the chart {chart}. Take it over?", name)


def companions_of(context: Context, release: Release) -> Companions:
    """The charts of other people that an environment brings along."""
    from devenv.engine.promotion.companions import Companions, companions

    project = context.project
    wanted = companions(project, release.target.environment)
    return Companions(release, project.manifest.outline.name, context.workspace.root, wanted)


def foreign_of(context: Context, release: Release, due: Sequence[Due]) -> dict[str, str]:
    """Releases that another hand installed and a promotion would take over, with their charts."""
    own = {release.target.release: release.foreign_chart(context.project.manifest.outline.name)}
    charts = own | {each.companion.name: each.adopts for each in due}
    return {name: chart for name, chart in charts.items() if chart}


def show_due(console: Console, target: Target, due: Sequence[Due], left: Sequence[str]) -> None:
    """What becomes of the companions, and those that nothing names any more."""
    from devenv.console.changes import change_lines

    for each in due:
        companion = each.companion
        console.say(f"{console.style(companion.name, 'bold')}  {companion.address} {companion.version}")
        if each.changes:
            console.print("\n".join(change_lines(console, each.changes)))
    for name in left:
        console.note(f"{name} is in charts: no more and stays; to remove it: {target.helm} uninstall {name}")
