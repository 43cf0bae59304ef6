"""How each unit is run: what was rendered, put together with the folders and programs of this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from devenv.backends.process.environments import Environment
from devenv.backends.process.programs import Programs, Wanted, find
from devenv.backends.process.records import STAND_IN, Folder
from devenv.errors import DevenvError, UsageError
from devenv.stack.labels import LABEL

OWN = re.compile(r"\$(DATA|FILES|RUN|PYTHON)\b")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to run a unit; see `stack.kinds.file.Process`. `written` are its variables, as rendered."""

    argv: tuple[str, ...]
    written: Mapping[str, str] = field(repr=False)
    kind: bool = False
    """Whether its kind says so, and not the manifest."""
    wanted: Wanted = field(default_factory=Wanted)
    packages: tuple[str, ...] = ()
    clients: Mapping[str, str] = field(default_factory=dict)
    """Programs that people call in its surroundings -> the script that gives their words its address."""
    new: str = ""
    stop: str = "TERM"
    rootless: bool = False
    stand_in: bool = False
    note: str = ""
    """What the program does otherwise than the one that is meant."""
    build: str = ""
    """What builds its program of the project's sources; its words do so again, with what is built by then."""


@dataclass(frozen=True)
class Spec:
    """A unit as a process, on this machine."""

    unit: str
    root: Path
    place: Folder
    short: Path
    own_labels: Mapping[str, str]
    context: str
    grace: float
    sources: Mapping[str, str]
    rendered: tuple[str, ...]
    """The files that it finds beside those of the project."""
    volumes: tuple[str, ...]
    check: tuple[str, ...]
    """The command that says whether it is ready, and the seconds that it may take."""
    patience: float
    ways: tuple[Way, ...]

    @cached_property
    def way(self) -> Way:
        """The first way whose programs are there."""
        return next((way for way in self.ways if isinstance(find(way.wanted), Programs)), self.ways[0])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, which also say which version there is, and whether another program plays its part."""
        programs = find(self.way.wanted)
        version = programs.version if isinstance(programs, Programs) else ""
        more = {STAND_IN: "true" if self.way.stand_in else "", LABEL + "version": version}
        return {**self.own_labels, **{key: value for key, value in more.items() if value}}

    @property
    def folder(self) -> Path:
        """Where it runs: the folder that its image is built from, else the project's."""
        return self.root / self.context

    @property
    def data(self) -> Path:
        """The folder of its first volume."""
        return self.place.data / (self.volumes[0] if self.volumes else self.unit)

    @property
    def clients(self) -> Path:
        """The folder of the clients that find it."""
        return self.short / "clients"

    def environment(self) -> dict[str, str]:
        """Its variables over those of this terminal. Raises `UsageError` where its programs are missing."""
        programs = find(self.way.wanted)
        if not isinstance(programs, Programs):
            raise UsageError(f"{self.unit} cannot run here", why=programs, hint=self.way.wanted.install)
        own = {
            "DATA": str(self.data),
            "FILES": str(self.place.files(self.unit)),
            "RUN": str(self.short),
            "PYTHON": str(self.installed.python or sys.executable),
        }
        written = dict(self.way.written)
        if not self.way.kind:
            written["DEVENV_BUILT"] = str(self.place.environments / f"{self.unit}-built")
        else:
            written = own | {
                key: OWN.sub(lambda match: own[match[1]], value) for key, value in written.items()
            }
        outside = {key: value for key, value in os.environ.items() if not key.startswith("DEVENV_")}
        first = [
            *([self.clients] if self.way.clients else []),
            *([programs.folder] if programs.folder else []),
            *self.installed.paths,
        ]
        path = os.pathsep.join([*map(str, first), os.environ.get("PATH", os.defpath)])
        return {**outside, **self.installed.variables, **written, "PATH": path}

    @property
    def installed(self) -> Environment:
        """What its project's lock file, or its recipe, asks to have installed."""
        if self.way.kind:
            return Environment.of_packages(self.unit, self.way.packages, self.place.environments)
        return Environment.of(self.folder, self.place.environments)


def read(folder: Path, root: Path, short: Path) -> dict[str, Spec]:
    """The units as they were rendered last. Raises `DevenvError` where nothing was."""
    place = Folder(folder)
    try:
        units = json.loads(place.programs.read_text(encoding="utf-8"))["units"]
        return {unit: _spec(unit, written, place, root, short) for unit, written in units.items()}
    except (OSError, ValueError, KeyError) as error:  # not there, or an older devenv's
        raise DevenvError(f"{place.programs} cannot be read", why=str(error), hint="devenv up") from error


def _spec(unit: str, written: Mapping[str, Any], place: Folder, root: Path, short: Path) -> Spec:
    return Spec(
        unit=unit,
        root=root,
        place=place,
        short=short,
        own_labels=written["labels"],
        context=written["folder"],
        grace=written["grace"],
        sources=written["sources"],
        rendered=tuple(written["rendered"]),
        volumes=tuple(written["volumes"]),
        check=tuple(written["check"]),
        patience=written["patience"],
        ways=tuple(map(_way, written["ways"])),
    )


def _way(written: Mapping[str, Any]) -> Way:
    argv, variables = tuple(written["argv"]), written["environment"]
    if not written["kind"]:
        stop = written.get("stop", "")
        exists = f"SIG{stop}" in signal.Signals.__members__  # this machine may have fewer than Linux
        return Way(argv, variables, stop=stop if exists else "TERM", build=written["build"])
    more = {name: written[name] for name in ("clients", "new", "stop", "rootless", "stand_in", "note")}
    packages = tuple(written["packages"])
    return Way(argv, variables, kind=True, wanted=Wanted(*written["wanted"]), packages=packages, **more)
