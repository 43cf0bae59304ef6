"""What runs of a stack, as files that its supervisor writes and every command reads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devenv.backends import lock

RUNNING, EXITED = "running", "exited"
MAKING = ".new"
"""Behind the name of data until all scripts of the first start went well."""
STAND_IN = "devenv.standin"  # as on images: another program plays the part


@dataclass(frozen=True, slots=True)
class Record:
    """One unit's program: its labels, its process, and how that ended. `began` is in nanoseconds since 1970.

    `id` stays over restarts; `run` counts them.
    """

    unit: str
    id: str
    pid: int
    identity: str
    labels: Mapping[str, str] = field(default_factory=dict)
    mark: str = ""
    state: str = RUNNING
    exit_code: int = 0
    began: int = 0
    run: int = 1


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a stack on this backend: `.devenv/process`."""

    path: Path

    @property
    def programs(self) -> Path:
        """What was rendered: how each unit is run."""
        return self.path / "processes.json"

    @property
    def data(self) -> Path:
        """The stores' data and the services' volumes."""
        return self.path / "data"

    @property
    def environments(self) -> Path:
        """What services and stand-ins have installed, each in a folder of its own."""
        return self.path / "env"

    def log(self, unit: str) -> Path:
        """The log of a unit; what came before it, once it is long, has `.1` behind its name."""
        return self.path / "logs" / f"{unit}.log"

    def files(self, unit: str) -> Path:
        """Where the files of a unit lie, each by the path that it has in a container."""
        return self.path / "files" / unit

    @property
    def _run(self) -> Path:
        return self.path / "run"

    def records(self) -> dict[str, Record]:
        """The records by unit, in the order of names."""
        records = {}
        for file in sorted(self._run.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                record = Record(**json.loads(file.read_text(encoding="utf-8")))
                records[record.unit] = record
        return records

    def record(self, unit: str) -> Record | None:
        """The record of a unit, if it was started."""
        try:
            return Record(**json.loads((self._run / f"{unit}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, record: Record) -> None:
        """Write a record as a whole."""
        self._run.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._run / f"{record.unit}.json"
        new = file.with_suffix(".new")
        new.write_text(json.dumps(asdict(record)), encoding="utf-8")
        new.replace(file)

    def forget(self, unit: str) -> None:
        """Remove the record and the log of a unit."""
        for file in (self._run / f"{unit}.json", self.log(unit), self.log(unit).with_suffix(".log.1")):
            file.unlink(missing_ok=True)

    def short(self) -> Path | None:
        """The folder with a short path that the supervisor of this folder was given."""
        try:
            return Path((self._run / "short").read_text(encoding="utf-8"))
        except OSError:
            return None

    def remember_short(self, short: Path) -> None:
        """Keep that for commands to come."""
        self._run.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._run / "short").write_text(str(short), encoding="utf-8")

    @property
    def _lock(self) -> Path:
        return self._run / "lock"

    def supervisor(self) -> int | None:
        """The process of the supervisor that works here, or worked here last."""
        return lock.holder(self._lock)

    def supervised(self) -> bool:
        """Whether a supervisor works in this folder."""
        return lock.is_held(self._lock)

    def take(self) -> int | None:
        """Become the supervisor of this folder: the open lock, or None where another one is."""
        self._run.mkdir(mode=0o700, parents=True, exist_ok=True)
        return lock.take(self._lock)
