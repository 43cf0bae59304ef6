"""Which `devenv` the shell would run: the Nix tool shares the name."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from devenv.doctor.verdict import Verdict, passed, warned

OURS = b"devenv.__main__"  # what installers write into the command
HEAD = 1 << 14


@dataclass(frozen=True, slots=True)
class Program:
    """A `devenv` on the PATH: ours, the Nix tool, or some other one."""

    path: str
    owner: str


@dataclass(frozen=True, slots=True)
class Programs:
    """Every `devenv` on the PATH, the first one first. `home`: the folder of the one that is running."""

    programs: tuple[Program, ...]
    home: str
    python: str


def look(environment: Mapping[str, str]) -> Programs:
    """Read the head of every `devenv` on the PATH; none is run."""
    folders = dict.fromkeys(environment.get("PATH", "").split(os.pathsep))
    files = [Path(folder) / "devenv" for folder in folders if folder]
    programs = tuple(_program(file) for file in files if os.access(file, os.X_OK) and file.is_file())
    return Programs(programs, str(Path(sys.prefix) / "bin"), platform.python_version())


def _program(file: Path) -> Program:
    try:
        with file.open("rb") as handle:
            ours = OURS in handle.read(HEAD)
        nix = file.resolve().is_relative_to("/nix/store")
    except OSError:
        ours = nix = False
    return Program(str(file), "ours" if ours else "nix" if nix else "other")


def judge(installed: Programs) -> Iterator[Verdict]:
    """Whether typing `devenv` runs this one."""
    yield passed("python", f"Python {installed.python}")
    ahead = f'export PATH={shlex.quote(installed.home)}:"$PATH"'
    first, *others = installed.programs or (None,)
    if first is None:
        yield warned("path", f"no devenv is on the PATH; this one is in {installed.home}", ahead)
    elif first.owner == "nix":
        yield warned("path", f"{first.path} comes first, the Nix tool of the same name (cachix)", ahead)
    elif first.owner == "other":
        yield warned("path", f"{first.path} comes first, and is another program", ahead)
    elif str(Path(first.path).parent) != installed.home and any(
        program and str(Path(program.path).parent) == installed.home for program in others
    ):
        yield warned("path", f"{first.path} comes first; this one is in {installed.home}", ahead)
    else:
        yield passed("path", first.path)
