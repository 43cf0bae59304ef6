from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.promises import Promises

PROMISES = """
import sys, time
from pathlib import Path
from devenv.promises import Promises
promises = Promises(Path(sys.argv[1]), "the stack in /there")
with promises.deciding():
    promises.make([5432, 8000])
print("made", flush=True)
time.sleep(60)
"""


def promised(folder: Path, who: str = "the stack in /here") -> dict[int, str]:
    with Promises(folder, who).deciding() as ports:
        return dict(ports)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has promised two ports."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROMISES, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    yield process
    process.kill()
    process.wait()


@pytest.mark.programs
def test_a_promise_is_seen_until_its_process_ends_however_it_does(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    who = "the stack in /there, which comes up"
    assert promised(tmp_path) == {5432: who, 8000: who}
    assert promised(tmp_path, "the stack in /there") == {}
    other.kill()
    other.wait()
    assert promised(tmp_path) == {}
    assert list(tmp_path.glob("*.json")) == []


def test_a_promise_is_taken_back(tmp_path: Path) -> None:
    promises = Promises(tmp_path, "me")
    with promises.deciding():
        promises.make([1, 2])
        promises.make([3])
    assert promised(tmp_path) == {3: "me, which comes up"}
    promises.close()
    promises.close()
    assert promised(tmp_path) == {}


def test_a_home_that_nobody_can_write_to_has_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    promises = Promises(tmp_path / "file" / "ports", "me")
    with promises.deciding() as ports:
        promises.make([1])
    assert ports == {}
    promises.close()


def test_what_cannot_be_read_is_no_promise(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("[")
    assert promised(tmp_path) == {}


@pytest.mark.usefixtures("no_locks")
def test_on_a_share_without_locks_nothing_is_reserved(tmp_path: Path) -> None:
    promises = Promises(tmp_path, "me")
    with promises.deciding() as ports:
        promises.make([1])
    promises.close()
    assert ports == {}
