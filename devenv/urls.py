"""The parts of a store's URL, as they are written in it. Cheap to import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote

Part = Literal["host", "port", "user", "password", "database", "origin"]
"""`origin` is the URL without user and password."""

PARTS: tuple[Part, ...] = ("host", "port", "user", "password", "database", "origin")

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^/?#]*))?@)?"
    r"(?P<host>\[[^\]]*\]|[^:/?#,@\[\]\s]+)(?::(?P<port>[^:/?#,@\s]+))?(?P<more>,[^/?#\s]*)?"
    r"(?P<path>/(?P<database>[^?#\s]*))?(?P<query>[?#]\S*)?"
)


def split(url: str) -> Mapping[str, str] | None:
    """Its parts by name, still quoted, "" for those that it lacks; None for what is no URL."""
    match = _URL.fullmatch(url.strip())
    return match.groupdict(default="") if match else None


def part(url: str, name: str, default: str = "") -> str:
    """One part, in the clear; `default` where the URL has none."""
    parts = split(url)
    if parts is None:
        return ""
    if name == "origin":
        return f"{parts['scheme']}://{_server(parts)}{parts['more']}{parts['path']}{parts['query']}"
    return unquote(parts[name]) or default


def with_database(url: str, name: str) -> str:
    """The URL with another database. It has to be one."""
    parts = split(url)
    assert parts is not None
    head = url.strip().removesuffix(parts["query"]).removesuffix(parts["path"])
    return f"{head}/{name}{parts['query']}"


def with_host(url: str, name: str) -> str:
    """The URL with another host. It has to be one."""
    parts = split(url)
    assert parts is not None
    return re.sub(rf"(?<=//|.@){re.escape(parts['host'])}(?=[:/?#,]|$)", name, url, count=1)


def _server(parts: Mapping[str, str]) -> str:
    return parts["host"] + (f":{parts['port']}" if parts["port"] else "")
