"""Processes of ours that outlive the command: one for each folder and name, with a lock that tells."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from devenv import proc
from devenv.backends import lock
from devenv.writing import write_whole

ENDING = 5.0  # seconds after TERM until KILL
LOOK = 0.01  # seconds between two looks whether it has ended


@dataclass(frozen=True, slots=True)
class Background:
    """One such process. Beside its lock lie its task, as JSON, and its log."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        """What it complained about."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The process, if it runs."""
        return lock.holder(self._lock) if lock.is_held(self._lock) else None

    @property
    def task(self) -> str:
        """The task that was written last. Raises `OSError`."""
        return self._task.read_text(encoding="utf-8")

    def start(self, module: str, task: str, *, environment: Mapping[str, str], within: float) -> str:
        """Start a module of ours with this task; returns the first line it prints, as `proc` does.

        Its arguments are the folder and the name.
        """
        write_whole(self._task, task, mode=0o600)
        with self.log.open("ab") as log:
            return proc.start_detached(
                [sys.executable, "-m", module, str(self.folder), self.name],
                log=log,
                environment=environment,
                within=within,
            )

    def end(self) -> None:
        """End the process, if it runs."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        started = time.monotonic()
        while self.pid is not None:
            if time.monotonic() - started > ENDING:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(LOOK)

    @contextlib.contextmanager
    def hold(self, title: str) -> Iterator[None]:
        """Be that process while the block runs, under this title. Raises `BlockingIOError` if another is.

        The title has at most 15 letters; other checkouts show it as the owner of its ports. Linux only.
        """
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(title, encoding="utf-8")
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        handle = lock.take(self._lock)
        if handle is None:
            raise BlockingIOError("another process does this already")
        try:
            yield
        finally:
            os.close(handle)

    @property
    def _lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def _task(self) -> Path:
        return self.folder / f"{self.name}.json"


def answer(line: str) -> None:
    """Print the first line for `start`; nothing that is printed later is read."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 1)
