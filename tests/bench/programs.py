"""Rows about programs in containers that hot reload restarts, and about commands that it runs beside them."""

from __future__ import annotations

import itertools
import shutil
import signal
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devenv.backends.agent import Agent, supervised
from devenv.backends.docker import Engine
from devenv.backends.streams import attach
from tests.bench.measure import DEVENV, Command, Race, Result, limit, lines, race, seconds_of
from tests.bench.reload import BASES, PATIENCE, PAUSE

SHOP = Path(__file__).parents[2] / "examples/shop"
MANIFEST = """\
name: bench-shop
services:
  catalogue: {{build: ./catalogue, port: 8000, publish: {0}, uses: [mongo], health: /healthz}}
  storefront: {{build: ./storefront, port: 3000, publish: {1}, health: /healthz}}
infra: {{mongo: {{database: catalogue}}}}
"""


@contextmanager
def container(base: str) -> Iterator[tuple[str, Agent]]:
    """A container of a program that ends as soon as it is told to, and an agent in it."""
    first, *rest = supervised(["sleep", "1000000"], grace=5)
    (id,) = lines("docker", "run", "-d", "--entrypoint", first, base, *rest)
    engine = Engine("unix:///var/run/docker.sock")
    try:
        with closing(Agent.start(partial(attach, engine.address, lambda: engine, id))) as agent:
            yield id, agent
    finally:
        engine.close()
        lines("docker", "rm", "-fv", id)


@dataclass(frozen=True)
class Step:
    """A command through the agent that is there anyway."""

    agent: Agent

    def run(self) -> float:
        began = time.perf_counter()
        self.agent.run(["true"], output=print)
        return time.perf_counter() - began


def steps(runs: int, work: Path) -> Iterator[Result]:
    """A `run:` step against `docker exec`, and what the supervisor adds to a restart."""
    for base in BASES:
        with container(base) as (id, agent):
            theirs = Command(("docker", "exec", id, "true"), work)
            what = f"{base}: a `run: true` step / docker exec"
            yield race(Race(what, Step(agent), theirs, 0.1), runs)
            took = []
            for _ in range(runs):
                began = time.perf_counter()
                agent.restart(5)
                took.append(time.perf_counter() - began)
            what = f"{base}: a restart of a program that ends at once"
            yield limit(what, statistics.median(took), 0.1, seconds_of)


@dataclass
class Edit:
    """An edit of a service's source, timed until its program answers with what it says now."""

    file: Path
    text: str
    url: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.source = self.file.read_text()

    def run(self) -> float:
        tag = f"edit {next(self.numbers)} of {time.time_ns()}"
        content = self.source.replace(self.text, self.text + tag, 1)
        time.sleep(PAUSE)
        self.file.write_text(content)
        saved = time.monotonic()
        while tag not in self.answer():
            if time.monotonic() - saved > PATIENCE:
                raise SystemExit(f"{self.url} never answered with an edit of {self.file}")
            time.sleep(0.002)
        return time.monotonic() - saved

    def answer(self) -> str:
        try:
            with urllib.request.urlopen(self.url, timeout=5) as response:
                return str(response.read().decode())
        except (urllib.error.URLError, OSError):
            return ""


def answers(runs: int, work: Path) -> Iterator[Result]:
    """How long a save takes until the shop's services, which do not reload themselves, answer with it."""
    folder = work / "shop"
    for name in ("catalogue", "storefront"):
        shutil.copytree(SHOP / name, folder / name)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        catalogue, storefront = (listener.getsockname()[1] for listener in (one, two))
    (folder / "devenv.yaml").write_text(MANIFEST.format(catalogue, storefront))
    edits = {
        "Python": Edit(folder / "catalogue/main.py", 'title="', f"http://127.0.0.1:{catalogue}/openapi.json"),
        "Node": Edit(folder / "storefront/page.js", "<title>", f"http://127.0.0.1:{storefront}/"),
    }
    Command((DEVENV, "up", "-d"), folder).run()
    log = (folder / "watch.log").open("wb")
    watcher = subprocess.Popen([DEVENV, "watch", "--json"], cwd=folder, stdout=log, stderr=log)
    try:
        for language, edit in edits.items():
            edit.run()  # returns once the watch stands
            took = statistics.median(edit.run() for _ in range(min(runs, 10)))
            what = f"the shop's {language} service: save to its new answer"
            yield Result(what, seconds_of(took), "", "", "printed only", "")
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.wait(20)
        Command((DEVENV, "down", "--volumes", "-y"), folder).run()


ROWS = {"reload-steps": steps, "reload-answers": answers}
