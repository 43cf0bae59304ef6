"""Log lines: how they come from an engine, and how those of several containers become one stream."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event

import pytest

from devenv.backends import frames, loglines
from devenv.backends.base import LogLine
from devenv.cli import arguments
from devenv.errors import ToolMissing, UsageError
from tests.table import each_row

SECOND = "2026-01-01T00:00:{:012.9f}Z"


def frame(text: bytes, stream: int = 1) -> bytes:
    return frames.HEADER.pack(stream, len(text)) + text


def cut(raw: bytes, size: int) -> Iterator[bytes]:
    return (raw[start : start + size] for start in range(0, len(raw), size))


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 16])
def test_a_log_is_read_however_it_is_cut(size: int) -> None:
    raw = frame(b"1Z out\n") + frame(b"2Z err\n", 2) + frame(b"3Z \n") + frame(b"4Z no end")
    batches = list(frames.log_lines(cut(raw, size), frames.MULTIPLEXED))
    assert [line for batch in batches for line in batch] == [b"1Z out", b"2Z err", b"3Z ", b"4Z no end"]
    assert all(batches)


def test_the_parts_of_a_long_line_are_one_line_with_one_time() -> None:
    raw = (
        frame(b"1Z aaa")
        + frame(b"2Z of stderr\n", 2)
        + frame(b"1Z bbb")
        + frame(b"1Z ccc\n")
        + frame(b"3Z d\n")
    )
    assert list(frames.log_lines([raw], frames.MULTIPLEXED)) == [[b"2Z of stderr", b"1Z aaabbbccc", b"3Z d"]]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_container_with_a_terminal_has_no_frames(size: int) -> None:
    batches = frames.log_lines(cut(b"1Z a\r\n2Z b\r\n3Z $ ", size), "application/vnd.docker.raw-stream")
    lines = [line for batch in batches for line in loglines.parsed("tty", batch)]
    assert [(line.time, line.text) for line in lines] == [
        ("1." + "0" * 9 + "Z", "a"), ("2." + "0" * 9 + "Z", "b"), ("3." + "0" * 9 + "Z", "$ ")
    ]  # fmt: skip


def test_times_compare_whatever_zeros_an_engine_leaves_out() -> None:
    raw = [b"2026-01-01T00:00:00Z a", b"2026-01-01T00:00:00.5Z b", b"2026-01-01T00:00:00.512Z c \xff"]
    lines = loglines.parsed("api", raw)
    assert lines[1] == LogLine("api", "b", "2026-01-01T00:00:00.500000000Z")
    assert lines == sorted(lines, key=lambda line: line.time)
    assert lines[2].text == "c \ufffd"


class Source:
    """One container's lines in batches, and how many of them were read."""

    def __init__(self, unit: str, seconds: Sequence[float], size: int) -> None:
        self.lines = [LogLine(unit, f"{n}", SECOND.format(moment)) for n, moment in enumerate(seconds)]
        self.size, self.read = size, 0

    def batches(self) -> Iterator[Sequence[LogLine]]:
        for start in range(0, len(self.lines), self.size):
            batch = self.lines[start : start + self.size]
            self.read += len(batch)
            yield batch


def test_times_of_a_node_with_a_zone_of_its_own_compare_with_those_of_others() -> None:
    """The kubelet passes on what the node's runtime wrote, as k3s on a laptop in Delhi."""
    raw = (
        b"2026-01-01T01:00:00.5+05:30 a",
        b"2025-12-31T19:30:00.600000000Z b",
        b"2025-12-31T14:30:00-05:00 c",
    )
    assert [line.time for line in loglines.parsed("api", raw)] == [
        "2025-12-31T19:30:00.500000000Z", "2025-12-31T19:30:00.600000000Z", "2025-12-31T19:30:00.000000000Z",
    ]  # fmt: skip


@each_row(range(50))
def test_sorted_sources_become_one_sorted_stream(seed: int) -> None:
    chance = random.Random(seed)
    sources = [
        Source(
            f"unit{number}", sorted(chance.choices(range(50), k=chance.randrange(40))), chance.randrange(1, 9)
        )
        for number in range(chance.randrange(6))
    ]
    merged = loglines.merged([source.batches() for source in sources], Event())
    lines = [line for batch in merged for line in batch]
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    for source in sources:
        unit = source.lines[0].unit if source.lines else ""
        assert [line for line in lines if line.unit == unit] == source.lines


def test_a_clock_that_was_set_back_loses_no_line_and_ends() -> None:
    back = Source("back", [5, 3, 4, 1, 2, 2], 2)
    other = Source("other", [1, 2, 3, 4, 5, 6], 3)
    merged = loglines.merged([back.batches(), other.batches()], Event())
    assert sorted(line for batch in merged for line in batch) == sorted(back.lines + other.lines)


def test_no_more_than_a_batch_of_each_is_held() -> None:
    sources = [Source("one", range(1000), 10), Source("two", [0.5 + n for n in range(1000)], 10)]
    sources[1].lines = [line._replace(time=f"2{line.time}") for line in sources[1].lines]  # all of it later
    printed = 0
    for batch in loglines.merged([source.batches() for source in sources], Event()):
        printed += len(batch)
        assert sum(source.read for source in sources) - printed <= 20
    assert printed == 2000


def test_who_has_seen_enough_stops_it() -> None:
    stop, source = Event(), Source("one", range(100), 10)
    merged = loglines.merged([source.batches()], stop)
    next(merged)
    stop.set()
    assert list(merged) == []
    assert source.read <= 20


class Engine:
    """Runs of one unit: a container each, whose log may still have what an earlier run printed."""

    def __init__(self, runs: Sequence[tuple[str, list[list[bytes]]]]) -> None:
        self.remaining, self.asked = list(runs), list[tuple[str, int | None, int | None]]()
        self.cut = 0  # logs that still are to end before their run does

    def log(
        self,
        container: str,
        *,
        follow: bool,
        tail: int | None,
        since: int | None,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> Iterator[list[bytes]]:
        self.asked.append((container, tail, since))
        name, batches = self.remaining[0]
        assert (follow, container) == (True, name)
        if self.cut:
            return iter(batches[: -self.cut])
        del self.remaining[0]
        return iter(batches)

    def runs(self, container: str) -> bool:
        was_cut, self.cut = self.cut > 0, max(0, self.cut - 1)
        return was_cut

    def next_start(self, stack: str, unit: str) -> str:
        assert (stack, unit) == ("shop", "api")
        return self.remaining[0][0] if self.remaining else ""


FIRST, SECOND_LINE = b"2026-01-01T00:00:01.000000000Z one", b"2026-01-01T00:00:02.000000000Z two"
THIRD = b"2026-01-01T00:00:03.000000000Z three"


@pytest.mark.parametrize("successor", ["c1", "c2"], ids=["restarted", "replaced"])
def test_what_is_followed_goes_on_in_the_next_run_and_says_nothing_twice(successor: str) -> None:
    again = [[FIRST, SECOND_LINE], [THIRD]] if successor == "c1" else [[THIRD]]
    engine = Engine([("c1", [[FIRST], [SECOND_LINE]]), (successor, again)])
    sources = [loglines.Source("api", "c1", "shop", lasting=True)]
    batches = loglines.lines(engine, sources, follow=True, tail=5, since=None, stop=Event())
    assert [line.text for batch in batches for line in batch] == ["one", "two", "three"]
    assert engine.asked == [("c1", 5, None), (successor, None, 1767225602)]


def test_a_job_is_followed_to_its_end_only() -> None:
    engine = Engine([("c1", [[FIRST]]), ("c2", [[THIRD]])])
    sources = [loglines.Source("api", "c1", "shop", lasting=False)]
    batches = loglines.lines(engine, sources, follow=True, tail=None, since=None, stop=Event())
    assert [line.text for batch in batches for line in batch] == ["one"]


@pytest.mark.parametrize("lasting", [True, False])
def test_a_log_that_ends_before_its_run_is_read_on_and_says_nothing_twice(lasting: bool) -> None:
    engine = Engine([("c1", [[FIRST], [SECOND_LINE]])])
    engine.cut = 2
    sources = [loglines.Source("api", "c1", "shop", lasting=lasting)]
    batches = loglines.lines(engine, sources, follow=True, tail=5, since=None, stop=Event(), again=0.0)
    assert [line.text for batch in batches for line in batch] == ["one", "two"]
    assert engine.asked == [("c1", 5, None), ("c1", 5, None), ("c1", None, 1767225601)]


def test_an_engine_that_stays_away_ends_what_is_followed_with_the_reason() -> None:
    class Away(Engine):
        def runs(self, container: str) -> bool:
            raise ToolMissing("no Docker engine answers")

    engine = Away([("c1", [[FIRST]])])
    sources = [loglines.Source("api", "c1", "shop", lasting=True)]
    batches = loglines.lines(engine, sources, follow=True, tail=5, since=None, stop=Event(), again=0.0)
    assert [line.text for line in next(batches)] == ["one"]
    with pytest.raises(ToolMissing, match="no Docker engine answers"):
        next(batches)


def test_an_engine_is_let_go_of_once_nobody_follows() -> None:
    let_go, stop = Event(), Event()

    class Endless(Engine):
        def log(self, container: str, **more: object) -> Iterator[list[bytes]]:
            try:
                while True:
                    yield [FIRST]
            finally:
                let_go.set()

    sources = [loglines.Source("api", "c1", "shop", lasting=True)]
    batches = loglines.lines(Endless([]), sources, follow=True, tail=None, since=None, stop=stop)
    next(batches)
    stop.set()
    assert list(batches) == []
    stop.clear()  # as for whatever is followed next
    assert let_go.wait(5)


def test_a_moment_is_so_long_ago_or_a_date_and_time() -> None:
    now = time.time()
    assert abs(arguments.moment("90s") - (now - 90)) < 2
    assert abs(arguments.moment("2h") - (now - 7200)) < 2
    assert arguments.moment("2026-01-01T00:00:00+00:00") == 1767225600
    for text in ("10", "m", "10d", "soon", "99999-01-01"):
        with pytest.raises(UsageError, match="not a time"):
            arguments.moment(text)
