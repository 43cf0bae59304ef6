"""What a one-off container prints, from its log and from the stream that was opened while it ran."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from devenv.backends.kube.channels import STATUS, STDOUT
from devenv.backends.kube.oneoff import exit_code, from_the_start
from devenv.errors import DevenvError
from tests.table import each_row

CASES = {
    "nothing before": (b"", [b"name? "], b"name? "),
    "all before": (b"one\r\ntwo\r\n", [], b"one\r\ntwo\r\n"),
    "a part in both": (b"one\r\ntwo\r\n", [b"tw", b"o\r\n", b"name? "], b"one\r\ntwo\r\nname? "),
    "the same line again": (b"x\r\nx\r\nx\r\n", [b"x\r\n"], b"x\r\nx\r\nx\r\n"),
    "from the middle of a line": (b"one\r\ntwo\r\n", [b"e\r\ntwo\r\n$ "], b"one\r\ntwo\r\n$ "),
    "a log without carriage returns": (b"one\ntwo\n", [b"two\r\n$ "], b"one\r\ntwo\r\n$ "),
    "newer than the log": (b"one\r\n", [b"two\r\n"], b"one\r\ntwo\r\n"),
}


@each_row(CASES.values())
def test_what_is_in_the_log_and_in_the_stream_is_shown_once(
    log: bytes, frames: list[bytes], shown: bytes
) -> None:
    arrived, asked = Event(), Event()

    def coming() -> Iterator[tuple[int, bytes]]:
        yield from ((STDOUT, frame) for frame in frames)
        arrived.set()
        asked.wait(60)
        yield STDOUT, b"later"
        yield STATUS, b"{}"

    def read() -> bytes:
        return log

    def sleep(seconds: float) -> None:
        arrived.wait(60)

    received = from_the_start(coming(), read, sleep)
    assert next(received) == (STDOUT, shown)
    asked.set()
    assert list(received) == [(STDOUT, b"later"), (STATUS, b"{}")]


def test_an_end_before_the_log_was_read_is_an_end() -> None:
    def coming() -> Iterator[tuple[int, bytes]]:
        yield STDOUT, b"two\r\n"
        yield STATUS, b"{}"
        ended.set()

    ended = Event()
    received = from_the_start(coming(), lambda: b"one\r\ntwo\r\n", lambda seconds: ended.wait(60) and None)
    assert list(received) == [(STDOUT, b"one\r\ntwo\r\n"), (STATUS, b"{}")]


def test_a_pod_that_a_node_ended_before_its_command_did_has_no_exit_code() -> None:
    status = {"message": "The node was low on memory.", "containerStatuses": [{"state": {"waiting": {}}}]}
    with pytest.raises(DevenvError) as error:
        exit_code({"status": status})
    assert error.value.why == "The node was low on memory."
    assert exit_code({"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}}) == 3
