"""A few inputs of `make fuzz` for each reader, always the same; and that nothing gets past it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from devenv.errors import DevenvError, ManifestInvalid, Problem
from tests.fuzz import __main__ as command
from tests.fuzz.hunting import Hunt, hunt, smallest
from tests.fuzz.targets import TARGETS, Target
from tests.table import each_row

ROUNDS = {
    "ignored": 200,
    "env": 200,
    "dockerfile": 80,
    "compose": 20,
    "promoted": 12,
}  # those that read fast have more
FILES = {"a.yaml": "b: 1\nc: {d: [e]}\n", "more.txt": "some words\nin lines\n"}


@each_row([*TARGETS])
def test_what_reads_peoples_files_reads_them_or_says_what_is_wrong(name: str) -> None:
    rounds = ROUNDS.get(name, 40)
    result = hunt(TARGETS[name], name, seed=1, rounds=rounds, seconds=60)
    assert result.read, "no input is one that it reads"
    assert result.read + result.refused == rounds, result.finds


def broken(error: BaseException) -> Target:
    """A reader that breaks at the word `lines`."""

    def read(folder: Path) -> None:
        if any("lines" in file.read_text(errors="replace") for file in folder.iterdir()):
            raise error

    return Target(lambda: [FILES], read)


def hunted(error: BaseException) -> Hunt:
    return hunt(broken(error), "broken", seed=1, rounds=20, seconds=60)


@each_row(
    {
        "a bug": ValueError("x"),
        "an error that says nothing": DevenvError("broken"),
        "a problem without a place": ManifestInvalid([Problem(0, 0, "a", "is wrong", file="a.yaml")]),
        "a problem of no file": ManifestInvalid([Problem(1, 1, "a", "is wrong")]),
        "a manifest without a problem": ManifestInvalid([]),
    }
)
def test_everything_but_an_answer_is_a_find(error: BaseException) -> None:
    result = hunted(error)
    assert [find.error for find in result.finds.values()] == [error]
    assert result.read, "no input is without the word"
    assert not result.refused


def test_an_answer_is_no_find() -> None:
    result = hunted(DevenvError("a.yaml:1: is wrong", hint="write another"))
    assert not result.finds
    assert result.refused


def test_a_reader_that_never_ends_is_a_find() -> None:
    slow = Target(lambda: [FILES], lambda folder: time.sleep(5), limit=0.01)
    result = hunt(slow, "slow", seed=1, rounds=1, seconds=60)
    assert [type(find.error) for find in result.finds.values()] == [TimeoutError]


def test_a_find_is_as_small_as_it_can_be() -> None:
    target = broken(ValueError("x"))
    [find] = hunt(target, "broken", seed=1, rounds=20, seconds=60).finds.values()
    assert smallest(target, find) == {"more.txt": "lines\n"}


def test_a_find_is_kept_and_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TARGETS, "broken", broken(ValueError("x")))  # type: ignore[arg-type]
    asked = ["broken", "--seed", "1", "--rounds", "20", "--into", str(tmp_path)]
    assert command.main(asked) == 1
    first, line, place, again = capsys.readouterr().out.splitlines()
    assert first == "seed 1"
    assert line.startswith("broken")
    assert " 1 found " in line
    assert place == "  ValueError ?: x"
    words = again.split()
    with pytest.raises(ValueError, match="x"):
        command.main(words[words.index("tests.fuzz") + 1 :])
    assert command.main([*asked, "--rounds", "0"]) == 0


def test_a_seed_gives_the_same_inputs_again() -> None:
    seen: list[list[str]] = [[], []]
    for texts in seen:

        def read(folder: Path, texts: list[str] = texts) -> None:
            texts += [file.read_text(errors="replace") for file in sorted(folder.iterdir())]

        hunt(Target(lambda: [FILES], read), "seen", seed=7, rounds=10, seconds=60)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 10
