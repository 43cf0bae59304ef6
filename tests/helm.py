"""Helm, run as people run it, with caches of the test's own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

MAJORS = (3, 4)


@dataclass(frozen=True)
class Helm:
    """A program of one major; `home` holds its caches and settings."""

    major: int
    program: Path
    home: Path

    @property
    def homes(self) -> dict[str, str]:
        """The variables that keep it to its own folder."""
        return {name: str(self.home) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}

    def __call__(self, *argv: str | Path, code: int = 0, stdin: str = "") -> str:
        """Run it. Returns what it prints, on both streams where it ends with the error that is expected."""
        ended = subprocess.run(
            [str(self.program), *map(str, argv)],
            input=stdin,
            env={**os.environ, **self.homes},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == code, (
            f"helm {argv} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        )
        return ended.stdout + ended.stderr if code else ended.stdout
