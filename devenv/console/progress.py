"""Shows the progress of a run: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

from devenv.console import Console, folded, plain
from devenv.console.board import Board, Row, addresses
from devenv.events import Event, Failed, Note, Planned, Progress
from devenv.plan.model import Op, Step

WORDS = {"built": "waiting", "ready": "healthy", "unchanged": "up", "skipped": "not started"}
STYLES = {
    "ready": "green",
    "done": "green",
    "synced": "green",
    "failed": "red",
    "unchanged": "dim",
    "waiting": "dim",
    "built": "dim",
    "skipped": "dim",
}

PAUSE = 5.0  # seconds between two lines of a log that plain progress shows at least


def headline(console: Console, event: Planned) -> str:
    """The stack, its backend with the reason, and the number of steps."""
    details = "; ".join(filter(None, (event.where, event.reason)))
    where = f" ({details})" if details else ""
    counts = (
        (Op.PULL, "to pull"),
        (Op.BUILD, "to build"),
        (Op.APPLY, "to start"),
        (Op.SYNC, "to sync"),
        (Op.RESTART, "to restart"),
        (Op.REMOVE, "to remove"),
        (Op.CLEAR, "to recreate"),
    )
    todo = ", ".join(f"{len(steps)} {what}" for op, what in counts if (steps := event.plan.of(op)))
    if not todo and event.plan.of(Op.FORWARD):
        todo = "forward ports"
    head = f"{event.stack.name} on {event.backend}"
    starts = event.plan.of(Op.START)
    plan = f"{starts[0].cause}: starting it" if starts else f"plan: {todo or 'wait until healthy'}"
    fits = not console.width or len(head) + len(where) + 3 + len(plan) <= console.width
    first, *more = [head + where] if fits else folded(head + where, console.width - 2)
    left = [
        console.style(event.stack.name, "bold")
        + first[len(event.stack.name) : len(head)]
        + console.style(first[len(head) :], "dim"),
        *(f"  {console.style(line, 'dim')}" for line in more),
    ]
    return "\n".join(left) + (f"   {plan}" if fits else f"\n  {plan}")


def cells(console: Console, row: Row, *, now: float) -> list[str]:
    """One unit as cells: name, version, state, time, addresses."""
    word = WORDS.get(row.phase, row.phase)
    if row.phase == "ready" and not row.checked:
        word = "on this machine" if row.unit.hosted else "running"
    if row.phase == "unchanged" and row.unit.one_shot:
        word = "done"
    built = (
        f"built {row.built:.1f} s"
        if row.built is not None
        else row.unit.version.partition("T")[0].removeprefix("RELEASE.")
    )
    took = row.took if row.settled else now - row.since if row.since else None
    return [
        f"  {row.unit.name}",
        console.style(built, "dim"),
        console.style(word, STYLES.get(row.phase, "cyan")),
        f"{took:.1f} s" if took is not None else "",
        addresses(row.unit) if row.phase not in ("failed", "skipped") else "",
    ]


def _cut(line: str, room: int) -> str:
    """A line that fits beside what is before it in its row: a table that jumps is hard to read."""
    return line if len(line) <= max(room, 20) else line[: max(room, 20) - 1] + "…"


class Lines:
    """Prints a line whenever a unit changes its phase."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.board = console, Board(clock)
        self._width = 0
        self._next: dict[int, float] = {}  # when a wait may say something again

    def __call__(self, event: Event) -> None:
        """Print an event."""
        match event:
            case Planned():
                self._width = max((len(name) for name in event.units), default=0)
                self.console.say(headline(self.console, event))
            case Note():
                self.console.note(event.text)
            case Progress(step=step) if step.op is Op.WAIT:
                self._say_last(step, plain(event.line))
            case Progress() if self.console.verbose:
                self.console.say(f"  {event.step.target:<{self._width}}  {event.line}")
        for row in self.board.see(event):
            self.console.say(self._line(row))
        if isinstance(event, Failed):
            self.console.error(event.error)

    def _say_last(self, step: Step, line: str) -> None:
        """Print what a unit printed last that is waited for: at first, and then ever more rarely."""
        now, row = self.board.clock(), self.board.rows[step.target]
        if now >= self._next.get(step.number, now) or self.console.verbose:
            took = now - row.since
            self._next[step.number] = now + max(PAUSE, took)
            self.console.say(f"  {step.target:<{self._width}}  {row.phase}  {took:.1f} s  {line}")

    def _line(self, row: Row) -> str:
        name, _, word, took, where = cells(self.console, row, now=self.board.clock())
        if row.phase == "built":
            return f"{name:<{self._width + 2}}  built {row.built:.1f} s"
        if not row.settled:
            return f"{name:<{self._width + 2}}  {word}"
        return f"{name:<{self._width + 2}}  {word}  {took}  {where}".rstrip()


class Live:
    """A table that redraws itself in place."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.board = console, Board(clock)
        self._live: Any = None

    def __call__(self, event: Event) -> None:
        """Print an event."""
        self.board.see(event)
        match event:
            case Planned():
                self._draw()
                self._above(headline(self.console, event))
            case Note():
                self._above(self.console.noted(event.text))
            case Failed():
                self._above("\n".join(self.console.error_lines(event.error)))

    def _above(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(self._text(text), soft_wrap=True)

    def __rich__(self) -> Any:
        """The table as it is now; rich asks for it ten times a second."""
        return self._text("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """The board as it looks now, one line per unit."""
        now, console = self.board.clock(), self.console
        rows = [cells(console, row, now=now) for row in self.board.rows.values()]
        spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(now * 10) % 10]
        widths = [max(len(plain(cell)) for cell in column) for column in [*zip(*rows, strict=True)][:4]]
        room = console.width - sum(width + 2 for width in widths if width)
        for row, shown in zip(self.board.rows.values(), rows, strict=True):
            if not row.settled and row.phase not in ("waiting", "built"):
                shown[0] = f"{console.style(spinner, 'cyan')} {row.unit.name}"
                shown[4] = console.style(_cut(plain(row.line), room), "dim")
            elif row.phase == "failed":
                shown[0] = f"{console.style('x', 'red')} {row.unit.name}"
        return console.table(rows, width=console.width)

    def _text(self, text: str) -> Any:
        from rich.text import Text

        return Text.from_ansi(self.console.masked(text), no_wrap=True, overflow="ellipsis")

    def close(self) -> None:
        """Stop drawing; the last picture stays."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        if self._live is None:
            from rich.console import Console as Screen
            from rich.live import Live as Drawing

            screen = Screen(file=self.console.err, no_color=not self.console.colour, highlight=False)
            self._live = Drawing(self, console=screen, refresh_per_second=10, vertical_overflow="crop")
            self._live.start()


def progress(console: Console) -> AbstractContextManager[Lines | Live]:
    """The reporter for this console; it draws nothing before a plan is announced."""
    return closing(Live(console)) if console.live else nullcontext(Lines(console))
