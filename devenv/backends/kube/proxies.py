"""The proxy on the way to an API server, as kubectl finds it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_of(server: str, named: str, environment: Mapping[str, str]) -> str:
    """The proxy that the kubeconfig names, else the environment's for such a server; "" where there is none.

    The environment's is never asked for this machine itself, nor for what NO_PROXY lists.
    """
    if named:
        return named
    parts = urlsplit(server)
    proxy = _variable(environment, f"{parts.scheme.upper()}_PROXY")
    host = parts.hostname or ""
    if not proxy or _is_direct(host, parts.port, _variable(environment, "NO_PROXY")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _is_direct(host: str, port: int | None, exceptions: str) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = [entry.strip().lower() for entry in exceptions.split(",") if entry.strip()]
    return any(_excepts(entry, host, address, port) for entry in entries)


def _excepts(entry: str, host: str, address: Address | None, port: int | None) -> bool:
    """Whether an entry of NO_PROXY is about it: `*`, a network, an address, or a domain with its port."""
    if entry == "*":
        return True
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and _address(entry) is None:
        if wanted != str(port):
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*")
    if address is not None:
        return _address(entry) == address
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
