"""What programs print when they cannot go on, and what helps: a table, and cards that are written with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import Card, UnitFailed

if TYPE_CHECKING:
    from devenv.stack.model import Unit

READ = 60  # lines of a log that are searched for a cause: a stack trace may stand below its message
SHOWN = 15  # lines on a card: enough for a traceback's end, few enough to read


@dataclass(frozen=True, slots=True)
class Cause:
    """Words that programs print, as a pattern, and what to type against what they mean.

    `final`: what happened, in words for a card, where it is an answer of a store that no waiting mends.
    """

    words: str
    hint: str
    final: str = ""


DENIED = "the container's user may not do that: look at USER in the Dockerfile and at file modes"
OFFLINE = "the host cannot be reached: is this machine offline, or behind a proxy or VPN?"

CAUSES = (
    Cause(
        r"ran out of memory|OOMKilled|Cannot allocate memory|heap out of memory|java\.lang\.OutOfMemoryError"
        r"|^MemoryError",
        "give it more: resources: {memory: 512Mi}",
    ),
    Cause(
        r"listens on 127\.0\.0\.1 only",
        "nothing outside its container reaches it: make it listen on 0.0.0.0, as with --host 0.0.0.0",
    ),
    Cause(
        r"listens on IPv6 and answers nothing on IPv4",
        "make it listen on 0.0.0.0 as well; or does it speak HTTPS there? Then health: {tcp: 8443}",
    ),
    Cause(
        r"listens on port [\d, ]+, not on \d+",
        "is the number under port: the one that it listens on? $PORT has that number in its container",
    ),
    Cause(
        r"port is already allocated|[Aa]ddress already in use",
        "something took the port meanwhile: devenv up --remap-ports",
    ),
    Cause(
        r"(?<!connect: )(EADDRNOTAVAIL|[Cc](annot|an't|ould not) assign requested address)",
        "it is to listen at an address that its container does not have: make that 0.0.0.0",
    ),
    Cause(
        r"EACCES: permission denied \S+:\d+$|^PermissionError: \[Errno 13\] Permission denied$"
        r"|bind\(?\)?:? .*[Pp]ermission denied",
        "only root may listen on a port below 1024: let it listen on a higher one, such as port: 8080",
    ),
    Cause(r"[Nn]o space left on device", "the disk is full: devenv doctor says what can be given back"),
    Cause(
        r"no matching manifest|no match for platform",
        "there is none for this processor: take another version, or have it emulated, which is slow:"
        " platform: linux/amd64",
    ),
    Cause(
        r"exec format error",
        "the script does not begin with its interpreter (#!/bin/sh), or the image is for another processor",
    ),
    Cause(
        r"[Aa]rgument list too long",
        "the command and env: are too long for a program: put the longest value into a file, with files:",
    ),
    Cause(
        r"\\r': |'[^' ]*\\r'|\^M: bad interpreter|\r: (not found|command not found)|required file not found",
        "a script has Windows line endings: sed -i 's/\\r$//' FILE, and in .gitattributes: *.sh text eol=lf",
    ),
    Cause(
        r"exec /\S+( failed)?: [Nn]o such file|sh: (\d+: |line \d+: )?/\S+: not found",
        "the file is not in the image, or is a script with Windows line endings, or its first line (#!) names"
        " a program that the image has not",
    ),
    Cause(
        r'exec: "[^"]+": (executable file not found|stat .*: no such file)|FATAL tini .* exec .* failed: No'
        r"|sh: (\d+: |line \d+: )?\S+: (command )?not found",
        "the command is not in the image: see command:, and what the Dockerfile installs",
    ),
    Cause(
        r"first start did not finish",
        "the data is half made and holds nothing yet: devenv up creates it again",
        final="cannot be entered",
    ),
    Cause(
        r"caching_sha2_password|ER_NOT_SUPPORTED_AUTH_MODE|not support authentication protocol requested"
        r"|Public Key Retrieval is not allowed|Plugin .mysql_native_password. is not loaded",
        "MySQL wants caching_sha2_password. Python: pip install cryptography. Node: mysql2 instead of mysql."
        " Java: allowPublicKeyRetrieval=true. Others: a newer client",
    ),
    Cause(
        r"role \"[^\"]+\" does not exist|Access denied for user 'root'",
        "user and root_password count only for new data: set them back, or devenv down --volumes",
        final="cannot be entered",
    ),
    Cause(
        r"database \"[^\"]+\" does not exist|Unknown database|Access denied for user .* to database",
        "the store has no database of that name: does a URL in env: contain another one?",
        final="cannot be entered",
    ),
    Cause(
        r"password authentication failed|Access denied for user|WRONGPASS|NOAUTH|ACCESS_REFUSED"
        r"|Authentication failed\.|InvalidAccessKeyId|SignatureDoesNotMatch",
        "the store has another user or password: does a URL in env: contain another one?",
        final="cannot be entered",
    ),
    Cause(
        r"database files are incompatible|initialized by PostgreSQL version|Invalid MySQL server downgrade"
        r"|Wrong mongod version|invalid featureCompatibilityVersion|Can't handle RDB format version",
        "the data is of another version: set version: under infra, or devenv down --volumes",
        final="cannot read its data",
    ),
    Cause(
        r"Cannot connect to the Docker daemon",
        "the engine went away: start it again, then devenv up",
    ),
    Cause(
        r"has wrong ownership|designated data directory \S+ is unusable|Unable to write to the backend"
        r"|could not (access|change permissions of) directory|chown: .*(not permitted|denied)",
        "its data belongs to another user than the image's: let it run as that one, or devenv down --volumes",
    ),
    Cause(
        r"[Rr]ead-only file system|EROFS",
        "it writes where it may not: files: and a read-only root stay as they are; name the folder under"
        " volumes:",
    ),
    Cause(
        r"No module named '(MySQLdb|psycopg2)'",
        "SQLAlchemy takes this driver for a URL that names none; for another, as mysql+pymysql://, write"
        ' env: {DATABASE_URL: "mysql+pymysql://${mysql.user}:${mysql.password}@${mysql.host}/${mysql.database}"}',
    ),
    Cause(
        r"ModuleNotFoundError|Cannot find (module|package)|MODULE_NOT_FOUND",
        "a dependency is missing in the image: add it to the requirements, then devenv up",
    ),
    Cause(
        r"failed to resolve|Could not resolve host|Temporary failure in name resolution|no such host",
        OFFLINE,
    ),
    Cause(
        r"failed to calculate checksum of ref .*: not found",
        "what COPY names is not in the build's folder: is the path relative to context:, and not ignored by"
        " .dockerignore?",
    ),
    Cause(
        r"failed to solve: .*: not found",
        "the base image's name is wrong, or it is private: docker login",
    ),
    Cause(
        r"[Pp]ermission denied",
        DENIED,
    ),
)
"""Known messages; the first that matches wins."""

GUESSES = (
    Cause(
        r"^40[13] |statuscode: 40[13]",
        "the path needs a login: choose one that does not, health: {http: /path}, or use health: {tcp: 8000}",
    ),
    Cause(r"^404 |statuscode: 404", "the service has no such path: choose another, health: {http: /path}"),
    Cause(
        r"nothing (listens|answers) on the port|probe failed: .*connection refused",
        "still starting? health: {within: 2m} gives it more time. On 127.0.0.1 or IPv6 only? It has to be"
        " 0.0.0.0. On UDP: health: {exec: ...}",
    ),
    Cause(r"was not ready within", "its log says how far it is; health: {within: 2m} gives it more time"),
    Cause(
        r"ended (\d+ times, )?with exit 0$",
        "it ended well: is it a job, a shell without a terminal, or does it go to the background?",
    ),
)
"""What may help where nothing better is known."""

JAVA_FRAME = re.compile(
    r"\s+at [^\s(]+\([^()]*\)(?: [~\[].*)?$|\s+\.\.\. \d+ (?:more|common frames omitted)$"
)


def likely(lines: Iterable[str], causes: Sequence[Cause] = CAUSES) -> str:
    """What helps against the first cause whose words are among the lines; nothing when there is none."""
    text = "\n".join(lines)
    return next((cause.hint for cause in causes if re.search(cause.words, text, re.M)), "")


def excerpt(lines: Sequence[str]) -> tuple[str, ...]:
    """The last lines, for a card; before them the first line of what is the matter, as in Node's errors.

    Without Java's frames: of its traces the lines between them say what was the matter.
    """
    lines = [line for line in lines if not JAVA_FRAME.match(line)]
    shown, hint = lines[-SHOWN:], likely(lines)
    first = next((line for line in lines if hint and likely([line]) == hint), "")
    return (first, *shown[1:]) if first and first not in shown else tuple(shown)


def helpful(unit: Unit, lines: Sequence[str]) -> str:
    """`likely`, which also knows the unit's volumes: theirs is the folder that a program may not write to."""
    hint = likely(lines)
    folders = [volume.target for volume in unit.volumes] if hint == DENIED else []
    denied = [line for line in lines if re.search("[Pp]ermission denied", line)]
    for folder in folders:
        if any(re.search(rf"{re.escape(folder)}(?![\w.-])", line) for line in denied):
            return (
                f"its volume belongs to another user: in the Dockerfile, before USER, mkdir -p {folder} and"
                " chown it; then devenv down --volumes"
            )
    return hint


def hopeless(answer: str) -> str:
    """What happened to a store whose check got an answer that no waiting mends; "" for any other answer."""
    return next((cause.final for cause in CAUSES if cause.final and re.search(cause.words, answer, re.M)), "")


def failed(
    unit: Unit, what: str, output: Sequence[str], facts: Sequence[tuple[str, str]] = (), otherwise: str = ""
) -> UnitFailed:
    """The card of a unit that did not become ready, with what helps, if the facts or its output tell."""
    command = [("command", unit.shown_command)] if unit.command else []
    answers = [what, *(fact for name, fact in facts if name != "probe")]  # it names what it looks for
    guess = otherwise or likely(answers, GUESSES) or f"devenv logs {unit.name}"
    hint = likely(answers) or helpful(unit, output) or guess
    return UnitFailed(Card(unit.name, what, facts=(*command, *facts), output=excerpt(output), hint=hint))
