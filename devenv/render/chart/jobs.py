"""When a one-shot of a chart runs: before a release, after it, or along with it."""

from __future__ import annotations

import json

from devenv.render.chart import shared
from devenv.render.chart.promoted import Promoted, value_of
from devenv.render.kubernetes.objects import kind
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
    elif unit.role == "setup":  # others ask for it by that name
        shown = digest.replace("$unit", f"(index $.Values.{unit.section} {name})")
        called = _name(promoted, unit)
        lines = [f"define {called}", shown, "end", f"$name := include {called} $"]
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


def lasts(unit: Unit) -> bool:
    """Whether later releases have a job of it as it was."""
    return unit.role == "job" and not unit.manual


def lasting(chart: str, unit: Unit, body: str) -> str:
    """The template of a job with this body, and of what it was in earlier releases."""
    own, name = json.dumps(f"{chart}.{unit.name}.job"), json.dumps(unit.name)
    called = f'include "{chart}.job" (list $ {name} (include {own} $)) | nindent 0'
    return f"{{{{- define {own} }}}}\n{body}{{{{- end }}}}\n{{{{- {called} }}}}\n"


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

    Before a release there is nothing yet that the release itself brings, a store, a database in it, a shared
    volume: the cluster is asked whether it has them. A volume of the job's own would be made anew for each
    hook, without what is in it.
    """
    if unit.role != "job" or unit.manual or unit.own_volumes:
        return None
    if _uses_services(promoted, unit):
        return "$unit.hook"
    claims = [_lookup("v1", "PersistentVolumeClaim", shared.claim(each.name)) for each in unit.shared_volumes]
    upgraded = ["$.Release.IsUpgrade", *claims] if claims else []
    stores = [_is_there(promoted, unit, store) for store in promoted.stores(unit)]
    conditions = ["$unit.hook", *upgraded, *stores]
    return f"and {' '.join(conditions)}" if conditions[1:] else conditions[0]


def _is_there(promoted: Promoted, unit: Unit, store: str) -> str:
    """Whether a store that a job needs runs elsewhere, or the cluster has what an earlier release brought."""
    needed = [promoted.stack.unit(need.unit) for need in unit.needs]
    looked = " ".join(_found(promoted, each) for each in needed if promoted.store(each) == store)
    outside = value_of(store)
    return f"(or {outside}.external.secret {outside}.external.host (and $.Release.IsUpgrade {looked}))"


def _found(promoted: Promoted, unit: Unit) -> str:
    if unit.one_shot:
        return _lookup("batch/v1", "Job", f"include {_name(promoted, unit)} $")
    return _lookup("apps/v1", kind(unit), json.dumps(unit.name))


def _lookup(version: str, kind: str, name: str) -> str:
    return f'(lookup "{version}" "{kind}" $.Release.Namespace ({name}))'


def _name(promoted: Promoted, unit: Unit) -> str:
    return json.dumps(f"{promoted.stack.name}.{unit.name}.name")


def _uses_services(promoted: Promoted, unit: Unit) -> bool:
    return any(promoted.stack.unit(need.unit).role == "service" for need in unit.needs)
