"""A command on a terminal of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import termios
import threading

import pytest

from .checkout import COMMAND, Checkout, eventually

needs_a_terminal = pytest.mark.skipif(
    shutil.which("setsid") is None, reason="needs setsid to give a command a terminal"
)


class Screen:
    """`devenv ARGV` of a checkout, and what it shows."""

    def __init__(self, checkout: Checkout, *argv: str, rows: int = 24, columns: int = 80) -> None:
        self._keyboard, terminal = os.openpty()
        self.resize(rows, columns)
        self.modes = self.left = termios.tcgetattr(self._keyboard)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", COMMAND, *argv],
            cwd=checkout.root,
            env={**checkout.environment, "TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        self._seen, self._cleared = bytearray(), 0
        # All the time: a command cannot go on writing to a screen that nobody looks at.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        checkout.ends_with_the_test(self)

    def leave_nothing(self) -> None:
        """End it, whatever became of the test."""
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other side has hung up
            while data := os.read(self._keyboard, 1 << 12):
                self._seen += data

    @property
    def shown(self) -> str:
        """What was shown since the last keys were typed."""
        return bytes(self._seen[self._cleared :]).decode(errors="replace")

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys, on a screen that is empty again."""
        self._cleared = len(self._seen)
        os.write(self._keyboard, text.encode())

    def press(self, key: bytes) -> None:
        os.write(self._keyboard, key)

    def shows(self, text: str) -> None:
        """Wait until this is on the screen."""
        try:
            eventually(lambda: text in self.shown, f"{text!r} on the screen", within=20)
        except AssertionError as error:
            raise AssertionError(f"{error}; there was {self.shown!r}") from None

    def end(self) -> int:
        """The exit code; `left` is how it left the terminal."""
        code = self.process.wait(20)
        self.left = termios.tcgetattr(self._keyboard)
        self._reader.join(5)
        os.close(self._keyboard)
        return code


def hung_up(checkout: Checkout, *argv: str, after: str) -> int:
    """The exit code of `devenv ARGV` whose terminal is closed once it has shown this."""
    keyboard, terminal = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", COMMAND, *argv],
        cwd=checkout.root,
        env=checkout.environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while after.encode() not in shown:
        shown += os.read(keyboard, 1 << 12)  # fails when the command ends before
    os.close(keyboard)
    return process.wait(20)
