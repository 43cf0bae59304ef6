"""macOS as far as Linux can be it: see `sitecustomize`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = ("sh", "env", "ps", "cat", "ls", "mv", "rm", "mkdir", "tar", "git", "docker", "uname", "tty", "stty")
"""What every Mac has of what devenv may call, and Docker Desktop's command."""


def environment(folder: Path, before: Mapping[str, str], *, fsevents: bool = True) -> dict[str, str]:
    """An environment in which Python takes itself for one on macOS; its programs lie in a folder."""
    tools = folder / "mac-tools"
    if not tools.exists():
        tools.mkdir()
        for name in TOOLS:
            if found := shutil.which(name):
                (tools / name).symlink_to(found)
    return {
        **before,
        "PYTHONPATH": str(HERE),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), str(tools))),
        "DEVENV_TEST_FSEVENTS": "" if fsevents else "none",
    }
