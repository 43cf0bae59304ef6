"""Masks the values of secrets in output."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote

MASK = "******"
SHORTEST = 3  # shorter values are not masked: they occur in ordinary words
WORD = 8  # a shorter line or base64 form could be an ordinary word


@dataclass(frozen=True, slots=True)
class Mask:
    """Replaces values with asterisks. Longer forms come first, as one may contain another."""

    forms: tuple[str, ...] = ()

    def also(self, values: Iterable[str]) -> Mask:
        """A mask that covers these values as well, however they are quoted."""
        every = [part for value in values for part in (value, *_passwords(value))]
        forms = {form for value in every if len(value) >= SHORTEST for form in _forms(value)}
        return Mask(tuple(sorted({*self.forms, *forms}, key=lambda form: (-len(form), form))))

    def __call__(self, text: str) -> str:
        """The text without any of the values."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, MASK)
        return text


NOTHING = Mask()
"""Shows everything."""


def _passwords(value: str) -> Iterator[str]:
    """The password in a URL, as it is written and in the clear: programs get it by itself as well."""
    _, scheme, rest = value.partition("://")
    login, at, _ = rest.partition("/")[0].rpartition("@")
    if scheme and at:
        password = login.partition(":")[2]
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
