"""Files that change because of what their change caused, told from those that a person saves. No clock runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

import pytest

from devenv.engine.reloading.feedback import LONGEST, Feedback, Verdict

ACT, HOLD, SUSPEND, DROP = Verdict


class World:
    """A unit whose actions take `action` seconds. Verdicts are told by the time of the change."""

    def __init__(self, action: float) -> None:
        self.feedback, self.action, self.now = Feedback(), action, 0.0
        self.verdicts: list[Verdict] = []
        self.actions = 0

    def change(self, at: float, *paths: str) -> Verdict:
        """Files change, after whatever was due until then."""
        while self.feedback.holds and self.feedback.due <= at:
            self.now = self.feedback.due
            self.feedback.silent()
            self.act()
        self.now = max(self.now, at)
        self.verdicts.append(verdict := self.feedback.judge(paths, at, self.now))
        if verdict is ACT:
            self.act()
        return verdict

    def act(self) -> None:
        self.actions += 1
        self.feedback.began(self.now)
        self.now += self.action
        self.feedback.ended(self.now)

    def echo(self, delay: float, *paths: str) -> Verdict:
        """A program writes files `delay` seconds after an action ended; a negative delay is during it."""
        if self.feedback.holds:
            self.now = self.feedback.due
            self.feedback.silent()
            self.act()
        return self.change(self.now + delay, *paths)


@pytest.mark.parametrize(
    ("action", "delay", "times"),
    [(0.5, 0.1, 8), (1.0, -0.5, 8), (20.0, -15.0, 8), (0.01, 0.5, 32), (2.0, 0.9, 32)],
)
def test_a_program_that_writes_a_file_whenever_it_starts_is_suspended(
    action: float, delay: float, times: int
) -> None:
    world = looped(action, delay, ["schema.json"])
    assert world.verdicts == [ACT] * (times - 1) + [HOLD] * 2 + [SUSPEND]
    assert world.actions == times + 1


def test_twenty_edits_each_as_soon_as_the_last_one_shows_are_no_loop() -> None:
    world = World(0.8)
    for _ in range(20):
        world.change(world.now + 0.3, "main.py")
    assert set(world.verdicts) == {ACT}


def looped(action: float, delay: float, *writes: Sequence[str]) -> World:
    """A program that writes files in turn, until they are suspended."""
    world, turns = World(action), cycle(writes)
    while SUSPEND not in world.verdicts:
        assert len(world.verdicts) < 60, world.verdicts
        world.echo(delay, *next(turns))
    return world


def test_several_files_that_are_written_together_or_in_turn_are_suspended() -> None:
    for writes in (["a", "b"],), (["a"], ["b"]), (["a"], ["a", "b"]):
        world = looped(0.5, 0.1, *writes)
        assert world.change(world.now + 0.5, "main.py") is ACT
        assert world.echo(0.1, *writes[0]) is DROP


@pytest.mark.parametrize("action", [0.01, 0.3, 0.8, 0.99])
@pytest.mark.parametrize("pause", [0.4, 1.0, 2.5])
def test_a_person_who_saves_again_and_again_is_no_loop(action: float, pause: float) -> None:
    world = World(action)
    for number in range(200):
        world.change(number * pause, "main.py")
    assert SUSPEND not in world.verdicts
    assert world.verdicts.count(HOLD) < 5


def test_a_person_who_pauses_while_a_file_is_held_is_served_at_the_latest_then() -> None:
    world = World(0.5)
    while world.change(world.now + 0.5, "main.py") is not HOLD:
        pass
    assert world.feedback.due - world.now <= LONGEST
    before = world.actions
    world.change(world.feedback.due + 60, "main.py")
    assert world.actions == before + 2
    assert world.verdicts[-1] is ACT


def test_a_generator_that_runs_after_each_save_is_no_loop() -> None:
    world = World(0.2)
    for number in range(50):
        world.change(number * 2.0, "main.css")
        world.change(number * 2.0 + 0.5, "out.css")
    assert set(world.verdicts) == {ACT}


@pytest.fixture
def looping() -> World:
    """A file is suspended that a program writes 0.1 s after it was started."""
    return looped(0.5, 0.1, ["schema.json"])


LATER: dict[str, tuple[Callable[[World], Verdict], Verdict]] = {
    "another file acts": (lambda world: world.change(world.now + 0.5, "main.py"), ACT),
    "both act": (lambda world: world.change(world.now + 0.5, "main.py", "schema.json"), ACT),
    "a person may change it later": (lambda world: world.change(world.now + 60, "schema.json"), ACT),
}


@pytest.mark.parametrize(("change", "verdict"), LATER.values(), ids=LATER)
def test_what_a_suspended_file_does_not_hold_up(
    looping: World, change: Callable[[World], Verdict], verdict: Verdict
) -> None:
    assert change(looping) is verdict
    assert looping.echo(0.1, "schema.json") is DROP


def test_a_file_that_is_quiet_after_an_action_is_no_longer_suspended(looping: World) -> None:
    looping.change(looping.now + 60, "main.py")
    looping.change(looping.now + 60, "main.py")
    assert looping.echo(0.1, "schema.json") is ACT


def test_it_is_said_how_often(looping: World) -> None:
    assert looping.feedback.echo("schema.json") == "it changed 10 times in 7 s, after each action"
