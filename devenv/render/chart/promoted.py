"""What a chart is made from: a stack that is of no checkout and of no environment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from devenv.render.bundle import Source
from devenv.render.kubernetes.content import inline
from devenv.stack import text
from devenv.stack.model import Data, Stack, Unit
from devenv.stack.text import Text


@dataclass(frozen=True, slots=True, eq=False)
class Promoted:
    """A stack whose namespace is `page.NAMESPACE`, with all of its stores, and without each of them.

    `without`: store -> the stack where something else runs it, so that its Secret has what is injected.
    `source`: files of the project, and the fragments for kinds.
    """

    stack: Stack
    without: Mapping[str, Stack] = field(default_factory=dict)
    source: Source = field(default_factory=Source)

    def store(self, unit: Unit) -> str:
        """The store that a unit is part of, or ""."""
        return next((store for store, other in self.without.items() if unit.name not in other), "")

    def made_with(self, password: str) -> list[str]:
        """The units whose data keeps the password that it was made with, whatever a new one says."""
        return [
            unit.name
            for unit in self.stack.units
            if unit.data is not None and password in _only_for_new(unit.data)
        ]

    def hanging_on(self, unit: Unit, variable: str) -> list[str]:
        """The stores that a variable of the unit leads to."""
        value = texts(unit)[variable]
        others = {store: other for store, other in self.without.items() if unit.name in other}
        return [
            store for store, other in others.items() if texts(other.unit(unit.name)).get(variable) != value
        ]

    def written_into(self, store: str) -> list[tuple[str, str]]:
        """Units that have an address of the store where no variable can stand, and what of them has it."""
        other = self.without[store]
        return [
            (unit.name, what)
            for unit in self.stack.units
            if unit.name in other
            for what in _addresses(unit, other.unit(unit.name), store)
        ]

    def stores(self, unit: Unit) -> list[str]:
        """The stores that a unit needs."""
        needed = [need.unit for need in unit.needs]
        return list(dict.fromkeys(store for name in needed if (store := self.store(self.stack.unit(name)))))


def _only_for_new(data: Data) -> set[str]:
    """The secrets that a store applies to new data alone."""
    later = dict(data.later)
    return text.secrets_in([value for name, value in data.settings if name not in later])


def texts(unit: Unit) -> dict[str, Text]:
    """All variables of a unit."""
    return {**dict(unit.env), **inline(unit)}


def _addresses(unit: Unit, elsewhere: Unit, store: str) -> Iterator[str]:
    """What of a unit has an address of a store in it, as of the unit where something else runs the store."""
    check = elsewhere.probe.command if elsewhere.probe else ()
    words = {"entrypoint": elsewhere.entrypoint, "command": elsewhere.command, "check": check}
    for what, each in words.items():
        if any(secret.store == store for secret in text.secrets(each or ())):
            yield f"the {what}"
    for here, file in zip(unit.files, elsewhere.files, strict=True):
        if any(secret.store == store for secret in text.secrets([file.content])) or (
            file.rendered and {*file.holds} - {*here.holds}
        ):
            yield f"the file {file.target}"


def value_of(store: str) -> str:
    """Where a template finds the values of a store."""
    return f"(index $.Values.infra {json.dumps(store)})"
