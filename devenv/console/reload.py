"""What hot reload did, as lines for people and as values for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from devenv.console import Console, plain
from devenv.errors import UnitFailed
from devenv.events import Done, Event, Failed, Reloaded
from devenv.stack.reloading.decisions import Action
from devenv.stack.reloading.rules import Rules, Unmatched
from devenv.stack.reloading.ruletable import rows

if TYPE_CHECKING:
    from devenv.engine.reloading.journal import Entry
    from devenv.errors import DevenvError


ACTION_STYLES = {
    Action.NONE: "dim",
    Action.SYNC: "green",
    Action.RUN: "green",
    Action.RESTART: "cyan",
    Action.REBUILD: "yellow",
}
READABLE = 12  # letters of a reason that still tell something
SHOWN = 20  # files of an event that are named


def reload_line(console: Console, event: Reloaded) -> str:
    """`orders  2 files  synced 9 ms  ready 800 ms  (main.py: restart rule *.py)`.

    On a terminal the reason is cut so that the line fits.
    """
    parts = [console.style(event.unit, "bold"), *([_counted(event.files)] if event.files else [])]
    if event.error is None and event.action is not Action.REBUILD:
        if event.action is Action.NONE and event.files:
            parts.append(console.style("left alone", "yellow"))
        elif event.files and event.action is Action.RESTART and not event.synced:  # nothing is sent
            parts.append(console.style("starts anew", "cyan"))
        elif event.files:
            parts.append(f"synced {duration(event.synced)}")
        elif event.unsent:
            parts.append(console.style(f"{_files(len(event.unsent))} not sent", "red"))
        if event.ready is not None:
            parts.append(console.style(f"ready {duration(event.ready)}", "green"))
    if event.action is Action.REBUILD:
        parts.append(console.style("needs a new image", "yellow"))
    line = f"{console.style('~', 'cyan')} {'  '.join(parts)}"
    reason = _reason(event.files, event.reason)
    if console.width:
        reason = _cut(reason, console.width - len(plain(line)) - len("  ()"))
    return f"{line}  {console.style(f'({reason})', 'dim')}" if reason else line


def reload_lines(console: Console, event: Reloaded) -> list[str]:
    """The line, and what went wrong."""
    lines = [reload_line(console, event)]
    if event.action is Action.NONE and event.files and event.cheaper:
        lines.append(f"  {event.cheaper}")
    lines += [
        f"  {console.style('not sent', 'red')}  {path}: {why}"
        for path, why in sorted(event.unsent.items())[:5]
    ]
    if len(event.unsent) > 5:
        lines.append(f"  and {len(event.unsent) - 5} more")
    if event.error is not None:
        lines += console.error_lines(event.error)
    return lines


def reload_json(event: Reloaded, time: float) -> dict[str, Any]:
    """The event as a value; times in seconds."""
    return {
        "event": "reload",
        "time": round(time, 3),
        "unit": event.unit,
        "action": event.action.value,
        "files": list(event.files[:SHOWN]),
        "count": len(event.files),
        "reason": event.reason,
        "synced": round(event.synced, 4),
        "ready": None if event.ready is None else round(event.ready, 3),
        "unsent": dict(event.unsent),
        **_error_json(event.error),
    }


def note_json(text: str, time: float) -> dict[str, Any]:
    """A line that is worth knowing, as a value."""
    return {"event": "note", "time": round(time, 3), "text": text}


class Applied:
    """Collects what came of a plan that ran in the loop, for programs."""

    def __init__(self) -> None:
        self._steps: list[dict[str, Any]] = []
        self._errors: list[DevenvError] = []

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        if isinstance(event, Done):
            step = event.step
            self._steps.append({"op": step.op, "target": step.target, "seconds": round(event.seconds, 3)})
        elif isinstance(event, Failed):
            self._errors.append(event.error)

    def json(self, time: float, error: DevenvError | None = None) -> dict[str, Any]:
        """The steps that were done, and the first error; `error` where nothing could be planned."""
        errors = [error] if error else self._errors
        return {
            "event": "applied",
            "time": round(time, 3),
            "steps": self._steps,
            **_error_json(errors[0] if errors else None),
        }


def _error_json(error: DevenvError | None) -> dict[str, Any]:
    """What went wrong, and the last lines of what printed it."""
    output = error.card.output if isinstance(error, UnitFailed) else ()
    return {"error": error.what if error else None, "output": list(output)}


def history(console: Console, entries: Sequence[Entry]) -> list[str]:
    """Past actions as a table, each with why less was not enough."""
    rows = []
    for entry in entries:
        moment = datetime.fromtimestamp(entry.time).strftime("%H:%M:%S")
        files = _counted(entry.files) if entry.count == len(entry.files) else _files(entry.count)
        sent = entry.count and not entry.error and entry.action not in (Action.NONE, Action.REBUILD)
        times = [f"synced {duration(entry.synced)}"] if sent else []
        times += [f"ready {duration(entry.ready)}"] if entry.ready is not None else []
        reason = (
            console.style(entry.error, "red")
            if entry.error
            else "; ".join(filter(None, (_reason(entry.files, entry.reason), entry.cheaper)))
        )
        rows.append(
            [
                console.style(moment, "dim"),
                entry.unit,
                entry.action,
                files if entry.count else "",
                "  ".join(times),
                reason,
            ]
        )
    return console.table(rows, width=console.columns)


def summary(times: Sequence[float]) -> str:
    """How quick it was: `12 edits  synced p50 6 ms  p95 11 ms`; nothing where there were none."""
    if not times:
        return ""
    ordered = sorted(times)
    middle, late = median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    edits = f"{len(ordered)} edit{'s' if len(ordered) > 1 else ''}"
    return f"{edits}  synced p50 {duration(middle)}  p95 {duration(late)}"


def choice_lines(console: Console, verb: str, names: Sequence[str]) -> list[str]:
    """Asks for one of several names; as many of them on a line as fit."""
    cells = [f"{number} {name}" for number, name in enumerate(names, 1)]
    broad = max(map(len, cells)) + 2
    count = max(1, ((console.width or 80) - 2) // broad)
    rows = [cells[start : start + count] for start in range(0, len(cells), count)]
    head = (
        f"{console.style(f'{verb} which?', 'bold')}  {console.style('number or name, Esc for none', 'dim')}"
    )
    return [head, *("  " + "".join(cell.ljust(broad) for cell in row).rstrip() for row in rows)]


def rules_table(
    console: Console,
    rules: Mapping[str, Rules],
    unruled: Mapping[str, str],
    unmatched: Mapping[str, Sequence[Unmatched]],
) -> list[str]:
    """What a changed file causes, a block per service: file, action, where it lands, why."""
    lines: list[str] = []
    for name in {**rules, **unruled}:
        lines += ["", console.style(name, "bold")] if lines else [console.style(name, "bold")]
        table = [
            [row.what, console.style(row.action, ACTION_STYLES[row.action]), row.target, row.reason]
            for row in (rows(rules[name]) if name in rules else ())
        ]
        lines += [f"  {line}" for line in console.table(table, width=max(console.columns - 2, 0))]
        for rule, pattern, instead in unmatched.get(name, ()):
            does = f"; {instead} does" if instead else ""
            lines.append(f"  {console.style(f'{pattern} matches no file', 'yellow')} ({rule}){does}")
        if name in unruled:
            lines.append(f"  {console.style('nothing is sent', 'yellow')}: {unruled[name]}")
    return lines


def rules_json(
    rules: Mapping[str, Rules], unruled: Mapping[str, str], unmatched: Mapping[str, Sequence[Unmatched]]
) -> dict[str, Any]:
    """The rules as a value: those that win first, those that match nothing, and why a service has none."""
    table = {name: [row._asdict() for row in rows(own)] for name, own in rules.items()}
    useless = {name: [row._asdict() for row in own] for name, own in unmatched.items()}
    return {
        name: {
            "rules": table.get(name, []),
            "unmatched": useless.get(name, []),
            "why": unruled.get(name, ""),
        }
        for name in {**rules, **unruled}
    }


def duration(seconds: float) -> str:
    """`9 ms` or `1.2 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def _cut(reason: str, room: int) -> str:
    """As much of a reason as there is room for; nothing where that would tell nothing."""
    if len(reason) <= room:
        return reason
    return f"{reason[: room - 3].rstrip(' .')}..." if room >= READABLE else ""


def _reason(files: Sequence[str], reason: str) -> str:
    """The reason, without the file before it where that stands on the line anyway."""
    return reason.removeprefix(f"{files[0]}: ") if len(files) == 1 else reason


def _counted(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else _files(len(files)) if files else ""


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
