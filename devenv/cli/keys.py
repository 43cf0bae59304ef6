"""Single keys from a terminal, while other output goes on."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

ESCAPE = "\x1b"
ENTER = ("\n", "\r")
ERASE = ("\x7f", "\b")


class Choice:
    """One of several names, picked with a few keys: its number, or the letters that it alone begins with.

    Enter takes what was typed where it begins another number or name as well.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.typed, self.chosen = names, "", ""
        self.over = False

    def press(self, key: str) -> None:
        """Take a key. Afterwards `over` says whether the choice is made; `chosen` is "" where it is none."""
        if key == ESCAPE:
            self.over = True
        elif key in ENTER:
            self.over, self.chosen = True, self._exact()
        elif key in ERASE:
            self.typed = self.typed[:-1]
        elif key.isprintable():
            self.typed += key
            left = self.left()
            self.over = len(left) < 2
            self.chosen = left[0] if len(left) == 1 else ""

    def left(self) -> list[str]:
        """The names that what was typed may still become."""
        if self.typed.isdecimal():
            return [name for number, name in enumerate(self.names, 1) if str(number).startswith(self.typed)]
        return [name for name in self.names if name.startswith(self.typed)]

    def _exact(self) -> str:
        numbers = {str(number): name for number, name in enumerate(self.names, 1)}
        return numbers.get(self.typed, self.typed if self.typed in self.names else "")


def has_keys() -> bool:
    """Whether somebody sits at a terminal and can press some."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")


@contextmanager
def pressed(take: Callable[[str], None]) -> Iterator[None]:
    """Pass each key to `take`, in a thread, and leave the terminal as it was; Ctrl-C goes on to interrupt."""
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    wake, end = os.pipe()
    tty.setcbreak(terminal, termios.TCSADRAIN)  # what was typed already counts
    thread = threading.Thread(target=_read, args=(terminal, wake, take), daemon=True, name="keys")
    thread.start()
    try:
        yield
    finally:
        os.close(end)
        thread.join(1)
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        os.close(wake)


def _read(terminal: int, wake: int, take: Callable[[str], None]) -> None:
    while True:
        ready, _, _ = select.select([terminal, wake], [], [])
        if wake in ready:
            return
        try:
            typed = os.read(terminal, 64).decode(errors="replace")
        except OSError:  # the terminal was closed
            return
        if not typed:
            return
        if typed.startswith(ESCAPE):  # an arrow key is a sequence
            take(ESCAPE)
        else:
            for key in typed:
                take(key)
