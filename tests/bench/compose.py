"""Rows against `docker compose`, on the very file that devenv rendered."""

from __future__ import annotations

import shutil
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import (
    DEVENV,
    MIB,
    Command,
    Race,
    Result,
    limit,
    lines,
    mebibytes_of,
    race,
    seconds_of,
)
from tests.bench.stacks import chained, healthy, talkative, wide

SHOP = Path(__file__).parents[2] / "examples" / "shop"


@dataclass(frozen=True)
class Stack:
    """A project that devenv has rendered, and the same for `docker compose`."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / ".devenv" / "compose"

    def devenv(self, *argv: str) -> Command:
        return Command((DEVENV, *argv), self.folder)

    def compose(self, *argv: str) -> Command:
        return Command(("docker", "compose", *argv), self.bundle)

    def clear(self) -> None:
        """Take away everything the stack has on the engine, data too."""
        label = f"label=com.docker.compose.project={self.id}"
        for listed, removed in (
            (("ps", "-aq"), ("rm", "-fv")),
            (("network", "ls", "-q"), ("network", "rm")),
            (("volume", "ls", "-q"), ("volume", "rm", "-f")),
        ):
            if ids := lines("docker", *listed, "--filter", label):
                lines("docker", *removed, *ids)
            if left := lines("docker", *listed, "--filter", label):
                raise SystemExit(f"not clean before a cold run: {left}")

    @property
    def id(self) -> str:
        """What Compose calls the project."""
        head = (self.bundle / "compose.yaml").read_text().partition("services:")[0]
        return next(line.partition(": ")[2] for line in head.splitlines() if line.startswith("name: "))

    def up(self, services: int) -> None:
        """Fails unless so many containers are healthy, also for the engine, which may ask them later than we did."""
        label, until = f"label=com.docker.compose.project={self.id}", time.monotonic() + 5
        while True:
            healthy = lines("docker", "ps", "-q", "--filter", label, "--filter", "health=healthy")
            if len(healthy) == services:
                return
            if time.monotonic() > until:
                raise SystemExit(f"{len(healthy)} of {services} services are healthy after a cold run")
            time.sleep(0.1)


@contextmanager
def stack(folder: Path, manifest: str | None = None) -> Iterator[Stack]:
    """A rendered stack in a folder; nothing of it is left on the engine in the end."""
    folder.mkdir(exist_ok=True)
    if manifest is not None:
        (folder / "devenv.yaml").write_text(manifest)
    stack = Stack(folder)
    stack.devenv("render").run()
    try:
        yield stack
    finally:
        stack.clear()


# -- the table


def up_again(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "five", healthy(5)) as five:
        five.devenv("up", "-d").run()
        what = "up -d, nothing to do / docker compose up -d --wait"
        yield race(Race(what, five.devenv("up", "-d"), _waited(five), 0.5, 0.35), runs)


def cold(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "five", healthy(5)) as five:
        what = "cold up -d of 5 services with checks / docker compose up -d --wait"
        ours, check = five.devenv("up", "-d"), lambda: five.up(5)
        yield race(Race(what, ours, _waited(five), 1.2, 1.0, five.clear, check), runs)


def shop(runs: int, work: Path) -> Iterator[Result]:
    folder = work / "shop"
    if not folder.exists():
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".devenv", "node_modules", "__pycache__"))
    with stack(folder) as shop:
        shop.devenv("up", "-d").run()  # images, layers and pages of the disk cache
        what = "cold up -d of the shop / docker compose up -d --wait of its bundle"
        yield race(Race(what, shop.devenv("up", "-d"), _waited(shop), 1.05, None, shop.clear), runs)


def status(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "ten", healthy(10)) as ten:
        ten.devenv("up", "-d").run()
        what = "status of 10 services / docker compose ps"
        yield race(Race(what, ten.devenv("status"), ten.compose("ps"), 2.0, 1.3), runs)


def start(runs: int, work: Path) -> Iterator[Result]:
    ours, theirs = Command((DEVENV, "--help"), work), Command((sys.executable, "-c", "pass"), work)
    yield race(Race("--help / python -c pass", ours, theirs, 10), runs)


def doctor(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "ill", healthy(10)) as ten, socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(work / "hangs.sock"))
        hangs.listen(1000)
        script = f"DOCKER_HOST=unix://{work}/hangs.sock {DEVENV} doctor || test $? = 1"
        command = Command(("sh", "-c", script), ten.folder)
        command.run()
        what = "doctor, 10 services, an engine that takes requests and answers none"
        yield limit(what, statistics.median(command.run() for _ in range(runs)), 1.5, seconds_of)


def render(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "hundred", wide(100)) as hundred:

        def edited() -> None:
            """Somebody has just saved the manifest: nothing remembered of it is of use."""
            (hundred.folder / "devenv.yaml").write_text(wide(100) + f"# {time.time_ns()}\n")

        what = "render of 100 services, just edited / docker compose config -q"
        ours, theirs = hundred.devenv("render"), hundred.compose("config", "-q")
        yield race(Race(what, ours, theirs, 1.2, None, edited), runs)
    with stack(work / "thousand", wide(100)) as thousand:
        (thousand.folder / "devenv.yaml").write_text(wide(1000))
        peak, other = thousand.devenv("render").peak(), thousand.compose("config", "-q").peak()
        what = "memory, render of 1000 services (beside: config -q)"
        yield limit(what, peak, 200 * MIB, mebibytes_of, mebibytes_of(other))


def chains(runs: int, work: Path) -> Iterator[Result]:
    """With a check that we ask ourselves, as the default is, and with one that the engine alone can ask."""
    what = "cold up -d of 40 services in chains of 8 / docker compose up -d --wait"
    for health, shown, bound, aim in (
        ("/", what, 0.6, 0.48),
        ("{exec: 'true', every: 200ms}", "the same, each checked by a command in it", 1.0, None),
    ):
        with stack(work / "chained", chained(40, 8, health)) as chains:
            ours, check = chains.devenv("up", "-d"), lambda: chains.up(40)
            yield race(Race(shown, ours, _waited(chains), bound, aim, chains.clear, check, most=5), runs)


def logs(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "talkative", talkative(2, 200_000)) as talkers:
        talkers.devenv("up", "-d").run()
        ours, theirs = talkers.devenv("logs"), talkers.compose("logs")
        what = "logs of 2 services, 200 000 lines each / docker compose logs"
        yield race(Race(what, ours, theirs, 1.2, most=7), runs)
        peak, other = ours.peak(), theirs.peak()
        what = "memory of that (beside: docker compose logs)"
        yield limit(what, peak, 60 * MIB, mebibytes_of, mebibytes_of(other))


def _waited(stack: Stack) -> Command:
    return stack.compose("up", "-d", "--wait")


ROWS: dict[str, Callable[[int, Path], Iterator[Result]]] = {
    "up": up_again,
    "cold": cold,
    "shop": shop,
    "status": status,
    "start": start,
    "doctor": doctor,
    "render": render,
    "chains": chains,
    "logs": logs,
}
