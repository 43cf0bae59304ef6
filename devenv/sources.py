"""What goes into an image and into mounts: files of the project and their digests.

The content decides, never the time of a file; sizes and times only tell which files need not be read
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.stack.world import BuildKey, Finding, Want

SETTLED = 2.0  # seconds; a file changed later than that before it was read may change again unseen


@dataclass
class Sources:
    """Everything a manifest wants of its project, read once."""

    builds: dict[BuildKey, str] = field(default_factory=dict)
    contents: dict[BuildKey, dict[str, str]] = field(default_factory=dict)
    files: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def read(root: Path, wants: Iterable[Want], cache: Digests) -> Sources:
    """Read what is wanted; what is missing becomes a finding at the place that wants it."""
    found = Sources()
    for want in wants:
        target = root / want.name
        if not _inside(root, target):
            found.findings.append((want.path, f'"{want.name}" leaves the project', "a link?"))
            continue
        match want.kind:
            case "build":
                _build(root, want, cache, found)
            case "pattern" | "file":
                _files(root, want, cache, found)
            case "text":
                if target.is_file():
                    from devenv.manifest import source

                    found.extra = source.read(target.read_text(), file=want.name).value or {}
                else:
                    found.findings.append((want.path, f'no file "{want.name}"', ""))
    return found


def _inside(root: Path, target: Path) -> bool:
    return Path(os.path.realpath(target)).is_relative_to(os.path.realpath(root))


def _build(root: Path, want: Want, cache: Digests, found: Sources) -> None:
    key = want.name, want.dockerfile
    if key in found.builds:
        return
    context = root / want.name
    if not context.is_dir():
        found.findings.append((want.path, f'no folder "{want.name}"', "build: names the folder"))
        return
    if not (context / want.dockerfile).is_file():
        hint = "write one, or name it: build: {context: ..., dockerfile: ...}"
        found.findings.append((want.path, f'no {want.dockerfile} in "{want.name}"', hint))
        return
    contents = dict(_context(context, want.dockerfile, cache))
    found.contents[key] = contents
    found.builds[key] = hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest()[:16]


def _files(root: Path, want: Want, cache: Digests, found: Sources) -> None:
    pattern = want.name.removeprefix("./")
    matched = [root / pattern] if (root / pattern).is_file() else sorted(root.glob(pattern))
    files = [path for path in matched if path.is_file()]
    if not files:
        what = "nothing matches" if any(sign in pattern for sign in "*?[") else "no file"
        found.findings.append((want.path, f'{what} "{want.name}"', ""))
    found.files[want.name] = tuple((str(path.relative_to(root)), cache.of(path)) for path in files)


def _context(folder: Path, dockerfile: str, cache: Digests) -> Iterator[tuple[str, str]]:
    """Path and digest of every file the builder would be sent."""
    ignored = _ignored(folder, dockerfile)
    for path in _walk(folder, "", ignored):
        full = folder / path
        mode = "x" if os.access(full, os.X_OK) else ""
        yield path, f"->{full.readlink()}" if full.is_symlink() else cache.of(full) + mode


def _walk(folder: Path, below: str, ignored: _Ignored) -> Iterator[str]:
    with os.scandir(folder / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                if ignored.enters(path):
                    yield from _walk(folder, path, ignored)
            elif not ignored.has(path):
                yield path


class _Ignored:
    """`.dockerignore`: the last pattern that matches decides, and every pattern begins at the root."""

    def __init__(self, lines: Iterable[str], keep: str) -> None:
        self._keep = keep
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        self._excepts = any(line.startswith("!") for line in patterns)
        self._spec: Any = None
        if patterns:
            from pathspec import PathSpec

            anchored = [
                f"!/{line[1:].strip().lstrip('/')}" if line.startswith("!") else f"/{line.lstrip('/')}"
                for line in patterns
            ]
            self._spec = PathSpec.from_lines("gitignore", anchored)

    def has(self, path: str) -> bool:
        return self._spec is not None and path != self._keep and bool(self._spec.match_file(path))

    def enters(self, folder: str) -> bool:
        """Ignored folders are not walked, unless an exception could bring something in them back."""
        return self._excepts or self._keep.startswith(f"{folder}/") or not self.has(f"{folder}/")


def _ignored(folder: Path, dockerfile: str) -> _Ignored:
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        if (folder / name).is_file():
            return _Ignored((folder / name).read_text(errors="replace").splitlines(), dockerfile)
    return _Ignored((), dockerfile)


class Digests:
    """Digests of files, remembered by size, time and inode so that unchanged ones are not read again."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self.seen: dict[str, list[Any]] = {}

    @classmethod
    def load(cls, file: Path) -> Digests:
        """From a file that may be missing or broken: it is only a memory."""
        try:
            known = json.loads(file.read_text())
        except (OSError, ValueError):
            known = {}
        return cls(known if isinstance(known, dict) else {})

    @property
    def changed(self) -> bool:
        return self.seen != self._known

    def dump(self) -> str:
        return json.dumps(self.seen)

    def of(self, path: Path) -> str:
        """The digest of a file's bytes, in 16 hex digits."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        remembered = self._known.get(str(path))
        if isinstance(remembered, list) and len(remembered) == 4 and remembered[:3] == stamp:
            digest = str(remembered[3])
        else:
            with path.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()[:16]
        if time.time() - status.st_mtime > SETTLED:
            self.seen[str(path)] = [*stamp, digest]
        return digest
