"""The variables of a unit in a chart: which are values, which are in Secrets, which hang on a store."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
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


def key_of(secret: Secret) -> str:
    """The key of a Secret that holds a secret: `NAME`, or `NAME.url` and `NAME.json`, quoted for these."""
    return secret.name if secret.place == "plain" else f"{secret.name}.{secret.place}"


def variables(promoted: Promoted, unit: Unit, page: Page, entries: Iterable[Mapping[str, Any]]) -> Variables:
    """The variables of a unit's container, whose entries in the kube backend's object are these.

    Raises `UsageError` for a text that mentions two stores.
    """
    values: dict[str, str] = {}
    fixed: list[Any] = []
    first: set[str] = set()  # those that others are made of, which stand before them
    by_store: dict[str, tuple[list[Any], dict[str, Text]]] = {}
    for entry in entries:
        if entry.keys() == {"name"}:  # a fragment takes it out
            continue
        name, value = str(entry["name"]), _text(unit, entry)
        if value is None:
            fixed.append(dict(entry))
            continue
        store = _one_store(promoted, unit, name) if name in texts(unit) else ""
        if isinstance(value, str) and NAMESPACE not in value and not store:
            values[name] = value
            continue
        here, outside = by_store.setdefault(store, ([], {})) if store else (fixed, {})
        made_of, own = _entries(name, value, page)
        here += [item for at, item in made_of.items() if at not in first] + [own]
        first |= made_of.keys()
        if store:
            outside[name] = texts(promoted.without[store].unit(unit.name))[name]
    chart = promoted.stack.name
    for store, (here, outside) in by_store.items():
        condition = f"with {value_of(store)}.external.secret"
        fixed.append(page.when(condition, _from_store(chart, outside, page), here))
    return Variables(values, tuple(fixed))


def _text(unit: Unit, entry: Mapping[str, Any]) -> Text | None:
    """What an entry of a container's env says: the unit's text, or a fragment's; None for another source."""
    value = texts(unit).get(str(entry["name"]))
    if "value" not in entry:
        return value if entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == unit.name else None
    return value if isinstance(value, str) and literal(value) == entry["value"] else str(entry["value"])


def _one_store(promoted: Promoted, unit: Unit, name: str) -> str:
    stores = promoted.hanging_on(unit, name)
    if len(stores) > 1:
        raise UsageError(
            f"{unit.name}: the variable {name} mentions {' and '.join(stores)}",
            why="in a cluster each of them may come from a Secret of its own",
            hint="write a variable for each",
        )
    return stores[0] if stores else ""


def _from_store(chart: str, variables: Mapping[str, Text], page: Page) -> list[Any]:
    """The entries of variables that a store's Secret has; most have the name of their key."""
    named = [name for name, value in variables.items() if _is_key(name, value)]
    words = " ".join(json.dumps(name) for name in named)
    entries: dict[str, Any] = {}
    for name, value in variables.items():
        if name not in named:
            made_of, own = _entries(name, value, page)
            entries |= {**made_of, name: own}
    listed = [page.entries(f'include "{chart}.fromSecret" (list . {words})')] if named else []
    return [*listed, *entries.values()]


def _is_key(name: str, value: Text) -> bool:
    match text.parts(value):
        case (Secret() as secret,):
            return bool(secret.store) and secret.name == name
    return False


def _entries(name: str, value: Text, page: Page) -> tuple[dict[str, Any], Any]:
    """The variables that a variable is made of, by name, and its own entry."""
    if isinstance(value, str):
        return {}, {"name": name, "value": literal(value)}
    parts = value.parts
    if len(parts) == 1 and isinstance(parts[0], Secret):
        return {}, {"name": name, "valueFrom": {"secretKeyRef": reference(parts[0], page)}}
    secrets = sorted(text.secrets([value]), key=lambda secret: secret.variable)
    helpers = {
        secret.variable: {"name": secret.variable, "valueFrom": {"secretKeyRef": reference(secret, page)}}
        for secret in secrets
    }
    composed = text.rewrite(
        value, lambda secret: f"$({secret.variable})", lambda plain: plain.replace("$", "$$")
    )
    return helpers, {"name": name, "value": composed}


def reference(secret: Secret, page: Page) -> dict[str, Any]:
    """Name and key of the Secret that holds a secret."""
    if secret.store:
        return {"name": page.inline(f"{value_of(secret.store)}.external.secret"), "key": secret.name}
    return {"name": page.inline("$.Values.secret"), "key": key_of(secret)}


def keys(promoted: Promoted, external: Collection[str] = ()) -> dict[str, Secret]:
    """Every key that the stack's Secret needs where something else runs these stores."""
    wanted: set[Secret] = set()
    for unit in promoted.stack.units:
        if promoted.store(unit) in external:
            continue
        for name, value in texts(unit).items():
            if not set(promoted.hanging_on(unit, name)) & set(external):
                wanted |= text.secrets([value])
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
