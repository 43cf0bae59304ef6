"""The docker command with its Compose plugin: whether it is there, and what its complaints mean."""

from __future__ import annotations

import re
import shutil

from devenv.backends.causes import likely
from devenv.errors import DevenvError, ToolMissing


def require_docker() -> None:
    """Raises `ToolMissing` where there is no docker command."""
    if shutil.which("docker") is None:
        raise ToolMissing(
            "the docker command is missing", hint="install the Docker CLI with its Compose and Buildx plugins"
        )


_COMPLAINTS = {
    r"is not a docker command|unknown shorthand flag": (
        "the docker command has no Compose plugin", "install docker-compose-plugin, 2.20.2 or newer"
    ),
    r"start_interval": ("Docker Compose is too old", "update it to 2.20.2 or newer"),
    r"Cannot connect to the Docker daemon": ("the Docker engine went away", "start it, then: devenv up"),
}  # fmt: skip


_EXTERNAL = re.compile(r'external volume "(.+?)" not found')


def create_failed(output: str) -> DevenvError:
    """The error for a `docker compose up --no-start` that failed, from what it printed."""
    for pattern, (what, hint) in _COMPLAINTS.items():
        if re.search(pattern, output):
            return ToolMissing(what, hint=hint)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    why = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "")
    if external := _EXTERNAL.search(why):
        hint = f"docker volume create {external[1]}, or leave external: out"
        return DevenvError(f"there is no volume {external[1]}", why="the manifest says external", hint=hint)
    return DevenvError("Docker Compose did not create the containers", why=why, hint=likely([why]))
