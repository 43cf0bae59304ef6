"""The short folder for sockets, and which one counts when terminals differ."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends.process.control import Control
from devenv.backends.process.records import Folder
from devenv.backends.process.remove import remove
from devenv.backends.process.supervisor import PIPE, drain, listening
from devenv.errors import DevenvError


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    """That of a stack whose supervisor was begun in a terminal with other temporary files."""
    (tmp_path / "now").mkdir()
    (tmp_path / "then").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    folder = Folder(tmp_path / "state")
    folder.remember_short(tmp_path / "then")
    return Control(folder, f"{tmp_path}/now")


def test_a_supervisor_that_works_has_the_folder_it_was_given(control: Control, tmp_path: Path) -> None:
    lock = control.folder.take()
    assert lock is not None
    assert control.short == tmp_path / "then"
    os.close(lock)


def test_after_a_restart_of_the_machine_the_next_supervisor_has_one_of_its_own(
    control: Control, tmp_path: Path
) -> None:
    assert control.short != tmp_path / "then"


def test_down_removes_the_folder_of_another_terminal(control: Control, tmp_path: Path) -> None:
    remove(control.folder, control, "c0ffee", volumes=False, say=lambda text: None)
    assert not (tmp_path / "then").exists()


def test_a_supervisor_that_is_slow_to_end_leaves_the_socket_of_the_next(tmp_path: Path) -> None:
    path = str(tmp_path / "supervisor")
    first, second = listening(path), listening(path)
    next(first)
    next(second)
    assert list(first) == []
    assert Path(path).exists()
    assert list(second) == []
    assert not Path(path).exists()


@pytest.mark.programs
def test_a_supervisor_of_an_older_devenv_says_that_it_does_not_know_a_verb(tmp_path: Path) -> None:
    control = Control(Folder(tmp_path / "state"))
    control.start()
    try:
        with pytest.raises(DevenvError, match="the stack's supervisor knows no 'dance'"):
            control.ask("dance")
    finally:
        control.ask("end")


def test_the_last_output_of_a_program_has_an_end_although_what_it_left_behind_prints_on() -> None:
    log = io.BytesIO()
    with open("/dev/zero", "rb") as endless:
        program: Any = SimpleNamespace(process=SimpleNamespace(stdout=endless), log=log)
        drain(program)
    assert len(log.getvalue()) == PIPE
