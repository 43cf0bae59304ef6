"""A command in a pod on this terminal, or with this process's standard streams."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
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
) -> int | None:
    """Pass bytes both ways until the command ends, and hang up. `received` may add to output.

    Returns the command's exit code; None where the connection broke before one came.
    """
    code = None
    with contextlib.closing(channels), _raw() if tty else contextlib.nullcontext():
        if tty:
            _follow_size(channels)
        if interactive:
            threading.Thread(target=_type, args=(channels,), daemon=True).start()
        for channel, data in received(channels.frames()):
            if channel in (STDOUT, STDERR):
                _write(1 if channel == STDOUT else 2, data)
            elif channel == STATUS:
                code = exit_code(data)
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
    """Say the terminal's size, now and whenever it has another, in a thread of its own.

    A signal handler must not: it may run in the middle of a call to the same connection.
    """
    changed, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGWINCH, lambda *_: None)
    threading.Thread(target=_say_sizes, args=(channels, changed), daemon=True).start()


def _say_sizes(channels: Channels, changed: int) -> None:
    with contextlib.suppress(StreamEnded, OSError):
        while True:
            _say_size(channels)
            if not select.select([changed], [], [], AGAIN)[0]:
                _say_size(channels)  # a node that is busy may have dropped the first
            os.read(changed, 1 << 10)


def _say_size(channels: Channels) -> None:
    rows, columns, _x, _y = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    channels.send(SIZE, json.dumps({"Width": columns, "Height": rows}).encode())
