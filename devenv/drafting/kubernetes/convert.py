"""Objects of Kubernetes as a draft of a manifest."""

from __future__ import annotations

from functools import partial

from devenv.drafting import convert as compose
from devenv.drafting.draft import Draft
from devenv.drafting.interpolation import escaped
from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.reading import Project
from devenv.drafting.scene import World, key_of
from devenv.drafting.stores import Stores

SHORTEST = 3  # letters of a value that may be anything


def convert(project: Project, imported: Imported, world: World, stores: Stores) -> Draft:
    """The draft; nothing of the objects is in neither the draft nor its table."""
    draft = compose.convert(project, world, stores)
    command = " ".join(["devenv init --from-kubernetes", *project.files])
    draft.title = f"Written by `{command}`."
    for volume, size in imported.sizes.items():
        key = key_of(volume)
        if any(key in unit.get("volumes", ()) for unit in draft.value.get("services", {}).values()):
            draft.set(("volumes", key), {"size": size}, origin=f"PersistentVolumeClaim {volume}")
    if imported.plugins:
        draft.set(("gateway", "plugins"), imported.plugins, origin="KongClusterPlugin")
    _hide(draft, imported)
    draft.secrets |= imported.of_plugins.values
    draft.secrets |= {name: value for name, value in imported.values.items() if _named(draft, name)}
    draft.rows = [*imported.rows, *draft.rows]
    return draft


def _hide(draft: Draft, imported: Imported) -> None:
    """Refer to the values of Secrets that stand in commands, as among the arguments of a store."""
    for value, own in sorted(imported.hidden.items(), key=lambda pair: -len(pair[0])):
        name = next((name for name, kept in draft.secrets.items() if kept == value), own)
        written, reference, before = escaped(value), f"${{secret.{name}}}", str(draft.value)
        if len(value) > SHORTEST:
            draft.change_commands(partial(_replaced, written=written, reference=reference))
        if str(draft.value) != before:
            draft.secrets[name] = value


def _replaced(text: str, *, written: str, reference: str) -> str:
    return text.replace(written, reference)


def _named(draft: Draft, secret: str) -> bool:
    units = [unit for section in ("services", "jobs") for unit in draft.value.get(section, {}).values()]
    return any({"secret": secret} in unit.get("files", {}).values() for unit in units)
