"""The engine's multiplexed streams: an eight-byte header before each piece names its stream and length."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

HEADER = struct.Struct(">BxxxL")  # which stream, and how many bytes follow
STDERR = 2
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


def log_lines(pieces: Iterable[bytes], media_type: str) -> Iterator[list[bytes]]:
    """The lines of a log, each with its time, in batches of those that came together.

    A container with a terminal has one stream, without headers.
    """
    return _framed(pieces) if media_type == MULTIPLEXED else _bare(pieces)


def _framed(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    waiting, partial = b"", dict[int, bytes]()
    for piece in pieces:
        waiting += piece
        lines, at = [], 0
        while len(waiting) - at >= HEADER.size:
            stream, size = HEADER.unpack_from(waiting, at)
            end = at + HEADER.size + size
            if end > len(waiting):
                break
            part = waiting[at + HEADER.size : end]
            at = end
            if stream in partial:  # the engine cuts long lines, and each part has a time of its own
                part = partial.pop(stream) + part.partition(b" ")[2]
            if part.endswith(b"\n"):
                lines.append(part[:-1])
            else:
                partial[stream] = part
        waiting = waiting[at:]
        if lines:
            yield lines
    if partial:
        yield list(partial.values())


def _bare(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]
