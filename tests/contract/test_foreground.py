"""A command in the foreground: with this process's streams, on a terminal, and in a container of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from threading import Event

import pytest

from devenv.backends.base import Backend
from devenv.plan.model import ObservedUnit
from devenv.stack.model import Identity, Stack, Unit
from devenv.workspace import Workspace
from tests.contract.real import RUNNING, connected, opened

FOREVER = ("sh", "-c", "trap exit TERM; sleep 900 & wait")
UNIT = Unit("web", "service", "busybox:1.37", command=FOREVER, grace=1.0)


class Foreground:
    """One unit on one backend."""

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend, space = backend, Workspace(root / "devenv.yaml")
        name = f"f{uuid.uuid4().hex[:8]}"
        self.stack = Stack(name, name, Identity.of_checkout(name, space.checkout), units=(UNIT,))
        self.session = opened(backend, space, self.stack)
        self.session.prepare([], say=lambda line: None)
        self.session.apply(UNIT, recreate=False)
        self.session.wait(UNIT, Event())

    @property
    def web(self) -> ObservedUnit:
        return self.backend.observe(self.stack.checkout).units["web"]

    def exec(self, script: str, *, tty: bool = False, interactive: bool = False) -> int:
        return self.backend.exec(self.web, ["sh", "-c", script], tty=tty, interactive=interactive)

    def run(self, script: str, *, tty: bool = False) -> int:
        return self.session.run(UNIT, ["sh", "-c", script], tty=tty)

    def close(self) -> None:
        self.session.close()
        self.backend.remove(self.stack.checkout, volumes=True, say=lambda line: None)
        self.backend.close()


@pytest.fixture(scope="module", params=RUNNING)
def foreground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Foreground]:
    root = tmp_path_factory.mktemp("foreground")
    with connected(request.param, root) as backend, closing(Foreground(backend, root)) as foreground:
        yield foreground


@contextmanager
def streams(*handles: int) -> Iterator[None]:
    """These as the standard streams of this process and of those that it starts."""
    before = [os.dup(number) for number in range(3)]
    try:
        for number, handle in enumerate(handles):
            os.dup2(handle, number)
        with open(1, "w", closefd=False) as stdout, redirect_stdout(stdout):  # pytest has another there
            yield
    finally:
        for number, handle in enumerate(before):
            os.dup2(handle, number)
            os.close(handle)


def piped(command: Callable[[], int], typed: bytes, folder: Path) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a command that is fed from a pipe."""
    files = [folder / name for name in ("in", "out", "err")]
    files[0].write_bytes(typed)
    with (
        files[0].open("rb") as stdin,
        files[1].open("wb") as out,
        files[2].open("wb") as err,
        streams(stdin.fileno(), out.fileno(), err.fileno()),
    ):
        code = command()
    return code, files[1].read_bytes(), files[2].read_bytes()


class Terminal:
    """A terminal of 33 rows with somebody at it, who types one line when they see a prompt."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
        self.shown = b""
        self._line = b""

    def _sit(self) -> None:
        while True:
            self.shown += os.read(self._ours, 1 << 12)
            if self._line and b"name? " in self.shown:
                os.write(self._ours, self._line)
                self._line = b""
            if b"\0end" in self.shown:
                return

    def sees(self, command: Callable[[], int], line: bytes) -> tuple[int, bytes]:
        """The exit code, and what was shown of a command that is answered with this line."""
        self._line, before = line, termios.tcgetattr(self.theirs)
        person = threading.Thread(target=self._sit, daemon=True)
        person.start()
        try:
            with streams(self.theirs, self.theirs, self.theirs):
                code = command()
            assert termios.tcgetattr(self.theirs) == before  # as it was found
        finally:
            os.write(self.theirs, b"\0end")
            person.join(10)
            os.close(self.theirs)
            os.close(self._ours)
        return code, self.shown.partition(b"\0end")[0]


ASKING = """
test -t 0 && test -t 1 || exit 1
printf 'name? '; read -r name
tries=0
until stty size | grep -q '33 99' || test $tries = 100; do tries=$((tries + 1)); sleep 0.05; done
echo "<$name>"; stty size; exit 5
"""


def test_exec_keeps_the_streams_apart_and_brings_the_exit_code(
    foreground: Foreground, tmp_path: Path
) -> None:
    ended = piped(lambda: foreground.exec("echo out; echo err >&2; exit 4"), b"", tmp_path)
    assert ended == (4, b"out\n", b"err\n")


def test_exec_reads_what_is_piped_in_to_its_end(foreground: Foreground, tmp_path: Path) -> None:
    every = bytes(range(256)) * 1000
    ended = piped(lambda: foreground.exec("cat", interactive=True), every, tmp_path)
    assert ended == (0, every, b"")


def test_exec_on_a_terminal_is_a_terminal_of_this_size(foreground: Foreground) -> None:
    code, shown = Terminal().sees(lambda: foreground.exec(ASKING, tty=True, interactive=True), b"Zoe\r")
    assert code == 5
    assert b"<Zoe>\r\n33 99\r\n" in shown


def test_a_run_has_a_command_of_its_own_and_its_exit_code(foreground: Foreground, tmp_path: Path) -> None:
    code, out, _ = piped(lambda: foreground.run("echo once; exit 3"), b"", tmp_path)
    assert (code, out) == (3, b"once\n")
    assert set(foreground.backend.observe(foreground.stack.checkout).units) == {"web"}


def test_a_run_on_a_terminal_shows_all_that_is_printed_and_once(foreground: Foreground) -> None:
    script = "echo first; echo second; printf 'name? '; read -r name; echo last; exit 5"
    code, shown = Terminal().sees(lambda: foreground.run(script, tty=True), b"Zoe\r")
    assert code == 5
    assert shown.rstrip() == b"first\r\nsecond\r\nname? Zoe\r\nlast"  # Compose ends with an empty line


def test_a_run_on_a_terminal_can_be_typed_into(foreground: Foreground) -> None:
    code, shown = Terminal().sees(lambda: foreground.run(ASKING, tty=True), b"Zoe\r")
    assert code == 5
    assert b"<Zoe>\r\n33 99\r\n" in shown
