"""Stores that something else runs: whether they are there, asked once before anything starts."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from devenv.errors import DevenvError, UsageError
from devenv.stack.external import LOOPBACKS, MACHINES, External
from devenv.stack.model import Stack

PATIENCE = 3.0  # seconds: a firewall drops what it does not let through


def require_named(stack: Stack, secrets: Mapping[str, str], *, contained: bool) -> None:
    """Raises `UsageError` for an address that is no URL, or that leads a container to itself."""
    for external in stack.externals:
        host, port = external.server(secrets)
        if contained and host.lower() in LOOPBACKS:
            raise UsageError(
                f"{external.name} is at {host}, which in a container is the container itself",
                where=external.where,
                hint="write this machine's name for containers, and let it listen there: "
                + " or ".join(f"{name}:{port}" for name in MACHINES)
                + "\nor run all as plain processes: devenv up -b process",
            )


def require_reachable(externals: Iterable[External], secrets: Mapping[str, str]) -> None:
    """Raises `DevenvError` for those that do not accept a connection from this machine."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        asked = [(external, pool.submit(_trouble, *external.server(secrets))) for external in externals]
    for external, trouble in asked:
        if why := trouble.result():
            host, port = external.server(secrets)
            raise DevenvError(
                f"{external.name} does not answer at {host}:{port}",
                where=external.where,
                why=f"{why}; something else runs it, so nothing was started",
                hint=f"start it, or remove external: devenv runs a {external.kind} then",
            )


def _trouble(host: str, port: int) -> str:
    """Why nothing accepts a connection there, or ""."""
    name = "localhost" if host in MACHINES else host.strip("[]")
    try:
        socket.create_connection((name, port), timeout=PATIENCE).close()
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""
