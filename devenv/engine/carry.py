"""Taking the content of stores from one backend to another, through each store's own tools."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from devenv.backends.base import Backend, Say, StreamEnded
from devenv.errors import DevenvError
from devenv.plan.model import Found, Observed
from devenv.stack.model import Stack, Unit

CHUNK = 256 * 1024


def stores(stack: Stack) -> list[Unit]:
    """The units whose content can be carried."""
    return [unit for unit in stack.units if unit.dump and unit.load]


def save(backend: Backend, observed: Observed, units: Sequence[Unit], folder: Path, say: Say) -> list[Unit]:
    """Write the content of the stores that run into a folder, a file each; returns them.

    Raises `DevenvError` for a dump that fails; nothing has been stopped by then.
    """
    saved = []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for unit in units:
        found = observed.units.get(unit.name)
        if found is None or not found.running:
            say(f"{unit.name} does not run on {backend.name}: nothing to carry")
            continue
        size = _save(backend, found, unit, folder / unit.name)
        say(f"{unit.name}: {size / 1e6:.1f} MB carried from {backend.name}")
        saved.append(unit)
    return saved


def _save(backend: Backend, found: Found, unit: Unit, file: Path) -> int:
    size = 0
    with closing(backend.attach(found, unit.dump)) as stream, file.open("wb") as out:
        with suppress(StreamEnded):
            stream.end()
        while data := stream.receive():
            out.write(data)
            size += len(data)
        if stream.exit_code != 0:
            raise _failed(f"the content of {unit.name} could not be read", unit.dump, stream.complaints)
    return size


def load(backend: Backend, observed: Observed, units: Sequence[Unit], folder: Path) -> None:
    """Read saved content into stores that run here, and remove the files.

    Raises `DevenvError`; the file of a store that did not take it is still there then.
    """
    for unit in units:
        _load(backend, observed.units[unit.name], unit, folder / unit.name)
        (folder / unit.name).unlink()
    with suppress(OSError):
        folder.rmdir()


def _load(backend: Backend, found: Found, unit: Unit, file: Path) -> None:
    with closing(backend.attach(found, unit.load)) as stream:

        def send() -> None:
            with suppress(StreamEnded), file.open("rb") as content:
                while data := content.read(CHUNK):
                    stream.send(data)
                stream.end()

        writer = threading.Thread(target=send, daemon=True)
        writer.start()
        while stream.receive():
            pass  # what it says while it works
        writer.join()
        if stream.exit_code != 0:
            raise _failed(
                f"{unit.name} did not take the content: it is kept in {file}", unit.load, stream.complaints
            )


def _failed(what: str, argv: Sequence[str], said: bytes) -> DevenvError:
    lines = said.decode(errors="replace").strip().splitlines()
    return DevenvError(what, where=" ".join(argv)[:120], why=lines[-1] if lines else "")
