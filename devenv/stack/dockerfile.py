"""Facts about an image, read from its Dockerfile without building."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.I)
_ARG = re.compile(r"ARG\s+(\w+)=(\S*)", re.I)
_HEREDOC = re.compile(r"<<-?([\"']?)(\w+)\1")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")
_SHELL_LESS = re.compile(
    r"scratch$|gcr\.io/distroless/(?!.*debug)|(?:cgr\.dev/)?chainguard/(?:static|glibc-dynamic)(?!.*-dev)"
)


def has_shell(image: str) -> bool:
    """Whether an image may have an `sh`: False only for images known to have none."""
    return not _SHELL_LESS.match(image.removeprefix("docker.io/"))


def base_image(dockerfile: str, target: str | None = None, args: Mapping[str, str] | None = None) -> str:
    """The base image of the target, or of the last stage, followed through earlier stages; "" if unknown."""
    stages: dict[str, str] = {}
    last = ""
    values: dict[str, str] = {}
    for line in _instructions(dockerfile):
        if not stages and (argument := _ARG.match(line)):
            values[argument[1]] = (args or {}).get(argument[1], argument[2].strip("\"'"))
        if stage := _FROM.match(line):
            last = (stage[2] or str(len(stages))).lower()
            stages[last] = _VARIABLE.sub(
                lambda match: values.get(match[1] or match[3]) or match[2] or "", stage[1]
            )
    image = stages.get((target or last).lower(), "")
    for _ in stages:  # a stage may be based on an earlier one
        image = stages.get(image.lower(), image)
    return image


def _instructions(dockerfile: str) -> Iterator[str]:
    """Instructions as single lines, without comments and here-documents."""
    joined, end = "", ""
    for line in dockerfile.splitlines():
        text = line.strip()
        if end:
            end = "" if text == end else end
            continue
        if text.startswith("#") or not (text or joined):
            continue
        if text.endswith("\\"):
            joined += text[:-1] + " "
            continue
        instruction, joined = joined + text, ""
        if (heredoc := _HEREDOC.search(instruction)) and not _FROM.match(instruction):
            end = heredoc[2]
        yield instruction
