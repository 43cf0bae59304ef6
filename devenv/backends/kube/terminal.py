"""A command in a pod on this terminal, or with this process's standard streams."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import struct
import sys
import termios
import threading
import tty as terminal_mode
from collections.abc import Callable, Iterator

from devenv.backends.base import StreamEnded
from devenv.backends.kube.channels import SIZE, STATUS, STDERR, STDIN, STDOUT, Channels, exit_code

AGAIN = 1.0  # seconds after which the terminal's size is said once more
Frames = Iterator[tuple[int, bytes]]
"""Channel and bytes."""


def run(
    channels: Channels, *, tty: bool, interactive: bool, received: Callable[[Frames], Frames] = iter
) -> int:
    """Pass bytes both ways until the command ends; returns its exit code. `received` may add to output."""
    code = 1
    with _raw() if tty else contextlib.nullcontext():
        if tty:
            _follow_size(channels)
        if interactive:
            threading.Thread(target=_type, args=(channels,), daemon=True).start()
        for channel, data in received(channels.frames()):
            if channel in (STDOUT, STDERR):
                _write(1 if channel == STDOUT else 2, data)
            elif channel == STATUS:
                code = exit_code(data)
    channels.close()
    return code


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _type(channels: Channels) -> None:
    """Send stdin to the command, and its end."""
    with contextlib.suppress(StreamEnded, OSError):
        while data := os.read(0, 32 * 1024):
            channels.send(STDIN, data)
        channels.end(STDIN)


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    before = termios.tcgetattr(0)
    terminal_mode.setraw(0)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.flush()


def _follow_size(channels: Channels) -> None:
    def tell(*_: object) -> None:
        with contextlib.suppress(StreamEnded, OSError):
            rows, columns, _x, _y = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
            channels.send(SIZE, json.dumps({"Width": columns, "Height": rows}).encode())

    def tell_twice(*_: object) -> None:
        tell()
        again = threading.Timer(AGAIN, tell)  # a node that is busy may have dropped the first
        again.daemon = True
        again.start()

    signal.signal(signal.SIGWINCH, tell_twice)
    tell_twice()
