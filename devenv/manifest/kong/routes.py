"""Paths, hosts and methods of a route, as Kong's schema reads them."""

from __future__ import annotations

import re

from devenv.manifest.kong import regex

_RESERVED = b"!*'();:@&=+$,/?%#[]"
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_PORT = re.compile(r"(.*[^:]):(\d+)")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_IPV6 = re.compile(r"\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?")


def path_reason(path: str) -> str:
    """Why Kong refuses a route's path; empty when it takes it."""
    if not path:
        return "length must be at least 1"
    if not path.startswith(("/", "~/")):
        return "should start with: / (fixed path) or ~/ (regex path)"
    if "//" in path:
        return "must not have empty segments"
    if path.startswith("~"):
        return regex.reason(path[1:])
    if wrong := re.search(r"%(?![0-9A-Fa-f]{2}).{0,2}", path):
        return f"invalid url-encoded value: '{wrong[0]}'"
    better = normalized(path)
    return "" if better == path else f"non-normalized path, consider use '{better}' instead"


def normalized(path: str) -> str:
    """A prefix path as Kong wants it: decoded but for what is reserved, without dot segments."""
    text = _PERCENT.sub(_decoded, path.encode()).decode(errors="replace")
    if "/." not in text:
        return text
    parts: list[str] = []
    segments = text.split("/")[1:]
    for segment in segments:
        if segment == "..":
            parts[-1:] = []
        elif segment != ".":
            parts.append(segment)
    if segments[-1] in (".", ".."):
        parts.append("")
    return "/" + "/".join(parts)


def _decoded(escape: re.Match[bytes]) -> bytes:
    byte = bytes([int(escape[1], 16)])
    return escape[0].upper() if byte in _RESERVED else byte


def host_reason(host: str) -> str:
    """Why Kong refuses a route's host; empty when it takes it."""
    if not host:
        return "length must be at least 1"
    name = host
    if host.count("*") > 1:
        return "invalid wildcard: must have at most one wildcard"
    if "*" in host:
        if not (host.startswith("*.") or host.endswith(".*")):
            return "invalid wildcard: must be placed at leftmost or rightmost label"
        name = host.replace("*", "wildcard")
    if name.count(":") > 1:
        return "" if _IPV6.fullmatch(name.rpartition("]:")[0] or name) else f"invalid hostname: {host}"
    if port := _PORT.fullmatch(name):
        name = port[1]
        if int(port[2]) > 65535:
            return "invalid port number"
    if not _HOST.fullmatch(name) or _has_bad_label(name) or _is_bad_address(name):
        return f"invalid hostname: {host}"
    return ""


def _has_bad_label(name: str) -> bool:
    labels = name.removesuffix(".").split(".")
    return any(not label or label.endswith("-") for label in labels)


def _is_bad_address(name: str) -> bool:
    if not re.fullmatch(r"[\d.]+", name):
        return False
    octets = name.split(".")
    return len(octets) != 4 or any(not octet or int(octet) > 255 for octet in octets)


def method_reason(method: str) -> str:
    """Why Kong refuses an HTTP method, in upper case; empty when it takes it."""
    if not method:
        return "length must be at least 1"
    return "" if re.fullmatch("[A-Z]+", method) else f"invalid value: {method}"
