"""The lock of a process that outlives its command, and those who look whether it is held."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from threading import Timer

import pytest

from devenv.backends import lock


def test_who_looks_whether_a_lock_is_held_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    """As `logs -f` and `watch` do five times in a second, while `up` starts the supervisor."""
    file = tmp_path / "lock"
    with file.open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        away = Timer(0.02, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        away.start()
        handle = lock.take(file)
        away.join()
    assert handle is not None
    os.close(handle)


def test_a_lock_that_is_held_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    assert not lock.is_held(file)
    first = lock.take(file)
    assert first is not None
    assert (lock.is_held(file), lock.take(file, within=0.0)) == (True, None)
    os.close(first)
    assert not lock.is_held(file)
    assert lock.holder(file) == os.getpid()


@pytest.mark.usefixtures("no_locks")
def test_on_a_share_without_locks_nobody_holds_one(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    assert not lock.is_held(tmp_path / "lock")
