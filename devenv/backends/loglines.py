"""Log lines of several containers as one stream, over restarts and replacements."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, Queue
from typing import Protocol

from devenv.backends.base import LogLine


@dataclass(frozen=True, slots=True)
class Source:
    """Whose lines to read. What is `lasting` is read on when it was restarted or replaced."""

    unit: str
    container: str
    stack: str
    lasting: bool


class Reads(Protocol):
    """What an engine has to be able to do for this."""

    def log(self, container: str, *, follow: bool, tail: int | None, since: int | None) -> Iterator[bytes]:
        """Lines with their times; they end with the container's run."""
        ...

    def next_start(self, stack: str, unit: str) -> str:
        """The container of the unit's next run, once that has begun; nothing when there will be none."""
        ...


def lines(
    engine: Reads,
    sources: Sequence[Source],
    *,
    follow: bool,
    tail: int | None,
    since: str | None,
    stop: threading.Event,
) -> Iterator[LogLine]:
    """Lines as they come with `follow`, else those that are there, merged by time."""
    queue: Queue[LogLine | None] = Queue(maxsize=10_000)
    for source in sources:
        arguments = (engine, source, queue, follow, tail, _moment(since))
        threading.Thread(target=_read, args=arguments, daemon=True).start()
    left, waiting = len(sources), []
    while left and not stop.is_set():
        try:
            line = queue.get(timeout=0.2)
        except Empty:
            continue
        if line is None:
            left -= 1
        elif follow:
            yield line
        else:
            waiting.append(line)
    yield from sorted(waiting, key=lambda line: line.time)


def _read(
    engine: Reads,
    source: Source,
    queue: Queue[LogLine | None],
    follow: bool,  # noqa: FBT001  a thread's arguments have no names
    tail: int | None,
    since: int | None,
) -> None:
    container, known = source.container, ""
    last = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}" if tail == 0 else ""
    try:
        while container:
            for raw in engine.log(container, follow=follow, tail=tail, since=since):
                line = _line(source.unit, raw)
                if line.time > known:
                    queue.put(line)
                    last = max(last, line.time)
            if not follow or not source.lasting:
                return
            container = engine.next_start(source.stack, source.unit)
            # From here on every line counts, but none twice: a restarted container still has its old ones.
            known, tail = last, None
            since = int(datetime.fromisoformat(f"{known[:19]}+00:00").timestamp()) if known else None
    finally:
        queue.put(None)


def _line(unit: str, raw: bytes) -> LogLine:
    moment, _, text = raw.decode(errors="replace").rstrip("\r").partition(" ")
    return LogLine(unit, text, moment)


def _moment(since: str | None) -> int | None:
    """`10m`, `90s`, `2h` ago, as seconds since the epoch."""
    match = re.match(r"^(\d+)([smh])$", since) if since else None
    return int(time.time()) - int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else None
