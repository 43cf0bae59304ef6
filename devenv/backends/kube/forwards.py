"""Ports of this machine that lead to pods, held by one process per stack that outlives the command.

Every connection gets a websocket of its own to the pod that is ready at that moment, so there is no
tunnel that could break: when a pod is replaced, the next connection goes to its successor.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from devenv.backends import background
from devenv.backends.accepting import accepted
from devenv.backends.background import Background
from devenv.backends.base import StreamEnded
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube.channels import STDIN, Channels, forward_to
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import find, in_use
from devenv.backends.kube.pods import Pods
from devenv.errors import DevenvError

TITLE = "devenv forwards"  # the name of the process: at most 15 letters
PATIENCE = 10.0  # seconds a connection waits for a pod, or the API server, before it is refused
AGAIN = 0.2  # seconds between two tries, unless pods change before
HELLO = struct.Struct("<H")  # the first frame of each channel repeats the port
STARTING = 20.0  # seconds until the process must report that it listens
TAKEN = 3.0  # seconds a port may be in use by another program


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of this machine and the unit's port it leads to."""

    host: int
    unit: str
    port: int


@dataclass(frozen=True, slots=True)
class Table:
    """All forwards of a stack on one cluster."""

    context: str
    namespace: str
    stack: str
    forwards: tuple[Forward, ...]

    def dump(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def parse(cls, text: str) -> Table:
        fields = json.loads(text)
        return cls(**{**fields, "forwards": tuple(Forward(**forward) for forward in fields["forwards"])})


# -- starting and ending the process


def process(folder: Path) -> Background:
    """The process that holds the ports of the stack in a folder."""
    return Background(folder, "forwards")


def ensure(folder: Path, table: Table) -> None:
    """Have exactly these ports held: a process that holds them already is left alone.

    Raises `DevenvError` for a port that cannot be had.
    """
    running = process(folder)
    if running.pid is not None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            if Table.parse(running.task) == table:
                return
        running.end()
    if not table.forwards:
        return
    answer = running.start(
        __name__, table.dump(), environment={**os.environ, "KUBECONFIG": in_use()}, within=STARTING
    )
    if answer != "ready":
        raise DevenvError(
            "the ports of this machine could not be forwarded",
            where=str(running.log),
            why=answer or "the process that forwards them ended at once",
            hint="devenv up --remap-ports" if "in use" in answer else "",
        )


def end(folder: Path) -> None:
    """End the process that holds the ports, if there is one."""
    process(folder).end()


def held_ports(folder: Path | None) -> frozenset[int]:
    """Ports of this machine that are held for a stack."""
    if folder is None or process(folder).pid is None:
        return frozenset()
    try:
        return frozenset(forward.host for forward in Table.parse(process(folder).task).forwards)
    except (OSError, ValueError, TypeError, KeyError):
        return frozenset()


# -- the process itself


class Switchboard:
    """Accepts connections and joins each to a pod."""

    def __init__(self, table: Table, client: Client, pods: Pods) -> None:
        self._table, self._client, self._pods = table, client, pods

    def listen(self) -> selectors.BaseSelector:
        """Take all the ports. Raises `OSError` with the port for one that somebody else has."""
        selector = selectors.DefaultSelector()
        for forward in self._table.forwards:
            server = _listen(forward)
            selector.register(server, selectors.EVENT_READ, (server, forward))
        return selector

    def serve(self, selector: selectors.BaseSelector) -> None:
        """Accept until the process ends."""
        while True:
            for key, _ in selector.select():
                server, forward = key.data
                connection = accepted(server)
                if connection is None:
                    continue
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    arguments = (connection, forward)
                    threading.Thread(target=self._join, args=arguments, daemon=True).start()

    def _join(self, connection: socket.socket, forward: Forward) -> None:
        with connection:
            channels = self._reach(forward)
            if channels is None:
                _refuse(connection)
                return
            sender = threading.Thread(target=_send, args=(connection, channels), daemon=True)
            sender.start()
            _receive(connection, channels)
            channels.close()
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # close() alone would not end the other thread's recv

    def _reach(self, forward: Forward) -> Channels | None:
        """Connect to a pod of the unit; the first that is ready, waiting for one if need be."""
        started, failed = time.monotonic(), Counter[str]()
        while (remaining := PATIENCE - (time.monotonic() - started)) > 0:
            pod = _choose(self._pods.of(forward.unit), failed)
            if pod is not None:
                try:
                    return forward_to(
                        self._client, self._table.namespace, pod, forward.port, within=remaining
                    )
                except DevenvError as error:  # the pod is gone, or the API server away, or not all there yet
                    if not failed[pod]:
                        sys.stderr.write(f"{forward.unit}: {pod}: {error.what}\n")
                    failed[pod] += 1
            self._pods.hurry()
            self._pods.pause(AGAIN)
        return None


def _listen(forward: Forward) -> socket.socket:
    """Take a port. Some other program's outgoing connection may have it for a moment."""
    started = time.monotonic()
    while True:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", forward.host))
            server.listen(128)
            return server
        except OSError as error:
            server.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() - started > TAKEN:
                what = f"port {forward.host} of {forward.unit}: {error.strerror}"
                raise OSError(error.errno, what) from error
            time.sleep(0.1)


def _choose(pods: Sequence[pod_of.Pod], failed: Mapping[str, int]) -> str | None:
    """The pod with the fewest failed connections; among equals, one that is ready."""
    up = [pod for pod in pods if pod_of.running(pod)]
    ranks = {pod_of.name(pod): (failed.get(pod_of.name(pod), 0), not pod_of.ready(pod)) for pod in up}
    return min(ranks, key=ranks.__getitem__, default=None)


def _send(connection: socket.socket, channels: Channels) -> None:
    with contextlib.suppress(OSError, StreamEnded):
        while data := connection.recv(1 << 15):
            channels.send(STDIN, data)
        # The protocol has no half-close. Most clients that have sent all still read: keep it open.
        return
    channels.close()


def _receive(connection: socket.socket, channels: Channels) -> None:
    """Bytes of the pod to the one who connected; an error on channel 1 hangs up."""
    begun_channels: set[int] = set()
    with contextlib.suppress(OSError):
        for channel, data in channels.frames():
            if channel not in begun_channels:
                begun_channels.add(channel)
                data = data[HELLO.size :]
            if channel == 0 and data:
                connection.sendall(data)
            elif channel == 1 and data:
                _refuse(connection)
                return


def _refuse(connection: socket.socket) -> None:
    """Hang up with a reset, as a port does where nothing listens."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Hold the ports of the table in a folder until told to end."""
    own = process(Path(arguments[0]))
    table = Table.parse(own.task)
    try:
        with own.hold(TITLE):
            look_up = partial(find, table.context, environment=environment)
            client = Client(look_up(), look_up=look_up)
            pods = Pods(client, table.namespace, table.stack)
            board = Switchboard(table, client, pods)
            selector = board.listen()
            pods.start()
            background.answer("ready")
            board.serve(selector)
    except (OSError, DevenvError) as error:
        background.answer(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
