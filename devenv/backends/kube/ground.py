"""What has to be so before anything is applied: a namespace that is there, and nobody else's objects."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from devenv.backends.base import Say
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import CLAIM, OURS, Resources, kind_of, label
from devenv.errors import DevenvError

PATIENCE = 120.0  # seconds a namespace may take to go away
LOOK = 0.5  # seconds between two looks at one that does


def ready_namespace(client: Client, resources: Resources, wanted: Object | None, name: str, say: Say) -> None:
    """Make the namespace, or use the one that is there; one that goes away is waited for.

    Raises `DevenvError` that names the finalizers when it does not go.
    """
    path = resources.path(("v1", "Namespace"), name=name)
    try:
        found = client.find(path)
    except Refused as error:
        if error.status == 403:  # may be used without being looked at; what follows will tell
            return
        raise
    started, told = time.monotonic(), ""
    while found is not None and found["status"].get("phase") == "Terminating":
        if time.monotonic() - started > PATIENCE:
            raise _stuck(name, found)
        holders = ", ".join(_holders(found))
        line = f"waiting for the namespace {name} to be gone" + (f", held by {holders}" if holders else "")
        if line != told:
            say(line)
        told = line
        time.sleep(LOOK)
        found = client.find(path)
    if found is None:
        if wanted is None:
            raise DevenvError(f"no namespace {name}", hint=f"kubectl create namespace {name}")
        client.apply(path, wanted)


def _stuck(name: str, found: Mapping[str, Any]) -> DevenvError:
    said = _said(found)
    kinds = re.findall(r"([\w.-]+?)\.? has \d+ resource instances", said.get("NamespaceContentRemaining", ""))
    shown = f"kubectl -n {name} get {','.join(kinds)} -o yaml" if kinds else f"kubectl get ns {name} -o yaml"
    return DevenvError(
        f"the namespace {name} does not go away: held by {', '.join(_holders(found)) or 'nothing it names'}",
        where=f"the namespace {name}",
        why="; ".join(said.values()),
        hint=f"{shown}   shows who put the finalizers there and has to take them off",
    )


def _said(namespace: Mapping[str, Any]) -> dict[str, str]:
    """What keeps a namespace that is going away, by condition."""
    conditions = namespace["status"].get("conditions") or ()
    return {one["type"]: str(one.get("message", "")) for one in conditions if one.get("status") == "True"}


def _holders(namespace: Mapping[str, Any]) -> list[str]:
    """The finalizers on a namespace that is going away, and on what is left in it."""
    within = _said(namespace).get("NamespaceFinalizersRemaining", "")
    named = re.findall(r"(\S+) in \d+ resource instances", within)
    return [*(namespace["metadata"].get("finalizers") or ()), *named]


def refuse_foreign(client: Client, resources: Resources, objects: Iterable[Object], checkout: str) -> None:
    """Raises `DevenvError` when the name of something that will be belongs to somebody else's."""
    by_kind: dict[tuple[str, str, str], set[str]] = {}
    for one in objects:
        key = (*kind_of(one), one["metadata"].get("namespace", ""))
        by_kind.setdefault(key, set()).add(one["metadata"]["name"])
    foreign: list[str] = []
    for (version, kind, namespace), names in by_kind.items():
        if not namespace:
            continue
        for one in client.get(resources.path((version, kind), namespace))["items"]:
            name = one["metadata"]["name"]
            if name in names and label(one, "checkout") != checkout:
                foreign.append(f"{kind} {name} of {label(one, 'stack') or 'something else'}")
    if foreign:
        namespace = next(namespace for *_, namespace in by_kind if namespace)
        raise DevenvError(
            f"the namespace {namespace} has things of the same name that are not this checkout's: "
            + ", ".join(foreign),
            why="nothing was changed",
            hint="another namespace: in the manifest keeps the two apart",
        )


def leave_namespace(client: Client, resources: Resources, name: str, checkout: str) -> None:
    """Remove a namespace that this checkout made and in which nobody has left anything."""
    path = resources.path(("v1", "Namespace"), name=name)
    try:
        found = client.find(path)
        if found is None or label(found, "checkout") != checkout:
            return
        kinds = (*OURS, CLAIM, ("v1", "Pod"))
        left = [one for kind in kinds for one in client.get(resources.path(kind, name))["items"]]
        if not [one for one in left if not _comes_by_itself(one)]:
            client.delete(path, uid=found["metadata"]["uid"])
    except Refused as error:
        if error.status != 403:
            raise


def _comes_by_itself(one: Object) -> bool:
    metadata = one["metadata"]
    return metadata["name"] in ("default", "kube-root-ca.crt") or bool(metadata.get("deletionTimestamp"))
