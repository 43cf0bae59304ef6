"""Ctrl-C, at the moment that a test means."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path


def interrupt_once(ready: Path) -> None:
    """Ctrl-C, as soon as the program has said that it is ready."""

    def send() -> None:
        while not (ready.exists()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()
