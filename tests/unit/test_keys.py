"""A service picked with a few keys."""

from __future__ import annotations

import io
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.cli.keys import ENTER, ERASE, ESCAPE, Choice
from devenv.cli.watching import Watching, wait_for
from devenv.console import Console
from devenv.console.reload import choice_lines
from devenv.plan.model import Observed
from tests.table import each_row

NAMES = ("orders", "web", "web-admin", "billing", *(f"extra-{number}" for number in range(5, 13)))
BY_KEYS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "a number that begins no other": ("web", ("2",)),
    "one that begins another": (None, ("1",)),
    "two digits": ("extra-12", ("1", "2")),
    "a number and Enter": ("orders", ("1", ENTER[0])),
    "the first letter": ("orders", ("o",)),
    "a name that begins another and Enter": ("web", (*"web", ENTER[1])),
    "letters that go on": ("web-admin", (*"web", "-")),
    "a letter taken back": ("billing", ("w", ERASE[0], "b")),
    "no such name": ("", ("x",)),
    "no such number": ("", ("1", "9")),
    "Escape": ("", (ESCAPE,)),
    "Enter at once": ("", (ENTER[0],)),
    "part of a name and Enter": ("", ("e", ENTER[0])),
}


@each_row(BY_KEYS.values())
def test_what_keys_choose(chosen: str | None, typed: tuple[str, ...]) -> None:
    choice = Choice(NAMES)
    for key in typed[:-1]:
        choice.press(key)
        assert not choice.over
    choice.press(typed[-1])
    assert (choice.over, choice.chosen) == (chosen is not None, chosen or "")


@pytest.mark.parametrize("width", [80, 60, 30, 12])
def test_the_names_fit_the_terminal(width: int) -> None:
    console = Console(out=io.StringIO(), err=io.StringIO(), colour=False)
    console.width = width
    _, *rows = choice_lines(console, "restart", NAMES)
    assert " ".join(rows).split() == " ".join(f"{n} {name}" for n, name in enumerate(NAMES, 1)).split()
    assert all(len(row) <= max(width, 14) for row in rows)


def test_ctrl_c_is_heard_where_the_kernel_gives_it_to_another_thread() -> None:
    over, other = threading.Event(), threading.Event()
    thread = threading.Thread(target=other.wait, args=(20,))
    thread.start()
    timers = [
        threading.Timer(0.2, signal.pthread_kill, (thread.ident or 0, signal.SIGINT)),
        threading.Timer(10, over.set),
    ]
    before, began = signal.signal(signal.SIGINT, signal.default_int_handler), time.monotonic()
    try:
        for timer in timers:
            timer.start()
        with pytest.raises(KeyboardInterrupt):
            wait_for(over)
        assert time.monotonic() - began < 8
    finally:
        signal.signal(signal.SIGINT, before)
        timers[1].cancel()
        other.set()
        thread.join()


def test_watch_rests_when_nothing_runs_any_more() -> None:
    looks: list[float] = []

    class Gone:
        def observe(self, checkout: str) -> Observed:
            looks.append(time.monotonic())
            return Observed()

        def logs(self, *about: object, **more: object) -> list[object]:
            return []

    watching: Any = Watching.__new__(Watching)
    watching._context = SimpleNamespace(
        place=SimpleNamespace(backend=Gone()),
        workspace=SimpleNamespace(checkout="c"),
        console=Console(io.StringIO(), io.StringIO()),
    )
    watching._json, watching._only = False, ""
    watching._left, watching._moved = threading.Event(), threading.Event()
    following = threading.Thread(target=watching._follow_logs)
    following.start()
    time.sleep(0.3)  # in which it looks once, or thousands of times
    watching._left.set()
    watching._moved.set()
    following.join()
    assert len(looks) == 1
