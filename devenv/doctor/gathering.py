"""Runs looks at the machine side by side. One that hangs is left behind when its time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def begun(look: Callable[[], T]) -> Future[T]:
    """Begin a look in a thread of its own, which keeps no command from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(look())
        except BaseException as error:  # for whoever asks for the result
            future.set_exception(error)

    Thread(target=run, daemon=True, name="look").start()
    return future


class Deadline:
    """A moment that all looks of an examination share."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self._end - time.monotonic())

    def answer(self, future: Future[T]) -> T | None:
        """The result of a look; None where it does not come in time, or has itself waited in vain."""
        try:
            return future.result(self.left)
        except TimeoutError:
            return None
