"""How each unit is run: what was rendered, put together with the folders and programs of this machine."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.backends.process.environments import Environment
from devenv.backends.process.programs import Wanted
from devenv.backends.process.records import Folder
from devenv.errors import DevenvError

OWN = re.compile(r"\$(DATA|FILES|RUN|PYTHON)\b")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kind runs; see `stack.kindfile.Process`."""

    wanted: Wanted
    new: str
    stop: str
    rootless: bool


@dataclass(frozen=True)
class Spec:
    """A unit as a process, on this machine."""

    unit: str
    root: Path
    place: Folder
    short: Path
    argv: tuple[str, ...]
    labels: Mapping[str, str]
    context: str
    grace: float
    sources: Mapping[str, str]
    volumes: tuple[str, ...]
    written: Mapping[str, str] = field(repr=False)
    """Its variables, as rendered."""
    recipe: Recipe | None = None

    @property
    def folder(self) -> Path:
        """Where it runs: the folder that its image is built from, else the project's."""
        return self.root / self.context

    @property
    def data(self) -> Path:
        """The folder of its first volume."""
        return self.place.data / (self.volumes[0] if self.volumes else self.unit)

    def environment(self, programs: Path | None = None) -> dict[str, str]:
        """Its variables over those of this terminal. `programs` come first on its PATH."""
        own = {
            "DATA": str(self.data),
            "FILES": str(self.place.files(self.unit)),
            "RUN": str(self.short),
            "PYTHON": sys.executable,
        }
        written = {
            key: OWN.sub(lambda match: own[match[1]], value) if self.recipe else value
            for key, value in self.written.items()
        }
        outside = {key: value for key, value in os.environ.items() if not key.startswith("DEVENV_")}
        paths = [str(programs)] if programs else [str(path) for path in self.installed.paths]
        path = os.pathsep.join([*paths, os.environ.get("PATH", os.defpath)])
        return {
            **outside,
            **self.installed.variables,
            **(own if self.recipe else {}),
            **written,
            "PATH": path,
        }

    @property
    def installed(self) -> Environment:
        """What its project's lock file asks to have installed."""
        return Environment.of(self.folder if self.recipe is None else None, self.place.path / "env")


def read(folder: Path, root: Path, short: Path) -> dict[str, Spec]:
    """The units as they were rendered last. Raises `DevenvError` where nothing was."""
    place = Folder(folder)
    try:
        units = json.loads(place.programs.read_text(encoding="utf-8"))["units"]
    except (OSError, ValueError, KeyError) as error:
        raise DevenvError(f"{place.programs} cannot be read", why=str(error), hint="devenv up") from error
    return {unit: _spec(unit, written, place, root, short) for unit, written in units.items()}


def _spec(unit: str, written: Mapping[str, Any], place: Folder, root: Path, short: Path) -> Spec:
    recipe = written.get("recipe")
    return Spec(
        unit=unit,
        root=root,
        place=place,
        short=short,
        argv=tuple(written["argv"]),
        labels=written["labels"],
        context=written["folder"],
        grace=written["grace"],
        sources=written["sources"],
        volumes=tuple(written["volumes"]),
        written=written["environment"],
        recipe=recipe
        and Recipe(
            Wanted(
                recipe["program"], recipe["package"], recipe["folder"], recipe["version"], recipe["install"]
            ),
            recipe["new"],
            recipe["stop"],
            recipe["rootless"],
        ),
    )
