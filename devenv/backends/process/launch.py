"""What a unit's program is started with: its words, its variables and its user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache

from devenv import proc
from devenv.backends.process.programs import find
from devenv.backends.process.spec import Spec
from devenv.errors import ToolMissing, UsageError

NOBODY = "65534"


def environment(spec: Spec) -> dict[str, str]:
    """Its variables, with the programs of its recipe first on the PATH. Raises `UsageError` without them."""
    if spec.recipe is None:
        return spec.environment()
    programs = find(spec.recipe.wanted)
    if isinstance(programs, str):
        raise UsageError(f"{spec.unit} cannot run here", why=programs, hint=spec.recipe.wanted.install)
    return spec.environment(programs.folder)


def words(spec: Spec, argv: Sequence[str]) -> list[str]:
    """A command of a unit; where that refuses to be root, seen by it as somebody else."""
    rootless = spec.recipe is not None and spec.recipe.rootless and os.geteuid() == 0
    return [*(unprivileged() if rootless else ()), *argv]


@cache
def unprivileged() -> tuple[str, ...]:
    """What runs a command that takes root for somebody else, with the same rights to files.

    () where that is not allowed, as in most containers.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    prefix = (unshare, "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
    try:
        return prefix if proc.run_captured([*prefix, "true"]).code == 0 else ()
    except ToolMissing:
        return ()
