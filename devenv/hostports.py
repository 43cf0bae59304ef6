"""Which ports of this machine are taken, and by whom as far as that can be read."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path


def taken(ports: Iterable[int]) -> dict[int, str]:
    """Those of the ports that something listens on -> what it is."""
    busy = [port for port in ports if not _free(port)]
    if not busy:
        return {}
    owners = _owners(set(busy))
    return {port: owners.get(port, "another program") for port in busy}


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last user's TIME_WAIT is no user
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return True  # below 1024: whether Docker may take it, Docker knows
        except OSError:
            return False
    return True


def _owners(ports: set[int]) -> dict[int, str]:
    """Port -> `postgres (pid 71)`, from /proc where there is one and it may be read."""
    inodes: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="utf-8").splitlines()[1:]:
                column = line.split()
                port = int(column[1].rpartition(":")[2], 16)
                if column[3] == "0A" and port in ports:  # listening
                    inodes[column[9]] = port
    owners: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        with contextlib.suppress(OSError):
            for handle in (process / "fd").iterdir():
                link = str(handle.readlink())
                if link.startswith("socket:[") and (held := inodes.get(link[8:-1])) is not None:
                    owners[held] = (
                        f"{(process / 'comm').read_text(encoding='utf-8').strip()} (pid {process.name})"
                    )
    return owners
