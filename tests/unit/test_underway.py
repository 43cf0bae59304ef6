"""A Helm that goes on after its devenv was killed: who comes next is told, and may end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.backends.process.identity import identity
from devenv.engine.promotion.underway import Record
from devenv.errors import DevenvError
from devenv.plan.promotion.changes import Target
from devenv.workspace import Workspace

TARGET = Target("staging", "gke", "shop", "shop")
GOES_BACK = """
import signal, sys, time
def stop(*_):
    print("went back", flush=True)
    sys.exit(1)
signal.signal(signal.SIGINT, stop)
print("at work", flush=True)
time.sleep(60)
"""


@pytest.fixture
def helm() -> Iterator[subprocess.Popen[str]]:
    """A program that goes back when it is interrupted, at work."""
    with subprocess.Popen([sys.executable, "-c", GOES_BACK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        yield process
        process.kill()


def record(folder: Path, pid: int, *, by: int = 0) -> Record:
    """The record of a Helm that devenv began here, or that one began which has ended."""
    made = Record(Workspace(folder / "devenv.yaml"), "staging")
    made._write("upgrade", 300, pid)
    file = folder / ".devenv" / "helm-staging.json"
    row = json.loads(file.read_text())
    if by:
        file.write_text(json.dumps({**row, "by": by, "by_identity": "of a process that has ended"}))
    return made


@pytest.mark.programs
def test_a_helm_that_was_left_alone_is_named_and_goes_back(
    tmp_path: Path, helm: subprocess.Popen[str]
) -> None:
    made, lines = record(tmp_path, helm.pid, by=os.getpid()), list[str]()
    with pytest.raises(DevenvError, match="shop is being changed by a Helm whose devenv has ended") as error:
        made.require_idle(TARGET, lambda: "devenv rollback staging")
    assert f"process {helm.pid}, since" in error.value.where
    assert "up to 300 s, and goes back if they are not" in error.value.why
    assert error.value.hint == "wait for it, or have it go back now: devenv rollback staging"

    assert made.end(TARGET, lambda step, line: lines.append(line), within=30)
    assert helm.wait(timeout=30) == 1
    assert helm.stdout is not None
    assert helm.stdout.read() == "went back\n"
    assert lines[0].endswith("and is interrupted: it goes back to what served before")
    assert made.read() is None
    assert not made.end(TARGET, lambda step, line: None)


@pytest.mark.programs
def test_a_helm_that_another_devenv_waits_for_is_left_to_that(
    tmp_path: Path, helm: subprocess.Popen[str]
) -> None:
    made = record(tmp_path, helm.pid)
    for ask in (
        lambda: made.require_idle(TARGET, str),
        lambda: made.end(TARGET, lambda step, line: None),
    ):
        with pytest.raises(DevenvError, match="changed by another devenv of this checkout") as error:
            ask()
        assert f"process {os.getpid()}, with helm upgrade" in error.value.where
    assert helm.poll() is None


def test_another_process_with_the_same_number_is_no_helm(tmp_path: Path) -> None:
    made = record(tmp_path, os.getpid())
    assert made.read() is not None
    file = tmp_path / ".devenv" / "helm-staging.json"
    row = json.loads(file.read_text())
    file.write_text(json.dumps({**row, "identity": f"{identity(os.getpid())}0"}))
    made.require_idle(TARGET, str)
    file.write_text("{half a file")
    made.require_idle(TARGET, str)
