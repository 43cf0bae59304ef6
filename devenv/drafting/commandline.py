"""A command in one line, split into words as Compose splits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.drafting.interpolation import parts, plain
from devenv.stack.signs import FIRST, with_signs

_ENDS = frozenset(";&|<>")
_QUOTED = 0x800
"""How far the sign of a variable in quotes is from the one that it has outside."""


@dataclass(slots=True)
class Line:
    """The words of a line so far; `rest` is what Compose leaves out, from a `;`, `&`, `|`, `<` or `>` on."""

    words: list[str] = field(default_factory=list)
    rest: str = ""
    word: str | None = None
    quote: str = ""

    def add(self, signs: str) -> None:
        """Add to the word that has begun, or begin one."""
        self.word = (self.word or "") + signs

    def end_word(self) -> None:
        """A blank outside of quotes."""
        if self.word is not None:
            self.words.append(self.word)
        self.word = None


def split(text: str, values: Mapping[str, str] | None = None) -> Line:
    """The line in words, with variables as they are written. Raises `ValueError` for an open quote.

    Compose fills in variables first: one outside of quotes whose value has blanks is several words, and
    written so. `values`: those that are set; with them, a variable that is empty is no word.
    """
    signed, variables = with_signs(parts(text))
    line = _split(signed)
    written = {sign: variable.written for sign, variable in variables.items()}
    written |= {chr(ord(sign) + _QUOTED): variable for sign, variable in written.items()} | {"$": "$$"}

    def restored(word: str) -> list[str]:
        if word in variables:
            value = plain(written[word], values)
            if " " in value or (values is not None and not value):
                return _split(value).words
        return ["".join(written.get(sign, sign) for sign in word)]

    words = [own for word in line.words for own in restored(word)]
    return Line(words, "".join(restored(line.rest)) if line.rest else "")


def _split(text: str) -> Line:
    line, escaped = Line(), False
    for place, sign in enumerate(text):
        if escaped:
            line.add(sign)
            escaped = False
        elif sign == "\\" and line.quote != "'":
            escaped = True
        elif line.quote:
            _in_quotes(line, sign)
        elif sign in _ENDS:
            if sign == ">" and (line.word or "")[:1].isdigit():
                line.word = None
            line.rest = text[place:]
            break
        elif sign.isspace():
            line.end_word()
        else:
            _outside(line, sign)
    line.end_word()
    if line.quote or escaped:
        raise ValueError("No closing quotation")
    return line


def _in_quotes(line: Line, sign: str) -> None:
    if sign != line.quote:
        line.add(chr(ord(sign) + _QUOTED) if sign >= chr(FIRST) else sign)
        return
    line.add(sign if sign in "`)" else "")
    line.quote = ""


def _outside(line: Line, sign: str) -> None:
    if sign == "(":
        if not (line.word or "").endswith("$"):
            raise ValueError("( outside of quotes")
        line.quote = ")"
    elif sign in "'\"`":
        line.quote = sign
    line.add(sign if sign not in "'\"" else "")
