"""A folder of the project: its files without what an ignore file excludes, and their digests."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from devenv import STATE
from devenv.sources.digests import Digests
from devenv.sources.ignored import Ignored


class Folder:
    """A folder of the project, without what an ignore file excludes. Links are not followed."""

    def __init__(self, path: Path, ignore: str = "", *, keep: str = "") -> None:
        """`ignore` is the text of a `.dockerignore`; `keep` is the path of a file that it cannot exclude."""
        self.path, self._ignored = path, Ignored(ignore, keep)

    def contents(self, cache: Digests, unread: dict[str, str] | None = None) -> dict[str, str]:
        """Path -> digest of every file in it but `.devenv`.

        Raises `OSError` for an unreadable one, or notes the reason in `unread` and leaves it out.
        """
        if self.path.is_file():
            return {"": _content(str(self.path), os.lstat(self.path), cache)}
        files = {}
        for name in walk(self.path, "", self._ignored):
            try:
                path = self._joined(name)
                files[name] = _content(path, os.lstat(path), cache)
            except FileNotFoundError:  # deleted since the folder was listed
                continue
            except OSError as error:
                if unread is None:
                    raise
                unread[name] = (error.strerror or str(error)).lower()
        return files

    def digest(self, name: str, cache: Digests, reached: dict[str, bool] | None = None) -> str:
        """The digest of one file as in `contents`; "" where it is not there or excluded.

        `reached` is what one look at many files learns of the folders on the way. Raises `OSError` for an
        unreadable one.
        """
        if STATE in name.split("/") or self._ignored.has(name):
            return ""
        path = self._joined(name)
        try:
            if not self._reached(posixpath.dirname(name), {} if reached is None else reached):
                return ""
            status = os.lstat(path)
            return "" if stat.S_ISDIR(status.st_mode) else _content(path, status, cache)
        except (FileNotFoundError, NotADirectoryError):
            return ""

    @cached_property
    def folds(self) -> bool:
        """Whether files are found by their names in any case of the letters, as on macOS."""
        twin = Path(str(self.path).swapcase())
        return twin != self.path and twin.exists() and twin.samefile(self.path)

    def spells(self, name: str) -> bool:
        """Whether every name on the way to a file is the one on the disk, letter by letter."""
        parts = name.split("/")
        folders = ("/".join(parts[:count]) for count in range(len(parts)))
        return all(
            part in os.listdir(self._joined(folder)) for folder, part in zip(folders, parts, strict=True)
        )

    def excludes(self, name: str) -> bool:
        """Whether the ignore file excludes a file."""
        return self._ignored.has(name)

    def enters(self, name: str) -> bool:
        """Whether anything in a folder below may be part of it."""
        return STATE not in name.split("/") and self._ignored.enters(name)

    def _reached(self, folder: str, known: dict[str, bool]) -> bool:
        """Whether neither a folder nor one on the way to it is a link."""
        if folder and folder not in known:
            known[folder] = self._reached(posixpath.dirname(folder), known) and not stat.S_ISLNK(
                os.lstat(self._joined(folder)).st_mode
            )
        return not folder or known[folder]

    def _joined(self, name: str) -> str:
        return os.path.join(self.path, name) if name else str(self.path)


def _content(path: str, status: os.stat_result, cache: Digests) -> str:
    if stat.S_ISLNK(status.st_mode):
        return f"->{os.readlink(path)}"  # noqa: PTH115  as a Path, ./a would be a
    if not stat.S_ISREG(status.st_mode):
        return "special"  # a socket or a pipe: reading it would block
    return cache.of(path, status)


def walk(folder: Path, below: str, ignored: Ignored) -> Iterator[str]:
    """The path of every file in a folder that is not ignored, sorted; `below`: where in it to begin."""
    with os.scandir(folder / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.name == STATE:
                continue
            if entry.is_dir(follow_symlinks=False):
                if ignored.enters(path):
                    yield from walk(folder, path, ignored)
            elif not ignored.has(path):
                yield path
