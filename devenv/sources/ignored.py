"""What a `.dockerignore` leaves out of a build's context."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from devenv import MANIFESTS, STATE
from devenv.stack.copies import may_read
from devenv.stack.model import Build
from devenv.stack.patterns import match
from devenv.stack.world import BuildKey, Recipe

GIT = ".git"


class Ignored:
    """`.dockerignore`: the last matching pattern decides, and every pattern starts at the root."""

    def __init__(self, text: str, keep: str) -> None:
        self._keep = keep
        self._patterns = tuple(_anchored(text.removeprefix("\ufeff").splitlines()))
        exceptions = (line.removeprefix("!/") for line in self._patterns if line.startswith("!"))
        self._exceptions = [exception.split("/") for exception in exceptions]

    def has(self, path: str) -> bool:
        """Whether it leaves a file out."""
        return path != self._keep and bool(match(self._patterns, path))

    def enters(self, folder: str) -> bool:
        """Whether to walk a folder: an ignored one only if an exception may match something in it."""
        if self._keep.startswith(f"{folder}/") or not self.has(f"{folder}/"):
            return True
        names = folder.split("/")
        return any(_reaches_below(exception, names) for exception in self._exceptions)


def _reaches_below(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    """Whether a pattern may match the folder, a parent of it, or anything in it."""
    for part, name in zip(pattern, folder, strict=False):
        if "**" in part or "\\" in part:  # any number of names, or an escaped one
            return True
        if not fnmatchcase(name, part.replace("[^", "[!")):
            return False
    return True


def _anchored(lines: Iterable[str]) -> Iterator[str]:
    """Docker's patterns as Git's: each starts at the root."""
    for line in lines:
        if line.startswith("#"):
            continue
        stripped = line.strip()
        sign = "!" if stripped.startswith("!") else ""
        pattern = posixpath.normpath(stripped.removeprefix("!").strip()).lstrip("/")
        if pattern not in ("", "."):
            yield f"{sign}/{pattern}"


def ignore_file(folder: Path, dockerfile: str) -> str:
    """The text of the ignore file that the builder uses, or ""."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        if (folder / name).is_file():
            return _text_of(folder / name)
    return ""


def recipe(context: Path, dockerfile: str) -> Recipe:
    """The Dockerfile and ignore file for a builder; the latter excludes `.devenv`. Raises `OSError`.

    It excludes `.git` where no step reads it, so that a commit by itself makes no other image; and a manifest
    at the top, unless a line of either file names it: an edit for one service would build all others.
    """
    ignore, text = ignore_file(context, dockerfile).removeprefix("\ufeff"), _text_of(context / dockerfile)
    gap = "" if ignore.endswith("\n") or not ignore else "\n"
    history = "" if may_read(text, GIT) else f"{GIT}\n"
    there = (name for name in MANIFESTS if (context / name).is_file() and name not in f"{ignore}{text}")
    manifests = "".join(f"{name}\n" for name in there)
    return Recipe(text, f"{manifests}{ignore}{gap}{history}**/{STATE}\n")


def recipes(root: Path, builds: Iterable[Build | None]) -> dict[BuildKey, Recipe]:
    """The recipes of builds of the project's folders. Raises `OSError`."""
    keys = {build.key for build in builds if build is not None and not build.remote}
    return {key: recipe(root / key[0], key[1]) for key in keys}


def sends(context: Path, dockerfile: str, folder: Path, names: Iterable[str]) -> bool:
    """Whether the builder would be sent at least one of these files if they were in `folder`."""
    if not folder.is_relative_to(context):
        return False
    below = folder.relative_to(context)
    ignored = Ignored(ignore_file(context, dockerfile), dockerfile)
    return STATE not in below.parts and not all(ignored.has(str(below / name)) for name in names)


def _text_of(file: Path) -> str:
    """A file's text with its line endings unchanged."""
    return file.read_bytes().decode(errors="replace")
