"""Text with `${...}` in it, and secrets in text.

A `Stack` never holds the value of a secret: where one belongs, the text holds a mark, and a renderer
puts in what its format needs (a variable, a Kubernetes Secret, asterisks). NUL frames the mark
because no manifest may contain one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_SECRET = re.compile("\0([A-Za-z_][A-Za-z0-9_]*)(|:url)\0")
MASK = "******"


def digest(*parts: str) -> str:
    """12 hex digits that stand for some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def fill(text: str, look_up: Callable[[str], str]) -> str:
    """Replace every `${name}` by what `look_up` says, and `$${` by `${`."""
    return REFERENCE.sub(lambda found: "${" if found[1] is None else look_up(found[1]), text)


def names_in(text: str) -> list[str]:
    """The names that `fill` would look up."""
    return [found[1] for found in REFERENCE.finditer(text) if found[1] is not None]


def secret(name: str) -> str:
    """The mark that stands for a secret."""
    return f"\0{name}\0"


def quoted(text: str) -> str:
    """Text fit for the user, password or path of a URL; a secret in it will be quoted when revealed."""
    parts = _SECRET.split(text)
    return "".join(
        quote(part, safe="") if index % 3 == 0 else f"\0{part}:url\0" if index % 3 == 1 else ""
        for index, part in enumerate(parts)
    )


def secrets_in(text: str) -> set[str]:
    """Names of the secrets that a text holds."""
    return {found[1] for found in _SECRET.finditer(text)}


def map_secrets(text: str, put: Callable[[str, bool], str], plain: Callable[[str], str] = str) -> str:
    """Rewrite a text: `put(name, in_url)` for each secret, `plain` for what is between them."""
    parts = _SECRET.split(text)
    return "".join(
        plain(parts[index])
        + (put(parts[index + 1], bool(parts[index + 2])) if index + 2 < len(parts) else "")
        for index in range(0, len(parts), 3)
    )


def reveal(text: str, values: Mapping[str, str]) -> str:
    """The text with its secrets in it. Raises `KeyError` for one that has no value."""
    return map_secrets(text, lambda name, url: quote(values[name], safe="") if url else values[name])


def masked(text: str) -> str:
    """The text as it may be shown."""
    return map_secrets(text, lambda name, url: MASK)
