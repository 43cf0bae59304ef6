"""A command's bytes in a container, over the engine's own multiplexed exec stream."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from devenv.backends import unix_http
from devenv.backends.base import StreamEnded
from devenv.backends.containers import unreachable
from devenv.backends.frames import HEADER, STDERR
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.backends.docker import Engine


class Execs(Protocol):
    """An engine's commands in containers."""

    def new_exec(self, container: str, argv: Sequence[str], *, user: str = "") -> str:
        """Prepare a command with its stdin open; returns its id. Raises `DevenvError`.

        It runs as the container's own user where none is named.
        """
        ...

    def start_exec(self, id: str) -> Any:
        """Start a command; returns the connection that carries its bytes."""
        ...

    def exec_exit_code(self, id: str) -> int | None:
        """What a command ended with; None while it runs, and where its container is gone."""
        ...


class LocalExecs:
    """Those of an engine at a socket of this machine, without its SDK.

    Importing that takes longer than asking a container; and it drops bytes that arrive in the same packet as
    the engine's answer.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def new_exec(self, container: str, argv: Sequence[str], *, user: str = "") -> str:
        streams = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
        wanted = {**streams, "Cmd": list(argv), "User": user}
        resource = f"/containers/{quote(container)}/exec"
        try:
            status, body = unix_http.fetch(self._path, resource, json.dumps(wanted).encode())
            answer = json.loads(body)
        except (OSError, ValueError) as error:
            raise unreachable(f"unix://{self._path}", str(error)) from error
        if status != 201:
            raise DevenvError(str(answer.get("message", f"the engine answered {status}")))
        return str(answer["Id"])

    def start_exec(self, id: str) -> Any:
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        try:
            return unix_http.upgrade(self._path, f"/exec/{id}/start", body)
        except OSError as error:
            raise DevenvError("the command could not be started", why=str(error)) from error

    def exec_exit_code(self, id: str) -> int | None:
        try:
            status, body = unix_http.fetch(self._path, f"/exec/{id}/json")
            code = json.loads(body)["ExitCode"] if status == 200 else None
        except (OSError, ValueError, KeyError):
            return None
        return None if code is None else int(code)


def attach(
    address: str, engine: Callable[[], Engine], container: str, argv: Sequence[str], *, user: str = ""
) -> ExecStream:
    """Start a command in a container, its stdin and stdout open. Raises `DevenvError` when it cannot."""
    local = address.startswith("unix://")
    execs: Execs = LocalExecs(address.removeprefix("unix://")) if local else engine()
    id = execs.new_exec(container, argv, user=user)
    return ExecStream(execs, id, execs.start_exec(id))


@dataclass(frozen=True)
class Privileged:
    """`backends.base.Privileged` of one container. The engine is only reached when something is asked."""

    address: str
    engine: Callable[[], Engine]
    container: str

    def put(self, folder: str, tar: Iterable[bytes]) -> None:
        self.engine().unpack(self.container, folder, tar)

    def attach(self, argv: Sequence[str]) -> ExecStream:
        return attach(self.address, self.engine, self.container, argv, user="0:0")


class ExecStream:
    """`backends.base.Stream` over a connection to the engine."""

    def __init__(self, execs: Execs, id: str, connection: Any) -> None:
        self._execs, self._id, self._connection = execs, id, connection
        self._lock = threading.Lock()
        self.complaints = b""
        self.exit_code: int | None = None

    def send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise StreamEnded(str(error)) from error

    def end(self) -> None:
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise StreamEnded(str(error)) from error

    def receive(self) -> bytes:
        with self._lock:
            while header := self._exactly(HEADER.size):
                stream, size = HEADER.unpack(header)
                data = self._exactly(size)
                if stream != STDERR:
                    return data
                self.complaints = (self.complaints + data)[-4096:]
            if self.exit_code is None:
                self.exit_code = self._execs.exec_exit_code(self._id)
            self.close()  # the engine would still accept bytes that nobody reads
            return b""

    def _exactly(self, size: int) -> bytes:
        """So many bytes, or none when the other side is gone before they are complete."""
        parts: list[bytes] = []
        while size:
            try:
                part = self._connection.recv(min(size, 1 << 16))
            except OSError:
                return b""
            if not part:
                return b""
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        with suppress(OSError):  # wakes a thread that sends or receives
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
