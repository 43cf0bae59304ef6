"""`python -m devenv.backends.process.supervisor FOLDER SOCKET`: runs the programs of a stack.

It starts and stops what it is asked to over a socket, a line of JSON for each request and each answer. It
restarts nothing by itself, and ends with all that it started. It imports little, as it stays in memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from devenv import proc
from devenv.backends.accepting import accepted
from devenv.backends.process.identity import MARK, group_is_left, identity, signal_group, signal_marked
from devenv.backends.process.leftovers import end_leftovers
from devenv.backends.process.logfile import LogFile
from devenv.backends.process.records import EXITED, Folder, Record
from devenv.errors import DevenvError

LOOK = 5.0  # seconds between two looks at whether the folder is still there
PART = 1 << 16  # bytes that are read at once
PIPE = 1 << 20  # bytes that a pipe may hold
AGAIN = 0.02  # seconds between two looks at a group of which a program may be left
Answer = Callable[[Mapping[str, Any]], None]


@dataclass
class Program:
    """A unit's program while it runs, and afterwards, so that it can be started again."""

    request: Mapping[str, Any]
    record: Record
    process: proc.Child
    log: LogFile
    stopping: float = 0.0
    """When what is left of it is killed; 0 while it is to go on."""
    waiting: list[Answer] = field(default_factory=list)
    """Who is told once it has ended."""

    @property
    def ended(self) -> bool:
        """Whether its main process has ended."""
        return self.record.state == EXITED


class Supervisor:
    """One loop over the socket, the programs' output, and their ends."""

    def __init__(self, folder: Folder, listener: socket.socket) -> None:
        self._folder, self._listener = folder, listener
        self._programs: dict[str, Program] = {}
        self._watchers: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self._ending = False
        ends, self._wake = socket.socketpair()
        for end in (ends, self._wake):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._end(lambda answer: None))
        self._selector.register(ends, selectors.EVENT_READ, lambda: ends.recv(4096))
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def serve(self) -> None:
        """Work until everything is to end, or the folder is gone."""
        looked = time.monotonic()
        while not (self._ending and not self._programs):
            for key, _ in self._selector.select(self._pause()):
                key.data()
            self._reap()
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                if not self._folder.path.exists():
                    self._end(lambda answer: None)

    def _pause(self) -> float:
        return AGAIN if any(program.stopping for program in self._programs.values()) else LOOK

    # -- requests

    def _accept(self) -> None:
        connection = accepted(self._listener)
        if connection is None:
            return
        received = bytearray()

        def read() -> None:
            try:
                part = connection.recv(PART)
            except OSError:
                part = b""
            received.extend(part)
            if not part:
                self._hang_up(connection)
            elif received.endswith(b"\n"):
                request = json.loads(received)
                received.clear()
                self._carry_out(request, connection)

        self._selector.register(connection, selectors.EVENT_READ, read)

    def _hang_up(self, connection: socket.socket) -> None:
        if connection.fileno() < 0:  # in this very round, as it could not be told something
            return
        self._selector.unregister(connection)
        if connection in self._watchers:
            self._watchers.remove(connection)
        connection.close()

    def _carry_out(self, request: Mapping[str, Any], connection: socket.socket) -> None:
        def answer(value: Mapping[str, Any]) -> None:
            with contextlib.suppress(OSError):  # nobody waits for it any more
                connection.sendall(json.dumps(value).encode() + b"\n")

        unit = request.get("unit", "")
        match request["verb"]:
            case "start":
                self._start(request, answer)
            case "stop":
                self._stop(unit, answer)
            case "restart":
                self._restart(unit, answer)
            case "remove":
                self._remove(unit, answer)
            case "end":
                self._end(answer)
            case "changes":
                self._watchers.append(connection)
                answer({})
            case verb:
                why = "a devenv of another version started it"
                hint = "devenv down, then devenv up   starts one that knows it"
                answer({"error": f"the stack's supervisor knows no {verb!r}", "why": why, "hint": hint})

    def _start(self, request: Mapping[str, Any], answer: Answer) -> None:
        """Start a program; one that runs under this name is ended first."""
        unit = request["unit"]
        before = self._programs.get(unit)
        if before is not None and (not before.ended or before.stopping):
            self._stop(unit, lambda _: self._start(request, answer))
            return
        answer(self._run(request, request["id"], run=1))

    def _restart(self, unit: str, answer: Answer) -> None:
        program = self._programs.get(unit)
        if program is None:
            answer({"error": f"{unit} does not run"})
            return

        def again(_: Mapping[str, Any]) -> None:
            answer(self._run(program.request, program.record.id, run=program.record.run + 1))

        self._stop(unit, again)

    def _remove(self, unit: str, answer: Answer) -> None:
        def gone(value: Mapping[str, Any]) -> None:
            self._forget(unit)
            answer(value)

        self._stop(unit, gone)

    def _run(self, request: Mapping[str, Any], id: str, *, run: int) -> Mapping[str, Any]:
        """Start a program; the answer says why where it does not start."""
        unit, mark = request["unit"], request["mark"]
        environment = {**request["environment"], MARK: mark}
        try:
            log = LogFile(self._folder.log(unit), fresh=run == 1)
            process = proc.start_in_group(request["argv"], environment=environment, folder=request["folder"])
        except (DevenvError, OSError) as error:
            return {"error": str(error), "why": getattr(error, "why", "")}
        record = Record(
            unit,
            id,
            process.pid,
            identity(process.pid),
            request["labels"],
            mark,
            began=time.time_ns(),
            run=run,
        )
        try:
            self._folder.write(record)
        except OSError as error:  # what nobody could find later must not run
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
            why, hint = error.strerror or str(error), f"df -h {self._folder.path}"
            return {"error": f"{unit} cannot be recorded, and so does not run", "why": why, "hint": hint}
        self._programs[unit] = program = Program(request, record, process, log)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, lambda: self._read(program))
        self._tell(record)
        return {}

    def _read(self, program: Program) -> None:
        stdout = program.process.stdout
        assert stdout is not None
        part = os.read(stdout.fileno(), PART)
        program.log.write(part)
        if not part:
            self._selector.unregister(stdout)
            stdout.close()
            program.log.close()

    # -- ends

    def _stop(self, unit: str, then: Answer) -> None:
        """End a program and all that it started; `then` is told once that is done."""
        program = self._programs.get(unit)
        if program is None:
            then({})
            return
        program.waiting.append(then)
        if not program.stopping:
            self._begin_end(program, signal.Signals[program.request["stop"]])

    def _begin_end(self, program: Program, number: int) -> None:
        program.stopping = time.monotonic() + float(program.request["grace"])
        signal_group(program.record.pid, number)

    def _reap(self) -> None:
        for program in list(self._programs.values()):
            code = None if program.ended else program.process.poll()
            if code is not None:
                self._note_end(program, code)
            if program.stopping:
                self._finish(program)

    def _note_end(self, program: Program, code: int) -> None:
        """The main process ended: what it leaves behind ends as well."""
        drain(program)
        program.record = replace(program.record, state=EXITED, exit_code=code if code >= 0 else 128 - code)
        if not program.stopping:
            self._begin_end(program, signal.SIGTERM)
        with contextlib.suppress(OSError):  # the folder is gone
            self._folder.write(program.record)
        self._tell(program.record)

    def _finish(self, program: Program) -> None:
        """Tell who waits once nothing of a program that ends is left; kill it when its time is over."""
        if time.monotonic() >= program.stopping:
            signal_group(program.record.pid, signal.SIGKILL)
        if not program.ended or group_is_left(program.record.pid) or signal_marked(program.record.mark):
            return
        program.stopping = 0.0
        waiting, program.waiting = program.waiting, []
        for then in waiting:
            then({})

    def _forget(self, unit: str) -> None:
        if self._programs.pop(unit, None) is not None:
            self._folder.forget(unit)

    def _end(self, answer: Answer) -> None:
        """End everything, and then this process: what uses a store before the store."""
        self._ending = True
        stores = [unit for unit, program in self._programs.items() if program.request["store"]]
        others = [unit for unit in self._programs if unit not in stores]

        def end_all(units: list[str], then: Callable[[], None]) -> None:
            left = set(units)

            def ended(unit: str) -> None:
                self._forget(unit)
                left.discard(unit)
                if not left:
                    then()

            for unit in units:
                self._stop(unit, lambda _, unit=unit: ended(unit))  # type: ignore[misc]
            if not units:
                then()

        end_all(others, lambda: end_all(stores, lambda: answer({})))

    # -- what happens, to whoever asked

    def _tell(self, record: Record) -> None:
        line = json.dumps({"unit": record.unit, "id": record.id, "state": record.state}).encode() + b"\n"
        for watcher in list(self._watchers):
            try:
                watcher.sendall(line)
            except OSError:
                self._hang_up(watcher)


def drain(program: Program) -> None:
    """Log what a program wrote last; what it left behind may go on writing for ever."""
    stdout = program.process.stdout
    with contextlib.suppress(OSError, ValueError):  # nothing there, or closed already
        for _ in range(PIPE // PART):
            if stdout is None or not (part := os.read(stdout.fileno(), PART)):
                break
            program.log.write(part)
    program.log.flush()


def listening(path: str) -> Iterator[socket.socket]:
    """A socket that takes requests; its file goes in the end, unless it is that of the next supervisor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        Path(path).unlink(missing_ok=True)
        listener.bind(path)
        os.chmod(path, 0o600)  # noqa: PTH101  the folder is ours alone already
        listener.listen()
        file = Path(path)
        own = file.stat()
        yield listener
        with contextlib.suppress(OSError):
            if os.path.samestat(file.stat(), own):
                file.unlink()


def _tell_starter(word: str) -> None:
    """Tell whoever started this process that requests are answered, `ready`, or why they are not."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.close()


def main(folder: str, path: str) -> int:
    """Be the supervisor of a folder, unless there is one; prints `ready` once requests are answered."""
    place = Folder(Path(folder))
    try:
        taken = place.take()
    except OSError as error:  # as on a full disk, which has no room for a log that says so either
        _tell_starter(error.strerror or str(error))
        return 1
    if taken is None:
        _tell_starter("ready")
        return 0
    os.umask(0o077)
    end_leftovers(place)
    for listener in listening(path):
        supervisor = Supervisor(place, listener)
        _tell_starter("ready")  # all that it needs is open by now
        supervisor.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
