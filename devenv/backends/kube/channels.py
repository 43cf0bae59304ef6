"""Streams into a pod over a websocket: exec, attach, port-forward. The first byte of each frame is its
channel.

Version 37 of Kubernetes' own client carries most of this as well. Tried on Kubernetes 1.33: bytes are not
changed, stdin can end alone (v5), the exit code comes, and a forwarded port answers. It cannot be used, as it

- reads for as long as output comes, all of it into memory, before it gives out any;
- ends in a `ValueError` where a command could not be started, instead of its message;
- gives status 0 and no body where the API server refuses the stream: 403, 404 and a lost network are alike;
- has no time limit for opening, and no keepalive by which a dead connection is noticed.

`tests/contract/test_official_streams.py` shows the first three; where it fails, the client can do more.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import websocket

from devenv.backends import tls
from devenv.backends.absent import NOT_FOUND
from devenv.backends.base import StreamEnded
from devenv.backends.kube.client import Client
from devenv.backends.kube.refusals import refused, unreachable
from devenv.backends.kube.transport import ALIVE
from devenv.errors import DevenvError

STDIN, STDOUT, STDERR, STATUS, SIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]  # the fifth can close stdin alone
CHUNK = 32 * 1024  # bytes in a frame; proxies in between may refuse larger ones
OPENING = 10.0  # seconds until the node has to answer


class Channels:
    """One open websocket. One thread may send while another receives."""

    def __init__(
        self,
        client: Client,
        path: str,
        query: Sequence[tuple[str, str]],
        protocols: Sequence[str],
        within: float = OPENING,
    ) -> None:
        place = client.place
        url = f"{place.server}{path}?{urlencode(query)}"
        headers = [f"{key}: {value}" for key, value in client.transport.headers().items()]
        options: dict[str, Any] = _through(place.proxy)
        if url.startswith("https"):
            options["sslopt"] = {"context": client.transport.tls}
            if name := place.cluster.get("tls-server-name"):
                options["sslopt"]["server_hostname"] = name
        try:
            self._socket = websocket.create_connection(
                url.replace("http", "ws", 1),
                timeout=within,
                sockopt=ALIVE,
                header=headers,
                subprotocols=list(protocols),
                suppress_origin=True,
                enable_multithread=True,
                skip_utf8_validation=True,
                **options,
            )
        except websocket.WebSocketBadStatusException as error:
            body = error.resp_body or b""
            raise refused(place, "POST", path, error.status_code, body) from error
        except (websocket.WebSocketException, OSError) as error:
            client.moved()
            raise unreachable(place, error) from error
        self._socket.settimeout(None)
        self._connection = self._socket.sock = tls.shared(self._socket.sock)
        self.protocol = str(self._socket.getsubprotocol() or "")

    def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel. Raises `StreamEnded` when nobody is there any more."""
        try:
            for start in range(0, len(data) or 1, CHUNK):
                self._socket.send_binary(bytes([channel]) + data[start : start + CHUNK])
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raise StreamEnded(str(error)) from error

    def end(self, channel: int) -> bool:
        """Close one channel from our side; False where the server is too old to know how."""
        if self.protocol != PROTOCOLS[0]:
            return False
        self.send(CLOSE, bytes([channel]))
        return True

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """What comes in, as (channel, bytes), until the other side is gone."""
        while True:
            try:
                opcode, frame = self._socket.recv_data()
            except (websocket.WebSocketException, OSError, ValueError):
                return
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return
            if frame:
                yield frame[0], frame[1:]

    def close(self) -> None:
        """Hang up; wakes a thread that receives."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that receives
        with contextlib.suppress(OSError):
            self._connection.close()  # the websocket closes nothing but Python's own sockets
        self._socket.shutdown()  # type: ignore[no-untyped-call]


def _through(proxy: str) -> dict[str, Any]:
    """How to reach a cluster through its proxy, or through none; the library would ask the environment.

    It reads its list of exceptions only beside a proxy, and NO_PROXY where that list is empty.
    """
    parts = urlsplit(proxy)
    if not parts.hostname:
        return {"http_proxy_host": "none", "http_proxy_port": 80, "http_no_proxy": ["*"]}
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    address = {"http_proxy_host": parts.hostname, "http_proxy_port": parts.port or 80}
    return {**address, "http_proxy_auth": login, "proxy_type": parts.scheme, "http_no_proxy": [""]}


def exec_in(
    client: Client,
    namespace: str,
    pod: str,
    argv: Sequence[str],
    *,
    container: str = "",
    stdin: bool,
    tty: bool,
) -> Channels:
    """Start a command in a pod."""
    query = [("command", word) for word in argv]
    query += [("container", container)] if container else []
    query += [("stdin", _flag(stdin)), ("stdout", "true"), ("stderr", _flag(not tty)), ("tty", _flag(tty))]
    return Channels(client, f"/api/v1/namespaces/{namespace}/pods/{pod}/exec", query, PROTOCOLS)


def attach_to(client: Client, namespace: str, pod: str, *, stdin: bool, tty: bool) -> Channels:
    """Join what a pod's container reads and prints."""
    query = [("stdin", _flag(stdin)), ("stdout", "true"), ("stderr", _flag(not tty)), ("tty", _flag(tty))]
    return Channels(client, f"/api/v1/namespaces/{namespace}/pods/{pod}/attach", query, PROTOCOLS)


def forward_to(client: Client, namespace: str, pod: str, port: int, *, within: float) -> Channels:
    """Connect to a port of a pod: channel 0 are the bytes, channel 1 says why there are none."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    return Channels(client, path, [("ports", str(port))], PROTOCOLS[1:], within)


def _flag(value: bool) -> str:  # noqa: FBT001
    return "true" if value else "false"


NO_PROGRAM = re.compile(r'exec: "[^"]+": (executable file not found|stat .+: no such file or directory)')
RUNTIME = "unable to start container process: "  # who passed it on stands before that


def lacks_program(why: str) -> bool:
    """Whether a command was not started as the container has no such program, from what its runtime says."""
    return NO_PROGRAM.search(why) is not None


def exit_code(status: bytes) -> int:
    """The exit code in what the status channel says at the end."""
    try:
        answer: Mapping[str, Any] = json.loads(status)
    except ValueError:
        return 1
    if answer.get("status") == "Success":
        return 0
    causes = (answer.get("details") or {}).get("causes") or ()
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), "")
    if code:
        return int(code)
    why = str(answer.get("message", "")).rpartition(RUNTIME)[2].removesuffix(": unknown")
    raise DevenvError("the command could not be started", why=why)


class ExecStream:
    """A command's bytes both ways, behind the Protocol of `backends.base.Stream`."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._frames = channels.frames()
        self._lock = threading.Lock()
        self.complaints = b""
        self.exit_code: int | None = None

    def send(self, data: bytes) -> None:
        self._channels.send(STDIN, data)

    def end(self) -> None:
        if not self._channels.end(STDIN):
            raise StreamEnded("this cluster cannot close stdin alone: it takes Kubernetes 1.30")

    def receive(self) -> bytes:
        with self._lock:
            for channel, data in self._frames:
                if channel == STDOUT and data:
                    return data
                if channel == STDERR:
                    self.complaints = (self.complaints + data)[-4096:]
                elif channel == STATUS:
                    try:
                        self.exit_code = exit_code(data)
                    except DevenvError as error:  # as a shell says it, and other backends do
                        self.exit_code = NOT_FOUND if lacks_program(error.why) else 1
                        self.complaints = (self.complaints + error.why.encode())[-4096:]
            return b""

    def close(self) -> None:
        self._channels.close()


def printed(client: Client, namespace: str, pod: str, argv: Sequence[str], *, container: str) -> str:
    """What a command in a pod prints; "" where it cannot be run."""
    try:
        with contextlib.closing(
            ExecStream(exec_in(client, namespace, pod, argv, container=container, stdin=False, tty=False))
        ) as stream:
            return b"".join(iter(stream.receive, b"")).decode(errors="replace")
    except DevenvError:
        return ""
