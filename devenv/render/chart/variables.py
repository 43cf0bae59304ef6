"""The variables of a unit in a chart: which are values, which are in Secrets, which hang on a store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devenv.errors import UsageError
from devenv.render.chart.page import NAMESPACE, Page
from devenv.render.chart.promoted import Promoted, texts, value_of
from devenv.render.kubernetes.pod import literal
from devenv.stack import text
from devenv.stack.model import File, Unit
from devenv.stack.text import Secret, Text


@dataclass(frozen=True, slots=True)
class Variables:
    """`values`: variables that are knobs. `fixed`: entries of a container's env, for a template."""

    values: Mapping[str, str]
    fixed: tuple[Any, ...]


@dataclass(slots=True)
class _Group:
    """Entries by name of variables that lead to the same stores.

    `here`: where they are deployed; `elsewhere`: where the Secret of the store, if it is one, has them under
    their names (`keys`), or has what they are made of.
    """

    here: dict[str, Any] = field(default_factory=dict)
    elsewhere: dict[str, Any] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)


def key_of(secret: Secret) -> str:
    """The key of a Secret that holds a secret: `NAME`, or `NAME.url` and `NAME.json`, quoted for these."""
    return secret.name if secret.place == "plain" else f"{secret.name}.{secret.place}"


def variables(promoted: Promoted, unit: Unit, page: Page, entries: Iterable[Mapping[str, Any]]) -> Variables:
    """The variables of a unit's container, whose entries in the kube backend's object are these.

    Raises `UsageError` for a text that mentions two stores.
    """
    values: dict[str, str] = {}
    groups: dict[tuple[str, ...], _Group] = {(): _Group()}
    for entry in entries:
        if entry.keys() == {"name"}:  # a fragment takes it out
            continue
        name, value = str(entry["name"]), _text(unit, entry)
        if value is None:
            groups[()].here[name] = dict(entry)
            continue
        stores = tuple(promoted.hanging_on(unit, name)) if name in texts(unit) else ()
        if isinstance(value, str) and NAMESPACE not in value and not stores:
            values[name] = value
            continue
        group = groups.setdefault(stores, _Group())
        _add(group.here, _entries(name, value, page))
        match _elsewhere(promoted, unit, name, stores):
            case None:
                pass
            case outside if _is_key(name, outside):
                group.keys.append(name)
            case outside:
                _add(group.elsewhere, _entries(name, outside, page))
    return Variables(values, tuple(_listed(promoted.stack.name, groups, page)))


def _text(unit: Unit, entry: Mapping[str, Any]) -> Text | None:
    """What an entry of a container's env says: the unit's text, or a fragment's; None for another source."""
    value = texts(unit).get(str(entry["name"]))
    if "value" not in entry:
        return value if entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == unit.name else None
    return value if isinstance(value, str) and literal(value) == entry["value"] else str(entry["value"])


def _elsewhere(promoted: Promoted, unit: Unit, name: str, stores: Sequence[str]) -> Text | None:
    """A variable where something else runs the store that it leads to.

    None where it is left out: two stores have it, and then differ. Raises `UsageError` for a text of two.
    """
    outside = [texts(promoted.without[store].unit(unit.name)).get(name) for store in stores]
    if len(stores) > 1 and any(value is not None for value in outside):
        raise UsageError(
            f"{unit.name}: the variable {name} mentions {' and '.join(stores)}",
            why="in a cluster each of them may come from a Secret of its own",
            hint="write a variable for each",
        )
    return next(iter(outside), None)


def _add(to: dict[str, Any], entries: Mapping[str, Any]) -> None:
    for name, entry in entries.items():
        to.setdefault(name, entry)


def _listed(chart: str, groups: Mapping[tuple[str, ...], _Group], page: Page) -> Iterator[Any]:
    """The entries of all groups, each with its condition. What several are made of stands before them."""
    everywhere = groups[()].here
    counts = Counter(name for group in groups.values() for name in group.here.keys() | group.elsewhere.keys())
    for group in groups.values():
        _add(everywhere, {name: entry for name, entry in group.here.items() if counts[name] > 1})
    made_of = {name: entry for name, entry in everywhere.items() if counts[name] > 1}
    yield from (made_of | everywhere).values()
    for stores, group in groups.items():
        if not stores:
            continue
        here, elsewhere = (
            [entry for name, entry in entries.items() if name not in everywhere]
            for entries in (group.here, group.elsewhere)
        )
        if group.keys:
            words = " ".join(map(json.dumps, group.keys))
            elsewhere.insert(0, page.entries(f'include "{chart}.fromSecret" (list . {words})'))
        external = [f"{value_of(store)}.external.secret" for store in stores]
        if elsewhere:
            yield page.when(f"with {external[0]}", elsewhere, here)
        else:
            yield page.when(f"if not (or {' '.join(external)})", here)


def _is_key(name: str, value: Text) -> bool:
    match text.parts(value):
        case (Secret() as secret,):
            return bool(secret.store) and secret.name == name
    return False


def _entries(name: str, value: Text, page: Page) -> dict[str, Any]:
    """The entry of a variable by its name, after those of the variables that it is made of."""
    if isinstance(value, str):
        return {name: {"name": name, "value": literal(value)}}
    parts = value.parts
    if len(parts) == 1 and isinstance(parts[0], Secret):
        return {name: {"name": name, "valueFrom": {"secretKeyRef": reference(parts[0], page)}}}
    secrets = sorted(text.secrets([value]), key=lambda secret: secret.variable)
    helpers = {
        secret.variable: {"name": secret.variable, "valueFrom": {"secretKeyRef": reference(secret, page)}}
        for secret in secrets
    }
    composed = text.rewrite(
        value, lambda secret: f"$({secret.variable})", lambda plain: plain.replace("$", "$$")
    )
    return {**helpers, name: {"name": name, "value": composed}}


def reference(secret: Secret, page: Page) -> dict[str, Any]:
    """Name and key of the Secret that holds a secret."""
    if secret.store:
        return {"name": page.inline(f"{value_of(secret.store)}.external.secret | quote"), "key": secret.name}
    return {"name": page.inline("$.Values.secret | quote"), "key": key_of(secret)}


def keys(promoted: Promoted, external: Collection[str] = ()) -> dict[str, Secret]:
    """Every key that the stack's Secret needs where something else runs these stores."""
    wanted: set[Secret] = set()
    for unit in promoted.stack.units:
        if promoted.store(unit) in external:
            continue
        for name, value in texts(unit).items():
            stores = [store for store in promoted.hanging_on(unit, name) if store in external]
            if stores:
                value = texts(promoted.without[stores[0]].unit(unit.name)).get(name, "")
            wanted |= {secret for secret in text.secrets([value]) if not secret.store}
        for file in unit.files:
            wanted |= in_file(file)
    return {key_of(secret): secret for secret in sorted(wanted, key=key_of)}


def encoded(names: Collection[str]) -> list[str]:
    """Those of the keys that hold a secret once more, encoded for its place."""
    return [name for name in names if name.endswith((".url", ".json"))]


def plain(names: Collection[str]) -> list[str]:
    """The keys that others are encoded from, and those that are not encoded."""
    return sorted({name.removesuffix(".url").removesuffix(".json") for name in names})


def in_file(file: File) -> set[Secret]:
    """The secrets that a file holds; those of a rendered file stand in quotes."""
    if file.rendered:
        return {Secret(name, "json") for name in file.holds}
    return {Secret(file.secret)} if file.secret else text.secrets([file.content])
