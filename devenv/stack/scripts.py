"""What the commands of a RUN instruction can depend on, as far as it is certain."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from devenv.stack.dockerfile import HEREDOC, Instruction, argv

Command: TypeAlias = tuple[str, ...]

_SETTLED = """
    chgrp chmod chown mkdir ls echo set cd true : addgroup adduser groupadd groupmod passwd useradd usermod
    a2dismod a2dissite a2enconf a2enmod a2ensite
"""
_INSTALLERS = {
    **dict.fromkeys(("apk", "apt", "apt-get", "dnf", "microdnf", "yum"), r"(?!.*\S+\.(?:apk|deb|rpm)\b)"),
    **dict.fromkeys(
        ("pip", "pip3"),
        r"install(?: --(?:no-cache-dir|quiet|upgrade)| -[Uq]"
        r"| \w[\w-]*(?:\[[\w,]+\])?(?:[<>=~!]=?[\w.*]+)?)+$",
    ),
    "npm": r"(?:install|i) (?:-g|--global) (?![./])[^-][^ ]*$",
    "corepack": r"enable\b",
    "poetry": r"config [\w.-]+ \w+$",
    "docker-php-ext-enable": r"",
    "docker-php-ext-install": r"",
}
_CLEANERS = {"rm": r"(?:-\w+ )*(?:(?:/var/|/tmp/|/root/\.cache/?|~/\.cache/?)\S* ?)+$"}

HARMLESS = dict.fromkeys(_SETTLED.split(), "") | _INSTALLERS | _CLEANERS
"""Command -> what its arguments look like when its outcome does not depend on the content of copied files.

Those of _INSTALLERS also read settings of the system: see `_SYSTEM`.
"""

_SYSTEM = re.compile(r"/$|/etc/|/usr/share/keyrings/|/usr/local/etc/")
_OPERATORS = frozenset({"&&", "||", ";", "|", "&", ";;"})
_EXECUTABLE = re.compile(r"[0-7]?[1357][0-7]{2}$|[augo]*[+=][rwst]*x")


def commands(step: Instruction) -> tuple[Command, ...] | None:
    """The simple commands of a RUN; None where it does more than run some after each other."""
    words = argv(step.text)
    script = shlex.join(words)
    if len(words) == 3 and words[0].rpartition("/")[2] in ("sh", "bash", "ash") and words[1] == "-c":
        script = words[2]
    if step.heredocs:
        script = HEREDOC.sub("", script)
        if not script.strip():
            script = "\n".join(step.heredocs)
    return _simple(script)


def needs_sources(lines: Sequence[Command] | None, target: str) -> bool:
    """Whether commands may use the content of files that were copied to a target."""
    return lines is None or not all(_harmless(command, target) for command in lines)


def executables(lines: Iterable[Command]) -> Iterator[str]:
    """The paths that `chmod` makes executable; `/**` is added to one with all that is below it."""
    for name, *arguments in lines:
        if name == "chmod":
            flags = [word for word in arguments if re.match(r"-[A-Za-z-]+$", word) and "x" not in word]
            mode, *paths = [word for word in arguments if word not in flags] or [""]
            if _EXECUTABLE.match(mode):
                deep = any("R" in flag or flag == "--recursive" for flag in flags)
                yield from (f"{path.rstrip('/')}/**" if deep else path for path in paths)


def is_executable(mode: str) -> bool:
    """Whether a mode, as `chmod` takes it, lets the owner execute."""
    return bool(_EXECUTABLE.match(mode))


def _harmless(command: Command, target: str) -> bool:
    name, *arguments = command
    name = re.sub(r"^/(?:usr/)?s?bin/", "", name)
    pattern = HARMLESS.get(name)
    if pattern is None or (name in _INSTALLERS and _SYSTEM.match(target)):
        return False
    return bool(re.match(pattern, " ".join(arguments)))


def _simple(script: str) -> tuple[Command, ...] | None:
    if script.startswith("#!") or "`" in script or "$(" in script:
        return None
    joined = re.sub(r"\\\n", " ", script).replace("\n", " ; ")
    lexer = shlex.shlex(joined, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        tokens = list(lexer)
    except ValueError:
        return None
    if any(re.fullmatch(r"[()<]+", token) for token in tokens):
        return None
    lines: list[list[str]] = [[]]
    for token in tokens:
        if token in _OPERATORS:
            lines.append([])
        elif lines[-1] or not re.match(r"\w+=", token):
            lines[-1].append(token)
    return tuple(filter(None, (tuple(_unredirected(line)) for line in lines)))


def _unredirected(line: Iterable[str]) -> Iterator[str]:
    """The words without `> file`."""
    skip = False
    for word in line:
        if not skip and not re.match(r">", word):
            yield word
        skip = word.startswith(">") and not word.strip(">&")
