"""Programs that a Dockerfile builds of the project's sources: built in the same way on this machine. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from posixpath import basename, join

from devenv.stack.text import Text

_BUILD = re.compile(r"\bgo\s+(?:build|install)\b([^&;|]*)")
_VALUED = ("-o", "-p", "-C", "-tags", "-mod", "-ldflags", "-gcflags", "-asmflags", "-buildmode")
"""Options that may have their value in the next word."""
BUILD = 'mkdir -p "$DEVENV_BUILT"; go build {tags}-o "$DEVENV_BUILT/"{name} {package}'


@dataclass(frozen=True, slots=True)
class GoBuild:
    """A `go build`: the file that it writes, and what it builds."""

    output: str
    package: str
    tags: str


def command(words: Sequence[Text], runs: Sequence[str]) -> tuple[str, Sequence[Text]]:
    """The script that builds a program of Go, and the words that do so each time before they run it.

    Any other words as they are, and no script.
    """
    build = build_of(words, runs)
    if build is None:
        return "", words
    tags = f"-tags {shlex.quote(build.tags)} " if build.tags else ""
    name = shlex.quote(basename(str(words[0])))
    script = BUILD.format(tags=tags, name=name, package=shlex.quote(build.package))
    return script, ("sh", "-ec", f'{script}; exec "$DEVENV_BUILT/"{name} "$@"', "sh", *words[1:])


def build_of(words: Sequence[Text], runs: Sequence[str]) -> GoBuild | None:
    """The `go build` that makes the program which these words run."""
    if not words or not isinstance(words[0], str):
        return None
    program = basename(words[0])
    builds = list(_builds(runs))
    build = next((build for build in builds if basename(build.output) == program), None)
    if build is None and len(builds) == 1 and "/" in words[0]:  # copied under another name
        build = builds[0]
    return build


def _builds(runs: Sequence[str]) -> Iterator[GoBuild]:
    for run in runs:
        for match in _BUILD.finditer(run):
            try:
                words = iter(shlex.split(match[1]))
            except ValueError:  # a quote ends in another command
                continue
            options, packages = {}, []
            for word in words:
                name, equals, value = word.partition("=")
                if not word.startswith("-"):
                    packages.append(word)
                elif not equals and name in _VALUED:
                    options[name] = next(words, "")
                else:
                    options[name] = value
            package = packages[0] if packages else "."
            output = options.get("-o", "")
            if not output or output.endswith("/"):
                output = join(output, basename(package))
            yield GoBuild(output, package, options.get("-tags", ""))
