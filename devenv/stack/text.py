"""Text with `${...}` in it, and text with secrets in it.

A `Stack` never holds the value of a secret: a text with secrets is `Sealed`, and only renderers and masks
open it. Any other text is a plain `str` without secrets, so the type checker finds each place that forgets
to handle them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias
from urllib.parse import quote

from devenv import urls
from devenv.errors import UsageError
from devenv.masking import MASK

REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")

Place = Literal["plain", "url", "json", "host", "port", "user", "password", "database", "origin"]
"""The context of a secret, which decides how its value is quoted; or the part of it that counts, of a URL."""

_QUOTED: Mapping[Place, Callable[[str], str]] = {
    "plain": str,
    "url": lambda value: quote(value, safe=""),
    "json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
}
_PREFIX: Mapping[Place, str] = {"plain": "DEVENV_SECRET_", "url": "DEVENV_URL_", "json": "DEVENV_JSON_"}
PLACES = tuple(_PREFIX)
_PARTS: Mapping[Place, str] = {part: f"DEVENV_{part.upper()}_OF_" for part in urls.PARTS}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's name and its context; never its value.

    `store`: it is a key of the Secret of a store that something else runs, quoted already. `default` stands
    for the part of a URL that has none.
    """

    name: str
    place: Place = "plain"
    store: str = ""
    default: str = ""

    @property
    def variable(self) -> str:
        """The variable that holds its quoted value; prefixed, so that no user variable overrides it."""
        return {**_PREFIX, **_PARTS}[self.place] + self.name

    def value(self, values: Mapping[str, str]) -> str:
        """Its quoted value. Raises `KeyError` if there is none."""
        value, quoted = values[self.name], _QUOTED.get(self.place)
        return quoted(value) if quoted else urls.part(value, self.place, self.default)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text with at least one secret in it, as its parts. It has no `str`: reveal, mask or rewrite it."""

    parts: tuple[str | Secret, ...]

    def __str__(self) -> str:
        raise TypeError("a text with secrets in it was printed unopened")


Text: TypeAlias = str | Sealed


def digest(*parts: str) -> str:
    """A digest of some texts in 12 hex digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def secret(name: str) -> Text:
    """A text that is one secret."""
    return Sealed((Secret(name),))


def parts(text: Text) -> tuple[str | Secret, ...]:
    """A text's literal parts and secrets, in order."""
    return (text,) if isinstance(text, str) else text.parts


def of_parts(pieces: Iterable[str | Secret]) -> Text:
    """The text with these parts; adjacent literals are merged."""
    pieces = list(pieces)
    if Secret not in set(map(type, pieces)):  # most texts, so they take the short way
        return "".join(pieces)  # type: ignore[arg-type]
    merged: list[str | Secret] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece != "":
            merged.append(piece)
    return Sealed(tuple(merged))


def join(separator: str, texts: Iterable[Text]) -> Text:
    """Like `str.join`."""
    pieces: list[str | Secret] = []
    for index, text in enumerate(texts):
        pieces += (separator, *parts(text)) if index else parts(text)
    return of_parts(pieces)


def literals(text: Text, change: Callable[[str], Text]) -> Text:
    """The text with `change` applied to each literal part."""
    if isinstance(text, str):
        return change(text)
    changed = (parts(change(part)) if isinstance(part, str) else (part,) for part in text.parts)
    return of_parts(piece for pieces in changed for piece in pieces)


def fill(
    text: Text, look_up: Callable[[str], Text], pattern: re.Pattern[str] = REFERENCE, escaped: str = "${"
) -> Text:
    """Replace every `${name}` by the result of `look_up`, and `$${` by `${`.

    The only group of a `pattern` is the name; a match without the group becomes `escaped`.
    """

    def filled(literal: str) -> Text:
        if "$" not in literal:
            return literal
        pieces = pattern.split(literal)
        return join(
            "",
            (
                piece if index % 2 == 0 else escaped if piece is None else look_up(piece)
                for index, piece in enumerate(pieces)
            ),
        )

    return literals(text, filled)


def names_in(text: str) -> list[str]:
    """The names that `fill` would look up."""
    return [match[1] for match in REFERENCE.finditer(text) if match[1] is not None]


def quoted(text: Text) -> Text:
    """The text quoted for the user, password or path of a URL; secrets are quoted when revealed."""
    return of_parts(
        quote(part, safe="") if isinstance(part, str) else replace(part, place="url") for part in parts(text)
    )


def quoted_secrets(text: Text) -> Text:
    """The text with its secrets quoted for a URL, and all else as it is."""
    return of_parts(part if isinstance(part, str) else replace(part, place="url") for part in parts(text))


def in_json(text: Text) -> Text:
    """The text with secrets in JSON strings marked for JSON quoting, if the text is JSON."""
    if isinstance(text, str) or not (isinstance(text.parts[0], str) and text.parts[0].lstrip()[:1] in "{["):
        return text
    inside, example = False, ""  # inside a string; the same JSON with placeholders for secrets
    placed: list[str | Secret] = []
    for part in text.parts:
        if isinstance(part, str):
            example += part
            placed.append(part)
            inside ^= re.sub(r"\\.", "", part, flags=re.DOTALL).count('"') % 2 == 1
        else:
            example += "x" if inside else "0"
            placed.append(replace(part, place="json") if inside and part.place == "plain" else part)
    try:
        json.loads(example)
    except ValueError:
        return text
    return of_parts(placed)


def secrets(texts: Iterable[Text]) -> set[Secret]:
    """The secrets of some texts, each with its context."""
    return {part for text in texts for part in parts(text) if isinstance(part, Secret)}


def secrets_in(value: object) -> set[str]:
    """Names of the secrets anywhere in texts, sequences and mappings."""
    match value:
        case tuple() | list():
            return {name for item in value if not isinstance(item, str) for name in secrets_in(item)}
        case Sealed():
            return {part.name for part in value.parts if isinstance(part, Secret)}
        case Mapping():
            return secrets_in(tuple(value.values()))
    return set()


def rewrite(text: Text, put: Callable[[Secret], str], plain: Callable[[str], str] = str) -> str:
    """The text as a `str`: `put` converts each secret, `plain` each literal part."""
    if isinstance(text, str):
        return plain(text)
    return "".join(plain(part) if isinstance(part, str) else put(part) for part in text.parts)


def reveal(text: Text, values: Mapping[str, str]) -> str:
    """The text with the values of its secrets. Raises `KeyError` for a secret without a value."""
    return rewrite(text, lambda secret: secret.value(values))


def masked(text: Text) -> str:
    """The text with its secrets masked."""
    return rewrite(text, lambda secret: MASK)


def public(text: Text, where: str) -> str:
    """The text as a `str`. Raises `UsageError` if it contains a secret."""
    if isinstance(text, str):
        return text
    names = ", ".join(sorted(secrets_in(text)))
    raise UsageError(
        f"{where}: a secret would be seen here",
        why=f"{masked(text)} holds {names}",
        hint="secrets are for env, files, commands and gateway plugins",
    )


def words(line: Text) -> Sequence[Text]:
    """Split a command line, whose only shell syntax is quotes, into words; a secret never ends a word."""
    word_parts: list[list[str | Secret]] = []
    quoting, open_ = "", False  # the open quote, and whether a word is open
    for part in parts(line):
        for piece in part if isinstance(part, str) else (part,):
            if isinstance(piece, str) and piece in " \t\r\n" and not quoting:
                open_ = False
                continue
            if not open_:
                word_parts.append([])
                open_ = True
            if piece == quoting:
                quoting = ""
            elif piece in ("'", '"') and not quoting:
                quoting = str(piece)
            else:
                word_parts[-1].append(piece)
    return [of_parts(pieces) for pieces in word_parts]
