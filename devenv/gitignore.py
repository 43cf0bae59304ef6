"""What Git ignores of a project: by every `.gitignore` on the way, `info/exclude`, and the user's own file.

Git judges the folders of a path one by one, and a pattern only the name it is about: `!logs` brings the
folder back, but says nothing of the files in it. A library for whole paths does not tell these apart.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from devenv import home, proc
from devenv.errors import ToolMissing
from devenv.stack.patterns import translated


class _Pattern(NamedTuple):
    """One line. Its regular expression is for whole paths."""

    regex: re.Pattern[str]
    folders: bool
    negated: bool


class _Patterns:
    """The lines of one file."""

    def __init__(self, text: str) -> None:
        self._patterns = [pattern for line in reversed(text.splitlines()) if (pattern := _pattern(line))]
        self._any = re.compile("|".join(pattern.regex.pattern for pattern in self._patterns) or "(?!)", re.S)

    def ignores(self, path: str, *, folder: bool) -> bool | None:
        """What the last line that matches says of a path; None where none does."""
        if self._any.match(path):
            for pattern in self._patterns:
                if (folder or not pattern.folders) and pattern.regex.match(path):
                    return not pattern.negated
        return None


def _pattern(line: str) -> _Pattern | None:
    text = re.sub(r"(?<!\\)[ \t]+$", "", line)
    negated = text.startswith("!")
    text = text.removeprefix("!")
    name = text.strip("/")
    if not name or line.startswith("#"):
        return None
    start = "" if "/" in text.rstrip("/") else "(?:.*/)?"
    regex = re.compile(rf"{start}{translated(name)}\Z", re.S)
    return _Pattern(regex, text.endswith("/"), negated)


class GitIgnored:
    """Called with paths of the project, it returns those that Git ignores, as its files say now."""

    def __init__(self, root: Path) -> None:
        """`root` is the project's; the repository may begin above it."""
        tops = [folder for folder in (root, *root.parents) if (folder / ".git").exists()]
        self._top = tops[0] if tops else root
        self._prefix = "" if self._top == root else f"{root.relative_to(self._top).as_posix()}/"
        self._inside = bool(tops)
        self._files: dict[str, tuple[tuple[int, int], _Patterns]] = {}

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """The files for the whole repository, the one that counts more first; Git says where they are."""
        if not self._inside:
            return ()
        git = ["git", "-C", str(self._top)]
        try:
            exclude = proc.run_captured([*git, "rev-parse", "--git-path", "info/exclude"])
            own = proc.run_captured([*git, "config", "--get", "--path", "core.excludesFile"])
        except ToolMissing:
            return (".git/info/exclude",)
        settings = os.environ.get("XDG_CONFIG_HOME") or str(home.folder() / ".config")
        default = "" if own.code == 0 else f"{settings}/git/ignore"
        return exclude.stdout.rstrip("\n") or ".git/info/exclude", own.stdout.rstrip("\n") or default

    def __call__(self, paths: Iterable[str]) -> set[str]:
        """Those of the paths that are ignored."""
        look = _Look(self)
        return {path for path in paths if look.ignores(posixpath.normpath(f"{self._prefix}{path}"))}

    def patterns(self, name: str) -> _Patterns | None:
        """The patterns of a file, named from the top of the repository; read again where it has changed."""
        file = self._top / name
        try:
            status = file.stat()
            stamp = status.st_mtime_ns, status.st_size
            if name not in self._files or self._files[name][0] != stamp:
                text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
                self._files[name] = stamp, _Patterns(text)
        except (OSError, re.error):  # there is none, or Git itself would match nothing with it
            return None
        return self._files[name][1]


class _Look:
    """One look at a repository: each folder is judged once, each file read once."""

    def __init__(self, ignored: GitIgnored) -> None:
        self._ignored = ignored
        self._folders = {"": False}
        self._files: dict[str, _Patterns | None] = {}

    def ignores(self, path: str) -> bool:
        """Whether Git ignores a file, or a folder on the way to it, out of which nothing comes back."""
        return self._leaves_out(posixpath.dirname(path)) or self._matches(path, folder=False)

    def _leaves_out(self, folder: str) -> bool:
        if folder not in self._folders:
            above = self._leaves_out(posixpath.dirname(folder))
            self._folders[folder] = above or self._matches(folder, folder=True)
        return self._folders[folder]

    def _matches(self, path: str, *, folder: bool) -> bool:
        """What the deepest file says that says anything about a path."""
        for file, below in (*_files(path), *((file, path) for file in self._ignored.shared)):
            if file not in self._files:
                self._files[file] = self._ignored.patterns(file)
            patterns = self._files[file]
            verdict = patterns.ignores(below, folder=folder) if patterns else None
            if verdict is not None:
                return verdict
        return False


def _files(path: str) -> Iterator[tuple[str, str]]:
    """The `.gitignore`s that may say something of a path, the deepest first, with the path from there."""
    folder = path
    while folder:
        folder = posixpath.dirname(folder)
        yield posixpath.join(folder, ".gitignore"), path[len(folder) + 1 if folder else 0 :]
