"""Environments on the command line: which are named, where their releases are, and what is asked before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.arguments import completion
from devenv.cli.asking import confirm, confirm_by_name

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.promotion.promote import Release
    from devenv.plan.promotion.changes import Target


environments = completion(lambda context: context.project.manifest.parsed[0].environments)
"""Names of environments."""


Environment = Annotated[
    str,
    typer.Argument(
        metavar="ENVIRONMENT", help="One of environments: in devenv.yaml.", autocompletion=environments
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "-e",
        "--environment",
        help="Of what was promoted to this environment.",
        metavar="ENV",
        autocompletion=environments,
    ),
]


def release_of(context: Context, name: str) -> Release:
    """The release of an environment. Raises `UsageError` for one that the manifest does not have."""
    from devenv.engine.promotion.promote import Release
    from devenv.engine.promotion.underway import Record

    return Release(context.target(name), Record(context.workspace, name))


def confirm_at(target: Target, question: str) -> None:
    """Ask; where the context looks like production, for the environment's name."""
    if not confirm_production(target, question):
        confirm(question)


def confirm_production(target: Target, question: str) -> bool:
    """Ask for the environment's name where the context looks like production. Returns whether it does."""
    from devenv.backends.kube.config import find

    production = find(target.context).looks_like_production
    if production:
        confirm_by_name(f"{target.context} looks like production. {question}", target.environment)
    return production
