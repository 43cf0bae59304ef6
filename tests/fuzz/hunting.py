"""Feeds a reader input after input, and keeps those at which it breaks."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType, TracebackType

from devenv.errors import DevenvError, ManifestInvalid
from tests.fuzz import growing
from tests.fuzz.growing import Files
from tests.fuzz.targets import Target

PACKAGE = Path(__file__).parents[2] / "devenv"


class Unplaced(Exception):
    """An error for the user that does not say where."""


@dataclass(frozen=True)
class Find:
    """An input, and the error that it ends in. Two with the same place in the code are one."""

    number: int
    files: Files
    error: BaseException

    @property
    def place(self) -> str:
        """The error's class, and the last line of devenv that it came through."""
        lines = [f"{file.relative_to(PACKAGE)}:{line}" for file, line in _lines(self.error.__traceback__)]
        return f"{type(self.error).__name__} {(lines or ['?'])[-1]}"


@dataclass
class Hunt:
    """What became of the inputs: read, or refused with an answer, or found."""

    read: int = 0
    refused: int = 0
    finds: dict[str, Find] = field(default_factory=dict)


def hunt(target: Target, name: str, *, seed: int, rounds: int, seconds: float) -> Hunt:
    """So many rounds of a target, or as many as the time is enough for."""
    result, end = Hunt(), time.monotonic() + seconds
    for number in range(rounds):
        if time.monotonic() > end:
            break
        files = growing.folder(Random(f"{seed} {name} {number}"), target.soil)
        error = tried(target, files)
        if error is None:
            result.read += 1
        elif _answers(error):
            result.refused += 1
        else:
            find = Find(number, files, error)
            result.finds.setdefault(find.place, find)
    return result


def tried(target: Target, files: Files) -> BaseException | None:
    """What the reader raises at these files in a folder of their own."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "shop"
        write(files, folder)
        try:
            with _limited(target.limit):
                target.read(folder)
        except Exception as error:
            return error
    return None


def smallest(target: Target, find: Find) -> Files:
    """The part of a find's files that ends in the same error at the same place."""

    def breaks(files: Files) -> bool:
        error = tried(target, files)
        return error is not None and not _answers(error) and Find(0, files, error).place == find.place

    return growing.smaller(find.files, breaks)


def write(files: Files, folder: Path) -> None:
    """Write the files of an input, byte for byte, into a new folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))


def kept(files: Files, folder: Path) -> Path:
    """The files in a folder, which has nothing else in it then."""
    shutil.rmtree(folder, ignore_errors=True)
    write(files, folder)
    return folder


def _answers(error: BaseException) -> bool:
    """Whether this is an error for the user, who is told where it is."""
    if isinstance(error, ManifestInvalid):
        return bool(error.problems) and all(problem.file and problem.line for problem in error.problems)
    return isinstance(error, DevenvError) and bool(error.what) and any((error.where, error.why, error.hint))


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in what takes too long."""

    def over(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"still reading after {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _lines(traceback: TracebackType | None) -> Iterator[tuple[Path, int]]:
    """Those of devenv's own code."""
    while traceback:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if file.is_relative_to(PACKAGE):
            yield file, traceback.tb_lineno
        traceback = traceback.tb_next
