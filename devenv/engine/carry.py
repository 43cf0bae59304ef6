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
    """The units that keep something, whether it can be carried or not."""
    return [unit for unit in stack.units if unit.volumes or _carries(unit)]


def _carries(unit: Unit) -> bool:
    return bool(unit.dump and unit.load)


def save(backend: Backend, observed: Observed, units: Sequence[Unit], folder: Path, say: Say) -> list[Unit]:
    """Write the content of the stores that run into a folder, a file each; returns them and says what stays.

    Raises `DevenvError` for a dump that fails; nothing has been stopped by then.
    """
    saved = []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for unit in units:
        found = observed.units.get(unit.name)
        if not _carries(unit):
            say(f"{unit.name} has no way to hand over what it keeps: that stays on {backend.name}")
            continue
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
            what = f"the content of {unit.name} could not be read"
            raise DevenvError(what, where=f"{unit.name} on {backend.name}", why=_last(stream.complaints))
    return size


def load(backend: Backend, observed: Observed, units: Sequence[Unit], folder: Path, *, source: str) -> None:
    """Read what was saved from the backend `source` into stores that run here, and remove the files.

    Raises `DevenvError`; the file of a store that did not take it is still there then.
    """
    for unit in units:
        _load(backend, observed.units[unit.name], unit, folder / unit.name, source)
        (folder / unit.name).unlink()
    with suppress(OSError):
        folder.rmdir()


def _load(backend: Backend, found: Found, unit: Unit, file: Path, source: str) -> None:
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
            raise DevenvError(
                f"{unit.name} did not take the content: it is kept in {file}",
                where=f"{unit.name} on {backend.name}",
                why=_last(stream.complaints),
                hint=f"devenv up -b {source}, where it is still, and from there again",
            )


def _last(said: bytes) -> str:
    """The end of what a tool said: its reason may take a line or three."""
    return "\n".join(said.decode(errors="replace").strip().splitlines()[-3:])
