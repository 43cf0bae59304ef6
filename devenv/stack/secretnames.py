"""Which variables hold secrets, by their names and values."""

from __future__ import annotations

import re
from collections.abc import Iterator

SECRET_WORDS = (
    "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "KEY", "APIKEY", "KEY_BASE", "CREDENTIALS", "PASS",
    "PWD", "PAT", "SALT", "PEPPER",
)  # fmt: skip
"""Last words of variables that hold a secret."""

SECRET_WHOLE = ("PASSWORD", "PASSWD", "PASSPHRASE", "APIKEY", "SECRETKEY")
"""Endings that stand for nothing else, whatever is before them: `ADMINPASSWORD`."""

OPEN_KEYS = (
    "PUBLIC", "PUBLISHABLE", "SITE", "PRIMARY", "FOREIGN", "PARTITION", "SORT", "ROUTING", "CACHE", "OBJECT",
    "LOOKUP", "GROUP", "INDEX", "SHARD", "RANGE", "ORDER", "QUEUE", "STREAM", "TOPIC", "MESSAGE", "CONFIG",
    "TRANSLATION", "PROJECT", "REDIS", "SORTING", "HEADER", "COLUMN", "METADATA", "LABEL", "TAG", "HOT",
)  # fmt: skip
"""What stands before KEY in variables that hold none."""

NO_SECRETS = frozenset(("", "yes", "no", "true", "false", "on", "off", "none", "null", "0", "1"))
"""Values that are none, whatever the variable is called."""

_SECRET_ENDINGS = (*SECRET_WHOLE, *(f"_{word}" for word in SECRET_WORDS))
_OPEN_ENDINGS = tuple(f"{word}_KEY" for word in OPEN_KEYS)
_HOST_ALONE = re.compile(r"[a-z][\w+.-]*://[^\s/@?#]+/?")  # which leaves no room for a secret
_KEY_FILE = re.compile(r"\.(?:key|pem|crt|cer|p12|pfx|jks|json)$")
_LOGIN = re.compile(r"://[^\s/:@${}]*:([^\s/@${}]+)@")
_PASSWORD_VALUE = re.compile(r"(?:password|pwd)\s*=\s*([^\s;&,${}\"']+)", re.IGNORECASE)


def is_secret(variable: str, value: str) -> bool:
    """Whether a variable holds a secret in plain text, by its name."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", variable).upper()
    if value.strip().lower() in NO_SECRETS or value.startswith("/") or "_FILE" in name:
        return False
    if name.endswith(_OPEN_ENDINGS) or _KEY_FILE.search(value) or _HOST_ALONE.fullmatch(value):
        return False
    return name in SECRET_WORDS or name.endswith(_SECRET_ENDINGS)


def passwords_in(text: str) -> Iterator[str]:
    """The passwords in plain text that stand in the logins of addresses, or behind `Password=`."""
    yield from (match[1] for pattern in (_LOGIN, _PASSWORD_VALUE) for match in pattern.finditer(text))
