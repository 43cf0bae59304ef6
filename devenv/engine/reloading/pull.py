"""Files that come back from a container on request: lock files, migrations, what else a program wrote."""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from devenv import STATE
from devenv.backends.base import StreamEnded
from devenv.engine.reloading.links import linked
from devenv.errors import DevenvError, UsageError
from devenv.stack.reloading.rules import joined
from devenv.writing import replace_whole, unwritable

if TYPE_CHECKING:
    from devenv.backends.base import Backend, Stream
    from devenv.engine.loaded import Loaded
    from devenv.plan.model import ObservedUnit
    from devenv.stack.model import Unit

Attach = Callable[[list[str]], "Stream"]


@dataclass(frozen=True, slots=True)
class Pulled:
    """A file of a container that differs from the project's; `path` is in the project.

    `new`: the project has none. `both`: the project's changed as well, so it would be lost.
    """

    path: str
    content: bytes
    executable: bool
    new: bool
    both: bool


@dataclass
class Difference:
    """What a container has that the project has not. `refused`: path -> why it cannot be written."""

    files: list[Pulled] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def unit_difference(
    backend: Backend, loaded: Loaded, observed: ObservedUnit, root: Path, places: Mapping[str, str]
) -> Difference:
    """What a unit's container has that the project has not. Raises `UsageError` where none runs."""
    unit = loaded.stack.unit(observed.unit)
    instance = next(iter(backend.instances(observed)), "") if observed.running else ""
    if not instance:
        raise UsageError(f"{unit.name} is not running", hint=f"devenv up {unit.name}")
    rules, brought = loaded.synced.rules[unit.name], loaded.synced.held(unit, observed.image) or {}
    image = _by_path(unit, loaded.synced.recorded(unit, observed.image) or {})
    try:
        with closing(linked(backend, observed, instance, rules, brought)) as link:
            return difference(
                lambda argv: backend.attach(observed, argv, instance=instance),
                root,
                places,
                lambda path, target: (link.held.get(target) or image.get(path, ""))[:16],
            )
    except StreamEnded as error:
        what = f"a container of {unit.name} ended while its files were read"
        raise DevenvError(what, why=str(error), hint=f"devenv logs {unit.name}") from error


def difference(
    attach: Attach, root: Path, paths: Mapping[str, str], before: Callable[[str, str], str]
) -> Difference:
    """Compare files and folders, path in the project -> path in the container.

    `before` gets the same two of a file, and knows its digest when both were last the same, or "". Raises
    `DevenvError` for a path that cannot be read.
    """
    result = Difference()
    for path, source in paths.items():
        for name, content, executable in _read(attach, source):
            own = posixpath.normpath(f"{path}/{name}") if name else path
            target = posixpath.normpath(f"{source}/{name}") if name else source
            try:
                present = _own(root, own)
            except ValueError as error:
                result.refused[own] = str(error)
                continue
            common, digest = before(own, target), _digest(content)
            if content == present or (common and digest == common):
                continue
            both = bool(common) if present is None else _digest(present) != common
            result.files.append(Pulled(own, content, executable, new=present is None, both=both))
    return result


def write(root: Path, files: Iterable[Pulled]) -> None:
    """Write files into the project, each whole or not at all. Raises `DevenvError`."""
    for pulled in files:
        file = root / pulled.path
        try:
            _own(root, pulled.path)  # a link may have taken its place meanwhile
            mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
            replace_whole(file, pulled.content, mode=mode | 0o111 if pulled.executable else mode)
        except ValueError as error:
            raise DevenvError(f"{pulled.path} stays in the container", why=str(error)) from error
        except OSError as error:
            raise unwritable(file.parent, error, unchanged=False) from error


def _by_path(unit: Unit, contents: Mapping[str, str]) -> dict[str, str]:
    """Digests by path in the project."""
    return (
        {joined(unit.build.context, path): digest for path, digest in contents.items()} if unit.build else {}
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _own(root: Path, path: str) -> bytes | None:
    """The content of a file of the project; None where there is none.

    Raises `ValueError` where it cannot be written.
    """
    file = root / path
    if posixpath.isabs(path) or {"..", STATE}.intersection(path.split("/")):
        raise ValueError("it is not in the project")
    if file.is_symlink():
        raise ValueError("a link is in its place")
    if file.is_dir():
        raise ValueError("a folder is in its place")
    if not file.parent.resolve().is_relative_to(root.resolve()):
        raise ValueError("a link leads out of the project")
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(attach: Attach, source: str) -> Iterator[tuple[str, bytes, bool]]:
    """The regular files at a path: path below it, content, whether it is executable."""
    folder, name = posixpath.split(source)
    stream = attach(["tar", "-cf", "-", "-C", folder or "/", f"./{name}"])
    try:
        with tarfile.open(fileobj=cast(IO[bytes], _Bytes(stream)), mode="r|") as archive:
            for member in archive:
                if member.isfile() and (handle := archive.extractfile(member)):
                    below = posixpath.relpath(posixpath.normpath(member.name), name)
                    yield "" if below == "." else below, handle.read(), bool(member.mode & 0o100)
        while stream.receive():
            pass
    except tarfile.TarError as error:
        while stream.receive():
            pass
        why = stream.complaints.decode(errors="replace").strip().rpartition("\n")[2] or str(error)
        raise DevenvError(f"cannot read {source} in the container", why=why) from None
    finally:
        stream.close()
    if stream.exit_code:
        why = stream.complaints.decode(errors="replace").strip().partition("\n")[0]
        raise DevenvError(f"cannot read {source} in the container", why=why)


class _Bytes:
    """A stream as a file that is read."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._rest = stream, b""

    def read(self, size: int) -> bytes:
        """As many bytes, or what is left."""
        parts, length = [self._rest], len(self._rest)
        while length < size and (part := self._stream.receive()):
            parts.append(part)
            length += len(part)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]
