"""A cache of what pure functions returned, so that an unchanged manifest is not parsed again.

It lies in the user's cache folder, never in the project: loading a pickle that somebody else wrote
would run their code.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import sys
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

KEEP = 64  # files; one checkout uses three, and each kind one
PACKAGE = Path(__file__).parent

T = TypeVar("T")


class Memory:
    """Cached values, keyed by everything they were computed from."""

    def __init__(self, cache: Path, package: Path = PACKAGE, interpreter: str = sys.version) -> None:
        """`cache` is the user's cache folder; `package` is the code that computes and reads the values."""
        self._folder, self._package, self._interpreter = cache / "values", package, interpreter

    def recall(self, *inputs: str, make: Callable[[], T]) -> T:
        """What `make` returns, from the cache if it was called with these inputs before.

        The inputs have to cover everything that the value depends on, except our own code. An unreadable or
        unwritable cache, or one that other users could have written, is treated as empty.
        """
        if not self._code:
            return make()
        key = "".join(f"{len(part)}:{part}" for part in (self._code, *inputs))
        file = self._folder / hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
        with contextlib.suppress(Exception):  # a broken pickle may raise any exception
            value: T = pickle.loads(self._read(file))
            return value
        value = make()
        with contextlib.suppress(OSError):
            self._keep(file, pickle.dumps(value))
        return value

    @cached_property
    def _code(self) -> str:
        """Identifies our code and the interpreter; "" if the code is not in files, which turns the cache off.

        The modification time alone is not enough: packagers set it to fixed values.
        """
        files = _our_modules() if self._package == PACKAGE else sorted(_modules(os.fspath(self._package)))
        return repr((self._interpreter, sys.executable, files)) if files else ""

    def _read(self, file: Path) -> bytes:
        _own(os.lstat(self._folder))
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        with open(handle, "rb") as opened:
            _own(os.fstat(handle))
            return opened.read()

    def _keep(self, file: Path, raw: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)  # raises if another user owns it
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(raw)
        os.replace(temporary, file)
        for entry in sorted(self._folder.iterdir(), key=lambda entry: entry.stat().st_mtime)[:-KEEP]:
            entry.unlink(missing_ok=True)


@cache
def _our_modules() -> list[tuple[str, int, int, int]]:
    """Those of the code that this process runs."""
    return sorted(_modules(os.fspath(PACKAGE)))


def _modules(folder: str) -> Iterator[tuple[str, int, int, int]]:
    """Each source file of a package with its size and times, which tell whether it changed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _modules(entry.path)
            elif entry.name.endswith(".py"):
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _own(status: os.stat_result) -> None:
    """Raise `PermissionError` for a file that another user owns or could have written."""
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise PermissionError
