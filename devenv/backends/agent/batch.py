"""Many small files as one tar, with the script that moves them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from tarfile import BLOCKSIZE, GNU_FORMAT, GNU_MAGIC, TarInfo
from typing import NamedTuple

from devenv.backends.agent.changes import Place, Sending
from devenv.backends.agent.contents import LARGE, Content
from devenv.backends.agent.record import UNKNOWN, encoded, row
from devenv.backends.agent.shell import call, quoted

MANY = 1000  # files in a batch
END = bytes(2 * BLOCKSIZE)  # of a tar
NAME = 100  # bytes of a name in the header of a tar


class Stamped(NamedTuple):
    """What is kept of a file that is under way."""

    digest: str
    size: int
    second: int


class Batch:
    """Small files: a tar in which every folder of the container is a numbered one."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.groups: dict[Place, list[tuple[Sending, Stamped]]] = {}
        self._numbers: dict[Place, int] = {}
        self._parts: list[bytes] = []
        self._size = self._count = 0
        self.dated = False  # whether a file needs the time that it has in the tar

    @property
    def full(self) -> bool:
        return self._size >= LARGE or self._count >= MANY

    def add(self, change: Sending, content: Content, second: int) -> None:
        """`second` is the time that the file is to have, 0 for any."""
        place = change.place
        number = self._numbers.setdefault(place, len(self._numbers))
        self.groups.setdefault(place, []).append((change, Stamped(content.digest, len(content.data), second)))
        self._append(f"{number}/{change.name}", content.data, content.mode, second)
        self._count += 1
        self.dated |= bool(second)

    def tar(self) -> list[bytes]:
        """Its parts, with the script that moves the files."""
        lines = []
        for number, (place, files) in enumerate(self.groups.items()):
            changes = [change for change, _ in files]
            names = (b'"$own"/%d/' % number + quoted(change.name) for change in changes)
            group = group_call("group", number, place, changes, [content.digest for _, content in files])
            lines.append(b" ".join((group, *names)))
        self._append("go", b"\n".join(lines), 0o644)
        return [*self._parts, END]

    def _append(self, name: str, data: bytes, mode: int, second: int = 0) -> None:
        self._parts += [
            quick_header(name, len(data), mode, second or int(time.time())),
            data,
            padding(len(data)),
        ]
        self._size += len(data)


def header_of(header: TarInfo) -> bytes:
    """A header as GNU tar writes it, with names of any bytes."""
    return header.tobuf(GNU_FORMAT, "utf-8", "surrogateescape")


def quick_header(name: str, size: int, mode: int, second: int = 0) -> bytes:
    """A small file's header, as `TarInfo` makes it in five times the time."""
    raw = os.fsencode(name)
    if len(raw) > NAME:
        header = TarInfo(name)
        header.size, header.mode, header.mtime = size, mode, second
        return header_of(header)
    before = (
        b"%b%07o\0" % (raw.ljust(NAME, b"\0"), mode) + b"0000000\0" * 2 + b"%011o\0%011o\0" % (size, second)
    )
    after = b"0".ljust(NAME + 1, b"\0") + GNU_MAGIC
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return (before + b"%06o\0 " % checksum + after).ljust(BLOCKSIZE, b"\0")


def padding(size: int) -> bytes:
    """What fills up the last block of a file in a tar."""
    return bytes(-size % BLOCKSIZE)


def group_call(
    function: str, number: int, place: Place, changes: Sequence[Sending], digests: Sequence[str]
) -> bytes:
    """The call that has the script see to numbered files of one folder."""
    targets = [encoded(change.target) for change in changes]
    before = b"\n".join(row(UNKNOWN, target) for target in targets)
    after = b"\n".join(row(digest, target) for digest, target in zip(digests, targets, strict=True))
    return call(function, str(number), *place, before, after)


def dotted(changes: Iterable[Sending]) -> Iterator[bytes]:
    """Names that are no options, for the shell."""
    return (b"./" + quoted(change.name) for change in changes)
