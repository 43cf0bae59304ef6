"""Which route takes a request: Kong's `traditional_compatible` rules, as pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import UUID, uuid5

from multidict import CIMultiDictProxy

from devenv.gateway.model import Route, Service
from devenv.gateway.regex import compiled

RESERVED = "!*'();:@&=+$,/?%#[]"
SPLIT = UUID("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")  # Kong's, for the ids of a route's parts
NO_ROUTE = Route("", None, None, (), (), (), (), {}, False, False, 0, 426, ())
PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Match:
    """A route that takes a request, its normalized path, what of it matched, and where it goes."""

    route: Route
    path: str
    prefix: str
    upstream_path: str
    captures: Mapping[str | int, str] = field(default_factory=dict)

    @property
    def service(self) -> Service | None:
        """Return the service behind the route."""
        return self.route.service


Pattern = re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route with its paths of one length: the unit that Kong orders and matches."""

    id: str
    route: Route
    paths: tuple[tuple[str, Pattern | None], ...]
    headers: tuple[tuple[str, tuple[Pattern | str, ...]], ...]

    @property
    def rank(self) -> tuple[int, bool, int, bool, int, int, str]:
        """Return the sort key; greater goes first, and of equal ones the greater id."""
        route = self.route
        attributes = (route.methods, route.hosts, route.headers, route.paths)
        path, pattern = self.paths[0] if self.paths else ("", None)
        return (
            sum(1 for attribute in attributes if attribute),
            bool(route.hosts) and not any("*" in host for host in route.hosts),
            len(route.headers),
            pattern is not None,
            route.regex_priority if pattern else 0,
            length_of(path),
            self.id,
        )


class Router:
    """Routes in the order Kong tries them."""

    def __init__(self, routes: Iterable[Route]) -> None:
        candidates = [candidate for route in routes for candidate in candidates_of(route)]
        self.candidates = sorted(candidates, key=lambda candidate: candidate.rank, reverse=True)

    def match(self, method: str, host: str, path: str, headers: CIMultiDictProxy[str]) -> Match | None:
        """Return the first route that takes a request with a normalized path."""
        name, port = split_host(host)
        for candidate in self.candidates:
            route = candidate.route
            if route.methods and method not in route.methods:
                continue
            if route.hosts and not any(host_matches(want, name, port) for want in route.hosts):
                continue
            if candidate.headers and not headers_match(candidate, headers):
                continue
            if not candidate.paths:
                return matched(route, path, "", {})
            for prefix, pattern in candidate.paths:
                if pattern is None and path.startswith(prefix):
                    return matched(route, path, prefix, {})
                if pattern is not None and (match := pattern.match(path)):
                    return matched(route, path, match.group(), captures_of(match))
        return None


def candidates_of(route: Route) -> Iterable[Candidate]:
    """Return a route's candidates: one, or one for each length of its paths."""
    headers = tuple(
        (name, tuple(header_pattern(value) for value in values)) for name, values in route.headers.items()
    )
    groups: dict[int, list[tuple[str, Pattern | None]]] = {}
    for path in route.paths:
        pattern = path_pattern(path) if path.startswith("~") else None
        groups.setdefault(length_of(path), []).append((path, pattern))
    if len(groups) < 2:
        return [Candidate(route.id, route, tuple(*groups.values()), headers)]
    return [
        Candidate(str(uuid5(SPLIT, f"{route.id}#{length}")), route, tuple(paths), headers)
        for length, paths in groups.items()
    ]


def length_of(path: str) -> int:
    """Return what a path's length counts in the order: regexes have none."""
    return 0 if path.startswith("~") else len(path.encode())


def nowhere(path: str) -> Match:
    """Return the match of a request that no route takes."""
    return Match(NO_ROUTE, path, "", path)


def path_pattern(path: str) -> Pattern:
    """Compile a `~` path."""
    return compiled(path[1:])


def header_pattern(value: str) -> re.Pattern[str] | str:
    """Return what a header value is compared with: a regex after `~*`, or lower-case text."""
    lowered = value.lower()
    return re.compile(lowered[2:]) if lowered.startswith("~*") else lowered


def headers_match(candidate: Candidate, headers: CIMultiDictProxy[str]) -> bool:
    """Tell whether every header the route asks for has one of its values."""
    return all(
        any(
            pattern == value if isinstance(pattern, str) else pattern.search(value)
            for value in map(str.lower, headers.getall(name, ()))
            for pattern in patterns
        )
        for name, patterns in candidate.headers
    )


def split_host(host: str) -> tuple[str, str]:
    """Split a Host header into a name, letters as they are, and a port, if it has one."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return name, port
    return host, ""


def host_matches(want: str, name: str, port: str) -> bool:
    """Tell whether a route's host, plain or with a wildcard at one end, is a request's."""
    want_name, want_port = split_host(want)
    if want_port and want_port != port:
        return False
    if want_name.startswith("*"):
        return name.endswith(want_name[1:])
    if want_name.endswith("*"):
        return name.startswith(want_name[:-1])
    return name == want_name


def captures_of(match: re.Match[str]) -> dict[str | int, str]:
    """Return a regex path's groups by number and by name."""
    captures: dict[str | int, str] = dict(enumerate(match.groups(default=""), start=1))
    captures.update(match.groupdict(default=""))
    return captures


def matched(route: Route, path: str, prefix: str, captures: dict[str | int, str]) -> Match:
    """Return a match with the path its upstream gets."""
    base = (route.service.path if route.service else None) or "/"
    rest = path[len(prefix) :] if prefix else path[1:]
    for start in ("../", "./"):
        rest = rest.removeprefix(start)
    rest = "" if rest in (".", "..") else rest
    upstream = joined(base, rest, path, strip=route.strip_path)
    return Match(route, path, prefix, quote(upstream, safe=RESERVED, errors="surrogateescape"), captures)


def joined(base: str, rest: str, path: str, *, strip: bool) -> str:
    """Join a service's path and a request's as Kong's `path_handling: v0` does."""
    if not strip:
        if base.endswith("/"):
            return base + path[1:]
        return base if path == "/" else base + path
    if rest:
        return base.removesuffix("/") + "/" + rest.removeprefix("/")
    if base == "/":
        return "/"
    trailing = path.endswith("/") and (len(path) > 1 or base.endswith("/"))
    return base.removesuffix("/") + ("/" if trailing else "")


def normalized(path: str) -> str:
    """Return a path as Kong's router sees it: decoded but for reserved characters, no dots."""
    if "%" not in path and "//" not in path and "/." not in path:
        return path
    raw = PERCENT.sub(decoded, path.encode(errors="surrogateescape"))
    text = re.sub("/{2,}", "/", raw.decode(errors="surrogateescape"))
    parts: list[str] = []
    segments = text.split("/")
    for segment in segments[1:]:
        if segment == "..":
            if parts:
                parts.pop()
        elif segment != ".":
            parts.append(segment)
    if segments[-1] in (".", ".."):
        parts.append("")
    return "/" + "/".join(parts)


def decoded(match: re.Match[bytes]) -> bytes:
    """Decode one percent escape, unless it stands for a reserved character."""
    byte = bytes([int(match.group(1), 16)])
    # Control characters stay escaped too: decoded they would end up in a request line.
    keep = byte in RESERVED.encode() or byte < b" " or byte == b"\x7f"
    return match.group().upper() if keep else byte
