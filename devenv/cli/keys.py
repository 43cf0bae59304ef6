"""Single keys from a terminal, while other output goes on."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

ESCAPE = "\x1b"


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
    tty.setcbreak(terminal)
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
        typed = os.read(terminal, 64).decode(errors="replace")
        if not typed:
            return
        if typed.startswith(ESCAPE):  # an arrow key is a sequence
            take(ESCAPE)
        else:
            for key in typed:
                take(key)
