"""When a one-shot of a chart runs: before a release, after it, or along with it."""

from __future__ import annotations

import json

from devenv.render.chart.promoted import Promoted, value_of
from devenv.stack import text
from devenv.stack.graph import ordered
from devenv.stack.model import Unit

KEPT = "before-hook-creation"  # a failed job stays, with its logs, until the next one
BEFORE, AFTER = "pre-install,pre-upgrade", "post-install,post-upgrade"


def head(promoted: Promoted, unit: Unit, body: str) -> str:
    """Sets `$name`, and where the job can be one, `$hook`: the annotations that make a hook of it, or none.

    A job that is no hook is called by a digest of all it consists of: a changed one is another, and runs.
    """
    name, condition = json.dumps(unit.name), hooked(promoted, unit)
    digest = (
        f'printf "{text.digest(body)[:8]} %s" (toJson $unit) | sha256sum | trunc 8 | printf "%s-%s" {name}'
    )
    if unit.manual:
        lines = [f"$name := {name}"]
    elif condition is None:
        lines = [f"$name := {digest}"]
    else:
        annotations = _annotations(promoted, unit)
        lines = [
            "$hook := dict",
            f"$name := {name}",
            f"if {condition}",
            f"$hook = dict {' '.join(json.dumps(word) for pair in annotations.items() for word in pair)}",
            "else",
            f"$name = {digest}",
            "end",
        ]
    return "".join(f"{{{{- {line} }}}}\n" for line in lines)


def _annotations(promoted: Promoted, unit: Unit) -> dict[str, str]:
    """Those of a hook; hooks run in the order of their weights."""
    weight = [other.name for other in ordered(promoted.stack) if other.one_shot].index(unit.name)
    return {
        "helm.sh/hook": AFTER if _uses_services(promoted, unit) else BEFORE,
        "helm.sh/hook-weight": str(weight),
        "helm.sh/hook-delete-policy": KEPT,
    }


def hooked(promoted: Promoted, unit: Unit) -> str | None:
    """The condition under which a job is a hook; None for one that never is.

    Before a first install there is no store that the chart itself brings, and no volume. A volume of the
    job's own would be made anew for each hook, without what is in it.
    """
    if unit.role != "job" or unit.manual or unit.own_volumes:
        return None
    if _uses_services(promoted, unit):
        return "$unit.hook"
    stores = [
        f"(or {value_of(name)}.external.secret {value_of(name)}.external.host)"
        for name in promoted.stores(unit)
    ]
    if unit.volumes:
        return "and $unit.hook $.Release.IsUpgrade"
    if not stores:
        return "$unit.hook"
    outside = stores[0] if len(stores) == 1 else f"(and {' '.join(stores)})"
    return f"and $unit.hook (or $.Release.IsUpgrade {outside})"


def _uses_services(promoted: Promoted, unit: Unit) -> bool:
    return any(promoted.stack.unit(need.unit).role == "service" for need in unit.needs)
