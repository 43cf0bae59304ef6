"""Where the gateway listens and what it loads: from arguments and from Kong's own variables."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULTS = {
    "proxy": "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
    "status": "127.0.0.1:8007 reuseport backlog=16384",
    "admin": "127.0.0.1:8001 reuseport backlog=16384",
    "admin_gui": "0.0.0.0:8002, 0.0.0.0:8445 ssl",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings from the command line and the environment.

    `keeps_upstreams`: whether a connection to an upstream serves several requests.
    """

    file: Path | None
    text: str | None
    listeners: Mapping[str, tuple[Address, ...]]
    keeps_upstreams: bool = True


def settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings; an argument wins over its variable, and a bad one ends the process."""
    parser = argparse.ArgumentParser(
        prog="python -m devenv.gateway",
        description="A stand-in for Kong, where there is none: it reads the same kong.yml.",
    )
    parser.add_argument("--config", metavar="FILE", help="KONG_DECLARATIVE_CONFIG")
    for name in DEFAULTS:
        flag = "--gui" if name == "admin_gui" else f"--{name}"
        about = f"KONG_{name.upper()}_LISTEN; off for none"
        parser.add_argument(flag, dest=name, metavar="HOST:PORT", help=about)
    options = vars(parser.parse_args(arguments))
    if environment.get("KONG_DATABASE", "off") != "off":
        parser.error("KONG_DATABASE: the embedded gateway has no database, only off")
    listeners: dict[str, tuple[Address, ...]] = {}
    for name, default in DEFAULTS.items():
        variable = f"KONG_{name.upper()}_LISTEN"
        try:
            listeners[name] = addresses(options[name] or environment.get(variable) or default)
        except ValueError as problem:
            parser.error(f"{variable}: {problem}")
    file = options["config"] or environment.get("KONG_DECLARATIVE_CONFIG")
    inline = None if file else environment.get("KONG_DECLARATIVE_CONFIG_STRING")
    pool = environment.get("KONG_UPSTREAM_KEEPALIVE_POOL_SIZE", "512")
    if not pool.isdecimal():
        parser.error(f'KONG_UPSTREAM_KEEPALIVE_POOL_SIZE: expected a number, found "{pool}"')
    return Settings(Path(file) if file else None, inline or None, listeners, int(pool) > 0)


def addresses(value: str) -> tuple[Address, ...]:
    """Return the addresses of a Kong listener list; those with ssl are left out."""
    parsed = []
    for part in value.split(","):
        address, *flags = part.split() or [""]
        if address == "off" or "ssl" in flags:
            continue
        host, colon, port = address.rpartition(":")
        if not (colon and host and port.isdigit() and int(port) < 65536):
            raise ValueError(f'expected HOST:PORT, found "{address}"')
        parsed.append(Address(host.strip("[]"), int(port)))
    return tuple(parsed)
