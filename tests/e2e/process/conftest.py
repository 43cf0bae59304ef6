"""Checkouts whose stacks run as plain processes, on a machine on which no engine answers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from devenv.backends.process.identity import identity, marked
from devenv.backends.process.records import Folder, Record
from tests.e2e.checkout import Checkout, Ended

API = """
import http.server, os
print("begins", flush=True)

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} {os.getpid()}".encode())

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answers).serve_forever()
"""


class Processes(Checkout):
    """A checkout that is looked at through its records and the list of processes, not through an engine."""

    def on(self, *argv: str, **more: Any) -> Ended:
        """Run `devenv ARGV -b process`."""
        return self.devenv(argv[0], "-b", "process", *argv[1:], **more)

    @property
    def folder(self) -> Folder:
        return Folder(self.root / ".devenv" / "process")

    def records(self) -> Mapping[str, Record]:
        return self.folder.records()

    def alive(self) -> list[int]:
        """All processes of the stack, whatever became of their supervisor."""
        return [pid for name in self.records() for pid in marked(f"{self.id}/{name}")]

    def listening(self) -> set[str]:
        """The addresses, as the kernel writes them, at which processes of the stack listen."""
        handles = set[str]()
        for handle in (
            f"/proc/{pid}/fd/{name}" for pid in self.alive() for name in _names(f"/proc/{pid}/fd")
        ):
            with suppress(FileNotFoundError):  # it was closed meanwhile
                handles.add(os.readlink(handle))
        rows = [
            row.split()
            for table in ("tcp", "tcp6")
            for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        ]
        return {
            row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in handles
        }

    def gone(self, pids: list[int]) -> bool:
        """Whether none of these processes runs; one that its parent has not asked after yet does not."""
        return not any(map(identity, pids))

    def states(self) -> dict[str, str]:
        return {
            row["name"]: row["state"] for row in self.devenv("status", "--json", exits=None).json["units"]
        }

    def clear(self) -> None:
        self.leave_nothing()
        if (self.root / "devenv.yaml").exists():
            self.on("down", "--volumes", "-y")


def _names(folder: str) -> list[str]:
    """What is in a folder; nothing in that of a process that has ended meanwhile."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


@contextmanager
def processes(folder: Path, environment: Mapping[str, str]) -> Iterator[Processes]:
    """A checkout below a folder, cleared in the end."""
    own = {**environment, "DOCKER_HOST": f"unix://{folder}/no-engine.sock"}
    checkout = Processes(folder / "project", "plain", None, own)  # type: ignore[arg-type]
    try:
        yield checkout
    finally:
        checkout.clear()


@pytest.fixture
def plain(tmp_path: Path, environment: Mapping[str, str]) -> Iterator[Processes]:
    """A checkout of one test."""
    with processes(tmp_path, environment) as checkout:
        yield checkout
