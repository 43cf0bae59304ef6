"""The only writer to the terminal. Results go to stdout, everything else to stderr.

Plain lines by default; a live table where a person watches. Values of secrets are masked in all of it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from devenv.errors import Card, DevenvError, ManifestInvalid, UnitFailed
from devenv.masking import NOTHING, Mask

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
FACT, LINE = 3, 300  # lines of a fact on a card, and letters of one of its lines
PALETTE = ("cyan", "magenta", "yellow", "blue", "green")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass
class Console:
    """Where output goes and how it looks; decided once, from flags and the environment."""

    out: TextIO
    err: TextIO
    colour: bool = False
    live: bool = False
    quiet: bool = False
    verbose: bool = False
    mask: Mask = NOTHING

    @classmethod
    def of(cls, environment: Mapping[str, str], *, colour: bool, quiet: bool, verbose: bool) -> Console:
        """The console for these streams, variables and flags."""
        plain = bool(environment.get("CI")) or environment.get("TERM") == "dumb"
        wanted = colour and not environment.get("NO_COLOR") and not plain
        return cls(
            sys.stdout,
            sys.stderr,
            colour=wanted and sys.stderr.isatty(),
            live=sys.stderr.isatty() and not plain and not quiet,
            quiet=quiet,
            verbose=verbose,
        )

    def hide(self, values: Iterable[str]) -> None:
        """Never show these values from now on."""
        self.mask = self.mask.also(values)

    def masked(self, text: str) -> str:
        """The text with all hidden values masked."""
        return self.mask(text)

    def style(self, text: str, *styles: str) -> str:
        """The text in a style, where there are colours."""
        if not self.colour or not styles:
            return text
        return f"\x1b[{';'.join(STYLES[style] for style in styles)}m{text}\x1b[0m"

    def print(self, text: str = "") -> None:
        """Print a result."""
        self._write(self.out, self.masked(text))

    def json(self, value: Any) -> None:
        """Print a result as JSON."""
        self.print(json.dumps(value, indent=2))

    def say(self, text: str = "") -> None:
        """Print progress; nothing with --quiet."""
        if not self.quiet:
            self._write(self.err, self.masked(text))

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            print(text, file=stream, flush=True)
        except BrokenPipeError:
            # `devenv logs | head`: the reader has closed the pipe. Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            raise SystemExit(141) from None
        except OSError as error:
            if stream is self.out:
                raise DevenvError("cannot write the output", why=(error.strerror or "").lower()) from error

    def note(self, text: str) -> None:
        """Print a note: worth knowing, but no failure."""
        self.say(f"{self.style('note', 'yellow')}  {text}")

    def error(self, error: DevenvError) -> None:
        """Print an error with all its parts."""
        self._write(self.err, self.masked("\n".join(self.error_lines(error))))

    def error_lines(self, error: DevenvError) -> list[str]:
        """The lines that an error is printed as."""
        match error:
            case UnitFailed():
                return self._card(error.card)
            case ManifestInvalid():
                count = len(error.problems)
                head = f"{count} problem{'s' if count > 1 else ''}; nothing was changed"
                return [*map(self._problem, map(str, error.problems)), self.style(head, "red")]
        lines = [f"{self.style('error', 'red', 'bold')}  {error.what}"]
        for label, value in (("where", error.where), ("why", error.why), ("try", error.hint)):
            if value:
                lines += _field(self.style(label, "dim"), label, value)
        return lines

    def _problem(self, text: str) -> str:
        place, separator, rest = text.partition(": ")
        head, dash, tail = rest.rpartition(" - ")
        message = f"{head} - {self.style(tail, 'green')}" if dash else rest
        return f"{self.style(place, 'bold')}{separator}{message}"

    def _card(self, card: Card) -> list[str]:
        waiting = (
            f" - {_listed(card.waiting)} wait{'s' if len(card.waiting) == 1 else ''} for it"
            if card.waiting
            else ""
        )
        head = f"{self.style('x', 'red', 'bold')} {self.style(card.unit, 'bold')} {card.what}"
        lines = [head + self.style(waiting, "dim")]
        for label, value in card.facts:
            lines += _field(self.style(label, "dim"), label, shortened(value), indent=10)
        if card.said:
            lines += _field(self.style("said", "dim"), "said", "\n".join(map(plain, card.said)), indent=10)
        if card.hint:
            lines += _field(self.style("try", "dim"), "try", self.style(card.hint, "green"), indent=10)
        return lines

    def table(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """Rows as aligned columns, without a ragged end; a column that is empty in all rows is left out."""
        if not rows:
            return []
        widths = [max(len(plain(row[column])) for row in rows) for column in range(len(rows[0]))]
        lines = []
        for row in rows:
            cells = [cell + " " * (width - len(plain(cell))) for cell, width in zip(row, widths, strict=True)]
            lines.append("  ".join(cell for cell, width in zip(cells, widths, strict=True) if width).rstrip())
        return lines

    def prefix(self, name: str, names: Sequence[str]) -> str:
        """A unit's name before its log lines, always in the same colour."""
        width = max(map(len, names))
        colour = PALETTE[sorted(names).index(name) % len(PALETTE)]
        return self.style(f"{name:<{width}} |", colour)


def plain(text: str) -> str:
    """The text without escape sequences and control characters: containers must not send them on."""
    return _ANSI.sub("", text)


def shortened(text: str) -> str:
    """The first lines of a text, and the number of lines left out."""
    lines = [line[:LINE] + ("..." if len(line) > LINE else "") for line in text.splitlines()]
    if len(lines) <= FACT:
        return "\n".join(lines)
    return "\n".join([*lines[:FACT], f"... {len(lines) - FACT} more lines"])


def _field(shown: str, label: str, value: str, indent: int = 6) -> list[str]:
    first, *more = value.splitlines() or [""]
    return [
        f"  {shown}{' ' * (indent - len(label))}{first}",
        *(f"  {'':{indent}}{line}".rstrip() for line in more),
    ]


def _listed(names: Sequence[str]) -> str:
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
