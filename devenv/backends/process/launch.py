"""What a unit's program is started with: its words and its user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache

from devenv import proc
from devenv.backends.process.spec import Spec
from devenv.errors import ToolMissing

NOBODY = "65534"


def words(spec: Spec, argv: Sequence[str]) -> list[str]:
    """A command of a unit; where that refuses to be root, seen by it as somebody else."""
    rootless = spec.way.rootless and os.geteuid() == 0
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
