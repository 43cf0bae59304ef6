"""Copies the data of stores from one backend to another: with their own tools, or by their volumes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import IO

from devenv.backends.base import Attach, Backend, Stream, StreamEnded
from devenv.errors import DevenvError
from devenv.manifest.versions import is_older
from devenv.plan.carrying import OLDER
from devenv.plan.model import ObservedUnit
from devenv.stack.model import Unit

CHUNK = 256 * 1024
LOOK = 0.2  # seconds after which it is seen that there is nothing to break off any more


def save(backend: Backend, store: ObservedUnit, unit: Unit, folder: Path, stop: Event) -> int:
    """Write a store's content into a file of that folder; returns its size in bytes.

    The file begins with the version of who wrote the content. `stop` breaks it off. Raises `DevenvError` for
    a dump that fails, or is empty: each of them has a head at least.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = 0
    with _private(folder / unit.name) as out, _reached(backend, store, unit) as attach:
        out.write(f"{store.version}\n".encode())
        with closing(attach(unit.dump)) as stream, _broken_off(stream, stop):
            # Its stdin stays open: a cluster loses output, now and then, when that ends while it starts.
            while data := stream.receive():
                out.write(data)
                size += len(data)
        if stream.exit_code != 0 or not size:
            what = f"the data of {unit.name} could not be read"
            why = _last(stream.complaints) or "its dump is empty"
            raise DevenvError(what, where=f"{unit.name} on {backend.name}", why=why)
    return size


@contextmanager
def _reached(backend: Backend, store: ObservedUnit, unit: Unit) -> Iterator[Attach]:
    """What starts a store's commands: in it while it runs, or beside its volume while it does not."""
    if unit.copied:
        with backend.resting(store) as attach:
            yield attach
    else:
        yield partial(backend.attach, store)


def _private(file: Path) -> IO[bytes]:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def load(
    backend: Backend, store: ObservedUnit, unit: Unit, folder: Path, stop: Event, *, source: str
) -> None:
    """Load a file saved on the backend `source` into a store, and remove the file. `stop` breaks it off.

    Raises `DevenvError` if the store refuses it; the file is then kept.
    """
    file = folder / unit.name
    _send(backend, store, unit, file, stop, source)
    file.unlink()
    with suppress(OSError):  # not the last one
        folder.rmdir()


def _send(backend: Backend, store: ObservedUnit, unit: Unit, file: Path, stop: Event, source: str) -> None:
    hint = f"devenv up -b {source}   the data is still there; then try again"
    with file.open("rb") as content:
        version = content.readline().decode().strip()
        if unit.copied and is_older(store.version, version):
            what, why = f"{unit.name} {version} wrote the data, and {store.version} runs now", OLDER
            raise DevenvError(what, where=f"{unit.name} on {backend.name}", why=why, hint=hint)
        with (
            _reached(backend, store, unit) as attach,
            closing(attach(unit.load)) as stream,
            _broken_off(stream, stop),
        ):
            _feed(stream, content)
        if stream.exit_code != 0:
            raise DevenvError(
                f"{unit.name} did not accept the data: it is kept in {file}",
                where=f"{unit.name} on {backend.name}",
                why=_last(stream.complaints),
                hint=hint,
            )


@contextmanager
def _broken_off(stream: Stream, stop: Event) -> Iterator[None]:
    """Hang up when told to stop: whoever reads gets no more, and what rests is started again."""
    done = Event()

    def watch() -> None:
        while not done.is_set():
            if stop.wait(LOOK):
                stream.close()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _feed(stream: Stream, content: IO[bytes]) -> None:
    """Write everything to a command, and wait for its end."""

    def send() -> None:
        with suppress(StreamEnded):
            while data := content.read(CHUNK):
                stream.send(data)
            stream.end()

    writer = threading.Thread(target=send, daemon=True)
    writer.start()
    while stream.receive():
        pass  # its own progress output
    writer.join()


def _last(output: bytes) -> str:
    """The last three lines of a tool's output, which hold its reason."""
    return "\n".join(output.decode(errors="replace").strip().splitlines()[-3:])
