"""Names of hosts that programs could not resolve, and what they probably meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from devenv.backends.causes import OFFLINE, likely
from devenv.errors import Card, did_you_mean
from devenv.stack.graph import closure
from devenv.stack.model import Stack

_HOST = r"(?P<host>[\w-]+)"  # without a dot: a name of this stack, if of anything
_UNRESOLVED = tuple(
    re.compile(words.format(host=_HOST))
    for words in (
        r'could not translate host name "{host}"',  # psql, and all that is made with libpq
        r"[Ff]ailed to resolve (?:host )?'{host}'",  # psycopg, urllib3
        r"(?:ENOTFOUND|EAI_AGAIN) {host}(?![\w.-])",  # Node
        r"[Cc]ould not resolve host: {host}(?![\w.-])",  # curl, git
        r"bad address '{host}'",  # BusyBox
        r"unable to resolve host address .{host}\W?$",  # wget
        r"lookup {host}(?: on \S+)?: (?:no such host|server misbehaving|.*[Tt]emporary failure)",  # Go
        r"UnknownHostException: {host}(?![\w.-])",  # Java
        r"Unknown (?:\w+ )?server host '{host}'",  # MySQL's and MariaDB's clients
        r"getaddrinfo for {host} failed",  # PHP
        r'host not found in upstream "{host}[":]',  # nginx
        r"(?:at|to) {host}:\d+[.:] (?:Name |Temporary failure|nodename)",  # valkey-cli, redis-py
        r"{host}:\d+: \[Errno -[235]\]",  # PyMongo
    )
)


def unresolved(lines: Iterable[str]) -> str:
    """The first host name without a dot that a program says it could not resolve; "" for none."""
    for line in lines:
        for words in _UNRESOLVED:
            if match := words.search(line):
                return match["host"]
    return ""


def explained(card: Card, stack: Stack) -> Card:
    """The card, with what to write instead of a host name that nothing in the stack has."""
    lines = [*(fact for _, fact in card.facts), *card.output]
    if likely(lines) not in ("", OFFLINE):
        return card
    host = unresolved(lines)
    hint = _meant(host, card.unit, stack) if host and card.unit in stack else ""
    return replace(card, hint=hint) if hint else card


def _meant(host: str, unit: str, stack: Stack) -> str:
    others = [other for other in stack.units if other.name != unit and not other.one_shot]
    owner = next((other.name for other in others if host in (other.name, *other.aliases)), "")
    if owner:
        used = {other.name for other in closure(stack, [unit])}
        return "" if owner in used else f'"{host}" need not run yet: uses: [{owner}] starts it before {unit}'
    names = [other.name for other in others]
    kind = next((f'did you mean "{other.name}"?' for other in others if host == other.engine), "")
    listed = f"there are {', '.join(names)}" if names else "the stack has no other unit"
    return f'nothing here is called "{host}": {kind or did_you_mean(host, names, listed)}'
