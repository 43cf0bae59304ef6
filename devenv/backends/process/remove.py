"""Ends everything of a checkout that runs as plain processes, and removes what it left."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from pathlib import Path

from devenv.backends.base import Removed, Say
from devenv.backends.process.control import PATIENCE, Control
from devenv.backends.process.leftovers import LOOK, end_leftovers
from devenv.backends.process.records import MAKING, Folder
from devenv.errors import DevenvError
from devenv.stack import labels

ENDING = 5.0  # seconds a process that was killed has to be gone
SOON = 1.0  # seconds; after that people are told what is waited for


def remove(folder: Folder, control: Control, checkout: str, *, volumes: bool, say: Say) -> Removed:
    """Raises `DevenvError` where the supervisor does not answer."""
    records = folder.records().values()
    units = tuple(
        sorted(record.unit for record in records if labels.read(record.labels).checkout == checkout)
    )
    shorts = {control.short, folder.short() or control.short}
    if units:
        say(f"stopping {', '.join(units)}")
    if not folder.supervised():
        end_leftovers(folder)
    elif _answers(folder, control, say):
        control.ask("end")
    else:
        end_frozen(folder)
        end_leftovers(folder)
    names = tuple(sorted(path.name for path in folder.data.glob("*") if path.suffix != MAKING))
    if volumes:
        _remove_data(folder.data)
    for gone in (*(folder.path / part for part in ("run", "logs", "files")), *shorts):
        shutil.rmtree(gone, ignore_errors=True)
    return Removed(units, names if volumes else (), () if volumes else names)


def _answers(folder: Folder, control: Control, say: Say) -> bool:
    if control.answers(SOON):
        return True
    say(f"waiting for the supervisor, process {folder.supervisor()}: in {PATIENCE:g} s it is ended")
    return control.answers(PATIENCE)


def end_frozen(folder: Folder, within: float = ENDING) -> None:
    """End a supervisor that does nothing: who holds its lock is the one that it names.

    Raises `DevenvError` where it may not be ended, or does not end.
    """
    supervisor, why = folder.supervisor(), "it was killed, and waits for a disk or the network"
    try:
        if supervisor is None:  # it has begun this very moment
            raise ProcessLookupError
        os.kill(supervisor, signal.SIGKILL)
    except ProcessLookupError:
        why = "another process has its lock"
    except PermissionError:
        why, within = "it belongs to another user", 0
    deadline = time.monotonic() + within
    while folder.supervised():
        if time.monotonic() >= deadline:
            raise DevenvError(
                f"the stack's supervisor, process {supervisor}, does not end",
                why=why,
                hint=f"ps -o user,stat,wchan,args -p {supervisor}   then devenv down once it is gone",
            )
        time.sleep(LOOK)


def _remove_data(data: Path) -> None:
    """Raises `DevenvError` where another user's data stays: what is said to be gone is gone."""
    shutil.rmtree(data, ignore_errors=True)
    if data.exists():
        raise DevenvError(
            "the data cannot be removed",
            where=str(data),
            why="it belongs to another user, as after devenv was run as root",
            hint=f"sudo rm -rf {shlex.quote(str(data))}",
        )
