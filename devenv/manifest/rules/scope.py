"""The manifest with the names it defines or implies, which all rules check against."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from devenv.errors import did_you_mean
from devenv.manifest.models import Manifest, Shipping
from devenv.manifest.versions import Supported
from devenv.manifest.workloads import Job, Service


@dataclass(frozen=True, slots=True)
class KindFacts:
    """The facts of an infra kind that the rules check against; `image` is the main service's, as written."""

    options: Mapping[str, Literal["text", "flag", "list", "secret"]]
    attributes: frozenset[str]
    name: str = ""
    image: str = ""
    part: str | None = None
    dots: bool = False
    """Whether names of a part may have dots."""
    ports: frozenset[str] = frozenset()
    services: tuple[str, ...] = ()
    """Names of all its services."""
    uses: tuple[str, ...] = ()
    volumes: frozenset[str] = frozenset()
    """Names of its volumes, as in its file."""
    stores: frozenset[str] = frozenset()
    """Those of its services that have volumes and go on running."""
    files: frozenset[str] = frozenset()
    """Options that list files of the project."""
    targets: frozenset[str] = frozenset()
    """Paths in its main container at which the kind mounts something."""
    gateway: bool = False
    takes: frozenset[str] = frozenset()
    """What it takes of the whole stack: traces, logs."""
    joins: tuple[str, ...] = ()
    """Kinds that it turns to where the stack has them."""
    supported: Supported = field(default_factory=Supported)


class Kinds(Mapping[str, KindFacts]):
    """The facts of each kind, by name."""

    def gateways(self) -> Iterator[str]:
        """Names of those that serve routes."""
        return (name for name, kind in self.items() if kind.gateway)

    def takers(self, what: str) -> Iterator[str]:
        """Names of those that take this of a whole stack."""
        return (name for name, kind in self.items() if what in kind.takes)

    def instead_of(self, word: str) -> str:
        """Why there is no kind of this name, and what does its work; "" where nobody says so."""
        return ""

    def words(self) -> Collection[str]:
        """All words for them: their names, and others."""
        return self.keys()


def unit_name(service: str, *, kind: str, name: str) -> str:
    """The unit name of a kind's service, for an infra called `name`.

    `postgres-databases` of `db` is `db-databases`; the `kibana` that comes with elasticsearch keeps its
    name, and is `search-kibana` where elasticsearch is called `search`.
    """
    if service == kind or service.startswith(f"{kind}-"):
        return name + service.removeprefix(kind)
    return service if name == kind else f"{name}-{service}"


@dataclass(frozen=True)
class Scope:
    """The manifest with the names it defines or implies."""

    manifest: Manifest
    kinds: Kinds
    """By their names, and by other words for them, which iteration leaves out."""

    def kind_meant(self, word: str, names: Iterable[str] = ()) -> str:
        """What was probably meant by a word that is no kind: a kind, or one of these names."""
        known = "`devenv kinds` lists the kinds"
        return self.kinds.instead_of(word) or did_you_mean(word, [*names, *self.kinds.words()], known)

    @cached_property
    def workloads(self) -> dict[tuple[str, str], Service | Job]:
        """Services and jobs, by their path in the manifest."""
        manifest = self.manifest
        return {("services", name): service for name, service in manifest.services.items()} | {
            ("jobs", name): job for name, job in manifest.jobs.items()
        }

    @cached_property
    def infra(self) -> dict[str, str]:
        """Infra name -> kind, declared or named in `uses`."""
        infra = {name: self._kind(self.word(name)) for name in self.manifest.infra}
        for workload in self.workloads.values():
            for use in workload.uses:
                name = use.partition("/")[0]
                if name not in self.names and name in self.kinds:
                    infra.setdefault(name, self._kind(name))
        if self.routed and not any(self.kinds[kind].gateway for kind in infra.values() if kind in self.kinds):
            infra |= {name: name for name in itertools.islice(self.kinds.gateways(), 1)}
        for what in self.shipped:
            if (name := self._taker(what, infra)) and self.word(name) in self.kinds:
                infra.setdefault(name, self._kind(self.word(name)))
        kinds = [*infra.values()]
        for kind in kinds:  # grows while iterating: a used kind may use others
            for use in self.kinds[kind].uses if kind in self.kinds else ():
                used = use.partition("/")[0]
                if self._kind(used) not in kinds:
                    infra[used] = self._kind(used)
                    kinds.append(infra[used])
        return infra

    @cached_property
    def shipped(self) -> dict[str, Shipping]:
        """What of the whole stack goes somewhere: `traces`, `logs` -> what the manifest says of it."""
        asked = {"traces": self.manifest.tracing, "logs": self.manifest.logs}
        return {what: shipping for what, shipping in asked.items() if shipping is not None}

    def taker(self, what: str) -> str:
        """The infra that takes this of the whole stack, "" if there is none.

        Metrics are asked for, so that whatever does it takes them, without a word of the manifest.
        """
        if what in self.shipped:
            return self._taker(what, self.infra)
        takers = (name for name, kind in self.infra.items() if what in self.kinds[kind].takes)
        return next(takers, "") if what == "metrics" else ""

    def _taker(self, what: str, infra: Mapping[str, str]) -> str:
        """Of several, the one that passes it on: no other turns to it."""
        if to := self.shipped[what].to:
            return to
        kinds = {name: self.kinds[kind] for name, kind in infra.items() if kind in self.kinds}
        takers = {name: kind for name, kind in kinds.items() if what in kind.takes}
        joined = {other for kind in takers.values() for other in kind.joins}
        names = [name for name, kind in takers.items() if kind.name not in joined]
        return next(iter(names or takers or self.kinds.takers(what)), "")

    def file_options(self, name: str) -> list[str]:
        """The options of an infra that list files of the project."""
        kind = self.infra.get(name, "")
        return sorted(self.kinds[kind].files) if kind in self.kinds else []

    def word(self, name: str) -> str:
        """What the kind of an infra is called in the manifest, or is by its name."""
        declared = self.manifest.infra.get(name)
        return (declared.kind if declared else None) or name

    def _kind(self, word: str) -> str:
        return self.kinds[word].name or word if word in self.kinds else word

    def parts(self, name: str) -> list[str]:
        """The parts of an infra that services, jobs and kinds use: `billing` for `postgres/billing`."""
        uses = [use.partition("/") for workload in self.workloads.values() for use in workload.uses]
        for kind in self.infra.values():
            parts = [use.partition("/") for use in self.kinds[kind].uses]
            uses += [(self.provider(used), slash, part) for used, slash, part in parts]
        return list(dict.fromkeys(part for used, _, part in uses if used == name and part))

    def provider(self, kind: str) -> str:
        """The name of an infra of this kind: the one named after the kind, or the first."""
        if self.infra.get(kind) == self._kind(kind):
            return kind
        return next(name for name, other in self.infra.items() if other == self._kind(kind))

    @property
    def routed(self) -> bool:
        """Whether any service has a route."""
        return any(service.route for service in self.manifest.services.values())

    @cached_property
    def names(self) -> dict[str, str]:
        """Every declared name -> its section."""
        manifest = self.manifest
        return (
            dict.fromkeys(manifest.infra, "infra")
            | dict.fromkeys(manifest.jobs, "jobs")
            | dict.fromkeys(manifest.services, "services")
        )
