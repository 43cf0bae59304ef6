"""The files of the project's folders as they are now, kept current path by path."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping

from devenv.sources.digests import Digests
from devenv.sources.folder import Folder


class Tree:
    """The files of one folder. Paths are those in the project, with "/" between names."""

    def __init__(self, prefix: str, folder: Folder, cache: Digests, digests: Mapping[str, str]) -> None:
        """`prefix` is the folder's path in the project, `digests` its contents when it was last read."""
        self.prefix, self.folder, self._cache = posixpath.normpath(prefix), folder, cache
        self.digests = {self._joined(name): digest for name, digest in digests.items()}

    def look(self) -> tuple[set[str], dict[str, str]]:
        """Read the whole folder again; returns as `update`."""
        before, unread = self.digests, dict[str, str]()
        try:
            contents = self.folder.contents(self._cache, unread)
        except OSError as error:  # a folder that cannot be listed
            return set(), {self.prefix: (error.strerror or str(error)).lower()}
        now = {self._joined(name): digest for name, digest in contents.items()}
        failed = {self._joined(name): reason for name, reason in unread.items()}
        self.digests = now | {path: before[path] for path in failed if path in before}
        return {path for path in before.keys() | now if before.get(path) != self.digests.get(path)}, failed

    def update(self, paths: Iterable[str]) -> tuple[set[str], dict[str, str]]:
        """Read some paths again: files, or folders that vanished with what was below them.

        Returns what changed, and path -> reason of what could not be read, which counts as unchanged.
        """
        own = [path for path in paths if self._has(path)]
        new = {path for path in own if path not in self.digests}
        alike = self._alike(new) if new and self.folder.folds else set()
        changed, unread, reached = set(), {}, dict[str, bool]()
        for path in {*own, *self._below(new), *alike}:
            try:
                renamed = path in alike and not self.folder.spells(self._name(path))
                digest = "" if renamed else self.folder.digest(self._name(path), self._cache, reached)
            except OSError as error:
                unread[path] = (error.strerror or str(error)).lower()
                continue
            if digest != self.digests.get(path, ""):
                changed.add(path)
                if digest:
                    self.digests[path] = digest
                else:
                    del self.digests[path]
        return changed, unread

    def enters(self, path: str) -> bool:
        """Whether a folder, by its path in the project, may hold files of this one."""
        if path == self.prefix or self.prefix.startswith(f"{path}/") or path == ".":
            return True
        return self._has(path) and self.folder.enters(self._name(path))

    def _below(self, folders: set[str]) -> set[str]:
        return {path for path in self.digests if not folders.isdisjoint(_parents(path))} if folders else set()

    def _alike(self, new: set[str]) -> set[str]:
        """What may have become one of these by a change of letters' case; it can be read by its old name."""
        folded = {path.casefold() for path in new}
        return {path for path in self.digests if path.casefold() in folded}

    def _has(self, path: str) -> bool:
        return self.prefix == "." or path == self.prefix or path.startswith(f"{self.prefix}/")

    def _name(self, path: str) -> str:
        return path if self.prefix == "." else path[len(self.prefix) + 1 :]

    def _joined(self, name: str) -> str:
        return name if self.prefix == "." else f"{self.prefix}/{name}" if name else self.prefix


def _parents(path: str) -> Iterable[str]:
    while path := posixpath.dirname(path):
        yield path


def in_project(root: str, path: str) -> str:
    """An absolute path as one in the project."""
    start = f"{root}/"
    return path[len(start) :] if path.startswith(start) else os.path.relpath(path, root)
