"""Finds the programs of a recipe: on the PATH in the right version, else in an installed Python package."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from devenv import proc
from devenv.errors import ToolMissing

OF_SERVERS = ("/usr/local/sbin", "/usr/sbin")
"""Where servers lie, which is not on everybody's PATH."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a recipe asks for; see `stack.kinds.file.Process`."""

    program: str = ""
    package: str = ""
    folder: str = ""
    version: str = ""
    install: str = ""
    oldest: str = ""
    asked: str = ""

    def takes(self, version: str) -> bool:
        """Whether a program of this version will do; one that does not say its version does."""
        if self.oldest:
            return not version or _numbers(version) >= _numbers(self.oldest)
        return _major(version) == _major(self.version) or not (version and self.version)

    @property
    def needed(self) -> str:
        """The version that it asks for, for people."""
        return f"{self.oldest} or newer" if self.oldest else _major(self.version)


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with the programs, and the version that they are of."""

    folder: Path | None = None
    version: str = ""


@cache
def find(wanted: Wanted) -> Programs | str:
    """The programs, or why there are none."""
    if not wanted.program and not wanted.package:
        return Programs()
    reasons: list[str] = []
    for candidate in (*_on_path(wanted), *_in_package(wanted)):
        if wanted.takes(candidate.version):
            return candidate
        reasons.append(f"{wanted.program} {candidate.version} is there, but {wanted.needed} is asked for")
    absent = [f"no {wanted.program} on the PATH"] if wanted.program else []
    absent += [f"the package {wanted.package} is not installed"] if wanted.package else []
    return "; ".join(reasons) or ", and ".join(absent)


def _on_path(wanted: Wanted) -> Iterator[Programs]:
    """The program on the PATH; where that is a link, its own folder has the programs that belong to it."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *OF_SERVERS))
    program = shutil.which(wanted.program, path=places) if wanted.program else None
    if program is None:
        return
    folder = Path(os.path.realpath(program)).parent
    ask = ("sh", "-c", wanted.asked, "sh", str(folder)) if wanted.asked else (program, "--version")
    with suppress(ToolMissing):
        yield Programs(folder, _version(ask))


@cache
def _version(ask: tuple[str, ...]) -> str:
    """The version that a command prints, or "". Raises `ToolMissing`."""
    version = re.search(r"\d+(?:\.\d+)+", proc.run_captured(ask).stdout)
    return version[0] if version else ""


def _in_package(wanted: Wanted) -> Iterator[Programs]:
    if not wanted.package:
        return
    try:
        package = distribution(wanted.package)
    except PackageNotFoundError:
        return
    if not wanted.program:
        yield Programs()
        return
    for folder in sorted(Path(str(package.locate_file(""))).glob(wanted.folder)):
        if (folder / wanted.program).is_file():
            with suppress(ToolMissing):
                yield Programs(folder, _version((str(folder / wanted.program), "--version")))


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _major(version: str) -> str:
    return version.removeprefix("v").partition(".")[0]
