"""Rows about the catalogue of kinds: what it costs a command, beside what starting costs anyway."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devenv import assets
from tests.bench.measure import DEVENV, Command, Race, Result, limit, race, seconds_of

TWELVE = (
    "postgres", "mysql", "mongo", "valkey", "minio", "rabbitmq", "kafka", "nats", "memcached", "mailpit",
    "prometheus", "otel-collector",
)  # fmt: skip
READ = """
import time
from devenv import assets
began = time.perf_counter()
assets.catalogue()
print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Reading:
    """Reading the catalogue's files, as a command does whose manifest and kinds are as they were."""

    def run(self) -> float:
        argv = (sys.executable, "-c", READ)
        return float(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def catalogue(runs: int, work: Path) -> Iterator[Result]:
    reading = Reading()
    reading.run()
    spent = statistics.median(reading.run() for _ in range(runs))
    yield limit(
        f"the catalogue of {len(assets.catalogue())} kinds, for an unchanged command", spent, 0.02, seconds_of
    )


def twelve(runs: int, work: Path) -> Iterator[Result]:
    """What the kinds add: the same service without them costs what starting on an edited manifest costs."""
    rendered = {"twelve": f", uses: [{', '.join(TWELVE)}]", "none": ""}

    def edited() -> None:
        for name, uses in rendered.items():
            manifest = f"name: {name}\nservices:\n  api: {{image: a:1{uses}}}\n# {time.time_ns()}\n"
            (work / name / "devenv.yaml").write_text(manifest)

    for name in rendered:
        (work / name).mkdir()
    ours, start = (Command((DEVENV, "render"), work / name) for name in rendered)
    yield race(
        Race("render with 12 kinds, just edited / with none", ours, start, before=edited, more=0.15), runs
    )


ROWS: dict[str, Callable[[int, Path], Iterator[Result]]] = {"catalogue": catalogue, "twelve": twelve}
