"""The regular expressions Kong takes: those that both of its engines compile.

Its schema compiles a path with PCRE2 and its router with Rust's `regex`, so a pattern has to be right in
both: Rust has no look-around and no backreferences, PCRE2 repeats nothing twice and nests no classes.
"""

from __future__ import annotations

import re

_POSIX = re.compile(
    r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]"
)
_POSIX_LIKE = re.compile(r"\[([:.=])[^]]*\1\]")
_GROUP = re.compile(r"\?P?<(?![=!])([^>]*)>")
_NAME = re.compile(r"[A-Za-z_]\w{0,31}", re.ASCII)
_FLAGS = re.compile(r"\?([A-Za-z-]*)([:)])")
_COUNT = re.compile(r"\{\s*(\d+)\s*(?:(,)\s*(\d*)\s*)?\}")
_PROPERTY = re.compile(r"[pP](?:\{([A-Za-z_]+)\}|([A-Z]))")
_HEX = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{0*([0-9A-Fa-f]{1,2})\})")
_CATEGORY = re.compile(r"Any|C[cfno]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?")
_SCRIPT = re.compile(r"[A-Z][a-z]{2,}(?:_[A-Z][a-z]+)*")  # which ones there are changes with Unicode
_LETTERS = "dDsSwWnrtfav"
_ANCHORS = "AzbB<>"
_MOST = 65535  # repetitions PCRE2 counts to


class _Wrong(Exception):
    """Why a pattern is refused."""


def reason(pattern: str) -> str:
    """Why Kong refuses a pattern; empty when it takes it."""
    try:
        _Parser(pattern).whole()
    except _Wrong as wrong:
        return str(wrong)
    return ""


class _Parser:
    """Walks a pattern once; nothing is built."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.names: set[str] = set()

    def whole(self) -> None:
        self._alternatives(spaced=False, depth=0)
        if self.at < len(self.pattern):
            raise _Wrong("unopened group")

    def _peek(self, ahead: int = 0) -> str:
        return self.pattern[self.at + ahead : self.at + ahead + 1]

    def _take(self, rule: re.Pattern[str]) -> re.Match[str] | None:
        match = rule.match(self.pattern, self.at)
        self.at = match.end() if match else self.at
        return match

    def _alternatives(self, *, spaced: bool, depth: int) -> None:
        """Items up to the end of a group; `spaced` is the flag x, `repeatable` what stands before."""
        if depth > 200:
            raise _Wrong("nested too deeply")
        repeatable = False
        while (char := self._peek()) not in ("", ")"):
            if spaced and (char.isspace() or char == "#"):
                self._blank()
                continue
            self.at += 1
            match char:
                case "|":
                    repeatable = False
                case "*" | "+" | "?" | "{":
                    self._repetition(char, repeatable=repeatable)
                    repeatable = False
                case "(":
                    flags = self._group(spaced=spaced, depth=depth)
                    spaced, repeatable = (spaced, True) if flags is None else (flags, False)
                case "[":
                    if _POSIX_LIKE.match(self.pattern, self.at - 1):
                        raise _Wrong("POSIX named classes are supported only within a class")
                    self._class()
                    repeatable = True
                case "\\":
                    repeatable = self._escape(in_class=False) not in tuple("AzbB")
                case _:
                    repeatable = char not in "^$"

    def _blank(self) -> None:
        if self._peek() == "#":
            end = self.pattern.find("\n", self.at)
            self.at = len(self.pattern) if end < 0 else end
        else:
            self.at += 1

    def _repetition(self, char: str, *, repeatable: bool) -> None:
        if not repeatable:
            raise _Wrong("repetition operator missing expression")
        if char == "{":
            self.at -= 1
            count = self._take(_COUNT)
            if count is None:
                raise _Wrong("repetition quantifier expects a valid decimal")
            least, most = int(count[1]), int(count[3] or count[1])
            if max(least, most) > _MOST:
                raise _Wrong(f"a repetition counts to {_MOST} at most")
            if most < least:
                raise _Wrong("invalid repetition count range, the start must be <= the end")
        if self._peek() in ("?", "+"):
            self.at += 1  # lazy, or possessive for PCRE2 and twice repeated for Rust

    def _group(self, *, spaced: bool, depth: int) -> bool | None:
        """A group; for mere flags such as `(?x)` whether spaces are ignored from here on."""
        inner = spaced
        if self.pattern.startswith(("?=", "?!", "?<=", "?<!"), self.at):
            raise _Wrong("look-around, including look-ahead and look-behind, is not supported")
        if name := self._take(_GROUP):
            if not _NAME.fullmatch(name[1]):
                raise _Wrong("invalid capture group character" if name[1] else "empty capture group name")
            if name[1] in self.names:
                raise _Wrong("duplicate capture group name")
            self.names.add(name[1])
        elif self._peek() == "?":
            flags = self._take(_FLAGS)
            if flags is None:
                raise _Wrong("unrecognized flag")
            inner = self._flags(flags[1], spaced=spaced)
            if flags[2] == ")":
                if not flags[1]:
                    raise _Wrong("repetition operator missing expression")
                return inner
        self._alternatives(spaced=inner, depth=depth + 1)
        if self._peek() != ")":
            raise _Wrong("unclosed group")
        self.at += 1
        return None

    def _flags(self, flags: str, *, spaced: bool) -> bool:
        on, dash, off = flags.partition("-")
        if not set(on + off) <= set("imsUx"):
            raise _Wrong("unrecognized flag")
        if len(set(on + off)) < len(on + off):
            raise _Wrong("duplicate flag")
        if dash and not off:
            raise _Wrong("dangling flag negation operator")
        return "x" not in off if "x" in on + off else spaced

    def _escape(self, *, in_class: bool) -> str:
        """What follows a backslash; the answer is its letter."""
        char = self._peek()
        if not char:
            raise _Wrong("incomplete escape sequence, reached end of pattern prematurely")
        if char in "pP":
            self._property()
        elif char == "x":
            if not self._take(_HEX):
                raise _Wrong("invalid hexadecimal digit")
        elif char in "0123456789":
            raise _Wrong("backreferences are not supported")
        elif char in _LETTERS or (not in_class and char in _ANCHORS) or _is_sign(char):
            self.at += 1
        else:
            raise _Wrong("unrecognized escape sequence")
        return char

    def _property(self) -> None:
        match = self._take(_PROPERTY)
        if match is None:
            raise _Wrong("invalid Unicode character class")
        name = match[1] or match[2]
        if not (_CATEGORY.fullmatch(name) or _SCRIPT.fullmatch(name)):
            raise _Wrong("Unicode property not found")

    def _class(self) -> None:
        """What stands in brackets, the first of which is read."""
        if self._peek() == "^":
            self.at += 1
        first = True
        while (char := self._peek()) != "]" or first:
            if not char:
                raise _Wrong("unclosed character class")
            first = False
            if char != "[":
                self._range()
            elif not self._take(_POSIX):
                if _POSIX_LIKE.match(self.pattern, self.at):
                    raise _Wrong("unknown POSIX class name")
                self.at += 1
                self._class()
        self.at += 1

    def _range(self) -> None:
        low = self._member()
        if self._peek() == "-" and self._peek(1) not in ("]", ""):
            self.at += 1
            if _POSIX.match(self.pattern, self.at):
                raise _Wrong("invalid range in character class")
            high = self._member()
            if low is None or high is None:
                raise _Wrong("invalid range boundary, must be a literal")
            if low > high:
                raise _Wrong("invalid character class range, the start must be <= the end")

    def _member(self) -> str | None:
        """One character of a class; nothing for an escape that stands for several."""
        char = self._peek()
        self.at += 1
        if char != "\\":
            return char
        start = self.at
        letter = self._escape(in_class=True)
        if letter in "dDsSwWpP":
            return None
        if letter == "x":
            return chr(int(self.pattern[start + 1 : self.at].strip("{}"), 16))
        return {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "a": "\a", "v": "\v"}.get(letter, letter)


def _is_sign(char: str) -> bool:
    return char.isascii() and not char.isalnum() and char not in "<>" and char.isprintable()
