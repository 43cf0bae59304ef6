"""What a supervisor left: which processes are ended, and for how long one is waited for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.backends.process.control import Control
from devenv.backends.process.identity import identity
from devenv.backends.process.leftovers import end_leftovers
from devenv.backends.process.records import Folder, Record
from devenv.backends.process.remove import end_frozen
from devenv.errors import DevenvError


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def test_a_process_of_another_boot_is_never_signalled(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    boot, began = identity(stranger.pid).split(":")
    folder = Folder(tmp_path)
    folder.write(Record("web", "1", stranger.pid, f"{boot[::-1]}:{began}", mark="shop-1/web"))
    assert end_leftovers(folder) == ["web"]
    assert stranger.poll() is None
    folder.write(Record("web", "1", stranger.pid, f"{boot}:{began}", mark="shop-1/web"))
    end_leftovers(folder)
    assert stranger.poll() is not None


def test_a_killed_supervisor_that_does_not_end_is_waited_for_with_a_bound(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    folder = Folder(tmp_path)
    lock = folder.take()
    assert lock is not None
    (tmp_path / "run/lock").write_text(str(stranger.pid))
    with pytest.raises(DevenvError, match=f"supervisor, process {stranger.pid}, does not end") as raised:
        end_frozen(folder, within=0.1)
    assert "waits for a disk or the network" in raised.value.why
    assert stranger.wait() == -9
    os.close(lock)
    end_frozen(folder, within=0.1)


def test_data_that_was_never_made_is_not_kept(tmp_path: Path) -> None:
    from devenv.backends.process.remove import remove

    folder = Folder(tmp_path / "process")
    for name in ("db-data", "cache-data.new"):
        (folder.data / name).mkdir(parents=True)
    removed = remove(folder, Control(folder), "", volumes=False, say=print)
    assert removed.kept == ("db-data",)
