"""Every command of docs/promote.md and of the README's part about promotion is run by a test."""

from __future__ import annotations

from tests.conftest import ROOT
from tests.promotepage import ELSEWHERE, NOWHERE, commands, walked
from tests.table import each_row


def test_no_command_of_the_page_is_left_out() -> None:
    run = {*walked(), *ELSEWHERE, *NOWHERE}
    assert [
        command for command in commands() if command not in run
    ] == []  # say in ELSEWHERE which test runs it
    assert [command for command in run if command not in commands()] == []  # it is no longer on the page


def test_the_walk_goes_through_the_page_in_order() -> None:
    typed = walked()
    assert typed == [command for command in commands() if command in typed]


@each_row([*ELSEWHERE])
def test_what_the_walk_leaves_out_is_run_elsewhere(command: str) -> None:
    file, typed = ELSEWHERE[command]
    assert typed in " ".join((ROOT / file).read_text(encoding="utf-8").split())
