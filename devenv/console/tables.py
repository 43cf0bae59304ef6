"""Results as tables: the status, and what each backend does with the manifest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from devenv.console import Console, folded
from devenv.plan.status import UnitStatus

if TYPE_CHECKING:  # imports the models of the manifest, which `status` does not need
    from devenv.plan.parity import Row
    from devenv.stack.model import Stack, Unit

STATE_STYLES = {"healthy": "green", "running": "green", "done": "dim", "external": "dim"}
LEVEL_STYLES = {"same": "dim", "emulated": "yellow", "lost": "red"}


PROMOTION = "promotion means Kubernetes, with the chart; to a swarm one deploys by hand: render --swarm"


def status_table(console: Console, units: Sequence[UnitStatus]) -> list[str]:
    """A row for every unit."""
    return console.table([_status_row(console, unit) for unit in units], width=console.columns)


def _status_row(console: Console, unit: UnitStatus) -> list[str]:
    version = unit.version.removeprefix("RELEASE.").partition("T")[0]
    stand_in = "(stand-in)" if unit.stand_in and unit.role != unit.kind else ""
    pages = [f"{label} {url}".strip() for label, url in unit.pages]
    shown = pages if unit.role == "service" else [*unit.addresses[:1], *pages]
    notes = [note for note in (unit.detail, unit.program) if note]
    style = STATE_STYLES.get(unit.state, "red") if unit.ok else "red"
    return [
        console.style(unit.name, "bold"),
        console.style(" ".join(filter(None, (unit.kind, version, stand_in))), "dim"),
        console.style(unit.state, style),
        "   ".join([*notes, *shown, *unit.routes]),
    ]


def hosted_lines(console: Console, unit: Unit, folder: str, program: str) -> list[str]:
    """Where a unit runs on this machine, and how to start it there; `folder` is seen from the current one."""
    port = unit.ports[0].host or unit.ports[0].container
    head = f"{console.style(unit.name, 'bold')} runs on this machine, port {port}: "
    if program:
        return [head + program]
    from devenv.stack.text import masked

    command = masked(unit.host) if unit.host else "start it, listening on port $PORT"
    start = f'eval "$(devenv env {unit.name} --export)"'
    steps = [f"cd {shlex.quote(folder)}", start] if folder != "." else [start]
    silent = unit.host and "$PORT" not in command and "${PORT" not in command
    return [
        f"{head}nothing listens there yet",
        f"  {' && '.join([*steps, command])}" if unit.host else f"  {' && '.join(steps)}   then {command}",
        *([f"  it has to listen on port {port}, which is in $PORT"] if silent else []),
        console.style(f"  devenv up   brings the container of {unit.name} back", "dim"),
    ]


def hosted_note(stack: Stack) -> str:
    """What stays on this machine when a command leaves a stack running, or ""."""
    hosted = ", ".join(unit.name for unit in stack.units if unit.hosted)
    return f"{hosted}: still on this machine; `devenv up` brings the container back" if hosted else ""


def status_json(unit: UnitStatus) -> dict[str, Any]:
    """A unit's status as JSON."""
    values = asdict(unit)
    keys = (
        "name",
        "kind",
        "role",
        "version",
        "state",
        "detail",
        "healthy",
        "ports",
        "routes",
        "stand_in",
        "program",
    )
    return {**{key: values[key] for key in keys}, "urls": [url for _, url in unit.pages]}


def _differences(console: Console, row: Row) -> str:
    """Where a field is not the same, and why: a column for each backend is too broad for a terminal."""
    where: dict[str, list[str]] = {}
    for backend, support in row.support.items():
        if support.level != "same":
            where.setdefault(support.level, []).append(backend)
    levels = [
        f"{console.style(level, LEVEL_STYLES[level])}: {', '.join(names)}" for level, names in where.items()
    ]
    return "   ".join([*levels, _reasons(row)])


def _reasons(row: Row) -> str:
    return "; ".join(dict.fromkeys(support.reason for support in row.support.values() if support.reason))


def parity_table(console: Console, rows: Sequence[Row]) -> list[str]:
    """A row for each field that differs between backends; all others are only counted."""
    different = [row for row in rows if row.worst != "same"]
    same = len(rows) - len(different)
    if not different:
        return [f"{same} fields, the same on every backend", PROMOTION]
    if console.columns:
        cells = [[console.style(row.path, "bold"), _differences(console, row)] for row in different]
        note = f"{same} more fields are the same on every backend"
        notes = (line for text in (note, PROMOTION) for line in folded(text, console.columns))
        return [*console.table(cells, width=console.columns), *notes]
    table = [["field", *different[0].support, "why"]]
    for row in different:
        levels = [
            console.style(support.level, LEVEL_STYLES[support.level]) for support in row.support.values()
        ]
        table.append([row.path, *levels, _reasons(row)])
    return [*console.table(table), f"{same} more fields are the same on every backend", PROMOTION]
