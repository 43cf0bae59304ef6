"""What an image says of itself, and what that means for a unit that runs it. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from devenv.stack import text
from devenv.stack.model import Probe, Stack, Unit
from devenv.stack.text import Text

Words: TypeAlias = tuple[Text, ...]

_INITS = frozenset({"tini", "tini-static", "dumb-init", "docker-init", "catatonit", "env"})
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_OPERATORS = re.compile(r"&&|[;|<>`\n]|\$\(|&\s*$")  # what only a shell does; a single & may be of a URL
_PLAIN = frozenset("&?*#()~")
_EXPOSED = re.compile(r"(\d+)(?:-(\d+))?(?:/tcp)?")
HIGHEST = 65535
EVERY, TIMEOUT, RETRIES = 30.0, 30.0, 3  # of a HEALTHCHECK that does not say so
MOST = 2.0  # seconds between two checks of a unit that is waited for, however rarely its image checks
LEAST = 5.0  # seconds that a unit has to become healthy in, however soon its image gives up


@dataclass(frozen=True, slots=True)
class Declared:
    """What an image declares: the user, what runs, its check, its ports, volumes and labels."""

    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    check: Probe | None = None
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Declared:
        """From the engine's details of the image."""
        config = details.get("Config") or {}
        return cls(
            str(config.get("User") or ""),
            tuple(config.get("Entrypoint") or ()),
            tuple(config.get("Cmd") or ()),
            _check(config.get("Healthcheck") or {}),
            exposed(config),
            tuple(config.get("Volumes") or ()),
            tuple(sorted((config.get("Labels") or {}).items())),
        )


def exposed(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The TCP ports that an image exposes. Docker writes those of a range one by one, others do not."""
    ports: set[int] = set()
    for port in config.get("ExposedPorts") or ():
        match = _EXPOSED.fullmatch(port)
        if match is not None:
            first, last = int(match[1]), int(match[2] or match[1])
            ports.update(range(first, min(last, HIGHEST) + 1))
    return tuple(sorted(ports))


def _check(healthcheck: Mapping[str, Any]) -> Probe | None:
    """A HEALTHCHECK as a probe; nothing where there is none, or NONE. Docker counts in nanoseconds."""
    match healthcheck.get("Test"):
        case ["CMD", *words] if words:
            command = tuple(words)
        case ["CMD-SHELL", line]:
            command = ("sh", "-c", line)
        case _:
            return None

    def seconds(name: str, default: float) -> float:
        return (healthcheck.get(name) or 0) / 1e9 or default

    every = seconds("Interval", EVERY)
    tries = healthcheck.get("Retries") or RETRIES
    within = max(LEAST, seconds("StartPeriod", 0.0) + tries * every)
    timeout = seconds("Timeout", TIMEOUT)
    every = min(every, MOST)
    return Probe("exec", command=command, every=every, timeout=timeout, within=within, of_image=True)


def with_images(stack: Stack, declared: Mapping[str, Declared]) -> Stack:
    """The stack with each unit as its image wants it, for those images of which it is known."""
    units = (with_image(unit, declared.get(unit.image)) for unit in stack.units)
    return replace(stack, units=tuple(units))


def with_image(unit: Unit, image: Declared | None) -> Unit:
    """A unit as its image wants it: checked by its HEALTHCHECK, and with words that its ENTRYPOINT takes."""
    if image is None or unit.hosted:  # a relay's image is ours
        return unit
    probe = image.check if unit.implied_check and image.check else unit.probe
    command, entrypoint = unit.command, unit.entrypoint
    if unit.shell_line and unit.command and entrypoint is None and not runs_its_words(image.entrypoint):
        command, entrypoint = _for_program(image.entrypoint, unit.command[-1])
    return replace(unit, command=command, entrypoint=entrypoint, probe=probe, image_user=image.user)


def runs_its_words(entrypoint: Sequence[str]) -> bool:
    """Whether an ENTRYPOINT runs the words that it gets, as a script before the program does."""
    words = list(entrypoint)
    while words and posixpath.basename(words[0]) in _INITS:  # each runs what follows its own options
        words = words[words.index("--") + 1 :] if "--" in words else _without_options(words[1:])
    if not words:
        return True
    name = posixpath.basename(words[0])
    script = posixpath.basename(words[1]) if name in _SHELLS and len(words) > 1 else name
    return name in _SHELLS or script.endswith(".sh") or "entrypoint" in script


def _without_options(words: Sequence[str]) -> list[str]:
    kept = list(words)
    while kept and kept[0].startswith("-"):
        kept.pop(0)
    return kept


def _for_program(entrypoint: Sequence[str], line: Text) -> tuple[Words, Words | None]:
    """The command and the entrypoint for a line whose words a program takes: as Docker and Compose have it.

    Only its variables are filled in, for which a shell starts the program. A line of several commands is the
    shell's as a whole.
    """
    bare = _unquoted(text.rewrite(line, lambda secret: ""))
    if _OPERATORS.search(bare):
        return (), ("sh", "-c", line)
    if "$" not in bare:
        return tuple(text.words(line)), None
    escaped = text.literals(line, _escaped)
    script = text.join("", (f"exec {shlex.join(entrypoint)} ", escaped))
    return (), ("sh", "-c", script)


def _unquoted(line: str) -> str:
    """What of a line is not quoted for the shell, and the dollars that double quotes leave to it."""
    return "".join(sign for sign, quoting in _signs(line) if not quoting or (quoting == '"' and sign == "$"))


def _escaped(line: str) -> str:
    """A line whose signs outside quotes mean nothing to a shell, but for `$`."""
    return "".join(f"\\{sign}" if sign in _PLAIN and not quoting else sign for sign, quoting in _signs(line))


def _signs(line: str) -> Iterator[tuple[str, str]]:
    """Each sign of a line, with the quote that it is in or is; a backslash with what follows is one sign."""
    quoting = ""
    for sign in re.findall(r"\\.|.", line, re.DOTALL):
        if sign in ("'", '"') and quoting in ("", sign):
            yield sign, sign
            quoting = "" if quoting else sign
        else:
            yield sign, quoting
