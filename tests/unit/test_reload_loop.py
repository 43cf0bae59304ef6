"""The loop of hot reload when something goes away in the middle. No engine: links and backends that fail."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends import supervised
from devenv.backends.base import StreamEnded
from devenv.backends.dialogue import Paused
from devenv.engine.reload import Feed, Reloading
from devenv.engine.trees import Tree
from devenv.errors import DevenvError
from devenv.sources import Digests, Folder
from devenv.stack.reload import Action, Decision, Rules

SENT = Decision(Action.SYNC, files=("a.txt",))


class Failing:
    """A link whose container cannot take anything."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.closed = False

    def missing(self, *about: object) -> list[object]:
        return []

    def send(self, sendings: object) -> None:
        raise self._error

    def close(self) -> None:
        self.closed = True


class Site(SimpleNamespace):
    def __init__(self, **more: Any) -> None:
        self.events: list[Any] = []
        stop = threading.Event()
        super().__init__(root=Path("/x"), checkout="c", report=self.events.append, stop=stop, **more)


def feed(site: Site, link: Failing) -> Any:
    loaded = SimpleNamespace(
        secrets={}, synced=SimpleNamespace(rules={"web": Rules()}, wanted=lambda unit: {})
    )
    made: Any = Feed(site, SimpleNamespace(name="web"), loaded)  # type: ignore[arg-type]
    made.hold()  # its own thread stays out of it
    made._instances, made._links = {"1"}, {"1": link}
    return made


def test_what_a_container_that_ended_did_not_take_is_never_called_sent() -> None:
    site = Site()
    with pytest.raises(StreamEnded):
        feed(site, link := Failing(StreamEnded("gone")))._act(SENT, [("1", link)], time.monotonic())
    assert site.events == []
    site.stop.set()


def test_a_container_that_is_paused_is_linked_anew() -> None:
    site = Site()
    unit = feed(site, link := Failing(Paused("the container is paused")))
    with pytest.raises(Paused):
        unit._act(SENT, [("1", link)], time.monotonic())
    assert (link.closed, unit._links, unit._has_work()) == (True, {}, True)
    site.stop.set()


def test_an_engine_that_is_away_is_told_once_and_asked_again() -> None:
    asked: list[int] = []

    class Away:
        name = "compose"

        def observe(self, checkout: str) -> None:
            asked.append(1)
            if len(asked) == 3:
                site.stop.set()
            raise DevenvError("no engine answers")

    site = Site(backend=Away())
    raised: list[str] = []
    hook, threading.excepthook = threading.excepthook, lambda args: raised.append(str(args.exc_type))
    try:
        Reloading(site, lambda: None, lambda loaded: set())._listen()  # type: ignore[arg-type]
    finally:
        threading.excepthook = hook
    assert raised == []
    assert [event.text for event in site.events] == ["no engine answers; trying again"]


def test_a_full_disk_while_applying_leaves_the_loop_alive() -> None:
    site, turns = Site(), list[str]()

    def apply() -> None:
        site.stop.set()
        loop.ask()  # wakes it, to see that it should end
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    loop = Reloading(site, apply, lambda loaded: set())  # type: ignore[arg-type]
    step: Callable[[str], Callable[[], None]] = lambda word: lambda: turns.append(word)  # noqa: E731
    loop._feeds = {"web": SimpleNamespace(hold=step("hold"), release=step("release"))}  # type: ignore[dict-item]
    loop.ask()
    loop._apply_asked()
    assert turns == ["hold", "release"]
    assert "No space left on device" in site.events[0].text


def test_one_file_that_cannot_be_read_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("locked", "open"):
        (tmp_path / name).write_text("1")
    cache = Digests({})
    folder = Folder(tmp_path)
    tree = Tree("app", folder, cache, folder.contents(cache))
    (tmp_path / "open").write_text("22")

    def of(path: Path, read: Callable[[Path], str] = cache.of) -> str:
        if path.name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read(path)

    monkeypatch.setattr(cache, "of", of)  # root may read everything
    assert tree.look() == ({"app/open"}, {"app/locked": "permission denied"})
    assert set(tree.digests) == {"app/locked", "app/open"}


def test_a_program_whose_image_nobody_knows_is_left_as_it_is() -> None:
    unit: Any = SimpleNamespace(grace=10.0, sourceless=False)
    assert supervised.on_compose(unit, {"command": ["--port", "80"]}, {}) == {}
    assert supervised.on_compose(unit, {"command": ["--port", "80"], "entrypoint": ["serve"]}, {}) != {}
