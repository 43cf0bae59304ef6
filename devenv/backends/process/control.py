"""Talks to the supervisor of a stack, and starts it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv import proc
from devenv.backends.process.records import Folder
from devenv.errors import DevenvError

PATIENCE = 5.0  # seconds in which a supervisor takes a request, unless it is frozen
SOCKET_PATH = 104  # bytes of a socket's path on macOS, with the zero that ends it; Linux has 108
SOCKET_NAME = 30  # bytes of it that programs may need below a folder
PULSE = 0.2  # seconds without an event after which whoever waits for one may leave
STARTING = 20.0  # seconds the supervisor has to answer in; it may have to end what an earlier one left


@dataclass(frozen=True, slots=True)
class Control:
    """The supervisor of a stack's folder. `temporary`: for files of no value, by default this terminal's."""

    folder: Folder
    temporary: str = ""

    @property
    def short(self) -> Path:
        """A folder with a short path, for sockets: its supervisor's, whatever terminals say of their files.

        Where there is none, that of the next one: after a restart of the machine the old one may be gone.
        """
        return (self.folder.short() if self.folder.supervised() else None) or self._usual

    @property
    def _usual(self) -> Path:
        import tempfile  # a supervisor that runs has its place already

        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        own = [runtime] if runtime and os.access(runtime, os.W_OK) else []
        digest = hashlib.sha256(str(self.folder.path.resolve()).encode()).hexdigest()[:12]
        folders = [
            Path(base, f"devenv-{os.getuid()}-{digest}")
            for base in (*own, self.temporary or tempfile.gettempdir(), "/tmp")
        ]
        return next((folder for folder in folders if _is_short(folder)), folders[-1])

    @property
    def _socket(self) -> str:
        return str(self.short / "supervisor")

    def start(self) -> None:
        """Start the supervisor unless there is one. Raises `DevenvError`."""
        if self.folder.supervised():
            return
        self.folder.remember_short(_own(self._usual))
        log = self.folder.path / "supervisor.log"
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = [
            sys.executable,
            "-m",
            "devenv.backends.process.supervisor",
            str(self.folder.path),
            self._socket,
        ]
        with log.open("wb") as complaints:
            answer = proc.start_detached(argv, log=complaints, environment=dict(os.environ), within=STARTING)
        if answer != "ready":
            from devenv.backends.causes import likely

            *_, why = answer, *log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise DevenvError(
                "the stack's supervisor did not start", why=why, where=str(log), hint=likely([why])
            )

    def own_short_folder(self) -> None:
        """Make the short folder where it is missing. Raises `DevenvError` where it is somebody else's."""
        _own(self.short)

    def ask(self, verb: str, **more: Any) -> None:
        """Have the supervisor do something. Raises `DevenvError` where it cannot, or where there is none."""
        if not self.answers(PATIENCE):
            raise DevenvError(
                "the stack's supervisor does not answer",
                why=f"the process {self.folder.supervisor()} is there and does nothing",
                hint="devenv down   ends it and all that it started",
            )
        with self._connection() as connection:
            connection.sendall(json.dumps({"verb": verb, **more}).encode() + b"\n")
            answer = next(_values(connection), {"error": "the stack's supervisor has ended"})
        if "error" in answer:
            raise DevenvError(answer["error"], why=answer.get("why", ""), hint=answer.get("hint", ""))

    def answers(self, within: float) -> bool:
        """Whether the supervisor takes a request in that many seconds: one that is frozen does not."""
        with self._connection() as connection, suppress(OSError):
            connection.settimeout(within)
            connection.sendall(b'{"verb": "changes"}\n')
            return bool(connection.recv(1))
        return False

    def changes(self) -> Iterator[Mapping[str, Any] | None]:
        """What happens to programs from now on, and None every now and then; ends with the supervisor."""
        with self._connection() as connection:
            connection.sendall(b'{"verb": "changes"}\n')
            connection.settimeout(PULSE)
            yield from _values(connection)

    def _connection(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(self._socket)
        except OSError as error:
            connection.close()
            raise DevenvError(
                "the stack's supervisor does not answer", why=str(error), hint="devenv up"
            ) from error
        return connection


def _is_short(folder: Path) -> bool:
    return len(os.fsencode(folder)) + 1 + SOCKET_NAME < SOCKET_PATH


def _own(folder: Path) -> Path:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise DevenvError(f"{folder} belongs to somebody else", hint=f"remove it: rm -rf {folder}")
    return folder


def _values(connection: socket.socket) -> Iterator[Any]:
    """The lines of JSON that come; None where a time limit of the connection passes without one."""
    received = b""
    while True:
        try:
            part = connection.recv(1 << 16)
        except TimeoutError:
            yield None
            continue
        except OSError:
            return
        if not part:
            return
        *whole, received = (received + part).split(b"\n")
        yield from map(json.loads, whole)
