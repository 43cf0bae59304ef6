"""Ctrl-C, at the moment that a test means."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path


def interrupt_once(ready: Path) -> None:
    """Ctrl-C, as soon as the program has said that it is ready."""
    act_once(ready, lambda: os.kill(os.getpid(), signal.SIGINT))


def act_once(ready: Path, act: Callable[[], None]) -> None:
    """Something else at that moment, beside whoever waits for the program."""

    def wait() -> None:
        while not (ready.exists()):
            time.sleep(0.01)
        act()

    threading.Thread(target=wait, daemon=True).start()
