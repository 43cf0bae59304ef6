"""Log lines of several containers as one stream, over restarts and replacements.

Lines go from the engine to the terminal in batches, of which only the newest of each container are held:
half a million lines take no more memory than a thousand.
"""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Protocol, TypeVar

from devenv.backends import containers
from devenv.backends.base import LogLine
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.backends.base import Backend
    from devenv.backends.docker import Engine
    from devenv.plan.model import ObservedUnit

OVERLAP = 2  # seconds for which a line may be on its way from a container
KEPT = 10.0  # seconds for which lines are known again
AGAIN, TRIES = 0.2, 50  # seconds until an engine that failed is asked again, and how often
AHEAD = 64  # batches that are read before they are taken
READING = "logs"  # the name of a thread that reads one
HEARS = 0.2  # seconds until whoever follows logs looks again whether to stop
TIME = itemgetter(LogLine._fields.index("time"))
TIME_LENGTH = len("2026-01-01T00:00:00.000000000Z")
_ELSEWHERE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?([+-]\d\d:\d\d)")  # in another zone

T = TypeVar("T")
Batches = Iterator[Sequence[LogLine]]


@dataclass(frozen=True, slots=True)
class Source:
    """Whose lines to read. Reading a `lasting` unit goes on after it is restarted or replaced."""

    unit: str
    container: str
    stack: str
    lasting: bool


class Resumed:
    """Lines of units that are followed several times: none is lost in between, none comes twice."""

    def __init__(self) -> None:
        self._began, self._ended = time.time(), 0.0
        self._first: dict[str, str] = {}  # time of a unit's first line
        self._recent: deque[tuple[float, LogLine]] = deque()

    def follow(self, backend: Backend, units: Sequence[ObservedUnit], stop: threading.Event) -> Batches:
        """New lines until `stop` is set; those that came since the last time was stopped are the first."""
        since = int(max(self._began, self._ended - OVERLAP)) if self._ended else None
        tail = None if since else 0
        before = Counter(line for _, line in self._recent)
        try:
            for batch in backend.logs(units, follow=True, tail=tail, since=since, stop=stop):
                new = [line for line in batch if self._counts(line) and not _taken(before, line)]
                self._keep(new)
                if new:
                    yield new
        finally:
            self._ended = time.time()

    def _counts(self, line: LogLine) -> bool:
        """Whether it is no line from before the beginning; an engine is asked in whole seconds."""
        return line.time >= self._first.setdefault(line.unit, line.time)

    def _keep(self, lines: Sequence[LogLine]) -> None:
        now = time.time()
        self._recent.extend((now, line) for line in lines)
        while self._recent and self._recent[0][0] < now - KEPT:
            self._recent.popleft()


def _taken(lines: Counter[LogLine], line: LogLine) -> bool:
    if not lines[line]:
        return False
    lines[line] -= 1
    return True


class Reads(Protocol):
    """What an engine has to be able to do for this."""

    def log(
        self,
        container: str,
        *,
        follow: bool,
        tail: int | None,
        since: int | None,
        goes_on: Callable[[], bool] = ...,
    ) -> Iterator[list[bytes]]:
        """Batches of lines with their times; they end with the container's run, or by an accident before.

        After a silence, `goes_on` says whether more may come.
        """
        ...

    def runs(self, container: str) -> bool:
        """Whether it is there and runs. Raises `DevenvError`."""
        ...

    def next_start(self, stack: str, unit: str) -> str:
        """The container of the unit's next run, once that has begun; nothing when there will be none.

        Raises `DevenvError`.
        """
        ...


class EngineLogs:
    """The logs of an engine's containers; of a local one without its SDK, which takes longer to import.

    `silence`: seconds after which whoever follows makes sure that the container still runs.
    """

    def __init__(
        self, address: str, engine: Callable[[], Engine], *, silence: float = containers.SILENCE
    ) -> None:
        self._address, self._engine, self._silence = address, engine, silence

    def log(
        self,
        container: str,
        *,
        follow: bool,
        tail: int | None,
        since: int | None,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> Iterator[list[bytes]]:
        batches = containers.log(
            self._address,
            container,
            follow=follow,
            tail=tail,
            since=since,
            silence=self._silence,
            goes_on=goes_on,
        )
        if batches is not None:
            return batches
        return self._engine().log(container, follow=follow, tail=tail, since=since)

    def runs(self, container: str) -> bool:
        running = containers.runs(self._address, container)
        return self._engine().runs(container) if running is None else running

    def next_start(self, stack: str, unit: str) -> str:
        return self._engine().events.next_start(stack, unit)


def lines(
    engine: Reads,
    sources: Sequence[Source],
    *,
    follow: bool,
    tail: int | None,
    since: int | None,
    stop: threading.Event,
    again: float = AGAIN,
) -> Batches:
    """Lines as they come with `follow`, else those that are there, merged by time.

    `again`: seconds until an engine that failed is asked again.
    """
    if follow:
        return _followed(engine, sources, tail, since, stop, again)
    return merged(
        [
            _parsed(source.unit, engine.log(source.container, follow=False, tail=tail, since=since))
            for source in sources
        ],
        stop,
    )


def merged(sources: Iterable[Batches], stop: threading.Event) -> Batches:
    """The lines of several sources, each sorted by time, as one; of each, only one batch is held."""
    heads = [(batch, source) for source in sources if (batch := next_batch(source))]
    while heads and not stop.is_set():
        # No source can still bring a line from before this time.
        horizon = min(TIME(batch[-1]) for batch, _ in heads)
        ready: list[LogLine] = []
        rest: list[tuple[Sequence[LogLine], Batches]] = []
        for batch, source in heads:
            whole = TIME(batch[-1]) == horizon
            cut = len(batch) if whole else bisect_right(batch, horizon, key=TIME)
            ready += batch[:cut]
            if more := batch[cut:] or next_batch(source):
                rest.append((more, source))
        heads = rest
        yield sorted(ready, key=TIME)


def next_batch(source: Batches) -> Sequence[LogLine]:
    """A source's next lines; none at its end."""
    return next(filter(None, source), ())


def _parsed(unit: str, batches: Iterator[list[bytes]]) -> Batches:
    return (parsed(unit, batch) for batch in batches)


def parsed(unit: str, batch: Iterable[bytes]) -> list[LogLine]:
    """Lines as an engine gives them, `2026-01-01T00:00:00.123456789Z text`, as values."""
    parts = [raw.decode(errors="replace").rstrip("\r").partition(" ") for raw in batch]
    return [
        LogLine(unit, text, moment if len(moment) == TIME_LENGTH else _comparable(moment))
        for moment, _, text in parts
    ]


def _comparable(moment: str) -> str:
    """A time that compares as text does: containerd leaves zeros out, and takes its node's zone."""
    if match := _ELSEWHERE.fullmatch(moment):
        seconds, fraction, zone = match.groups(default="")
        moment = f"{datetime.fromisoformat(seconds + zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
    if not moment.endswith("Z"):
        return moment
    seconds, _, fraction = moment[:-1].partition(".")
    return f"{seconds}.{fraction:0<9}Z"


def _followed(
    engine: Reads,
    sources: Sequence[Source],
    tail: int | None,
    since: int | None,
    stop: threading.Event,
    again: float,
) -> Batches:
    queue: Queue[Sequence[LogLine] | Exception | None] = Queue(maxsize=AHEAD)
    over = threading.Event()  # `stop` may be cleared, and set again, before all of the threads have seen it
    for source in sources:
        arguments = (_follow(engine, source, tail, since, over, again), queue, over)
        threading.Thread(target=_pass_on, args=arguments, daemon=True, name=READING).start()
    open_sources = len(sources)
    try:
        while open_sources and not stop.is_set():
            try:
                batch = queue.get(timeout=HEARS)
            except Empty:
                continue
            if isinstance(batch, Exception):
                raise batch
            if batch is None:
                open_sources -= 1
            else:
                yield batch
    finally:
        over.set()


def _pass_on(
    batches: Batches, queue: Queue[Sequence[LogLine] | Exception | None], over: threading.Event
) -> None:
    try:
        pass_on(batches, queue, over)
        put(None, queue, over)
    except Exception as error:  # whoever reads has to hear of it: a unit must not go silent by itself
        put(error, queue, over)


def pass_on(batches: Iterable[T], queue: Queue[T], over: threading.Event) -> None:
    """Put what comes into a queue until nobody takes it any more."""
    for batch in batches:
        if over.is_set():
            return
        put(batch, queue, over)


def put(item: T, queue: Queue[T], over: threading.Event) -> None:
    """Put it into a queue once there is room, while anybody takes it."""
    while not over.is_set():
        with suppress(Full):
            queue.put(item, timeout=HEARS)
            return


def _follow(
    engine: Reads,
    source: Source,
    tail: int | None,
    since: int | None,
    stop: threading.Event,
    again: float,
) -> Batches:
    container, shown = source.container, ""
    last = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}" if tail == 0 else ""

    def runs() -> bool:
        return not stop.is_set() and _asked(lambda: engine.runs(container), stop, again)

    while container:
        raw_batches = engine.log(container, follow=True, tail=tail, since=since, goes_on=runs)
        for raw in raw_batches:
            batch = [line for line in parsed(source.unit, raw) if line.time > shown]
            if batch:
                yield batch
                last = max(last, *map(TIME, batch))
        if stop.is_set():
            return
        if runs():  # its log was cut
            stop.wait(again)
            if not last:
                continue
        elif source.lasting:
            container = _asked(lambda: engine.next_start(source.stack, source.unit), stop, again)
        else:
            return
        # From here on every line counts, but none twice: a restarted container still has its old ones.
        shown, tail = last, None
        since = int(datetime.fromisoformat(f"{shown[:19]}+00:00").timestamp()) if shown else None


def _asked(ask: Callable[[], T], stop: threading.Event, again: float) -> T:
    """An engine's answer. One that fails is asked again for a while; then its `DevenvError` is raised."""
    for _ in range(TRIES):
        with suppress(DevenvError):
            return ask()
        stop.wait(again)
    return ask()
