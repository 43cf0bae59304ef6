"""Which engine the last `up` of a checkout was on, remembered in `.devenv`."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from devenv.backends import containers
from devenv.errors import DevenvError, OutOfReach
from devenv.stack import labels
from devenv.writing import write_whole

FILE = "engine"
QUICK = 2.0  # seconds in which an engine on another machine has to take a connection


def remember(folder: Path, address: str) -> None:
    """Write down the address of the engine that a stack is brought up on."""
    write_whole(folder / FILE, address, mode=0o644)


def require_in_reach(folder: Path, address: str, checkout: str) -> None:
    """Raises `OutOfReach` where the last `up` was on an engine at another address, and that has the checkout.

    One that does not answer has nothing; one that is reached through ssh is not asked, as that may ask back.
    """
    try:
        last = (folder / FILE).read_text(encoding="utf-8")
    except OSError:
        return
    if last != address and _has(last, checkout):
        raise OutOfReach(
            "the stack is on an engine that this terminal does not lead to",
            where=last,
            why=f"docker leads to {address} here, by DOCKER_HOST or its context",
            hint=f"export DOCKER_HOST={shlex.quote(last)}",
        )


def _has(address: str, checkout: str) -> bool:
    with suppress(DevenvError, OSError, ValueError):
        rows = containers.all_containers(address)
        if rows is None and address.startswith("tcp:"):
            rows = list(_listed(address))
        return any(labels.read(row["Labels"]).checkout == checkout for row in rows or ())
    return False


def _listed(address: str) -> Sequence[containers.Container]:
    from devenv.backends.docker import Engine

    place = urlsplit(address)
    socket.create_connection((place.hostname or "", place.port or 2375), QUICK).close()
    with closing(Engine(address)) as engine:
        return engine.containers()
