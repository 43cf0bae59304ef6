"""Our own subprocess calls: a command that takes over the terminal, and an end to what we started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence


def attached(argv: Sequence[str]) -> int:
    """Run a command on this terminal and return its exit code; Ctrl-C is the command's, not ours."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with subprocess.Popen(list(argv), preexec_fn=_default_interrupt) as child:
            code = child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt_children() -> None:
    """Ask every child of this process to stop, as Ctrl-C in a terminal would have."""
    found = subprocess.run(["ps", "-o", "pid=,ppid=", "-A"], capture_output=True, text=True, check=False)
    for line in found.stdout.splitlines():
        pid, parent = map(int, line.split())
        if parent == os.getpid():
            try:
                os.kill(pid, signal.SIGINT)
            except ProcessLookupError:
                continue
