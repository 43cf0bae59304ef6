"""What starts before what."""

from __future__ import annotations

import pytest

from devenv.stack.graph import closure, ordered, waiting_for
from devenv.stack.model import Need, Stack, Unit


def graph(**needs: str) -> Stack:
    """A stack of units by what they need: `web="api db"`."""
    units = (
        Unit(name, "service", "x", needs=tuple(map(Need, names.split()))) for name, names in needs.items()
    )
    return Stack("a", "a", "c0ffee", tuple(units))


DIAMOND = graph(web="left right", left="store", right="store job", store="", job="store", alone="")


def names(units: list[Unit]) -> list[str]:
    return [unit.name for unit in units]


def test_each_stands_after_what_it_needs_and_otherwise_where_it_was_written() -> None:
    assert names(ordered(DIAMOND)) == ["store", "left", "job", "right", "web", "alone"]
    assert names(ordered(graph(c="", b="", a=""))) == ["c", "b", "a"]


def test_a_long_chain_is_no_deeper_than_a_short_one() -> None:
    chain = graph(**{f"u{number}": f"u{number + 1}" if number < 3000 else "" for number in range(3001)})
    assert names(ordered(chain))[:2] == ["u3000", "u2999"]


@pytest.mark.parametrize(
    ("start", "units"),
    [
        ("web", "store left job right web"),
        ("right", "store job right"),
        ("left alone", "store left alone"),
        ("store", "store"),
        ("", ""),
    ],
)
def test_a_named_unit_comes_with_all_it_needs(start: str, units: str) -> None:
    assert names(closure(DIAMOND, start.split())) == units.split()


@pytest.mark.parametrize(
    ("failed", "waiting"),
    [("store", "left job right web"), ("job", "right web"), ("web", ""), ("alone", "")],
)
def test_what_waits_for_a_unit_is_named_in_starting_order(failed: str, waiting: str) -> None:
    assert waiting_for(DIAMOND, failed) == waiting.split()
