"""Rules about commands, and about the size of what is handed to them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from devenv.manifest.rules.references import REFERENCE
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path

NEEDS_SHELL = re.compile(r"[$|&;<>()`*?~#\n\\]")
LONGEST = 128 * 1024 - 1  # bytes of one word or variable that Linux hands to a program


def commands_are_whole(scope: Scope) -> Iterator[Finding]:
    """A command in one line has balanced quotes."""
    for path, workload in scope.workloads.items():
        for key in ("command", "entrypoint"):
            line = getattr(workload, key)
            if not isinstance(line, str) or not {"'", '"'} & set(line):
                continue
            if not NEEDS_SHELL.search(REFERENCE.sub("", line)):
                try:
                    shlex.split(line)
                except ValueError as error:
                    yield (
                        (*path, key),
                        f"not a command: {str(error).lower()}",
                        "close the quotes, or write it as a list",
                    )


def words_fit(scope: Scope) -> Iterator[Finding]:
    """Variables and words of commands are short enough for the kernel to hand them over."""
    texts: list[tuple[Path, str]] = []
    for path, workload in scope.workloads.items():
        texts += [((*path, "env", key), f"{key}={value}") for key, value in workload.env.items()]
        for key in ("command", "entrypoint"):
            words = getattr(workload, key)
            texts += (
                [((*path, key), words)]
                if isinstance(words, str)
                else [((*path, key, index), word) for index, word in enumerate(words or ())]
            )
    for at, text in texts:
        if (size := len(text.encode())) > LONGEST:
            message = f"{size // 1024} KiB is more than Linux passes to a program (128 KiB)"
            yield at, message, "put it into a file, with files:"
