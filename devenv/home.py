"""The user of this machine: the name, and where programs keep what is the user's and no project's.

In containers, as in CI, commands run under numbers that nothing knows: without a name, and without HOME.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def folder() -> Path:
    """The home folder; for a user who has none `/`, as container engines say it."""
    home = os.path.expanduser("~")
    return Path("/" if home == "~" else home)


def cache(environment: Mapping[str, str]) -> Path:
    """The folder of what devenv can make again, across projects."""
    return Path(environment.get("XDG_CACHE_HOME") or folder() / ".cache") / "devenv"


def state() -> Path:
    """The folder of devenv's state for this user and machine, across projects."""
    return Path(os.environ.get("XDG_STATE_HOME") or folder() / ".local/state") / "devenv"


def user() -> str:
    """The user's name, or the number where there is no name."""
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):  # the latter from Python 3.13 on
        return str(os.getuid())
