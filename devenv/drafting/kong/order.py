"""Which routes Kong could try in either order, so that their names decide."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.drafting.kong.forms import Entity

_LITERAL = re.compile(r"~(?:[\w/-](?![?*{]))*")


def may_overlap(first: Entity, second: Entity) -> bool:
    """Whether a request may match both, with nothing but their names to tell which is tried first."""
    if first.get("regex_priority", 0) != second.get("regex_priority", 0):
        return False
    for key in ("hosts", "methods"):
        one, two = set(first.get(key) or ()), set(second.get(key) or ())
        if bool(one) != bool(two) or (
            one and not one & two and not any("*" in str(word) for word in one | two)
        ):
            return False
    if bool(first.get("headers")) != bool(second.get("headers")):
        return False
    if set(first.get("paths") or ()) & set(second.get("paths") or ()):
        return True
    return any(
        one.startswith(two) or two.startswith(one) for one in _literals(first) for two in _literals(second)
    )


def _literals(route: Entity) -> Iterator[str]:
    """What each regular expression of a route begins with; one with alternatives may begin with anything."""
    for path in map(str, route.get("paths") or ()):
        if path.startswith("~") and (match := _LITERAL.match(path)):
            yield "~" if "|" in path else match[0]
