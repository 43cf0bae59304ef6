"""The stores of a manifest, each a kind of the catalogue with its options filled in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from devenv.manifest.models import Infra, Manifest
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Written
from devenv.stack import text
from devenv.stack.external import External
from devenv.stack.infra import Instance, variable
from devenv.stack.kinds.catalogue import Catalogue, Facts, Kind
from devenv.stack.kinds.file import TAKEN, GeneratedSecret
from devenv.stack.metrics import targets
from devenv.stack.model import Identity
from devenv.stack.names import Names
from devenv.stack.text import Text
from devenv.stack.world import World

INJECTED = ("traces",)
"""What each service gets the address of; its logs are read, whatever it does."""


class Instances:
    """Every instance of a kind in a manifest, by name, and the names that texts may refer to.

    `generated`: the secrets that their options bring. `takers`: what the stack ships -> who takes it.
    """

    def __init__(self, manifest: Manifest, catalogue: Catalogue, world: World) -> None:
        self.manifest, self.world = manifest, world
        scope = Scope(manifest, Facts(catalogue))
        self.generated: set[str] = set()
        self.instances: dict[str, Instance] = {}
        self.takers: dict[str, str] = {what: name for what in TAKEN if (name := scope.taker(what))}
        injected = [self.takers[what] for what in INJECTED if what in self.takers]
        self.names = Names(manifest, self.instances, world, injected)
        for name in scope.infra:
            self._add_instance(name, catalogue, scope)

    def _add_instance(self, name: str, catalogue: Catalogue, scope: Scope) -> Instance:
        """Add an instance, after those that it uses."""
        if name not in self.instances:
            kind = catalogue[scope.word(name)]
            uses = {}
            for use in kind.block.uses:
                used, _, part = use.partition("/")
                uses[used] = self._add_instance(scope.provider(used), catalogue, scope), part
            joins = {
                joined: self._add_instance(other, catalogue, scope)
                for joined in kind.block.joins
                if (other := self._joined(joined, scope)) not in ("", name)
            }
            self.instances[name] = self._instance(name, kind, scope, uses, joins)
        return self.instances[name]

    def all_units(self) -> Iterator[str]:
        """The names of all units that there can be."""
        yield from (*self.manifest.services, *self.manifest.jobs)
        for instance in self.instances.values():
            yield from map(instance.unit, instance.file.services)

    def of_stack(self, key: str) -> str:
        """What a kind says of the stack. `units`: those whose logs go somewhere, as a pattern.

        `metrics`: where there are some, as Prometheus lists what it asks.
        """
        if key == "units":
            taker = self.takers.get("logs", "")
            return "|".join(name for name in self.all_units() if name != taker)
        if key == "metrics":
            view = self.world.view(self.takers.get("metrics", ""))
            return json.dumps([*targets(self.manifest, self.instances, view)])
        if key == "id":
            return Identity.of_checkout(self.manifest.name, self.world.checkout).id
        return self.names.namespace if key == "namespace" else self.manifest.name

    def _joined(self, word: str, scope: Scope) -> str:
        """What a kind turns to by this word: what takes that of the stack, or a kind; "" if there is none."""
        if word in TAKEN:
            return self.takers.get(word, "")
        return scope.provider(word) if word in scope.infra.values() else ""

    def _instance(
        self,
        name: str,
        kind: Kind,
        scope: Scope,
        uses: Mapping[str, tuple[Instance, str]],
        joins: Mapping[str, Instance],
    ) -> Instance:
        declared = self.manifest.infra.get(name, Infra.model_construct())
        values = {key: value for key, value in _declared_values(declared).items() if key in kind.options}
        kind = kind.with_options(
            {key: _written(value) for key, value in values.items() if not isinstance(value, list)}
            | {joined: instance.name for joined, instance in joins.items()}
            | {what: name for what in kind.block.takes if self.takers.get(what) == name}
        )
        options = self._options(name, kind, values, scope.parts(name))
        env = {key: text.in_json(self._option(name, value)) for key, value in declared.env.items()}
        image = text.public(self._option(name, declared.image or ""), f"infra.{name}.image")
        declared = declared.model_copy(update={"image": image or None})
        return Instance(
            name,
            kind,
            declared,
            options,
            env,
            uses,
            joins,
            self.of_stack,
            name in self.world.external,
            args=_arguments(declared.args, lambda value: self._option(name, value)),
            files=tuple(
                self.world.file(target, source, _literal) for target, source in declared.files.items()
            ),
            address=self._address(name, kind, declared),
        )

    def _options(
        self, name: str, kind: Kind, declared: Mapping[str, Any], parts: Iterable[str]
    ) -> dict[str, Text | list[Text]]:
        """Every option of a kind: as declared, or its default; a list of parts has all that are used."""
        options: dict[str, Text | list[Text]] = {}
        for option, default in kind.options.items():
            value = declared.get(option, default)
            if isinstance(value, GeneratedSecret):
                secret = variable(f"{name}_{option}")
                self.generated.add(secret)
                options[option] = text.secret(secret)
            elif option not in declared:
                options[option] = [*value] if isinstance(value, list) else _written(value)
            elif isinstance(default, list):
                items = value if isinstance(value, list) else [value]
                options[option] = [self._option(name, item) for item in items]
            else:
                options[option] = text.literals(  # the filled-in value is literal
                    self._option(name, value), lambda literal: literal.replace("${", "$${")
                )
        if kind.block.part is not None and kind.block.part.collects:
            collected = options[kind.block.part.collects]
            assert isinstance(collected, list)
            for part in parts:
                if part not in collected and part != options[kind.block.part.option]:
                    collected.append(part)
        return options

    def _address(self, name: str, kind: Kind, declared: Infra) -> External | None:
        """Where something else runs a store, by the manifest's own word."""
        if declared.external is None:
            return None
        main = kind.file.services[kind.name].ports
        ignored = tuple(
            key
            for key in Infra.model_fields
            if key in declared.model_fields_set - {"kind", "external"} and getattr(declared, key)
        )
        url = self._option(name, declared.external)
        return External(name, kind.name, url, main[0].target if main else 0, ignored)

    def _option(self, name: str, value: Any) -> Text:
        """An option's text; it may refer to secrets, services and the stack, but not to stores."""
        view = self.world.view(name)
        return text.fill(_written(value), lambda reference: self.names.look_up(reference, view))


def _written(value: Any) -> str:
    written = value.text if isinstance(value, Written) else str(value)
    return written.lower() if isinstance(value, bool) else written


def _declared_values(infra: Infra) -> dict[str, Any]:
    fields = {name: getattr(infra, name) for name in infra.model_fields_set if name in Infra.model_fields}
    fields.setdefault("memory", infra.resources.memory)
    values = {**fields, **(infra.model_extra or {})}
    return {name: value for name, value in values.items() if value is not None}


def _arguments(args: str | list[str] | None, fill: Callable[[str], Text]) -> tuple[Text, ...]:
    """The words of a line, or those of a list; no shell reads them."""
    return tuple(text.words(fill(args))) if isinstance(args, str) else tuple(map(fill, args or ()))


def _literal(content: str) -> Text:
    """A text of a store's file, in which nothing is referred to."""
    return text.fill(content, lambda reference: "")
