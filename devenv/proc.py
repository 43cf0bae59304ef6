"""Our own subprocess calls: a command that takes over the terminal, and an end to what we started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence


def attached(argv: Sequence[str]) -> int:
    """Run a command on this terminal and return its exit code; Ctrl-C is the command's, not ours."""
    # A handler, not SIG_IGN: what is ignored stays ignored in the child.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.run(list(argv), check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def said(argv: Sequence[str]) -> tuple[int, str]:
    """Run a command to its end; its exit code, and all that it printed."""
    done = subprocess.run(
        list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode, done.stdout.decode(errors="replace")


def interrupt_children() -> None:
    """Ask every child of this process to stop, as Ctrl-C in a terminal would have.

    One in a session of its own would not have heard it: it is there to outlive us.
    """
    found = subprocess.run(["ps", "-o", "pid=,ppid=", "-A"], capture_output=True, text=True, check=False)
    for line in found.stdout.splitlines():
        pid, parent = map(int, line.split())
        if parent == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(pid) == os.getsid(0):
                    os.kill(pid, signal.SIGINT)
