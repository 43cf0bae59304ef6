"""Remembers what pure functions said, so that an unchanged manifest is not parsed again.

Kept in the user's own cache folder and never in the project, as reading a pickle that somebody else
wrote would run their code.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

KEEP = 64  # files; one checkout uses two or three

T = TypeVar("T")


class Memory:
    """Values by everything they were computed from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, *inputs: str, make: Callable[[], T]) -> T:
        """What `make` returns; not called when it was before with these inputs.

        The inputs have to say everything that the value depends on. A memory that cannot be read or
        written is none.
        """
        key = "\0".join((self._code, *inputs)).encode(errors="surrogatepass")
        file = self._folder / hashlib.sha256(key).hexdigest()
        with contextlib.suppress(Exception):  # a broken pickle raises whatever it likes
            value: T = pickle.loads(file.read_bytes())
            return value
        value = make()
        with contextlib.suppress(OSError):
            self._keep(file, pickle.dumps(value))
        return value

    @cached_property
    def _code(self) -> str:
        """Stands for the code that made and will read the values: another one has other classes."""
        here = Path(__file__).parent
        patterns = "stack/*.py", "manifest/*.py", "plan/parity.py", "render/*/parity.py"
        files = sorted(file for pattern in patterns for file in here.glob(pattern))
        return repr([(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files])

    def _keep(self, file: Path, raw: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(raw)
        os.replace(temporary, file)
        old = sorted(self._folder.iterdir(), key=lambda one: one.stat().st_mtime)[:-KEEP]
        for one in old:
            one.unlink(missing_ok=True)


def user_cache(environment: Mapping[str, str]) -> Path:
    """Where this user's programs keep what can be made again."""
    base = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "devenv"
