"""What a plan does with files that changed: the printed plan, word for word."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

from devenv.plan.model import Edits, Observed
from devenv.plan.planner import Intent, Situation, plan_up
from devenv.stack.model import Stack

from .stacks import fingerprints, running, stack

SHOP = """
    name: shop
    services:
      web: {image: web:1, port: 80, uses: [orders]}
      orders: {build: ./orders, port: 8000}
    jobs:
      migrate: {like: orders, command: migrate}
"""


def reloading(*, sourceless: bool = False) -> Stack:
    """A stack whose orders service is sent its sources."""
    made = stack(SHOP, builds={("./orders", "Dockerfile"): "one"})
    units = [
        replace(unit, reloads=True, sourceless=sourceless) if unit.name == "orders" else unit
        for unit in made.units
    ]
    return replace(made, units=tuple(units))


def up(stack: Stack, **changes: object) -> Observed:
    """Everything up as it should be, but for what `changes` says of orders, whose image is gone."""
    orders = replace(running(stack).units["orders"], **changes)  # type: ignore[arg-type]
    return replace(running(stack, orders=orders), images=frozenset({"web:1"}))


def planned(stack: Stack, observed: Observed, edits: Edits, intent: Intent | None = None) -> str:
    situation = Situation("compose", observed, fingerprints(stack), edits={"orders": edits})
    return str(plan_up(stack, situation, intent or Intent()))


def expect(text: str) -> str:
    return dedent(text).strip()


def test_an_edit_is_sent_and_builds_nothing() -> None:
    shop = reloading()
    edits = Edits(("orders/main.py",))
    assert planned(shop, up(shop), edits) == "[] -> #1 sync orders (orders/main.py)"


def test_of_many_edits_the_first_are_named() -> None:
    shop = reloading()
    edits = Edits(("orders/a.py", "orders/b.py", "orders/c.py"))
    assert planned(shop, up(shop), edits) == "[] -> #1 sync orders (orders/a.py, orders/b.py and 1 more)"


def test_what_nobody_remembers_is_built_anew() -> None:
    shop = reloading()
    assert planned(shop, up(shop), Edits(unknown=True)) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [] -> #2 build orders (not built yet)
        [1,2] -> #3 apply orders (its sources changed, and it cannot be sent them)
        [3] -> #4 wait orders
        """
    )


def test_a_container_that_was_down_is_sent_what_changed_meanwhile() -> None:
    shop = reloading()
    assert planned(shop, up(shop, state="exited", exit_code=0), Edits()) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [] -> #2 build orders (not built yet)
        [1,2] -> #3 apply orders (stopped)
        [3] -> #4 sync orders (what changed while it was down)
        [4] -> #5 wait orders
        """
    )


def test_a_unit_whose_image_holds_no_sources_is_sent_them_before_it_is_waited_for() -> None:
    shop = reloading(sourceless=True)
    observed = up(shop, fingerprint="")
    assert "sync orders (its image lacks its sources)" in planned(shop, observed, Edits())


def test_a_build_is_still_there_for_the_asking() -> None:
    shop = reloading()
    edits = Edits(("orders/main.py",))
    assert planned(shop, up(shop), edits, Intent(rebuild=True)) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [] -> #2 build migrate (asked for)
        [1,2] -> #3 apply migrate (rebuilt)
        [3] -> #4 wait migrate
        [1,2] -> #5 apply orders (rebuilt)
        [5] -> #6 wait orders
        """
    )


def test_a_job_of_the_same_image_runs_again_and_the_service_is_only_sent_its_files() -> None:
    shop = reloading()
    observed = up(shop)
    job = replace(observed.units["migrate"], fingerprint="image:old")
    observed = replace(observed, units={**observed.units, "migrate": job})
    lines = planned(shop, observed, Edits(("orders/main.py",))).splitlines()
    assert [line.split("-> ")[1].split(" (")[0] for line in lines] == [
        "#1 prepare shop", "#2 build migrate", "#3 apply migrate", "#4 wait migrate", "#5 sync orders",
    ]  # fmt: skip


def test_a_program_that_was_never_started_gets_started() -> None:
    made = reloading(sourceless=True)
    assert planned(made, up(made), Edits(waiting=True)) == expect(
        """
        [] -> #1 sync orders (its program waits for its files)
        [1] -> #2 wait orders
        """
    )
