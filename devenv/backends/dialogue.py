"""Questions to a script in a container and its answers, over one stream."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from devenv.backends.base import Stream, StreamEnded
from devenv.errors import DevenvError

Attach = Callable[[Sequence[str]], Stream]

PATIENCE = 3.0  # seconds without an answer until the runtime is asked whether the container still runs
BLOCK = 1 << 16  # bytes that are sent at once

# The script comes through the stream: as an argument it would be part of an address on Kubernetes.
BOOT = """s=
while IFS= read -r l && [ "$l" != '#end' ]; do s="$s$l
"; done
eval "$s"
"""
NOT_STARTED = (126, 127)
NO_PROGRAM = (b"executable file not found", b"no such file or directory")


class Unsendable(DevenvError):
    """Nothing can be sent to a container: a change needs a new image."""


class NoShell(Unsendable):
    """The image has no `sh`."""


class Paused(DevenvError):
    """The container is paused: nothing in it can answer."""


class Answer(NamedTuple):
    """An answer: its first word, the others, and the text that was printed before it."""

    word: str
    words: list[str]
    text: bytes

    @property
    def reason(self) -> str:
        """Why it failed, from what the programs complained of."""
        lines = self.text.decode(errors="replace").splitlines()
        complaints = [
            line for line in lines if line.strip() and not line.endswith((" records in", " records out"))
        ]
        return complaints[-1].rpartition(": ")[2].strip().lower() if complaints else "no reason given"


class Dialogue:
    """A script that runs in a container. One thread asks at a time."""

    def __init__(self, attach: Attach, script: str, *, patience: float = PATIENCE) -> None:
        """Start it. Raises `DevenvError`, `Paused`."""
        self._attach, self._patience = attach, patience
        self._mark = f"\1{secrets.token_hex(4)}:".encode()
        self._received = b""
        self._parts: SimpleQueue[bytes] = SimpleQueue()
        self._paused: Paused | None = None
        self._stream = self._attached(("sh", "-c", BOOT, "devenv", self._mark.decode()))
        threading.Thread(target=self._read, daemon=True, name="agent").start()
        self.send([script.encode(), b"#end\n"])

    def ask(self, line: bytes, body: Iterable[bytes] = ()) -> Answer:
        """Call a function of the script and wait for its answer. Raises `StreamEnded`, `Paused`."""
        self.send([line, b"\n", *body])
        return self.answer()

    def begin(self, line: bytes) -> Answer:
        """The first question. Raises `NoShell` as well."""
        try:
            return self.ask(line)
        except StreamEnded:
            output = self._received + self._stream.complaints
            if self._stream.exit_code in NOT_STARTED or any(text in output for text in NO_PROGRAM):
                raise NoShell("there is no shell in the image that could take it") from None
            raise

    def send(self, parts: Iterable[bytes]) -> None:
        """Send without waiting for an answer. Raises `StreamEnded`, `Paused`."""
        for number, block in enumerate(_blocks(parts)):
            if not number:  # fits into the buffers on the way
                self._stream.send(block)
                continue
            watch = threading.Timer(self._patience, self._check)
            watch.daemon = True
            watch.start()
            try:
                self._stream.send(block)
            except StreamEnded:
                raise self._paused or StreamEnded("the agent ended") from None
            finally:
                watch.cancel()

    def answer(self, output: Callable[[bytes], None] | None = None) -> Answer:
        """The next answer. With `output`, the text before it is passed on by whole lines, and not kept."""
        while True:
            at = self._received.find(self._mark)
            end = self._received.find(b"\n", at) if at >= 0 else -1
            text = self._received[:at] if at >= 0 else self._received
            if output is not None and (whole := len(text) if end >= 0 else text.rfind(b"\n") + 1):
                output(text[:whole])
                self._received = self._received[whole:]
            elif end >= 0:
                word, *words = self._received[at + len(self._mark) : end].decode().split()
                self._received = self._received[end + 1 :]
                return Answer(word, words, text)
            else:
                self._received += self._part()

    def close(self) -> None:
        """Hang up; the script ends."""
        self._stream.close()

    def _part(self) -> bytes:
        while True:
            try:
                part = self._parts.get(timeout=self._patience)
            except Empty:
                self._check()
                continue
            if part:
                return part
            self._parts.put(b"")  # for whoever asks again
            raise self._paused or StreamEnded("the agent ended")

    def _read(self) -> None:
        try:
            while part := self._stream.receive():
                self._parts.put(part)
        finally:
            self._parts.put(b"")

    def _check(self) -> None:
        """Hang up where a new command could not be started either."""
        try:
            self._attached(("sh", "-c", ":")).close()
        except DevenvError as error:
            self._paused = error if isinstance(error, Paused) else None
            self._stream.close()

    def _attached(self, argv: Sequence[str]) -> Stream:
        try:
            return self._attach(argv)
        except DevenvError as error:
            if "paused" in f"{error.what} {error.why}".lower():
                raise Paused("the container is paused", hint="docker unpause resumes it") from error
            raise


def _blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    block, size = list[bytes](), 0
    for part in parts:
        block.append(part)
        size += len(part)
        if size >= BLOCK:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)
