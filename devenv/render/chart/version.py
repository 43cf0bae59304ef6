"""Which version a packaged chart has: that of the commit's tag, else one that names the commit."""

from __future__ import annotations

import re
from collections.abc import Collection

RELEASE = re.compile(
    r"v?(?P<version>(?P<numbers>(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2})(?P<before>-[0-9A-Za-z.-]+)?)"
)


def chart_version(base: str, *, tags: Collection[str], commit: str, manifest: str, changed: bool) -> str:
    """The highest version among the tags of an unchanged commit; else `0.1.0+` and what it is made of.

    `base` is what stands before the plus, `manifest` a digest.
    """
    matches = [match for match in map(RELEASE.fullmatch, tags) if match]
    if matches and not changed:
        return max(matches, key=_order)["version"]
    words = [commit[:12], manifest if changed or not commit else ""]
    return f"{base}+{'.'.join(filter(None, words))}"


def _order(match: re.Match[str]) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
    """As semantic versions are ordered: 1.2.0-rc.9, 1.2.0-rc.10, 1.2.0; a number comes before a word."""
    numbers = [int(number) for number in match["numbers"].split(".")]
    words = (match["before"] or "-").removeprefix("-").split(".")
    parts = [(False, int(word), "") if word.isdecimal() else (True, 0, word) for word in words]
    return numbers, match["before"] is None, parts
