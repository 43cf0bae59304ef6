"""The process on this machine that carries a relay's connections; one for each unit that runs here."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import backends
from devenv.backends import background
from devenv.backends.background import Background
from devenv.backends.base import Backend, Clock, Site, Stream, StreamEnded
from devenv.backends.relay import connections, look
from devenv.errors import DevenvError
from devenv.hostports import LOOPBACKS
from devenv.plan.model import ObservedUnit

if TYPE_CHECKING:
    from devenv.stack.model import Unit

TITLE = "devenv relay"
STARTING = 30.0  # seconds until the process must report that the relay listens
AGAIN = (0.2, 5.0)  # seconds until the next try, doubling up to the second
REPLACED = 10.0  # seconds for which a unit may be missing while its container is replaced
AWAY = 3600.0  # seconds for which the backend may be away

FAR_END = """\
import os, sys
size, text = int(sys.argv.pop(1)), b""
while len(text) < size:
    text += os.read(0, size - len(text)) or sys.exit("the program did not arrive")
exec(text)
"""
"""Runs the program that comes first on stdin: a cluster has the command in a URL, which must not be long."""


@dataclass(frozen=True, slots=True)
class Task:
    """Which unit's connections are carried, where it is observed, and port there -> port here."""

    backend: str
    root: str
    state: str
    checkout: str
    unit: str
    ports: Mapping[str, int]

    @classmethod
    def of(cls, backend: str, root: Path, state: Path, checkout: str, unit: Unit) -> Task:
        """The task for a hosted unit of a stack on a backend."""
        ports = {str(port.container): port.host or port.container for port in unit.ports if not port.udp}
        return cls(backend, str(root), str(state), checkout, unit.name, ports)

    @property
    def process(self) -> Background:
        """The process that has this task."""
        return look.process(Path(self.state) / self.backend, self.unit)

    @property
    def carried(self) -> bool:
        """Whether a process carries out exactly this."""
        with suppress(OSError, ValueError, TypeError):
            return self.process.pid is not None and Task(**json.loads(self.process.task)) == self
        return False

    def ensure(self) -> None:
        """Have it carried out. Raises `DevenvError`."""
        if self.carried:
            return
        process = self.process
        process.end()
        line = process.start(__name__, json.dumps(asdict(self)), environment=_environment(), within=STARTING)
        if line != "ready":
            raise DevenvError(
                f"connections to {self.unit} could not be relayed to this machine",
                where=str(process.log),
                why=line or "the process that carries them ended at once",
                hint=f"devenv logs {self.unit}",
            )


def _environment() -> dict[str, str]:
    """Ours, with the paths in it made absolute: the process works in another folder."""
    files = os.environ.get("KUBECONFIG", "")
    absolute = os.pathsep.join(str(Path(file).absolute()) for file in files.split(os.pathsep) if file)
    return {**os.environ, **({"KUBECONFIG": absolute} if absolute else {})}


# -- the process itself


class Over(Exception):
    """Nothing is to be relayed any more."""


class Relay:
    """Keeps the far end running in whichever container the unit has, until it has a program of its own."""

    def __init__(self, task: Task, backend: Backend, clock: Clock = time) -> None:
        self._task, self._backend, self._clock = task, backend, clock
        self._text = Path(connections.__file__).read_bytes()
        self._last_seen = clock.monotonic()
        self.connected = False

    def run(self) -> None:
        """Until nothing is to be relayed any more. Raises `DevenvError` if it does not work at first."""
        pause = AGAIN[0]
        with suppress(Over):
            while True:
                unit = self._look()
                if unit is not None and self._carry(unit):
                    pause = AGAIN[0]
                self._clock.sleep(pause)
                pause = min(AGAIN[1], 2 * pause)

    def _look(self) -> ObservedUnit | None:
        """The unit, if it runs. Raises `Over`."""
        patience = REPLACED
        try:
            unit = self._backend.observe(self._task.checkout).units.get(self._task.unit)
        except DevenvError as error:
            self._failed(error.what)
            unit, patience = None, AWAY
        if unit is None and self._clock.monotonic() - self._last_seen < patience:
            return None
        if unit is None or not unit.hosted:
            raise Over
        self._last_seen = self._clock.monotonic()
        return unit if unit.running else None

    def _carry(self, unit: ObservedUnit) -> bool:
        """Carry until the stream ends. Returns whether it worked."""
        argv = ["python3", "-u", "-c", FAR_END, str(len(self._text)), *self._task.ports]
        try:
            stream = self._backend.attach(unit, argv)
        except DevenvError as error:
            return self._failed(error.what, error.why)
        with suppress(StreamEnded):  # its complaints say why
            stream.send(self._text)
        worked = asyncio.run(self._carried(stream))
        stream.close()
        self._last_seen = self._clock.monotonic()
        return worked or self._failed(stream.complaints.decode(errors="replace").strip())

    async def _carried(self, stream: Stream) -> bool:
        carrier = connections.Carrier(stream.receive, stream.send, self._dial)
        carrying = asyncio.create_task(carrier.run())
        ready = asyncio.create_task(carrier.ready.wait())
        await asyncio.wait([carrying, ready], return_when=asyncio.FIRST_COMPLETED)
        if carrier.ready.is_set() and not self.connected:
            self.connected = True
            background.answer("ready")
        ready.cancel()
        await carrying
        return carrier.ready.is_set()

    async def _dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the program, on whichever loopback address it listens."""
        *others, (_, last) = LOOPBACKS
        for _, address in others:
            with suppress(OSError):
                return await asyncio.open_connection(address, self._task.ports[str(port)])
        return await asyncio.open_connection(last, self._task.ports[str(port)])

    def _failed(self, *why: str) -> bool:
        reason = ": ".join(filter(None, why))
        if not self.connected and reason:
            raise DevenvError(reason)
        self._complain(reason)
        return False

    @staticmethod
    def _complain(line: str) -> None:
        if line:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def main(arguments: Sequence[str]) -> int:
    """Carry the connections of the unit whose task lies in a folder, until that is over."""
    own = Background(Path(arguments[0]), arguments[1])
    task = Task(**json.loads(own.task))
    try:
        with own.hold(TITLE):
            site = Site(Path(task.root), Path(task.state))
            Relay(task, backends.load(task.backend, site)).run()
    except (OSError, DevenvError) as error:
        background.answer(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
