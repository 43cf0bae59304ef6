"""What a promotion would change, and what it changed before, as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from devenv.console import Console
from devenv.plan.promotion.changes import Change, Origin, Revision, Verb, origins

SIGNS = {Verb.ADD: ("+", "green"), Verb.CHANGE: ("~", "yellow"), Verb.REMOVE: ("-", "red")}
LINES = {"+": "green", "-": "red"}


def change_lines(console: Console, changes: Iterable[Change]) -> list[str]:
    """Each object with its changed lines below it."""
    lines = []
    for change in changes:
        sign, style = SIGNS[change.verb]
        lines.append(console.style(f"{sign} {change.kind} {change.name}", style, "bold"))
        for line in change.lines:
            style = LINES.get(line[:1], "dim")
            lines.append(f"    {console.style(line, style)}")
    return lines


def history_lines(console: Console, history: Sequence[Revision], *, now: datetime) -> list[str]:
    """The revisions, the latest first."""
    sources = origins(history)
    rows = [
        [
            console.style(str(row.number), "bold"),
            console.style(row.status, STATUS.get(row.status, "dim")),
            age(row.moment, now=now),
            _short(sources[row.number].commit),
            sources[row.number].manifest,
            sources[row.number].who,
            "" if Origin.read(row.description).manifest else row.description.partition("\n")[0],
        ]
        for row in reversed(history)
    ]
    heads = ("REVISION", "STATUS", "WHEN", "COMMIT", "MANIFEST", "WHO", "")
    return console.table([[console.style(head, "dim") for head in heads], *rows], width=console.columns)


def history_json(release: str, history: Sequence[Revision]) -> list[dict[str, Any]]:
    """The revisions for programs, the oldest first."""
    sources = origins(history)
    return [
        {
            **_revision_json(release, row),
            "commit": sources[row.number].commit,
            "manifest": sources[row.number].manifest,
            "who": sources[row.number].who,
            "description": row.description,
        }
        for row in history
    ]


def companions_json(releases: Mapping[str, Revision]) -> list[dict[str, Any]]:
    """The releases of other people's charts for programs."""
    return [{**_revision_json(name, row), "chart": row.chart} for name, row in releases.items()]


def _revision_json(release: str, row: Revision) -> dict[str, Any]:
    return {"release": release, "revision": row.number, "status": row.status, "when": row.moment}


def companion_lines(console: Console, releases: Mapping[str, Revision], *, now: datetime) -> list[str]:
    """The releases of other people's charts that came along."""
    rows = [
        [
            console.style(name, "bold"),
            console.style(row.status, STATUS.get(row.status, "dim")),
            age(row.moment, now=now),
            row.chart,
        ]
        for name, row in releases.items()
    ]
    heads = ("RELEASE", "STATUS", "WHEN", "CHART")
    return console.table([[console.style(head, "dim") for head in heads], *rows], width=console.columns)


def _short(commit: str) -> str:
    id, dash, changed = commit.partition("-")
    return f"{id[:12]}{dash}{changed}"


STATUS = {"deployed": "green", "failed": "red", "superseded": "dim"}


def age(moment: str, *, now: datetime) -> str:
    """How long ago an RFC 3339 moment was, roughly."""
    try:
        seconds = (now - datetime.fromisoformat(moment[:19]).replace(tzinfo=UTC)).total_seconds()
    except ValueError:
        return moment
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"
