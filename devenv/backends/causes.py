"""Known messages and what helps: the first that matches wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from devenv.errors import Card, UnitFailed

if TYPE_CHECKING:
    from devenv.stack.model import Unit

CAUSES: dict[str, str] = {
    r"ran out of memory|OOMKilled|Cannot allocate memory": "give it more: resources: {memory: 512Mi}",
    r"port is already allocated|[Aa]ddress already in use": (
        "something took the port meanwhile: devenv up --remap-ports"
    ),
    r"no space left on device": "the disk is full: docker system df, then docker system prune",
    r"exec format error": (
        "the image is for another processor, or its script does not begin with its interpreter: #!/bin/sh"
    ),
    r"[Aa]rgument list too long": (
        "the command and env: are too long for a program: put the longest value into a file, with files:"
    ),
    r'exec: "[^"]+": executable file not found|FATAL tini .* exec .* failed: No such file': (
        "the command is not in the image, or is a script with Windows line endings: see command:, Dockerfile"
    ),
    r"first start did not finish": "the data is half made and holds nothing yet: devenv up creates it again",
    r"role \"[^\"]+\" does not exist|Access denied for user 'root'": (
        "user and root_password count only for new data: set them back, or devenv down --volumes"
    ),
    r"database \"[^\"]+\" does not exist|Unknown database": (
        "the store has no database of that name: does a URL in env: contain another one?"
    ),
    r"password authentication failed|Access denied for user": (
        "the store has another user or password: does a URL in env: contain another one?"
    ),
    r"database files are incompatible|initialized by PostgreSQL version|Invalid MySQL server downgrade"
    r"|Wrong mongod version|invalid featureCompatibilityVersion|Can't handle RDB format version": (
        "the data is of another version: set version: under infra, or devenv down --volumes"
    ),
    r"ModuleNotFoundError|Cannot find module": (
        "a dependency is missing in the image: add it to the requirements, then devenv up"
    ),
    r"failed to resolve|Could not resolve host|Temporary failure in name resolution|no such host": (
        "the host cannot be reached: is this machine offline, or behind a proxy or VPN?"
    ),
    r"failed to solve: .*: not found": "the base image's name is wrong, or it is private: docker login",
    r"[Pp]ermission denied": (
        "the container's user may not do that: look at USER in the Dockerfile and at file modes"
    ),
}

GUESSES: dict[str, str] = {
    r"^40[13] |statuscode: 40[13]": (
        "the path needs a login: choose one that does not, health: {http: /path}, or use health: {tcp: 8000}"
    ),
    r"^404 |statuscode: 404": "the service has no such path: choose another, health: {http: /path}",
    r"nothing (listens|answers) on the port": (
        "still starting? health: {within: 2m} gives it more time. On 127.0.0.1 or IPv6 only? It has to be"
        " 0.0.0.0. On UDP: health: {exec: ...}"
    ),
    r"was not ready within": "its log says how far it is; health: {within: 2m} gives it more time",
    r"ended with exit 0$": (
        "it ended well: is it a job, a shell without a terminal, or does it go to the background?"
    ),
}
"""What may help where nothing better is known."""

HOPELESS = re.compile(
    r"first start did not finish|(database|role) \"[^\"]+\" does not exist|Unknown database"
    r"|password authentication failed|Access denied for user"
)
"""What a store's check may answer that no waiting mends."""


def likely(lines: Iterable[str], causes: Mapping[str, str] = CAUSES) -> str:
    """What helps against the first known message among the lines; nothing when none is known."""
    text = "\n".join(lines)
    return next((hint for pattern, hint in causes.items() if re.search(pattern, text, re.M)), "")


def failed(unit: Unit, what: str, output: Sequence[str], facts: Sequence[tuple[str, str]] = ()) -> UnitFailed:
    """The card of a unit that did not become ready, with what helps, if the facts or its output tell."""
    command = [("command", unit.shown_command)] if unit.command else []
    answers = [what, *(fact for _, fact in facts)]
    hint = likely(answers) or likely(output) or likely(answers, GUESSES) or f"devenv logs {unit.name}"
    return UnitFailed(Card(unit.name, what, facts=(*command, *facts), output=tuple(output), hint=hint))
