"""What a store says it holds goes into a file, and from there into the same store elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from devenv.backends.base import Attach, Stream
from devenv.engine import carry
from devenv.errors import DevenvError
from devenv.plan.model import ObservedUnit
from devenv.stack.model import Unit
from tests.fakes import FakeBackend

STORE = Unit("db", "infra", "db:1", dump=("dump",), load=("load",))
RUNNING = ObservedUnit("db", id="db", state="running", version="9.4")


@dataclass
class Told:
    """A `Stream` from a command that was told what to say and how to end."""

    says: bytes = b""
    complaints: bytes = b""
    exit_code: int | None = 0
    heard: bytes = b""
    ended: bool = False

    def send(self, data: bytes) -> None:
        self.heard += data

    def end(self) -> None:
        self.ended = True

    def receive(self) -> bytes:
        data, self.says = self.says, b""
        return data

    def close(self) -> None:
        """Nothing is open."""


class Telling(FakeBackend):
    """A backend on which every command does the same."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self.told = told

    def attach(self, unit: ObservedUnit, argv: Sequence[str]) -> Stream:
        return self.told


def test_content_is_saved_and_loaded_byte_by_byte(tmp_path: Path) -> None:
    folder = tmp_path / "carried"
    assert carry.save(Telling(Told(b"\0\xff\r\n")), RUNNING, STORE, folder, Event()) == 4
    assert ((folder / "db").stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert (folder / "db").read_bytes() == b"9.4\n\0\xff\r\n"
    there = Told(b"done")
    carry.load(Telling(there), RUNNING, STORE, folder, Event(), source="compose")
    assert (there.heard, there.ended) == (b"\0\xff\r\n", True)
    assert not folder.exists()


def test_the_input_of_a_dump_stays_open_while_it_prints(tmp_path: Path) -> None:
    dump = Told(b"content")
    carry.save(Telling(dump), RUNNING, STORE, tmp_path, Event())
    assert not dump.ended


def test_an_empty_dump_is_not_taken_for_the_data(tmp_path: Path) -> None:
    with pytest.raises(DevenvError) as refused:
        carry.save(Telling(Told()), RUNNING, STORE, tmp_path, Event())
    assert (refused.value.what, refused.value.why) == (
        "the data of db could not be read",
        "its dump is empty",
    )


def test_content_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    broken = Telling(Told(b"half", complaints=b"starting\nno rights on orders\n", exit_code=1))
    with pytest.raises(DevenvError) as refused:
        carry.save(broken, RUNNING, STORE, tmp_path, Event())
    assert refused.value.what == "the data of db could not be read"
    assert (refused.value.where, refused.value.why) == ("db on fake", "starting\nno rights on orders")


@pytest.mark.parametrize("code", [1, None], ids=["refused", "went away"])
def test_a_load_that_fails_keeps_the_file_and_says_where(tmp_path: Path, code: int | None) -> None:
    (tmp_path / "db").write_bytes(b"9.4\nall of it")
    refusing = Telling(Told(complaints=b"disk full\n", exit_code=code))
    with pytest.raises(DevenvError) as refused:
        carry.load(refusing, RUNNING, STORE, tmp_path, Event(), source="kube")
    error = refused.value
    assert error.what == f"db did not accept the data: it is kept in {tmp_path / 'db'}"
    assert (error.where, error.why) == ("db on fake", "disk full")
    assert error.hint == "devenv up -b kube   the data is still there; then try again"
    assert (tmp_path / "db").read_bytes() == b"9.4\nall of it"


class Resting(Telling):
    """A backend that notes when a store rests."""

    def __init__(self, told: Told) -> None:
        super().__init__(told)
        self.rests: list[str] = []

    @contextmanager
    def resting(self, unit: ObservedUnit) -> Iterator[Attach]:
        self.rests.append(f"rest {unit.unit}")
        try:
            yield partial(self.attach, unit)
        finally:
            self.rests.append(f"start {unit.unit}")


def test_a_copied_store_rests_meanwhile_and_one_that_is_older_is_not_touched(tmp_path: Path) -> None:
    copied, backend = replace(STORE, copied=True), Resting(Told(b"an archive"))
    carry.save(backend, RUNNING, copied, tmp_path, Event())
    assert backend.rests == ["rest db", "start db"]
    with pytest.raises(DevenvError, match="db 9.4 wrote the data, and 9.3 runs now") as refused:
        carry.load(backend, replace(RUNNING, version="9.3"), copied, tmp_path, Event(), source="compose")
    assert refused.value.hint == "devenv up -b compose   the data is still there; then try again"
    assert backend.rests == ["rest db", "start db"]


class Endless(Told):
    """A command that goes on until somebody hangs up."""

    def __init__(self) -> None:
        super().__init__(exit_code=None)
        self._hung_up = Event()

    def receive(self) -> bytes:
        return b"" if self._hung_up.wait(0.01) else b"more"

    def close(self) -> None:
        self._hung_up.set()


def test_a_copy_that_is_told_to_stop_is_broken_off_and_the_store_starts_again(tmp_path: Path) -> None:
    backend, stop = Resting(Endless()), Event()
    stop.set()
    with pytest.raises(DevenvError, match="the data of db could not be read"):
        carry.save(backend, RUNNING, replace(STORE, copied=True), tmp_path, stop)
    assert backend.rests == ["rest db", "start db"]
