"""The plan of a promotion: what `promote` would push, create, upgrade and ask, each with its cause."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from devenv.plan.model import Op, Plan, Step
from devenv.plan.promotion.changes import Change, count

if TYPE_CHECKING:
    from devenv.plan.promotion.companions import Due
    from devenv.stack.model import Stack

TODO = ((Op.PUSH, "to push"), (Op.CREATE, "to create"))
LACKING = "the registry lacks it"


def plan_promotion(
    stack: Stack,
    release: str,
    *,
    there: Collection[str],
    secrets: Mapping[str, Collection[str]],
    changes: Sequence[Change],
    due: Sequence[Due] = (),
) -> Plan:
    """The steps that bring a stack to its environment; none where it is there already.

    `there`: units whose images the registry has. `secrets`: Secret that the namespace lacks -> its keys.
    `changes`: what the release would change, as far as that is known before images are pushed. `due`: charts
    of other people that come first.
    """
    images = {unit.image: unit.name for unit in stack.units if unit.build and unit.name not in there}
    before = [(Op.PUSH, name, LACKING) for name in images.values()]
    before += [(Op.CREATE, f"Secret {name}", ", ".join(sorted(keys))) for name, keys in secrets.items()]
    before += [(Op.UPGRADE, each.companion.name, _cause(each)) for each in due]
    if not before and not changes:
        return Plan()
    steps = [Step(number, *step) for number, step in enumerate(before, 1)]
    upgrade = Step(len(steps) + 1, Op.UPGRADE, release, count(changes), tuple(step.number for step in steps))
    steps.append(upgrade)
    routed = [unit for unit in stack.units if unit.routes] if stack.gateway else []
    for unit in routed:
        steps.append(
            Step(len(steps) + 1, Op.SMOKE, unit.name, ", ".join(unit.routes), after=(upgrade.number,))
        )
    return Plan(tuple(steps))


def _cause(due: Due) -> str:
    taken = f"takes over {due.adopts}, " if due.adopts else ""
    return f"{taken}{due.companion.version}, {count(due.changes)}"


def summary(plan: Plan) -> str:
    """`1 to push, 3 to change`."""
    counts = [f"{len(steps)} {words}" for op, words in TODO if (steps := plan.of(op))]
    upgrades = plan.of(Op.UPGRADE)  # ours is the last
    others = len(upgrades) - 1
    charts = [f"{others} chart{'s' if others > 1 else ''} of others"] if others > 0 else []
    return ", ".join([*counts, *charts, *(step.cause for step in upgrades[-1:])])
