"""Where the programs of a container listen, from what its kernel says: why nobody reaches a port. Pure."""

from __future__ import annotations

import re

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
"""What holds a container's sockets, whichever programs it has."""

_LISTENING = re.compile(r"^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F:]+ 0A ", re.MULTILINE)
_LOOPBACK = re.compile(r"[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F")  # least byte first
_RESOLVER = "0B00007F"  # 127.0.0.11, where Docker answers for names


ONLY = " only"
"""Ends what no waiting mends: it listens, where nobody reaches it."""

AGAIN = 5.0  # seconds between two looks


def soon(within: float) -> float:
    """Seconds after which one that listens for itself alone has had its time; some do so while they begin.

    Whoever grants a program more time, grants it more of this as well.
    """
    return max(AGAIN, within / 4)


def amiss(tables: str, port: int) -> str:
    """Why nobody reaches a port that nothing answers on; "" where the tables do not say."""
    sockets = {
        (address, int(number, 16)) for address, number in _LISTENING.findall(tables) if address != _RESOLVER
    }
    here = {address for address, number in sockets if number == port}
    if here:
        if all(map(_LOOPBACK.fullmatch, here)):
            return f"listens on 127.0.0.1{ONLY}"
        only_6 = all(len(address) > 8 for address in here)
        return "listens on IPv6 and answers nothing on IPv4" if only_6 else ""
    others = sorted(number for address, number in sockets if not _LOOPBACK.fullmatch(address))
    if not others:
        return ""
    listed = ", ".join(map(str, dict.fromkeys(others[:3])))
    return f"listens on port {listed}, not on {port}"


def nowhere(tables: str) -> str:
    """That nothing listens at all; "" where something does, or where the tables do not say."""
    read = "local_address" in tables
    sockets = [address for address, _ in _LISTENING.findall(tables) if address != _RESOLVER]
    return "listens on no port" if read and not sockets else ""
