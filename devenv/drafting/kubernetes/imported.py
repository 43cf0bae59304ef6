"""What is made of objects: a Compose project, and what that has no words for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.drafting.draft import Fate, Row
from devenv.drafting.kong.values import Secrets
from devenv.drafting.kubernetes.addresses import Addresses
from devenv.drafting.kubernetes.objects import Objects
from devenv.drafting.reading import Place, Project
from devenv.drafting.scene import variable_of
from devenv.drafting.stores import Stores


@dataclass(frozen=True, slots=True)
class Build:
    """How the image of a workload is built in this project."""

    context: str
    dockerfile: str = "Dockerfile"


@dataclass(slots=True)
class Imported:
    """A Compose project in the making.

    `builds`: image, without registry and tag -> its build. `units`: workload -> its name here. `fields`: unit
    -> field of the manifest -> its value, for what no key of Compose's says; `values`: secret -> its value,
    of those that are files. `private`: unit -> its variables that Secrets hold. `sizes`: volume -> its size.
    `names`: a Secret and a key of it that are not among the objects -> what the secret is called here.
    `hidden`: a value of a Secret that a variable has -> what the secret is called here, if it needs a name.
    `plugins`: those of the whole gateway; `of_plugins`: the secrets in the settings of all.
    """

    objects: Objects
    builds: Mapping[str, Build]
    stores: Stores
    units: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    addresses: Addresses = field(default_factory=Addresses)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, Any] = field(default_factory=dict)
    configs: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Any] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    private: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    fields: defaultdict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    sizes: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    plugins: list[Any] = field(default_factory=list)
    of_plugins: Secrets = field(default_factory=Secrets)

    def say(self, fate: Fate, what: str, note: str) -> None:
        """Add a row to the table, once."""
        row = Row(fate, what, note)
        if row not in self.rows:
            self.rows.append(row)

    def unknown(self, secret: str, key: str) -> str:
        """What a value is called that is in the cluster alone: as its key, where that can be a variable."""
        if (secret, key) not in self.names:
            is_name = bool(re.fullmatch(r"[A-Z][A-Z0-9_]*", key))
            short = key if is_name and key not in self.names.values() else ""
            self.names[secret, key] = short or variable_of(f"{secret}-{key}")
        return self.names[secret, key]

    @property
    def _name(self) -> str:
        """The namespace that all of it is in."""
        own = self.objects.namespaces - {"default"}
        return own.pop() if len(own) == 1 else ""

    def project(self, files: tuple[str, ...], folder: Place) -> Project:
        """The Compose project, as if read from files."""
        return Project(
            name=self._name,
            services=self.services,
            volumes=self.volumes,
            secrets=self.secrets,
            configs=self.configs,
            files=files,
            folder=folder,
            jobs=frozenset(self.jobs),
            fields=self.fields,
            unknown=frozenset(self.names.values()),
            private={unit: frozenset(names) for unit, names in self.private.items()},
        )
