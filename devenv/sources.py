"""The files of the project that go into images and mounts, with their digests.

Only content counts. Sizes and times only tell which files need not be read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from devenv import STATE
from devenv.envfiles import read_env
from devenv.errors import UsageError
from devenv.stack.builds import digest_of
from devenv.stack.model import NAMED
from devenv.stack.rules import IGNORED
from devenv.stack.world import BuildKey, Finding, Recipe, Want

VARIABLE = re.compile(r"(?!\.\.|\.\Z)[A-Za-z_.-][A-Za-z0-9_.-]*")  # what Docker and Kubernetes both take
NAME_SIGNS = "use letters, digits, _, dots and hyphens"
SMALL = 1 << 16  # bytes that are read at once
SETTLED = 2.0  # seconds; a file changed more recently may change again without a new time


@dataclass
class Sources:
    """The files that a manifest refers to, read once."""

    builds: dict[BuildKey, str] = field(default_factory=dict)
    contents: dict[BuildKey, dict[str, str]] = field(default_factory=dict)
    recipes: dict[BuildKey, Recipe] = field(default_factory=dict)
    folders: dict[BuildKey, Folder] = field(default_factory=dict)
    scripts: dict[BuildKey, dict[str, str]] = field(default_factory=dict)
    files: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    mounts: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def answers(self) -> dict[str, Any]:
        """What the world says of files, by the names of `World`'s fields."""
        return {"files": self.files, "extra": self.extra, "folders": self.mounts, "variables": self.variables}


def read(root: Path, wants: Iterable[Want], cache: Digests) -> Sources:
    """Read the wanted files; a missing one becomes a finding at the place in the manifest that names it."""
    sources, wants = Sources(), tuple(wants)
    for want in wants:
        target = root / want.name
        if not _inside(root, target):
            sources.findings.append((want.path, f'"{want.name}" is outside the project', "a link?"))
            continue
        try:
            match want.kind:
                case "build":
                    _build(root, want, cache, sources)
                case "env":
                    _variables(root, want, sources)
                case "context":
                    _context(root, want, cache, sources)
                case "tree":
                    _tree(root, want, cache, sources)
                case "mount" if target.is_dir():
                    _mount(root, want, cache, sources)
                case "pattern" | "file" | "mount":
                    _files(root, want, cache, sources)
                case "text":
                    _text(root, want, sources)
        except OSError as error:
            name = os.path.relpath(error.filename, root) if error.filename else want.name
            sources.findings.append(
                (want.path, f'cannot read "{name}"', (error.strerror or str(error)).lower())
            )
    sources.findings += _hidden(wants, sources)
    return sources


def _inside(root: Path, target: Path) -> bool:
    return Path(os.path.realpath(target)).is_relative_to(os.path.realpath(root))


def _build(root: Path, want: Want, cache: Digests, sources: Sources) -> None:
    key = want.name, want.dockerfile
    if key in sources.builds:
        return
    context = root / want.name
    if not context.is_dir():
        sources.findings.append((want.path, f'no folder "{want.name}"', "build: names the folder"))
        return
    if not (context / want.dockerfile).is_file():
        hint = "write one, or name it: build: {context: ..., dockerfile: ...}"
        sources.findings.append((want.path, f'no {want.dockerfile} in "{want.name}"', hint))
        return
    if STATE in Path(os.path.realpath(context)).relative_to(os.path.realpath(root)).parts:
        hint = "it holds passwords; build from a folder of your own"
        sources.findings.append((want.path, f'"{want.name}" is devenv\'s own state', hint))
        return
    folder = Folder(context, _ignore_file(context, want.dockerfile), keep=want.dockerfile)
    files = folder.contents(cache)
    sources.folders[key], sources.contents[key] = folder, files
    sources.builds[key] = digest_of(files)
    sources.recipes[key] = recipe(context, want.dockerfile)
    folders = dict.fromkeys(("", posixpath.dirname(posixpath.normpath(want.dockerfile))))
    if packages := [path for folder in folders if (path := posixpath.join(folder, "package.json")) in files]:
        sources.scripts[key] = {
            name: line for path in packages for name, line in _scripts(context / path).items()
        }


def _context(root: Path, want: Want, cache: Digests, sources: Sources) -> None:
    """A folder that a build reads besides its own context, without what its ignore file excludes."""
    key, folder = (want.name, NAMED), root / want.name
    if not folder.is_dir():
        sources.findings.append((want.path, f'no folder "{want.name}"', "or docker-image://IMAGE, or a URL"))
        return
    state, real = Path(os.path.realpath(root / STATE)), Path(os.path.realpath(folder))
    if state.is_relative_to(real) or real.is_relative_to(state):
        hint = "its .devenv holds passwords; name a folder below"
        sources.findings.append((want.path, f'"{want.name}" cannot be another context', hint))
        return
    files = Folder(folder, _ignore_file(folder, "")).contents(cache)
    sources.contents[key], sources.builds[key] = files, digest_of(files)


def _scripts(file: Path) -> dict[str, str]:
    """The scripts that a package.json names; what is not one has none."""
    try:
        scripts = json.loads(file.read_bytes())["scripts"]
        return {name: line for name, line in scripts.items() if isinstance(line, str)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _tree(root: Path, want: Want, cache: Digests, sources: Sources) -> None:
    key = want.name, ""
    if not (root / want.name).exists():
        sources.findings.append((want.path, f'no folder "{want.name}"', "sync: names folders of the project"))
        return
    folder = Folder(root / want.name, "".join(f"**/{pattern}\n" for pattern in IGNORED))
    sources.folders[key], sources.contents[key] = folder, folder.contents(cache)


def _text(root: Path, want: Want, sources: Sources) -> None:
    from devenv.manifest import source
    from devenv.manifest.kong.document import faults

    try:
        document = source.read((root / want.name).read_text(encoding="utf-8"), file=want.name)
    except FileNotFoundError:
        sources.findings.append((want.path, f'no file "{want.name}"', ""))
    except UnicodeDecodeError:
        sources.findings.append((want.path, f'"{want.name}" is not text', "save it as UTF-8"))
    else:
        if isinstance(document.value, dict | None):
            sources.extra = source.as_yaml(document.value or {})
            sources.findings += [
                (want.path, str(document.problem(path, reason)), "") for path, reason in faults(sources.extra)
            ]
        else:
            sources.findings.append((want.path, f'"{want.name}" is not a mapping', "as Kong reads it"))


def _files(root: Path, want: Want, cache: Digests, sources: Sources) -> None:
    pattern = want.name.removeprefix("./")
    signs = [part for part in pattern.split("/") if any(sign in part for sign in "*?[")]
    if want.kind == "mount" and signs and not (root / pattern).is_file():
        folder = want.name[: want.name.index(signs[0])].rstrip("/") or "."
        hint = f"a folder is mounted as a whole: {folder}" if folder != "." else "name each file"
        sources.findings.append((want.path, f'"{want.name}" is a pattern', hint))
        return
    if want.kind == "pattern" and pattern and (root / pattern).is_dir():
        pattern = posixpath.join(pattern, "[!.]*")
    try:
        matched = [root / pattern] if (root / pattern).is_file() else sorted(root.glob(pattern))
    except (ValueError, IndexError):  # not a valid pattern, or none at all
        matched = []
    files = [path for path in matched if path.is_file()]
    sources.findings += [
        (want.path, f'"{path.relative_to(root)}" is outside the project', "a link?")
        for path in files
        if not _inside(root, path)
    ]
    if not files:
        message = "nothing matches" if any(sign in pattern for sign in "*?[") else "no file"
        hint = "that is a folder; name each file in it" if (root / pattern).is_dir() and pattern else ""
        sources.findings.append((want.path, f'{message} "{want.name}"', hint))
    sources.files[want.name] = tuple((str(path.relative_to(root)), cache.of(path)) for path in files)


def _variables(root: Path, want: Want, sources: Sources) -> None:
    """The variables of a file."""
    if not (root / want.name).is_file():
        sources.findings.append((want.path, f'no file "{want.name}"', "env_file: names files of NAME=value"))
        return
    try:
        variables = read_env(root / want.name)
    except UsageError as error:
        sources.findings.append((want.path, f'cannot read "{want.name}"', error.why))
        return
    sources.variables[want.name] = variables
    sources.findings += [
        (want.path, f'"{name}" in "{want.name}" is not a name of a variable', NAME_SIGNS)
        for name in variables
        if not VARIABLE.fullmatch(name)
    ]


def _mount(root: Path, want: Want, cache: Digests, sources: Sources) -> None:
    """Every file of a folder that is mounted as a whole; a link counts as the file that it leads to."""
    state, real = root / STATE, Path(os.path.realpath(root / want.name))
    if state.is_relative_to(root / want.name) or real.is_relative_to(os.path.realpath(state)):
        hint = "its .devenv holds passwords; mount a folder below"
        sources.findings.append((want.path, f'"{want.name}" cannot be mounted', hint))
        return
    names = [
        name for name in _walk(root / want.name, "", _Ignored("", "")) if (root / want.name / name).is_file()
    ]
    outside = [name for name in names if not _inside(root, root / want.name / name)]
    sources.findings += [
        (want.path, f'"{posixpath.join(want.name, name)}" is outside the project', "a link?")
        for name in outside
    ]
    if not names:
        sources.findings.append(
            (want.path, f'no file in "{want.name}"', "a folder is mounted with its files")
        )
    sources.mounts[want.name] = tuple((name, cache.of(root / want.name / name)) for name in names)


def _hidden(wants: Iterable[Want], sources: Sources) -> Iterator[Finding]:
    """What would be mounted into a folder that is mounted itself, and read-only."""
    mounts = [(want.path[:2], str(want.path[-1]), want) for want in wants if want.kind == "mount"]
    folders = [mount for mount in mounts if mount[2].name in sources.mounts]
    for unit, target, want in mounts:
        for other, folder, mounted in folders:
            if unit == other and posixpath.normpath(target).startswith(f"{posixpath.normpath(folder)}/"):
                hint = f"put it into {mounted.name}, or mount that somewhere else"
                yield want.path, f"cannot be mounted into {folder}, which is a read-only folder", hint


class Folder:
    """A folder of the project, without what an ignore file excludes. Links are not followed."""

    def __init__(self, path: Path, ignore: str = "", *, keep: str = "") -> None:
        """`ignore` is the text of a `.dockerignore`; `keep` is the path of a file that it cannot exclude."""
        self.path, self._ignored = path, _Ignored(ignore, keep)

    def contents(self, cache: Digests, unread: dict[str, str] | None = None) -> dict[str, str]:
        """Path -> digest of every file in it but `.devenv`.

        Raises `OSError` for an unreadable one, or notes the reason in `unread` and leaves it out.
        """
        if self.path.is_file():
            return {"": _content(str(self.path), os.lstat(self.path), cache)}
        files = {}
        for name in _walk(self.path, "", self._ignored):
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

    def digest(self, name: str, cache: Digests) -> str:
        """The digest of one file as in `contents`; "" where it is not there or excluded.

        Raises `OSError` for an unreadable one.
        """
        if STATE in name.split("/") or self._ignored.has(name):
            return ""
        path = self._joined(name)
        try:
            if not self._reached(name):
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

    def _reached(self, name: str) -> bool:
        """Whether no folder on the way is a link."""
        ends = (at for at, letter in enumerate(name) if letter == "/")
        return not any(stat.S_ISLNK(os.lstat(self._joined(name[:end])).st_mode) for end in ends)

    def _joined(self, name: str) -> str:
        return os.path.join(self.path, name) if name else str(self.path)


def _content(path: str, status: os.stat_result, cache: Digests) -> str:
    if stat.S_ISLNK(status.st_mode):
        return f"->{Path(path).readlink()}"
    if not stat.S_ISREG(status.st_mode):
        return "special"  # a socket or a pipe: reading it would block
    return cache.of(path, status) + ("x" if status.st_mode & 0o100 else "")


def _walk(folder: Path, below: str, ignored: _Ignored) -> Iterator[str]:
    with os.scandir(folder / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.name == STATE:
                continue
            if entry.is_dir(follow_symlinks=False):
                if ignored.enters(path):
                    yield from _walk(folder, path, ignored)
            elif not ignored.has(path):
                yield path


class _Ignored:
    """`.dockerignore`: the last matching pattern decides, and every pattern starts at the root."""

    def __init__(self, text: str, keep: str) -> None:
        self._keep = keep
        patterns = list(_anchored(text.removeprefix("\ufeff").splitlines()))
        exceptions = (line.removeprefix("!/") for line in patterns if line.startswith("!"))
        self._exceptions = [exception.split("/") for exception in exceptions]
        self._spec: Any = None
        if patterns:
            from pathspec import PathSpec

            self._spec = PathSpec.from_lines("gitignore", patterns)

    def has(self, path: str) -> bool:
        return self._spec is not None and path != self._keep and bool(self._spec.match_file(path))

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
    """Docker's patterns as Git's: each starts at the root, and matches everything below as well."""
    for line in lines:
        if line.startswith("#"):
            continue
        stripped = line.strip()
        sign = "!" if stripped.startswith("!") else ""
        pattern = posixpath.normpath(stripped.removeprefix("!").strip()).lstrip("/")
        if pattern not in ("", "."):
            yield f"{sign}/{pattern}"
            yield f"{sign}/{pattern}/**"


def _ignore_file(folder: Path, dockerfile: str) -> str:
    """The text of the ignore file that the builder uses, or ""."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        if (folder / name).is_file():
            return _text_of(folder / name)
    return ""


def recipe(context: Path, dockerfile: str) -> Recipe:
    """The Dockerfile and ignore file for a builder; the latter excludes `.devenv`. Raises `OSError`."""
    ignore = _ignore_file(context, dockerfile)
    gap = "" if ignore.endswith("\n") or not ignore else "\n"
    return Recipe(_text_of(context / dockerfile), f"{ignore}{gap}**/{STATE}\n")


def sends(context: Path, dockerfile: str, folder: Path, names: Iterable[str]) -> bool:
    """Whether the builder would be sent at least one of these files if they were in `folder`."""
    if not folder.is_relative_to(context):
        return False
    below = folder.relative_to(context)
    ignored = _Ignored(_ignore_file(context, dockerfile), dockerfile)
    return STATE not in below.parts and not all(ignored.has(str(below / name)) for name in names)


def _text_of(file: Path) -> str:
    """A file's text with its line endings unchanged."""
    return file.read_bytes().decode(errors="replace")


class Digests:
    """A cache of file digests by size, time and inode, so that unchanged files are not read again."""

    def __init__(self, previous: Mapping[str, Any]) -> None:
        self._previous = previous
        self.current: dict[str, list[Any]] = {}

    @classmethod
    def load(cls, file: Path) -> Digests:
        """From a file; a missing or broken one is treated as empty."""
        try:
            digests = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            digests = {}
        return cls(digests if isinstance(digests, dict) else {})

    @property
    def changed(self) -> bool:
        """Whether the cache file has to be rewritten."""
        return self.current != self._previous

    def dump(self) -> str:
        """All digests as the text of the cache file."""
        return json.dumps(self.current)

    def of(self, path: str | Path, status: os.stat_result | None = None) -> str:
        """The digest of a file's bytes, in 16 hex digits. `status`: what it was asked for before."""
        status = status or Path(path).stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        previous = self._previous.get(str(path))
        if isinstance(previous, list) and len(previous) == 4 and previous[:3] == stamp:
            digest = str(previous[3])
        else:
            with open(path, "rb", buffering=0) as file:
                small = status.st_size <= SMALL
                content = hashlib.sha256(file.readall()) if small else hashlib.file_digest(file, "sha256")
                digest = content.hexdigest()[:16]
        if time.time() - status.st_mtime > SETTLED:
            self.current[str(path)] = [*stamp, digest]
        return digest
