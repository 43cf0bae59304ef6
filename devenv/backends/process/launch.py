"""What a unit's program is started with: its words and its user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from devenv import proc
from devenv.backends.process.spec import Spec
from devenv.errors import ToolMissing

NOBODY = 65534  # `initdb` asks for the name of its user, and this one has a name on every system


@dataclass(frozen=True, slots=True)
class Guise:
    """What runs a command that takes root for somebody else, with the same rights to files.

    `owner` is the user of this machine whose files it takes for its own.
    """

    prefix: tuple[str, ...]
    owner: int


# A namespace in which root has another number; and, as most containers allow none, another user that keeps
# root's right to pass through folders such as root's home.
GUISES = (
    Guise(("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"), owner=0),
    Guise(
        (
            "setpriv",
            f"--reuid={NOBODY}",
            f"--regid={NOBODY}",
            "--clear-groups",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
        ),
        owner=NOBODY,
    ),
)


def words(spec: Spec, argv: Sequence[str]) -> list[str]:
    """A command of a unit; where that refuses to be root, seen by it as somebody else."""
    guise = unprivileged() if refuses(spec) else None
    return [*(guise.prefix if guise else ()), *argv]


def refuses(spec: Spec) -> bool:
    """Whether a unit's program does not run as the user of this command, who is root."""
    return spec.way.rootless and os.geteuid() == 0


@cache
def unprivileged() -> Guise | None:
    """The first that this machine allows."""
    return next(filter(_allowed, GUISES), None)


def _allowed(guise: Guise) -> bool:
    if shutil.which(guise.prefix[0]) is None:
        return False
    try:
        return proc.run_captured([*guise.prefix, "true"]).code == 0
    except ToolMissing:
        return False


def own(spec: Spec, folder: Path) -> None:
    """Give a folder of data to the user that its program takes itself for, as programs insist on that."""
    guise = unprivileged() if refuses(spec) else None
    if guise is None or folder.stat().st_uid == guise.owner:
        return
    for file in (*folder.rglob("*"), folder):  # the folder last: it says that all is done
        os.chown(file, guise.owner, guise.owner, follow_symlinks=False)
