"""Which ports of this machine are taken, and by which program if /proc or lsof tells."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence

from devenv import proc
from devenv.errors import ToolMissing

LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
"""What `localhost` stands for; a browser tries both, and a program may listen on either alone."""

NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # a machine without IPv6
LISTENING = "0A"  # in /proc/net
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LSOF = ("lsof", "-nP", "-sTCP:LISTEN", "-Fpcn")
"""Lists who listens where no /proc is, a field a line: p, the process; c, its program; n, an address."""
PATIENCE = 2.0  # seconds lsof has: it may wait for a file system that is gone


def taken(
    ports: Iterable[int],
    loopbacks: Sequence[tuple[socket.AddressFamily, str]] = LOOPBACKS,
    *,
    udp: Collection[int] = (),
    tables: Sequence[str] = TABLES,
) -> dict[int, str]:
    """Each of the ports that a program listens on -> that program. Those in `udp` count over UDP as well."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    busy = [
        port
        for port in ports
        if not all(
            _free(*loopback, port, kind) for loopback in loopbacks for kind in kinds[: 1 + (port in udp)]
        )
    ]
    if not busy:
        return {}
    owners = _owners(set(busy), tables)
    return {port: owners.get(port, "another program") for port in busy}


def _free(family: socket.AddressFamily, address: str, port: int, kind: socket.SocketKind) -> bool:
    try:
        probe = socket.socket(family, kind)
    except OSError:
        return True  # a kernel without IPv6
    with probe:
        if kind == socket.SOCK_STREAM:  # a port in TIME_WAIT counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            return True  # below 1024: Docker may be allowed to bind it
        except OSError as error:
            return error.errno in NO_SUCH_ADDRESS
    return True


def _owners(ports: set[int], tables: Sequence[str]) -> dict[int, str]:
    """Port -> `postgres (pid 71)`, as far as this user may know."""
    return _owners_in_proc(ports, tables) if os.access(tables[0], os.R_OK) else _owners_by_lsof(ports)


def _owners_by_lsof(ports: set[int]) -> dict[int, str]:
    owners: dict[int, str] = {}
    try:
        listed = proc.run_within([*LSOF, *(f"-iTCP:{port}" for port in sorted(ports))], PATIENCE).stdout
    except (ToolMissing, TimeoutError):
        return owners
    pid = program = ""
    for field, value in ((line[:1], line[1:]) for line in listed.splitlines()):
        if field == "p":
            pid = value
        elif field == "c":
            program = value
        elif field == "n":
            owners[int(value.rpartition(":")[2])] = f"{program} (pid {pid})"
    return owners


def _owners_in_proc(ports: set[int], tables: Sequence[str]) -> dict[int, str]:
    inodes: dict[str, int] = {}
    for table in tables:
        with contextlib.suppress(OSError), open(table, encoding="utf-8") as rows:
            for row in list(rows)[1:]:
                column = row.split()
                port = int(column[1].rpartition(":")[2], 16)
                if column[3] == LISTENING and port in ports:
                    inodes[f"socket:[{column[9]}]"] = port
    owners: dict[int, str] = {}
    for pid in filter(str.isdecimal, os.listdir("/proc")) if inodes else ():
        for port in {inodes[link] for link in _handles(pid) if link in inodes}:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as name:
                owners[port] = f"{name.read().strip()} (pid {pid})"
        if len(owners) == len(set(inodes.values())):
            break  # a machine has thousands of open files, and reading each link takes time
    return owners


def _handles(pid: str) -> Iterator[str]:
    """Links of a process's open files; none where they are not readable."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for handle in os.listdir(folder):
            with contextlib.suppress(OSError):  # closed meanwhile
                yield os.readlink(f"{folder}/{handle}")  # noqa: PTH115  a tenth of the time
