"""A manifest in the making: each field with the forms it may take, and what became of the rest.

The language itself decides which form is written: `settle` has the draft checked, as `plan` would, and takes
the next form of whatever is refused; what has none left goes to `compose:` or to the list for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from devenv.manifest.source import Path, dotted

Fate = Literal["kept", "derived", "dropped", "by hand"]
Objection = tuple[str, str]
"""What a check says: the place in the manifest, as `services.web.ports[0]`, and the reason."""
Check = Callable[[Mapping[str, Any]], list[Objection]]
ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Row:
    """What became of something that was read: `what` names it, `note` says why or what of it."""

    fate: Fate
    what: str
    note: str = ""


@dataclass(slots=True)
class Entry:
    """One field: the forms that its value may take, the best first; `instead` is what Compose calls it."""

    values: list[Any]
    origin: str = ""
    comment: str = ""
    instead: Mapping[str, Any] = field(default_factory=dict)
    quiet: bool = False


class Draft:
    """The fields of a manifest by their path, in the order in which they are written."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[Row] = []
        self.secrets: dict[str, str] = {}
        self.offers: dict[Path, list[str]] = {}
        self._entries: dict[Path, Entry] = {}

    def set(
        self,
        path: Path,
        *values: Any,
        origin: str = "",
        comment: str = "",
        instead: Mapping[str, Any] | None = None,
        quiet: bool = False,
    ) -> None:
        """Write a field, in the first of these forms that passes.

        `origin` is what it was made of; a `quiet` field is left out without a word if no form passes.
        """
        unique = [value for index, value in enumerate(values) if value not in values[:index]]
        self._entries[path] = Entry(unique, origin, comment, instead or {}, quiet)

    def has(self, path: Path) -> bool:
        """Whether the field, or anything below it, is written."""
        return any(entry[: len(path)] == path for entry in self._entries)

    def say(self, fate: Fate, what: str, note: str = "") -> None:
        """Add a row to the table, once."""
        row = Row(fate, what, note)
        if row not in self.rows:
            self.rows.append(row)

    def offer(self, path: Path, line: str) -> None:
        """Write a line of the manifest as a comment, for people to decide on."""
        self.offers.setdefault(path, []).append(line)

    def escape(self, unit: Path, fragment: Mapping[str, Any], origin: str) -> None:
        """Leave keys to Compose alone; lists of the same key append."""
        from devenv.drafting.interpolation import forms

        for key, value in fragment.items():
            path = (*unit, "compose", key)
            before = self._entries[path].values if path in self._entries else []
            if before and isinstance(value, list):
                values = [[*item, *value] for item in before]
            else:
                values = [*forms(value)]
            comment = "not on Kubernetes" if key in ("ports",) else "lost on Kubernetes"
            self._entries[path] = Entry(values, origin, comment)

    def change_commands(self, change: Callable[[str], str]) -> None:
        """Change the words of every command, in every form."""
        from devenv.drafting.interpolation import everywhere

        for path, entry in self._entries.items():
            if path[2:3] in (("command",), ("entrypoint",), ("args",)):
                entry.values = [everywhere(change, value) for value in entry.values]

    @property
    def value(self) -> dict[str, Any]:
        """The manifest as plain values."""
        value: dict[str, Any] = {}
        for path, entry in self._entries.items():
            inner: dict[Any, Any] = value
            for part in path[:-1]:
                inner = inner.setdefault(part, {})
            inner[path[-1]] = entry.values[0]
        for section in ("services", "jobs"):
            for unit in value.get(section, {}).values():
                if set(unit.get("build", ())) == {"context"}:
                    unit["build"] = unit["build"]["context"]
        return value

    @property
    def comments(self) -> dict[Path, str]:
        """Path -> what stands behind the field."""
        return {path: entry.comment for path, entry in self._entries.items() if entry.comment}

    def texts(self) -> Iterator[tuple[str, str]]:
        """The commands and variables with their places, without what they refer to."""
        for path, entry in self._entries.items():
            if path[2:3] in (("command",), ("entrypoint",), ("env",)):
                yield dotted(path), re.sub(r"\$\{(?!env\.)[^}]*\}", "", str(entry.values[0]))

    # -- what is refused

    def settle(self, check: Check) -> list[Objection]:
        """Take the next form of whatever is refused until nothing is; what is refused then is returned."""
        for _ in range(ROUNDS):
            objections = check(self.value)
            if not objections or not self._take_back(objections):
                return objections
        return check(self.value)

    def _take_back(self, objections: Iterable[Objection]) -> bool:
        """Whether there was anything to take back."""
        items: dict[Path, dict[int, str]] = {}
        refused: dict[Path, str] = {}
        for place, reason in objections:
            for path in self._of(place):
                index = place.removeprefix(dotted(path))
                if isinstance(self._entries[path].values[0], list) and index.startswith("["):
                    items.setdefault(path, {})[int(index[1:].partition("]")[0])] = reason
                    self._note_item(path, index, reason)
                else:
                    refused.setdefault(path, reason)
        for path, reasons in items.items():
            entry, before = self._entries[path], self._entries[path].values[0]
            kept = [item for number, item in enumerate(entry.values[0]) if number not in reasons]
            if self._next(path):
                self._note_names(path, before, next(iter(reasons.values())))
            elif kept:
                entry.values[0] = kept
            elif not kept and path in self._entries and len(entry.values) < 2:
                del self._entries[path]
        for path, reason in refused.items():
            before = self._entries[path].values[0] if path in self._entries else None
            if path in self._entries and not self._next(path):
                self._withdraw(path, reason)
            elif path in self._entries:
                self._note_names(path, before, reason)
        return bool(items or refused)

    def _note_item(self, path: Path, index: str, reason: str) -> None:
        entry = self._entries[path]
        if len(entry.values) < 2:
            self.say("by hand", entry.origin or dotted(path) + index, reason)

    def _note_names(self, path: Path, before: Any, reason: str) -> None:
        """Say which variables are not in the form that is written now."""
        entry = self._entries[path]
        names = [name for name in _names(before) if name not in _names(entry.values[0])]
        if names:
            note = f"written without {', '.join(names)}: {reason}"
            self.say("by hand", entry.origin or dotted(path), note)
        elif _names(before):
            self.say("derived", entry.origin or dotted(path), f"may be empty: {reason}")

    def _of(self, place: str) -> list[Path]:
        """The field at a place, or all fields of the unit or section that it names."""
        above = [path for path in self._entries if _within(place, dotted(path))]
        if above:
            return [max(above, key=len)]
        return [path for path in self._entries if _within(dotted(path), place)] if place else []

    def _next(self, path: Path) -> bool:
        """Go on to the next form of a field, if it has one."""
        entry = self._entries[path]
        if len(entry.values) < 2:
            return False
        entry.values.pop(0)
        return True

    def _withdraw(self, path: Path, reason: str) -> None:
        entry = self._entries.pop(path)
        if entry.instead:
            self.escape(path[:2], entry.instead, entry.origin)
        elif not entry.quiet:
            self.say("by hand", entry.origin or dotted(path), reason)

    def table(self) -> Iterator[Row]:
        """What became of everything, in the order of the fates."""
        yield from in_order(self.rows)


def in_order(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows in the order of the fates."""
    for fate in ("kept", "derived", "dropped", "by hand"):
        yield from (row for row in rows if row.fate == fate)


def telling(value: str) -> bool:
    """Whether a secret's value cannot be taken for a word that stands elsewhere too, such as a name."""
    return len(value) > 5 and not re.fullmatch(r"[A-Za-z_-]+", value)


def _names(value: Any) -> list[str]:
    """The variables of this machine in a value of a manifest, each once."""
    return [*dict.fromkeys(re.findall(r"(?<!\$)\$\{env\.(\w+)", str(value)))]


def _within(place: str, outer: str) -> bool:
    return place == outer or place.startswith((f"{outer}.", f"{outer}["))
