"""What is remembered, of which code and inputs, and from whom it is believed."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devenv.memory import KEEP, PACKAGE, Memory


class Asked:
    """Counts how often a value has to be made."""

    def __init__(self, cache: Path, package: Path = PACKAGE) -> None:
        self.cache, self.package, self.interpreter, self.times = cache, package, sys.version, 0

    def __call__(self, *inputs: str) -> int:
        """How many values were made so far, after asking for one as a new process does."""

        def make() -> str:
            self.times += 1
            return "value"

        assert Memory(self.cache, self.package, self.interpreter).recall(*inputs, make=make) == "value"
        return self.times


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path / "cache")


def values(cache: Path) -> list[Path]:
    return sorted(file for file in cache.rglob("*") if file.is_file())


def test_a_value_is_made_once_and_again_when_anything_differs(asked: Asked) -> None:
    assert (asked("a"), asked("a")) == (1, 1)
    assert (asked("a", "b"), asked("a", "b"), asked("a\0b"), asked("", "ab")) == (2, 2, 3, 4)


def test_a_broken_value_is_made_again(asked: Asked) -> None:
    asked("a")
    for file in values(asked.cache):
        file.write_bytes(b"broken")
    assert (asked("a"), asked("a")) == (2, 2)


def test_a_few_are_kept_and_nothing_else_in_the_cache_is_touched(tmp_path: Path) -> None:
    (tmp_path / "layers.json").write_text("{}")
    os.utime(tmp_path / "layers.json", (0, 0))
    memory = Memory(tmp_path)
    for number in range(KEEP + 10):
        memory.recall(str(number), make=int)
    assert len(values(tmp_path)) == KEEP + 1
    assert (tmp_path / "layers.json").exists()


def test_a_folder_that_cannot_be_written_is_an_empty_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    asked = Asked(tmp_path / "file" / "cache")
    assert (asked("a"), asked("a")) == (1, 2)


def test_only_the_user_can_read_and_write_it_whatever_the_umask(asked: Asked) -> None:
    before = os.umask(0)
    try:
        asked("a")
    finally:
        os.umask(before)
    (file,) = values(asked.cache)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


class Trap:
    """A pickle that runs its writer's code."""

    sprung = False

    def __reduce__(self) -> tuple[Callable[[], str], tuple[()]]:
        return _spring, ()


def _spring() -> str:
    Trap.sprung = True
    return "value"


def chown_file(file: Path) -> None:
    os.chown(file, 12345, 12345)


def chown_folder(file: Path) -> None:
    os.chown(file.parent, 12345, 12345)


def open_file(file: Path) -> None:
    file.chmod(0o660)


def open_folder(file: Path) -> None:
    file.parent.chmod(0o770)


def link(file: Path) -> None:
    file.rename(file.parent.parent / "elsewhere")
    file.symlink_to(file.parent.parent / "elsewhere")


FOREIGN = [chown_file, chown_folder, open_file, open_folder, link]


@pytest.mark.parametrize("change", FOREIGN)
def test_what_others_could_have_written_is_not_read(change: Callable[[Path], None], asked: Asked) -> None:
    if change.__name__.startswith("chown") and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    asked("a")
    (file,) = values(asked.cache)
    file.write_bytes(pickle.dumps(Trap()))
    change(file)
    assert asked("a") == 2
    assert not Trap.sprung


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in ("__init__.py", "deep/er/__init__.py"):
        (tmp_path / "package" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "package" / name).write_text("a = 1\n")
    return tmp_path / "package"


def test_any_of_our_files_that_changes_makes_it_anew(asked: Asked, package: Path) -> None:
    asked.package = package
    assert (asked("a"), asked("a")) == (1, 1)
    deep = package / "deep/er/__init__.py"
    deep.write_text("a = 11\n")
    assert (asked("a"), asked("a")) == (2, 2)
    (package / "new.py").touch()
    assert (asked("a"), asked("a")) == (3, 3)
    times = deep.stat()
    deep.write_text("a = 22\n")  # as long as before, and a packager's date
    os.utime(deep, ns=(times.st_atime_ns, times.st_mtime_ns))
    while deep.stat().st_ctime_ns == times.st_ctime_ns:  # the kernel's clock ticks every few milliseconds
        os.utime(deep, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (asked("a"), asked("a")) == (4, 4)


def test_another_interpreter_makes_it_anew(asked: Asked) -> None:
    asked("a")
    asked.interpreter = "4.0"
    assert asked("a") == 2


def test_code_that_is_in_no_files_remembers_nothing(asked: Asked, tmp_path: Path) -> None:
    asked.package = tmp_path / "devenv.zip" / "devenv"
    assert (asked("a"), asked("a")) == (1, 2)
