"""The only writer to the terminal. Results go to stdout, everything else to stderr.

Plain lines by default; a live table where a person watches. Values of secrets are masked in all of it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
SENTENCE = 40  # letters that text with an address in it may have and still stand on one line
READABLE = 28  # letters of a line of folded text that can still be read
FACT_LINES, LINE_LETTERS = 3, 300  # of a fact on a card
PALETTE = ("cyan", "magenta", "yellow", "blue", "green")
_ADDRESS = re.compile(r"\S:\S")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_COMMAND = re.compile(r"\b(?:devenv|docker|helm|kubectl|minikube) [^,;:()]*[^,;:() ]")
"""A command within a sentence."""
_TYPED = re.compile(
    r"(?:devenv|docker|echo|eval|export|git|helm|iconv|kill|kubectl|ls|minikube|sudo)\s|\s|-|\S+:\s|\S*=|.*\{"
)
"""How a line begins that is typed, or written into a file, as it stands."""
GLUE = "\ue000"  # for a space that no line is broken at
_WORDS = re.compile(r"(\s*)(\S+)")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass
class Console:
    """Where output goes and how it looks; decided once, from flags and the environment.

    `width`: columns of the terminal that shows progress and errors; 0 where lines are never folded.
    """

    out: TextIO
    err: TextIO
    width: int = 0
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
            width=_columns(environment, sys.stderr) if sys.stderr.isatty() and not plain else 0,
            colour=wanted and sys.stderr.isatty(),
            live=sys.stderr.isatty() and not plain and not quiet,
            quiet=quiet,
            verbose=verbose,
        )

    def measure(self) -> None:
        """Take the width anew, as a window may have been made narrower since."""
        if self.width:
            self.width = _columns(os.environ, self.err)

    def hide(self, values: Iterable[str], *, words: Iterable[str] = ()) -> None:
        """Never show these values from now on; of those that are `words`, only where they are passwords."""
        self.mask = self.mask.also(values, words=words)

    def masked(self, text: str) -> str:
        """The text with all hidden values masked."""
        return self.mask(text)

    def style(self, text: str, *styles: str) -> str:
        """The text in a style, where there are colours."""
        if not self.colour or not styles:
            return text
        return f"\x1b[{';'.join(STYLES[style] for style in styles)}m{text}\x1b[0m"

    def print(self, text: str = "") -> None:
        """Print a result, without colours where it goes to a file or a pipe."""
        bare = self.colour and not self.out.isatty()
        self.print_as_it_is(_STYLE.sub("", text) if bare else text)

    def print_as_it_is(self, text: str) -> None:
        """Print a result that holds what other programs print, whose colours stay."""
        self._write(self.out, self.masked(text))

    @property
    def results(self) -> Console:
        """This console, with the colours that results have."""
        return replace(self, colour=self.colour and self.out.isatty())

    def json(self, value: Any) -> None:
        """Print a result as JSON."""
        self.print(json.dumps(value, indent=2))

    def say(self, text: str = "") -> None:
        """Print progress; nothing with --quiet."""
        if not self.quiet:
            self._write(self.err, self.masked(text))

    def sentence(self, text: str) -> None:
        """Print progress in words alone, which a narrow window breaks between words."""
        self.say("\n".join(folded(text, self.width)))

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(f"{text}\n")  # in one piece: several threads print
            stream.flush()
        except BrokenPipeError:
            # `devenv logs | head`: the reader has closed the pipe. Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            raise SystemExit(141) from None
        except OSError as error:
            if stream is self.out:
                raise DevenvError("cannot write the output", why=(error.strerror or "").lower()) from error

    def note(self, text: str) -> None:
        """Print a note: worth knowing, but no failure."""
        self.say(self.noted(text))

    def noted(self, text: str) -> str:
        """A note as it is printed."""
        return self.labelled("note", text, "yellow")

    def labelled(self, label: str, text: str, *styles: str) -> str:
        """A text behind a word; what does not fit into its line stands below it."""
        column = len(label) + 2
        first, *more = folded(text, self.width - column)
        return "\n".join([f"{self.style(label, *styles)}  {first}", *(" " * column + line for line in more)])

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
                return [
                    *(line for problem in error.problems for line in self._problem(str(problem))),
                    self.style(head, "red"),
                ]
        lines = [self.labelled("error", error.what, "red", "bold")]
        for label, value in (("where", error.where), ("why", error.why), ("try", error.hint)):
            if value:
                lines += self._field(label, value)
        return lines

    def _problem(self, text: str) -> Iterator[str]:
        place, separator, rest = text.partition(": ")
        head, dash, tail = rest.rpartition(" - ")
        message = f"{head} - {self.style(tail, 'green')}" if dash else rest
        yield from hanging(f"{self.style(place, 'bold')}{separator}{message}", self.width, "  ")

    def _card(self, card: Card) -> list[str]:
        waiting = (
            f" - {_listed(card.waiting)} wait{'s' if len(card.waiting) == 1 else ''} for it"
            if card.waiting
            else ""
        )
        head = f"{self.style('x', 'red', 'bold')} {self.style(card.unit, 'bold')} {card.what}"
        lines = [head + self.style(waiting, "dim")]
        for label, value in card.facts:
            lines += self._field(label, shortened(value), indent=10)
        if card.output and not card.shown:
            lines += self._field("output", "\n".join(map(plain, card.output)), indent=10)
        if card.hint:
            lines += self._field("try", card.hint, "green", indent=10)
        return lines

    def _field(self, label: str, value: str, *styles: str, indent: int = 6) -> list[str]:
        """A label and its text in a column of its own."""
        fold = folded_around_commands if label == "try" else folded
        texts = [line for text in value.splitlines() or [""] for line in fold(text, self.width - indent - 2)]
        column = f"\n  {'':{indent}}".join(texts)
        head = f"  {self.style(label, 'dim')}{'':{indent - len(label)}}"
        return [line.rstrip() for line in (head + self.style(column, *styles)).splitlines()]

    @property
    def columns(self) -> int:
        """The width that results are folded to; 0 where they go to a file or a pipe."""
        return self.width if self.out.isatty() else 0

    def table(self, rows: Sequence[Sequence[str]], *, width: int = 0) -> list[str]:
        """Rows as aligned columns, without a ragged end; a column that is empty in all rows is left out.

        Where a row is wider than `width`, the parts of its last cell (between three spaces) take more lines,
        in one column for all rows. Columns before it that leave a sentence no room, or that do not fit
        themselves, become parts of it.
        """
        if not rows:
            return []
        *before, widest = [max(len(plain(row[column])) for row in rows) for column in range(len(rows[0]))]
        indent = sum(column + 2 for column in before if column)
        sentences = any(
            _kept_whole(part) < len(plain(part)) for *_, last in rows for part in last.split("   ")
        )
        room = READABLE if sentences else -2  # the gap behind the columns may be cut off
        if len(before) > 1 and indent + widest > width > 0 and indent > width - room:
            joined = [[*row[:-2], "   ".join(filter(None, row[-2:]))] for row in rows]
            return self.table(joined, width=width)
        parts = [part for *_, last in rows if indent + len(plain(last)) > width for part in last.split("   ")]
        column = min(indent, max(4, width - max(map(_kept_whole, parts), default=0)))
        lines = []
        for *row, last in rows:
            cells = [
                cell + " " * (letters - len(plain(cell))) for cell, letters in zip(row, before, strict=True)
            ]
            head = "".join(f"{cell}  " for cell, letters in zip(cells, before, strict=True) if letters)
            lines.append(f"{head}{last}".rstrip())
            if width and len(plain(lines[-1])) > width:
                lines[-1:] = _filled(head.rstrip(), last.split("   "), indent, column, width)
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
    lines = [line[:LINE_LETTERS] + ("..." if len(line) > LINE_LETTERS else "") for line in text.splitlines()]
    if len(lines) <= FACT_LINES:
        return "\n".join(lines)
    return "\n".join([*lines[:FACT_LINES], f"... {len(lines) - FACT_LINES} more lines"])


def _kept_whole(part: str) -> int:
    """The letters of a part that have to stand on one line: a sentence can be folded, an address cannot."""
    letters = len(plain(part))
    sentence = " " in part and (letters > SENTENCE or not _ADDRESS.search(part))
    return min(letters, READABLE) if sentence else letters


def _filled(head: str, parts: Sequence[str], indent: int, column: int, width: int) -> Iterator[str]:
    """A row, and its parts on as few lines as the width takes, from `column` on."""
    line = f"{head}{'':{indent - len(plain(head))}}"
    if column < indent:
        yield head
        line = " " * column
    begun = False
    texts = [text for part in parts for text in folded(part, width - column)]
    for text in texts:
        if begun and len(plain(line)) + 3 + len(plain(text)) <= width:
            line += f"   {text}"
            continue
        if begun:
            yield line
            line = " " * column
        line, begun = line + text, True
    yield line


def _columns(environment: Mapping[str, str], terminal: TextIO) -> int:
    if (columns := environment.get("COLUMNS", "")).isdecimal():
        return int(columns)
    try:
        return os.get_terminal_size(terminal.fileno()).columns
    except OSError:  # a terminal that does not say
        return 0


def folded(text: str, width: int) -> list[str]:
    """A line as lines of at most this width, unless a word is longer; no width folds nothing.

    Colours take no room.
    """
    if width <= 0 or len(plain(text)) <= width:
        return [text]
    lines = [""]
    for gap, word in _WORDS.findall(text):
        if lines[-1] and len(plain(f"{lines[-1]}{gap}{word}")) > width:
            lines.append(word)
        else:
            lines[-1] += gap + word
    return lines


def folded_around_commands(text: str, width: int) -> list[str]:
    """A line as lines of at most this width, but what is to be typed stays in one piece, as it is copied."""
    if width <= 0 or len(text) <= width:
        return [text]
    typed, gap, about = text.partition("   ")
    if _TYPED.match(typed):
        return [typed, *(f"  {line}" for line in folded(about.strip(), width - 2))] if gap else [text]
    glued = _COMMAND.sub(lambda match: match[0].replace(" ", GLUE), text)
    return [line.replace(GLUE, " ") for line in folded(glued, width)]


def hanging(text: str, width: int, indent: str) -> Iterator[str]:
    """A line as lines of at most this width, those after the first behind an indent."""
    first, *more = folded(text, width)
    yield first
    if more:
        yield from (f"{indent}{line}" for line in folded(" ".join(more), width - len(indent)))


def _listed(names: Sequence[str]) -> str:
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
