"""What has to be so before anything is applied: a namespace that is there, and nobody else's objects."""

from __future__ import annotations

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
    started = time.monotonic()
    while found is not None and found["status"].get("phase") == "Terminating":
        if time.monotonic() - started > PATIENCE:
            raise _stuck(name, found)
        say(f"waiting for the namespace {name} to be gone")
        time.sleep(LOOK)
        found = client.find(path)
    if found is None:
        if wanted is None:
            raise DevenvError(f"no namespace {name}", hint=f"kubectl create namespace {name}")
        client.apply(path, wanted)


def _stuck(name: str, found: Mapping[str, Any]) -> DevenvError:
    said = [str(one.get("message", "")) for one in found["status"].get("conditions") or ()
            if one.get("status") == "True"]  # fmt: skip
    holders = [*(found["metadata"].get("finalizers") or ()), *(found["spec"].get("finalizers") or ())]
    return DevenvError(
        f"the namespace {name} does not go away: held by {', '.join(holders) or 'nothing it names'}",
        why="; ".join(said),
        hint=f"kubectl get namespace {name} -o yaml   shows what is left in it",
    )


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
