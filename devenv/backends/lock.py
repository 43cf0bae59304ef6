"""The lock of a process that outlives its command: held for as long as it lives, with its pid in the file.

The kernel lets go of it however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

MOMENT = 0.5  # seconds; whoever looks whether a lock is held has a part in it meanwhile
AGAIN = 0.005  # seconds between two tries


def is_held(file: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # nobody ever has
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


def holder(file: Path) -> int | None:
    """The process that holds the lock, or held it last; None where it has not said so yet."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def take(file: Path, *, within: float = MOMENT) -> int | None:
    """Hold the lock for as long as the handle is open that is returned; None where another process does.

    Raises `OSError`, as on a full disk.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(handle, within):
            os.close(handle)
            return None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
    except BaseException:
        os.close(handle)
        raise
    return handle


def _locked(handle: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(AGAIN)
        else:
            return True
