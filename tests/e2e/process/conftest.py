"""Checkouts whose stacks run as plain processes, on a machine on which no engine answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
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
