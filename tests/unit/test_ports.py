"""Which port of this machine leads to which unit."""

from __future__ import annotations

import random

import pytest

from devenv.stack.ports import RANGE, Claim, allot
from tests.table import each_row

FREE: dict[int, str] = {}
API = Claim("api", 80, 8080, explicit=True)
WEB = Claim("web", 8000, 8000, explicit=False)
LOW = Claim("web", 80, 80, explicit=False)


def ports(
    *claims: Claim,
    taken: dict[int, str] = FREE,
    current: object = None,
    checkout: str = "one",
    remap: bool = False,
):
    return allot(claims, taken=taken, current=current or {}, checkout=checkout, remap=remap)  # type: ignore[arg-type]


def test_free_wishes_are_granted() -> None:
    assert ports(API, WEB) == ({("api", 80): 8080, ("web", 8000): 8000}, [])


def test_a_written_port_that_is_taken_is_a_conflict_with_its_owner() -> None:
    allotted, conflicts = ports(API, taken={8080: "nginx (pid 7)"})
    assert (allotted, [(conflict.claim, conflict.owner) for conflict in conflicts]) == (
        {},
        [(API, "nginx (pid 7)")],
    )


def test_an_unwritten_port_that_is_taken_moves_and_so_does_one_below_1024() -> None:
    allotted, conflicts = ports(WEB, LOW, taken={8000: "x"})
    assert not conflicts
    assert all(port in RANGE for port in allotted.values())


def test_a_written_port_wins_over_an_unwritten_one() -> None:
    wish = Claim("web", 8000, 8080, explicit=False)
    allotted, conflicts = ports(wish, API)
    assert allotted["api", 80] == 8080
    assert allotted["web", 8000] in RANGE
    assert not conflicts


def test_two_written_ports_that_are_one_are_a_conflict() -> None:
    _, (conflict,) = ports(API, Claim("other", 80, 8080, explicit=True))
    assert conflict.owner == "api of this stack"


def test_remapping_moves_what_is_taken_and_nothing_else() -> None:
    allotted, conflicts = ports(API, WEB, taken={8080: "x"}, remap=True)
    assert not conflicts
    assert allotted["api", 80] in RANGE
    assert allotted["web", 8000] == 8000


@pytest.mark.parametrize("claims", [(API, WEB, LOW), (LOW, WEB, API)])
def test_what_moves_goes_to_the_same_place_each_time_whatever_comes_first(claims: tuple[Claim, ...]) -> None:
    taken = {8080: "x", 8000: "x"}
    assert ports(*claims, taken=taken, remap=True) == ports(API, WEB, LOW, taken=taken, remap=True)


def test_another_checkout_goes_elsewhere() -> None:
    first, _ = ports(API, LOW, taken={8080: "x"}, remap=True)
    second, _ = ports(API, LOW, taken={8080: "x"}, checkout="two", remap=True)
    assert set(first.values()).isdisjoint(second.values())


def test_what_a_container_holds_it_keeps_while_the_wish_is_the_same() -> None:
    current = {("api", 80): (8080, 23456)}
    assert ports(API, current=current)[0] == {("api", 80): 23456}
    moved = Claim("api", 80, 9090, explicit=True)
    assert ports(moved, current=current)[0] == {("api", 80): 9090}


def test_what_is_held_but_taken_by_now_is_given_up() -> None:
    allotted, _ = ports(WEB, current={("web", 8000): (8000, 23456)}, taken={23456: "x"})
    assert allotted == {("web", 8000): 8000}


def test_no_port_is_given_twice() -> None:
    many = [Claim(f"s{number}", 80, 80, explicit=False) for number in range(300)]
    allotted, _ = ports(*many)
    assert len(set(allotted.values())) == 300


@each_row(range(50))
def test_whatever_is_asked_for_nothing_is_given_twice_or_taken_and_all_of_it_stays(seed: int) -> None:
    chance = random.Random(seed)
    claims = [
        Claim(f"s{number}", port, chance.choice([port, 80, 8080, 9000]), explicit=chance.random() < 0.5)
        for number in range(chance.randrange(1, 30))
        for port in (80, 443)
    ]
    taken = {port: "somebody" for port in (8080, 20001, 20002) if chance.random() < 0.5}
    allotted, conflicts = ports(*claims, taken=taken, remap=True)
    assert not conflicts
    assert set(allotted) == {claim.key for claim in claims}
    assert len(set(allotted.values())) == len(allotted)
    assert set(allotted.values()).isdisjoint(taken)
    current = {claim.key: (claim.wanted, allotted[claim.key]) for claim in claims}
    assert ports(*claims, taken=taken, current=current) == (allotted, [])
    more = Claim("late", 80, 8080, explicit=False)
    assert ports(*claims, more, taken=taken, current=current)[0].items() >= allotted.items()
