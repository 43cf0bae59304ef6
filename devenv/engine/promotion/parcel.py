"""What is promoted, as a value, and as the files that Helm reads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.engine.project import Project
    from devenv.plan.promotion.changes import Origin
    from devenv.stack.model import Stack


@dataclass(frozen=True)
class Parcel:
    """What is promoted: a chart, the text of the environment's values, and where both came from."""

    stack: Stack
    chart: Mapping[str, str]
    values: str
    origin: Origin


def parcel(project: Project, environment: str, images: Mapping[str, str], origin: Origin) -> Parcel:
    """The project for an environment; `images` are references by unit.

    Raises `UsageError`, `ManifestInvalid`.
    """
    from devenv.engine.promotion import charts

    stack = charts.promoted(project, environment).stack
    return Parcel(stack, charts.chart(project), charts.values_file(project, environment, images), origin)


@dataclass(frozen=True)
class Packed:
    """A parcel as files, for Helm."""

    chart: Path
    values: Path


@contextmanager
def packed(parcel: Parcel) -> Iterator[Packed]:
    """The parcel in a folder that only we can read, for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="devenv-") as folder:
        chart, values = Path(folder, "chart"), Path(folder, "values.yaml")
        for name, text in parcel.chart.items():
            file = chart / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        values.write_text(parcel.values, encoding="utf-8")
        yield Packed(chart, values)
