"""Masks the values of secrets in output."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote

MASK = "******"
SHORTEST = 3  # shorter values are not masked: they occur in ordinary words
WORD = 8  # a shorter line or base64 form could be an ordinary word


@dataclass(frozen=True, slots=True)
class Mask:
    """Replaces values with asterisks. Longer forms come first, as one may contain another.

    A value that is one of `words`, which stand in the open anyway, is replaced only where it is a password:
    with a user `postgres` whose password is `postgres`, every line about the store would lose its name.
    """

    values: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    forms: tuple[str, ...] = ()
    place: re.Pattern[str] | None = None

    def also(self, values: Iterable[str], *, words: Iterable[str] = ()) -> Mask:
        """A mask that covers these values as well, however they are quoted; and knows these words."""
        whole = (part for value in values for part in (value, *passwords_of(value)))
        every = self.values | {value for value in whole if len(value) >= SHORTEST}
        all_words = self.words | set(words)
        forms = {form for value in every - all_words for form in _forms(value)}
        forms |= {form for value in every & all_words for form in _encoded(value.encode())}
        return Mask(
            every,
            all_words,
            tuple(sorted(forms, key=lambda form: (-len(form), form))),
            _place(every & all_words),
        )

    def __call__(self, text: str) -> str:
        """The text without any of the values."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, MASK)
        return self.place.sub(rf"\1{MASK}", text) if self.place else text


NOTHING = Mask()
"""Shows everything."""


def _place(words: Iterable[str]) -> re.Pattern[str] | None:
    """Matches these words where each is a password: in a URL, after a key that says so, or after its user."""
    any_of = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    key = r"(?i:pass(?:word|wd|phrase)?|pwd|secret|token|key)[\"']?\s*[:=]\s*[\"']?"
    login = rf"(?<![\w.-])(?P<user>{any_of}):(?=(?P=user)(?![\w.-]))"
    before = rf"(?<!/):(?=[^\s/@]*@)|{key}|{login}"
    return re.compile(rf"({before})(?:{any_of})(?![\w-])") if any_of else None


def passwords_of(value: str) -> Iterator[str]:
    """What may be the password in a URL, as written and in the clear: programs get it by itself as well.

    A password may have a slash, and a path an @: both readings count.
    """
    rest = value.partition("://")[2]
    for part in dict.fromkeys((rest.partition("/")[0], rest)):
        login, at, _ = part.rpartition("@")
        if at and (password := login.partition(":")[2]):
            yield from (password, unquote(password))


def _forms(value: str) -> set[str]:
    """The forms a value may appear in: plain, in a URL, a form, JSON, base64, line by line."""
    lines = {line for line in value.splitlines() if len(line) >= WORD}
    quoted = {quote(value, safe=""), quote(value), quote_plus(value)}
    return {value, *quoted, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], *lines,
            *_encoded(value.encode())}  # fmt: skip


def _encoded(raw: bytes) -> Iterator[str]:
    """The value's own digits in base64, also where it is part of a longer text: `user:password`."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            form = encode(b"\0" * before + raw).decode()[first:last]
            if len(form) >= WORD:
                yield form
