"""Addresses inside a cluster, as units of a stack reach each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

_SCHEMES = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True)
class Addresses:
    """Service -> the unit behind it, and each of its ports -> the one that the unit listens on.

    A Service may listen on another port than its pods; here nothing stands between a unit and its port.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    namespaces: Collection[str] = ()

    def here(self, text: str) -> str:
        """A text with these addresses as they are here."""
        return self._pattern.sub(self._replaced, text) if self.units else text

    def _replaced(self, match: re.Match[str]) -> str:
        name, port = match["name"], int((match["port"] or ":0")[1:])
        implied = 0 if port else _SCHEMES.get(match["scheme"] or "", 0)
        inner = self.ports[name].get(port or implied)
        if not (match["scheme"] or match["suffix"] or inner):
            return match[0]
        before = f"{match['scheme']}://{match['login'] or ''}" if match["scheme"] else ""
        after = f":{inner or port}" if port or (inner and inner != implied) else ""
        return f"{before}{self.units[name]}{after}"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = "|".join(re.escape(name) for name in sorted(self.units, key=len, reverse=True))
        spaces = "|".join(map(re.escape, self.namespaces)) or r"(?!)"
        return re.compile(
            rf"(?:(?P<scheme>[a-z][a-z0-9+]*)://(?P<login>[^\s/@]*@)?|(?<![\w.$/-]))"
            rf"(?:[a-z0-9-]+-\d+\.)?(?P<name>{names})"
            rf"(?P<suffix>\.(?:{spaces}|[a-z0-9-]+(?=\.svc\b))(?:\.svc(?:\.cluster\.local\.?)?)?)?"
            rf"(?P<port>:\d{{1,5}}\b)?(?![\w-]|\.\w)"
        )
