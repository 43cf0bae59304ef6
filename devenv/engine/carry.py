"""Copies the data of stores from one backend to another, with each store's own tools."""

from __future__ import annotations

import os
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

from devenv.backends.base import Backend, StreamEnded
from devenv.errors import DevenvError
from devenv.plan.model import ObservedUnit
from devenv.stack.model import Unit

CHUNK = 256 * 1024


def save(backend: Backend, store: ObservedUnit, unit: Unit, folder: Path) -> int:
    """Write a running store's content into a file of that folder; returns its size in bytes.

    Raises `DevenvError` for a dump that fails, or is empty: each of them has a head at least.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = 0
    with closing(backend.attach(store, unit.dump)) as stream, _private(folder / unit.name) as out:
        # Its stdin stays open: a cluster loses output, now and then, when it ends while the command starts.
        while data := stream.receive():
            out.write(data)
            size += len(data)
        if stream.exit_code != 0 or not size:
            what = f"the data of {unit.name} could not be read"
            why = _last(stream.complaints) or "its dump is empty"
            raise DevenvError(what, where=f"{unit.name} on {backend.name}", why=why)
    return size


def _private(file: Path) -> IO[bytes]:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def load(backend: Backend, store: ObservedUnit, unit: Unit, folder: Path, *, source: str) -> None:
    """Load a file saved on the backend `source` into a running store, and remove the file.

    Raises `DevenvError` if the store refuses it; the file is then kept.
    """
    file = folder / unit.name
    _send(backend, store, unit, file, source)
    file.unlink()
    with suppress(OSError):  # not the last one
        folder.rmdir()


def _send(backend: Backend, store: ObservedUnit, unit: Unit, file: Path, source: str) -> None:
    with closing(backend.attach(store, unit.load)) as stream:

        def send() -> None:
            with suppress(StreamEnded), file.open("rb") as content:
                while data := content.read(CHUNK):
                    stream.send(data)
                stream.end()

        writer = threading.Thread(target=send, daemon=True)
        writer.start()
        while stream.receive():
            pass  # its own progress output
        writer.join()
        if stream.exit_code != 0:
            raise DevenvError(
                f"{unit.name} did not accept the data: it is kept in {file}",
                where=f"{unit.name} on {backend.name}",
                why=_last(stream.complaints),
                hint=f"devenv up -b {source}   the data is still there; then try again",
            )


def _last(output: bytes) -> str:
    """The last three lines of a tool's output, which hold its reason."""
    return "\n".join(output.decode(errors="replace").strip().splitlines()[-3:])
