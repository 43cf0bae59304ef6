"""What several commands print, or write into folders of the user's."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import UsageError

if TYPE_CHECKING:  # --help needs none of them
    from devenv.backends.base import Backend, LogLine
    from devenv.console import Console
    from devenv.plan.model import ObservedUnit
    from devenv.stack.model import Stack


def print_logs(
    console: Console,
    backend: Backend,
    units: Sequence[ObservedUnit],
    *,
    follow: bool,
    tail: int | None = None,
    since: int | None = None,
    timestamps: bool = False,
) -> None:
    """Print log lines with their unit's name before them, until the units are gone."""
    stop = threading.Event()
    try:
        batches = backend.logs(units, follow=follow, tail=tail, since=since, stop=stop)
        print_lines(console, batches, units, timestamps=timestamps)
    finally:
        stop.set()


def print_lines(
    console: Console,
    batches: Iterable[Sequence[LogLine]],
    units: Sequence[ObservedUnit],
    *,
    timestamps: bool = False,
) -> None:
    """Print log lines with their unit's name before them."""
    names, results = [unit.unit for unit in units], console.results
    prefixes = {name: f"{results.prefix(name, names)} " if len(names) > 1 else "" for name in names}

    def text(line: LogLine) -> str:
        moment = f"{results.style(line.time[:23], 'dim')} " if timestamps else ""
        return f"{prefixes[line.unit]}{moment}{line.text}"

    for batch in batches:
        console.print_as_it_is("\n".join(map(text, batch)))


def save_logs(
    console: Console,
    backend: Backend,
    units: Sequence[ObservedUnit],
    folder: Path,
    *,
    tail: int | None = None,
    since: int | None = None,
    timestamps: bool = False,
) -> None:
    """Write what each unit printed into a file of its own, without secrets, and print the files' paths.

    Raises `UsageError` if that cannot be written.
    """
    stop, files = threading.Event(), {unit.unit: folder / f"{unit.unit}.log" for unit in units}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            to = {
                name: opened.enter_context(file.open("w", encoding="utf-8", errors="replace"))
                for name, file in files.items()
            }
            for batch in backend.logs(units, follow=False, tail=tail, since=since, stop=stop):
                for line in batch:
                    moment = f"{line.time[:23]} " if timestamps else ""
                    to[line.unit].write(f"{moment}{console.masked(line.text)}\n")
    except OSError as error:
        from devenv.writing import NO_ROOM

        if error.errno in NO_ROOM:
            raise
        raise UsageError(
            f"cannot write logs: {error.strerror}", where=str(error.filename or folder)
        ) from None
    finally:
        stop.set()
    console.print("\n".join(str(file) for file in files.values()))


def keep_out_of_images(stack: Stack, root: Path, folder: Path, files: Collection[str], why: str) -> None:
    """Raises `UsageError` where a build context would contain the rendered files."""
    from devenv.sources.ignored import sends

    for unit in sorted(stack.units, key=lambda unit: unit.one_shot):  # a job is often `like` a service
        if unit.build is not None and not unit.build.remote:
            context = (root / unit.build.context).resolve()
            if sends(context, unit.build.dockerfile, folder, files):
                ignore = os.path.relpath(context / ".dockerignore")
                raise UsageError(
                    f"{os.path.relpath(folder)} is inside the build context of {unit.name}",
                    where=f"{unit.section}.{unit.name}.build",
                    why=why,
                    hint=f"echo {folder.relative_to(context)} >> {ignore}   or render into another folder",
                )
