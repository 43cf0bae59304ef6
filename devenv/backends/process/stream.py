"""A command beside a unit, its stdin and stdout open for as long as the unit's process is the same."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Mapping, Sequence

from devenv import proc
from devenv.backends.base import StreamEnded
from devenv.backends.process.identity import signal_group
from devenv.backends.process.records import Folder
from devenv.errors import DevenvError

LOOK = 0.1  # seconds between two looks at whether the unit's process is still the same


class ProcessStream:
    """`backends.base.Stream` over pipes."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], folder: str, place: Folder, unit: str
    ) -> None:
        record = place.record(unit)
        if record is None:
            raise DevenvError(f"{unit} does not run", hint=f"devenv up {unit}")
        self._process = proc.start_piped(argv, environment=environment, folder=folder)
        self._gone, self._lock = threading.Event(), threading.Lock()
        self._unit, self._place, self._run = unit, place, (record.pid, record.run, record.state)
        self.complaints = b""
        self.exit_code: int | None = None
        self._reading = threading.Thread(target=self._read_complaints, daemon=True)
        self._reading.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while part := os.read(self._process.stderr.fileno(), 1 << 12):
                self.complaints = (self.complaints + part)[-4096:]

    def _watch(self) -> None:
        while not self._gone.wait(LOOK):
            record = self._place.record(self._unit)
            if record is None or (record.pid, record.run, record.state) != self._run:
                signal_group(self._process.pid, signal.SIGKILL)
                return

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise StreamEnded(str(error)) from error

    def end(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError as error:
            raise StreamEnded(str(error)) from error

    def receive(self) -> bytes:
        assert self._process.stdout is not None
        with self._lock:
            try:
                part = os.read(self._process.stdout.fileno(), 1 << 16)
            except ValueError:  # closed
                return b""
        if not part and self.exit_code is None:
            self._gone.set()
            code = self._process.wait()
            self._reading.join()
            self.exit_code = None if code < 0 else code
        return part

    def close(self) -> None:
        self._gone.set()
        signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reading.join()
        with self._lock, contextlib.suppress(BrokenPipeError):
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                assert stream is not None
                stream.close()
