"""Conditions on versions: `<18`."""

from __future__ import annotations

import re


def matches(version: str, condition: str) -> bool:
    """Whether `17.11` is `<18`. Only leading numbers count; other versions match nothing."""
    found = re.match(r"^(<=|>=|<|>|=)\s*(.+)$", condition)
    if not found:
        return False
    bound = _numbers(found[2])
    have = _numbers(version)[: len(bound)]
    if not have:
        return False
    return {
        "<": have < bound,
        "<=": have <= bound,
        ">": have > bound,
        ">=": have >= bound,
        "=": have == bound,
    }[found[1]]


def _numbers(version: str) -> tuple[int, ...]:
    leading = re.match(r"^v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in leading[1].split(".")) if leading else ()
