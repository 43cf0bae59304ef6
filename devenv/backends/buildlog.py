"""What a failed build printed: which step failed, and the lines of it that say why. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from devenv.stack import text
from devenv.stack.model import Build

LINES = 15  # on a card: enough for a compiler's first errors, few enough to read
AFTER = 2  # lines after one with an error that belong to it: where it is, what was expected

NOISE = re.compile(
    r"^npm notice|^npm warn|^npm error( \d+| code \w+| errno -?\d+)?$"
    r"|^npm error (A complete log|Log files were)"
    r"|^\[notice\]|^WARNING: (Running pip as|You are using pip)|new release of pip"
    r"|^\[(ERROR|INFO)\] *$|^\[ERROR\] (-> )?\[Help"
    r"|^\[ERROR\] (To see the full stack|Re-run Maven|For more info)"
    r"|^> (Run with --|Get more help at)|^\* Try:|^debconf: |^info (Visit|There appears)"
)
"""Lines that tools end with when they fail, and that say nothing of why."""

ERROR = re.compile(
    r"error|fatal|fail|exception|traceback|cannot|can't|not found|no such|denied|undefined", re.I
)
_LINE = re.compile(r"#(\d+) (?:\d+\.\d+ ?)?(.*)")
_PLACE = re.compile(r"^\S+:(\d+)$")
_WRAPPED = re.compile(r"^(ERROR: )?(failed to build: )?(failed to solve: )?")


@dataclass(frozen=True, slots=True)
class Failure:
    """A step of a Dockerfile that failed: its instruction, its line there, and what it printed of why."""

    instruction: str = ""
    line: int = 0
    output: tuple[str, ...] = ()


def recipe(build: Build) -> str:
    """The Dockerfile of a build, from the top of the project; of a remote one, from its repository."""
    path = posixpath.join(build.context, build.dockerfile)
    return path if build.remote else posixpath.normpath(path)


def alone(build: Build) -> str:
    """A command that makes the image without devenv, from the top of the project, but for secrets."""
    words = ["docker", "build"]
    if build.dockerfile != "Dockerfile":
        words += ["-f", build.dockerfile if build.remote else recipe(build)]
    words += ["--target", build.target] if build.target else []
    for key, value in build.args:
        words += ["--build-arg", f"{key}={text.masked(value)}"]
    return shlex.join([*words, build.context])


def failure(lines: Sequence[str]) -> Failure:
    """What failed in a build, from its plain progress."""
    broken = next((line[1:].split()[0] for line in lines if re.match(r"#\d+ ERROR: ", line)), "")
    steps = [match for line in lines if (match := _LINE.match(line)) and match[1] == broken]
    head = steps[0][2] if steps else ""
    printed = [match[2].rstrip() for match in steps[1:] if re.match(r"#\d+ \d", match[0])]
    ended = next((line for line in reversed(lines) if line.startswith("ERROR: ")), "")
    output = telling(printed)
    if not output and ended:
        output = [_WRAPPED.sub("", ended)]
    places = [int(match[1]) for line in lines if (match := _PLACE.match(line))]
    return Failure(re.sub(r"^\[[^]]*\] ", "", head), places[-1] if places else 0, tuple(output))


def telling(lines: Sequence[str]) -> list[str]:
    """The lines that say why: those with an error and what belongs to them, then the last ones, in order."""
    left = [line for line in lines if line.strip() and not NOISE.search(line)]
    if len(left) <= LINES:
        return left
    errors = [index for index, line in enumerate(left) if ERROR.search(line)]
    near = [at for index in errors for at in range(index, min(index + AFTER + 1, len(left)))]
    ends = range(len(left) - 1, -1, -1)
    wanted = [*dict.fromkeys((*[*dict.fromkeys(near)][: LINES - AFTER], *ends))][:LINES]
    return [left[at] for at in sorted(wanted)]
