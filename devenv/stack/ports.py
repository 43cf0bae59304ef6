"""Allots ports of this machine to ports of units: a pure function, called before rendering.

A published port is granted or refused. Any other port gets the same number if it is free, else one from a
quiet range that depends only on the checkout, the unit and the port.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

RANGE = range(20000, 32000)  # above what programs use by habit, below what systems hand out

Key = tuple[str, int]
"""Unit name and port in the container."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A port that a unit asks for on this machine.

    Where it is not `published`, only a unit that runs on this machine itself gets one.
    """

    unit: str
    container: int
    wanted: int
    explicit: bool
    published: bool = True
    udp: bool = False

    @property
    def key(self) -> Key:
        """The unit and its port in the container."""
        return self.unit, self.container


@dataclass(frozen=True, slots=True)
class Conflict:
    """A published port that is taken; `owner` names the program or unit that has it."""

    claim: Claim
    owner: str


SCHEMES = frozenset(
    (
        "amqp", "amqps", "bolt", "ftp", "ftps", "grpc", "grpcs", "http", "https", "imap", "imaps",
        "kafka", "ldap", "ldaps", "memcached", "mongodb", "mqtt", "mqtts", "mysql", "nats", "neo4j",
        "pop3", "postgres", "postgresql", "redis", "rediss", "rtmp", "rtsp", "sftp", "sip", "smtp",
        "smtps", "ssh", "stomp", "tcp", "udp", "ws", "wss",
    )
)  # fmt: skip
"""Names of ports that are schemes of URLs as well."""


def scheme(name: str, *, udp: bool = False) -> str:
    """The scheme of the URLs of a port with this name: `amqp`, or http where the name is no scheme."""
    return "udp" if udp else name if name in SCHEMES else "http"


def is_web(url: str) -> bool:
    """Whether a browser shows what is there."""
    return url.startswith(("http://", "https://"))


def wish(publish: int | Mapping[str, int] | None, name: str, *, main: bool) -> int | None:
    """The port of this machine that `publish:` asks for: None for any, 0 for none at all."""
    if isinstance(publish, Mapping):
        port = publish.get(name)
    else:
        port = publish if main or publish is False else None
    return None if port is None else int(port)


def claim(unit: str, container: int, wish: int | None, *, default: int, udp: bool = False) -> Claim:
    """The claim of a port, by what `publish:` asks for."""
    return Claim(unit, container, wish or default, explicit=bool(wish), published=wish != 0, udp=udp)


def allot(
    claims: Iterable[Claim],
    *,
    taken: Mapping[int, str],
    current: Mapping[Key, tuple[int, int]],
    checkout: str,
    remap: bool,
) -> tuple[dict[Key, int], list[Conflict]]:
    """A host port for each claim, and the conflicts: published ports that are taken.

    `taken`: ports that other programs hold -> who. `current`: the ports of this checkout's containers, as
    (wanted, host); they stay while the wanted port is the same. `remap`: move published ports too.
    """
    ports: dict[Key, int] = {}
    conflicts: list[Conflict] = []
    used: set[tuple[int, bool]] = set()  # with the protocol: TCP and UDP have ports of their own

    def give(claim: Claim, port: int) -> None:
        ports[claim.key] = port
        used.add((port, claim.udp))

    claims = sorted(claims, key=lambda claim: not claim.explicit)
    for claim in claims:
        wanted, host = current.get(claim.key, (0, 0))
        if wanted == claim.wanted and (host, claim.udp) not in used and host not in taken:
            give(claim, host)
    for claim in claims:
        if claim.key in ports:
            continue
        if (
            claim.wanted not in taken
            and (claim.wanted, claim.udp) not in used
            and (claim.explicit or claim.wanted >= 1024)
        ):
            give(claim, claim.wanted)
        elif claim.explicit and not remap:
            owner = taken.get(claim.wanted) or next(
                f"{unit} of this stack" for (unit, _), port in ports.items() if port == claim.wanted
            )
            conflicts.append(Conflict(claim, owner))
        else:
            give(claim, _stable(claim, checkout, {port for port, _ in used} | set(taken)))
    return ports, conflicts


def _stable(claim: Claim, checkout: str, unavailable: set[int]) -> int:
    seed = hashlib.sha256(f"{checkout}/{claim.unit}/{claim.container}".encode()).digest()
    start = int.from_bytes(seed[:4], "big") % len(RANGE)
    for step in range(len(RANGE)):
        port = RANGE[(start + step) % len(RANGE)]
        if port not in unavailable:
            return port
    raise AssertionError("12000 ports in use")
