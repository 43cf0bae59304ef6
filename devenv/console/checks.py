"""The verdicts of `doctor`, as lines and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from devenv.console import READABLE, Console, folded, plain
from devenv.doctor.verdict import Level, Verdict

MARKS = {Level.PASS: ("pass", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("fail", "red")}


def check_lines(console: Console, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A line for each verdict, and below it what to type, which is never folded, as it is copied."""
    column = max((len(verdict.check) for verdict in verdicts), default=0)
    width = console.columns
    below = 0 < width < 6 + column + 2 + READABLE
    indent = 6 if below else 6 + column + 2
    for verdict in verdicts:
        mark, style = MARKS[verdict.level]
        lines = folded(verdict.text, width - indent)
        head = f"{console.style(mark, style)}  {console.style(f'{verdict.check:<{column}}', 'bold')}"
        if not below or len(plain(f"{head}  {verdict.text}")) <= width:
            head += f"  {lines.pop(0)}"
        yield head.rstrip()
        yield from (f"{'':{indent}}{line}" for line in lines)
        if verdict.fix is not None:
            yield f"{'':{indent}}{console.style('try', 'dim')}  {verdict.fix.command}"


def summary(console: Console, verdicts: Sequence[Verdict]) -> str:
    """How many checks say what, and what `--fix` would run."""
    counts = Counter(verdict.level for verdict in verdicts)
    text = ", ".join(f"{counts[level]} {level}" for level in Level if counts[level])
    fixable = sum(verdict.fixable for verdict in verdicts)
    return f"{text}    devenv doctor --fix can mend {fixable}" if fixable else text


def as_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The verdicts as JSON. `fix` is null where nothing is to be done."""
    return {
        "checks": [
            {
                "check": verdict.check,
                "level": verdict.level.value,
                "text": verdict.text,
                "fix": verdict.fix and verdict.fix.command,
                "safe": bool(verdict.fix and verdict.fix.safe),
            }
            for verdict in verdicts
        ],
        **{level.value: sum(verdict.level is level for verdict in verdicts) for level in Level},
    }
