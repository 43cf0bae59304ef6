"""A fake Docker engine and the `docker` program that goes with it, made after a real one's recorded answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.fake import Server

ROOT = Path(__file__).parents[2]


@contextmanager
def fake_engine() -> Iterator[Server]:
    """A fake engine that the whole process takes for the machine's, and the `docker` on its PATH too."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        server = Server(str(Path(folder) / "docker.sock"))
        program = Path(folder) / "docker"
        settings = f"PYTHONPATH={ROOT} DOCKER_HOST={server.address}"
        program.write_text(f'#!/bin/sh\n{settings} exec {sys.executable} -m tests.engine.docker "$@"\n')
        program.chmod(0o755)
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("DOCKER_HOST", server.address)
        try:
            yield server
        finally:
            server.close()
