"""Field schemas as data: what a record may hold, its defaults, and every problem at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Report = Callable[[str, str], None]
# A check that reports a problem returns a value of the right type all the same: what comes
# after it goes on and finds the next one.
Check = Callable[[Any, str, Report], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One accepted field: how its value is checked, and its value when absent."""

    check: Check
    default: Any = None
    required: bool = False


def kind_of(value: Any) -> str:
    """Name a value's type in YAML's words; never the value, which may be a credential."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string" if value else "an empty string"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
    return type(value).__name__


def boolean(value: Any, where: str, report: Report) -> Any:
    """Check a boolean."""
    if not isinstance(value, bool):
        report(where, f"expected a boolean, found {kind_of(value)}")
        return False
    return value


def text(value: Any, where: str, report: Report) -> Any:
    """Check a non-empty string."""
    if not (isinstance(value, str) and value):
        report(where, f"expected a string, found {kind_of(value)}")
        return ""
    return value


def number(low: float, high: float) -> Check:
    """Check a number within bounds."""

    def check(value: Any, where: str, report: Report) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            report(where, f"expected a number, found {kind_of(value)}")
            return low
        if not low <= value <= high:
            report(where, f"expected a number from {low} to {high}, found {value}")
        return value

    return check


def integer(low: int, high: int) -> Check:
    """Check a whole number within bounds."""

    def check(value: Any, where: str, report: Report) -> Any:
        if isinstance(value, float) and not value.is_integer():
            report(where, "expected a whole number")
            return low
        return int(number(low, high)(value, where, report))

    return check


def one_of(*choices: str | int) -> Check:
    """Check a value against the ones the gateway supports."""

    def check(value: Any, where: str, report: Report) -> Any:
        if isinstance(value, str | int) and not isinstance(value, bool) and value in choices:
            return value
        shown = f'"{value}"' if isinstance(value, str | int) else kind_of(value)
        report(where, f"the embedded gateway has no {shown} here - it has {listed(choices)}")
        return choices[0]

    return check


def matching(pattern: str, what: str) -> Check:
    """Check a string against a pattern."""
    compiled = re.compile(pattern)

    def check(value: Any, where: str, report: Report) -> Any:
        if not isinstance(value, str):
            report(where, f"expected {what}, found {kind_of(value)}")
            return ""
        if not compiled.fullmatch(value):
            report(where, f"expected {what}")
        return value

    return check


def list_of(inner: Check, *, least: int = 0) -> Check:
    """Check a list, element by element; the result is a tuple."""

    def check(value: Any, where: str, report: Report) -> Any:
        if not isinstance(value, list | tuple):
            report(where, f"expected a list, found {kind_of(value)}")
            return ()
        if len(value) < least:
            report(where, f"expected at least {least} element(s)")
        return tuple(inner(item, f"{where}[{at}]", report) for at, item in enumerate(value))

    return check


def mapping_of(inner: Check) -> Check:
    """Check a mapping from strings, value by value."""

    def check(value: Any, where: str, report: Report) -> Any:
        if not isinstance(value, dict):
            report(where, f"expected a mapping, found {kind_of(value)}")
            return {}
        return {str(key): inner(item, f"{where}.{key}", report) for key, item in value.items()}

    return check


def record(fields: Mapping[str, Field], what: str = "field") -> Check:
    """Check a mapping with known fields; the result holds every field, defaults filled in."""

    def check(value: Any, where: str, report: Report) -> Any:
        if not isinstance(value, dict):
            report(where, f"expected a mapping, found {kind_of(value)}")
            value = {}
        for name in value:
            if name not in fields:
                report(
                    within(where, name),
                    f'the embedded gateway has no {what} "{name}" here - it has {listed(fields)}',
                )
        return {name: filled(field, value, name, where, report) for name, field in fields.items()}

    return check


def filled(field: Field, value: Mapping[str, Any], name: str, where: str, report: Report) -> Any:
    """Return one field's checked value, or its default when absent or null."""
    item = value.get(name)
    if item is not None:
        return field.check(item, within(where, name), report)
    if field.required:
        report(within(where, name), "required, but missing")
    return field.default


def within(where: str, name: Any) -> str:
    """Return the place of a field inside a place."""
    return f"{where}.{name}" if where else str(name)


def listed(names: Iterable[Any]) -> str:
    """Return names in one line, in order."""
    return ", ".join(sorted(map(str, names)))
