"""Compose's short form of a port, taken apart: `[[ADDRESS:]PUBLISHED:]TARGET[/PROTOCOL]`.

Who reads it decides what of that may be: a range, a variable, an address, a protocol.
"""

from __future__ import annotations

import re
from typing import NamedTuple

COLON = re.compile(r":(?![^${}]*\})")
"""A colon that is not one of `${PORT:-80}`."""
_PROTOCOL = re.compile(r"/(tcp|udp|sctp)$")


class ShortPort(NamedTuple):
    """Its parts as they are written; None where nothing is published."""

    target: str
    published: str | None = None
    address: str = ""
    protocol: str = "tcp"


def short_port(text: str) -> ShortPort:
    """The parts of a port; what is no port has a `target` that is no number."""
    protocol = _PROTOCOL.search(text)
    *before, target = COLON.split(text[: protocol.start()] if protocol else text)
    return ShortPort(
        target,
        before[-1] if before else None,
        ":".join(before[:-1]),
        protocol[1] if protocol else "tcp",
    )
