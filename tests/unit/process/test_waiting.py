"""Waiting for a program whose record and whose process do not agree, and for one while the clock is put back."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from devenv.backends.causes import likely
from devenv.backends.process.identity import identity
from devenv.backends.process.records import EXITED, RUNNING, Folder, Record
from devenv.backends.process.spec import Spec, Way
from devenv.backends.process.waiting import HERE, Waiting
from devenv.errors import UnitFailed
from devenv.stack.model import Port, Probe
from tests.table import each_row
from tests.unit.stacks import unit


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The folder of a stack in which this very process is recorded as the unit `web`."""
    folder = Folder(tmp_path)
    folder.write(Record("web", "1", os.getpid(), identity(os.getpid()), began=time.time_ns()))
    return folder


def waiting(folder: Folder) -> Waiting:
    spec = Spec("web", folder.path, folder, folder.path, {}, ".", 1.0, {}, (), (), (), 0, (Way((), {}),))
    return Waiting(folder, unit("name: a\nservices: {web: {image: web}}", "web"), spec, {}, settle=0.05)


def record(folder: Folder) -> Record:
    record = folder.record("web")
    assert record is not None
    return record


def test_a_clock_that_is_put_back_does_not_make_a_program_late(folder: Folder) -> None:
    folder.write(replace(record(folder), began=time.time_ns() + 3600 * 10**9))
    waiting(folder).until_ready(Event())


def test_an_end_that_nobody_could_record_is_an_end(folder: Folder) -> None:
    folder.write(replace(record(folder), identity="another", state=RUNNING))
    with pytest.raises(UnitFailed, match="web ended, and its end could not be recorded"):
        waiting(folder).until_ready(Event())


@each_row(
    {
        "the port of another": ("OSError: [Errno 98] Address already in use", "listen on $PORT"),
        "another folder": (
            "python: can't open file '/p/manage.py': [Errno 2] No such file",
            "host: cd app && ",
        ),
    }
)
def test_what_a_program_prints_here_leads_to_what_helps_here(printed: str, hint: str) -> None:
    assert hint in likely([printed], HERE)


def test_a_program_that_takes_the_port_of_another_is_told_where_its_own_is(folder: Folder) -> None:
    folder.write(replace(record(folder), state=EXITED, exit_code=1))
    folder.log("web").parent.mkdir(exist_ok=True)
    folder.log("web").write_text(
        "2026-11-27T03:00:00.000000000Z OSError: [Errno 98] Address already in use\n"
    )
    with pytest.raises(UnitFailed) as failed:
        waiting(folder).until_ready(Event())
    assert "listen on $PORT" in failed.value.card.hint


def test_a_card_names_the_port_of_this_machine_that_was_asked(folder: Folder) -> None:
    folder.write(replace(record(folder), state=EXITED, exit_code=1))
    listening = replace(
        waiting(folder).unit,
        probe=Probe("http", 8000, "/up"),
        ports=(Port("http", 8000, published=True, host=18000),),
    )
    with pytest.raises(UnitFailed) as failed:
        replace(waiting(folder), unit=listening).until_ready(Event())
    assert ("probe", "GET /up on port 18000") in failed.value.card.facts
