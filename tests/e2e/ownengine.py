"""An engine beside the machine's, in a network of its own: an engine without a bridge removes that of another."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import docker
import pytest

from .checkout import eventually

needs_own_engine = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("dockerd"), reason="needs root, to start an engine"
)
ALONE = ("--bridge=none", "--iptables=false", "--ip6tables=false")


class OwnEngine:
    """An engine that a test may restart. `prepare` runs in its network before it, `options` are its own."""

    def __init__(self, folder: Path, *, prepare: str = "true", options: Sequence[str] = ALONE) -> None:
        self.folder, self.address = folder, f"unix://{folder}/docker.sock"
        self._prepare, self._options = prepare, options
        self.client = docker.DockerClient(base_url=self.address, version="1.44", timeout=60)

    def __enter__(self) -> OwnEngine:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self.client.close()

    def start(self) -> None:
        folders = ("--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec")
        argv = [
            "dockerd",
            "--host",
            self.address,
            "--pidfile",
            f"{self.folder}/pid",
            *folders,
            *self._options,
        ]
        (self.folder / "data").mkdir(exist_ok=True)
        script = f'{self._prepare}; exec "$@"'
        with (self.folder / "log").open("ab") as log:
            # Its mounts are its own as well, and go with it.
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "sh", "-ec", script, "sh", *argv],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, "an engine", within=60)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with socket.socket(socket.AF_UNIX) as probe:  # the SDK leaves one open that does not connect
            if probe.connect_ex(f"{self.folder}/docker.sock"):
                return False
        return bool(self.client.ping())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def inside(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the engine's network."""
        words = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *argv]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
