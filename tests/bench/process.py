"""Plain processes: two stores, a gateway and two services.

The figures hold the services' own start too, so they are stricter than what is promised over it.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import DEVENV, MIB, Command, Result, limit, mebibytes_of, seconds_of

MANIFEST = """
services:
  api: {image: api, host: exec python server.py, port: 8000, uses: [postgres, valkey], route: /api, health: /healthz}
  web: {image: web, host: exec python server.py, port: 8000, uses: [api], route: /, health: /healthz}
"""
SERVER = """
import http.server, os

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


@contextmanager
def stack(work: Path) -> Iterator[Callable[..., Command]]:
    """A stack in a folder of its own: verb and options -> the command."""
    folder = work / "plain"
    folder.mkdir(exist_ok=True)
    (folder / "devenv.yaml").write_text(MANIFEST)
    (folder / "server.py").write_text(SERVER)

    def devenv(verb: str, *argv: str) -> Command:
        return Command((DEVENV, verb, "-b", "process", *argv), folder)

    try:
        yield devenv
    finally:
        devenv("down", "--volumes", "-y").run()
        shutil.rmtree(folder)


def cold(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as devenv:
        devenv("up", "-d").run()
        yield _started(
            devenv, runs, "cold up -d of two stores, a gateway and two services", 4.0, "--volumes", "-y"
        )


def warm(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as devenv:
        devenv("up", "-d").run()
        yield _started(devenv, runs, "the same with data that is there", 3.0)


def _started(devenv: Callable[..., Command], runs: int, what: str, bound: float, *left: str) -> Result:
    seconds = []
    for _ in range(runs):
        devenv("down", *left).run()
        seconds.append(devenv("up", "-d").run())
    return limit(f"{what}, as plain processes", statistics.median(seconds), bound, seconds_of)


def unchanged(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as devenv:
        again = devenv("up", "-d")
        again.run()
        again.run()
        seconds = statistics.median(again.run() for _ in range(runs))
        yield limit("up -d, nothing to do, as plain processes", seconds, 0.2, seconds_of)


def memory(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as devenv:
        devenv("up", "-d").run()
        pid = (work / "plain" / ".devenv" / "process" / "run" / "lock").read_text()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        held = pages * os.sysconf("SC_PAGE_SIZE")
        yield limit("memory of the supervisor of plain processes", held, 60 * MIB, mebibytes_of)


ROWS = {"process-cold": cold, "process-warm": warm, "process-noop": unchanged, "process-memory": memory}
