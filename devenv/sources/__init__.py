"""The files of the project that go into images and mounts, with their digests.

Only content counts. Sizes and times only tell which files need not be read again.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv import STATE
from devenv.envfiles import odd_lines, read_env
from devenv.errors import UsageError
from devenv.sources.digests import Digests
from devenv.sources.folder import Folder, walk
from devenv.sources.ignored import Ignored, ignore_file, recipe
from devenv.stack.builds import digest_of
from devenv.stack.installs import counts, linked
from devenv.stack.model import NAMED
from devenv.stack.reloading.rules import IGNORED
from devenv.stack.world import BuildKey, Finding, Recipe, Want

VARIABLE = re.compile(r"(?!\.\.|\.\Z)[A-Za-z_.-][A-Za-z0-9_.-]*")  # what Docker and Kubernetes both take
NAME_SIGNS = "use letters, digits, _, dots and hyphens"


@dataclass
class Sources:
    """The files that a manifest refers to, read once.

    `linked`: the package files of a build of which all installs leave the sources alone, by name.
    """

    builds: dict[BuildKey, str] = field(default_factory=dict)
    contents: dict[BuildKey, dict[str, str]] = field(default_factory=dict)
    recipes: dict[BuildKey, Recipe] = field(default_factory=dict)
    folders: dict[BuildKey, Folder] = field(default_factory=dict)
    scripts: dict[BuildKey, dict[str, str]] = field(default_factory=dict)
    linked: dict[BuildKey, frozenset[str]] = field(default_factory=dict)
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
        if want.kind == "repository":
            sources.contents[want.name, want.dockerfile] = {}
            continue
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
    sources.recipes[key] = recipe(context, want.dockerfile)
    folder = Folder(context, sources.recipes[key].ignore, keep=want.dockerfile)
    files = folder.contents(cache)
    sources.folders[key], sources.contents[key] = folder, files
    sources.builds[key] = digest_of(files)
    folders = dict.fromkeys(("", posixpath.dirname(posixpath.normpath(want.dockerfile))))
    if packages := [path for folder in folders if (path := posixpath.join(folder, "package.json")) in files]:
        sources.scripts[key] = {
            name: line for path in packages for name, line in _scripts(context / path).items()
        }
    if packages := [path for path in files if counts(path)]:
        sources.linked[key] = linked({path: _text_of(context / path) for path in packages})


def _text_of(file: Path) -> str:
    """A file's text; for one that cannot be read, a text that is no package file of any kind."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "{"


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
    files = Folder(folder, ignore_file(folder, "")).contents(cache)
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
        (want.path, f'line {line} of "{want.name}" is not NAME=value', "write NAME=value, or # before it")
        for line in odd_lines(root / want.name)
    ]
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
        name for name in walk(root / want.name, "", Ignored("", "")) if (root / want.name / name).is_file()
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
