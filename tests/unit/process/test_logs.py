"""Logs of processes: written with their times, merged, and followed into the file that comes next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from unittest import mock

from devenv.backends.process.logfile import MOST, LogFile, lines, older, stamp
from devenv.backends.process.logs import _Following as Following
from devenv.backends.process.logs import lines as merged


class Written(LogFile):
    """One that is closed in the end."""

    def __del__(self) -> None:
        self.close()


def text(log: Path) -> list[str]:
    return [line.decode().partition(" ")[2] for line in lines(log)]


def test_lines_are_whole_and_the_last_needs_no_end(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "web.log"
    file = Written(log, fresh=True)
    for part in (b"one\ntw", b"o\nthr", b"ee"):
        file.write(part)
    assert text(log) == ["one", "two"]
    file.flush()
    assert text(log) == ["one", "two", "three"]


def test_a_long_log_goes_on_in_another_file_and_the_one_before_the_last_goes(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    file = Written(log, fresh=True)
    for number in range(3):
        file.write(b"%d" % number + bytes(MOST) + b"\n")
    file.write(b"end\n")
    assert [line[:1] for line in text(log)] == ["2", "e"]
    assert older(log).exists()


def test_a_log_whose_folder_is_gone_costs_lines_and_not_the_supervisor(tmp_path: Path) -> None:
    """As after `rm -rf .devenv` while everything runs; on a full disk the next file may not be had either."""
    log = tmp_path / "logs" / "web.log"
    file = Written(log, fresh=True)
    shutil.rmtree(log.parent)
    for _ in range(3):
        file.write(bytes(MOST) + b"\n")


def test_a_moment_has_nine_digits() -> None:
    assert stamp(1_767_225_600_000_000_007) == "2026-01-01T00:00:00.000000007Z"


def test_who_follows_sees_a_program_that_starts_anew_however_long_its_first_line_is(tmp_path: Path) -> None:
    log, stop = tmp_path / "web.log", Event()
    Written(log, fresh=True).write(b"old\n")
    following: Iterator[object] = merged({"web": log}, follow=True, tail=0, since=None, stop=stop)
    seen = []

    def start_anew() -> None:
        Written(log, fresh=True).write(b"a line that is longer than all that was there before\n")

    original, waits = stop.wait, []

    def wait(seconds: float | None = None) -> bool:
        waits.append(seconds)
        if len(waits) == 2:
            start_anew()
        assert len(waits) < 20, "it never came"
        return original(0)

    stop.wait = wait  # type: ignore[method-assign]
    for batch in following:
        seen += [line.text for line in batch]  # type: ignore[attr-defined]
        if seen:
            stop.set()
    assert seen == ["a line that is longer than all that was there before"]


def test_a_line_that_comes_between_the_last_look_and_another_file_is_not_lost(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    file = Written(log, fresh=True)
    following = Following(log)
    is_replaced = following._is_replaced

    def after_all() -> bool:
        file.write(b"late\n" + bytes(MOST) + b"\n")  # which ends the file
        return is_replaced()

    with closing(following), mock.patch.object(following, "_is_replaced", after_all):
        assert [line.partition(b" ")[2][:4] for line in following.read()] == [b"late", bytes(4)]
        file.write(b"next\n")
        assert [line.partition(b" ")[2] for line in following.read()] == [b"next"]


def test_the_logs_of_several_units_are_merged_by_time(tmp_path: Path) -> None:
    logs = {name: tmp_path / f"{name}.log" for name in ("a", "b")}
    files = {name: Written(log, fresh=True) for name, log in logs.items()}
    for number in range(3):
        for name, file in files.items():
            file.write(b"%s %d\n" % (name.encode(), number))
    batches = merged(logs, follow=False, tail=None, since=None, stop=Event())
    assert [line.text for batch in batches for line in batch] == ["a 0", "b 0", "a 1", "b 1", "a 2", "b 2"]
    last = merged(logs, follow=False, tail=1, since=None, stop=Event())
    assert [line.text for batch in last for line in batch] == ["a 2", "b 2"]
