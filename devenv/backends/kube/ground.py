"""The namespace of a stack: ready before anything is applied, free of foreign names, removed at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from devenv.backends.base import Say
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import Kind, Resources, kind_of, label
from devenv.errors import DevenvError

PATIENCE = 120.0  # seconds a namespace may take to go away
LOOK = 0.5  # seconds between two looks at a namespace that goes away
SHOWN = 5  # objects of others that are named
IN_EVERY_NAMESPACE = {("v1", "ServiceAccount", "default"), ("v1", "ConfigMap", "kube-root-ca.crt")}
WRITTEN_BY_CLUSTER = {("v1", "Event"), ("events.k8s.io/v1", "Event"), ("v1", "Endpoints")}
"""Kinds of which the cluster makes objects about other objects."""


def ready_namespace(
    client: Client, resources: Resources, namespace: Object | None, name: str, say: Say
) -> None:
    """Make the namespace if it is missing; wait for one that is going away.

    Raises `DevenvError` that names the finalizers when it does not go.
    """
    path = resources.path(("v1", "Namespace"), name=name)
    try:
        present = client.find(path)
    except Refused as error:
        if error.status == 403:  # no right to read it, yet perhaps to use it; the next request shows
            return
        raise
    started, last_line = client.clock.monotonic(), ""
    while present is not None and present["status"].get("phase") == "Terminating":
        if client.clock.monotonic() - started > PATIENCE:
            raise _stuck(name, present)
        holders = ", ".join(_holders(present))
        line = f"waiting for the namespace {name} to be gone" + (f", held by {holders}" if holders else "")
        if line != last_line:
            say(line)
        last_line = line
        client.clock.sleep(LOOK)
        present = client.find(path)
    if present is None:
        if namespace is None:
            raise DevenvError(f"no namespace {name}", hint=f"kubectl create namespace {name}")
        client.apply(path, namespace)


def _stuck(name: str, namespace: Mapping[str, Any]) -> DevenvError:
    messages = _blockers(namespace)
    kinds = re.findall(
        r"([\w.-]+?)\.? has \d+ resource instances", messages.get("NamespaceContentRemaining", "")
    )
    command = (
        f"kubectl -n {name} get {','.join(kinds)} -o yaml" if kinds else f"kubectl get ns {name} -o yaml"
    )
    holders = ", ".join(_holders(namespace)) or "nothing it names"
    return DevenvError(
        f"the namespace {name} does not go away: held by {holders}",
        where=f"the namespace {name}",
        why="; ".join(messages.values()),
        hint=f"{command}   shows who put the finalizers there and has to take them off",
    )


def _blockers(namespace: Mapping[str, Any]) -> dict[str, str]:
    """What keeps a namespace from going away: condition -> message."""
    conditions = namespace["status"].get("conditions") or ()
    return {
        condition["type"]: str(condition.get("message", ""))
        for condition in conditions
        if condition.get("status") == "True"
    }


def _holders(namespace: Mapping[str, Any]) -> list[str]:
    """The finalizers on a namespace that is going away, and on what is left in it."""
    within = _blockers(namespace).get("NamespaceFinalizersRemaining", "")
    named = re.findall(r"(\S+) in \d+ resource instances", within)
    return [*(namespace["metadata"].get("finalizers") or ()), *named]


def refuse_foreign(client: Client, resources: Resources, objects: Iterable[Object], checkout: str) -> None:
    """Raises `DevenvError` when another stack or user has an object of the same kind and name."""
    by_kind: dict[tuple[str, str, str], set[str]] = {}
    for item in objects:
        key = (*kind_of(item), item["metadata"].get("namespace", ""))
        by_kind.setdefault(key, set()).add(item["metadata"]["name"])
    foreign: list[str] = []
    for (version, kind, namespace), names in by_kind.items():
        if not namespace:
            continue
        for item in client.get(resources.path((version, kind), namespace))["items"]:
            name = item["metadata"]["name"]
            if name in names and label(item, "checkout") != checkout:
                foreign.append(f"{kind} {name} of {label(item, 'stack') or 'something else'}")
    if foreign:
        namespace = next(namespace for *_, namespace in by_kind if namespace)
        raise DevenvError(
            f"the namespace {namespace} has objects of the same name that this checkout did not create: "
            + ", ".join(foreign),
            why="nothing was changed",
            hint="set another namespace: in the manifest",
        )


def leave_namespace(client: Client, resources: Resources, name: str, checkout: str, say: Say) -> None:
    """Remove a namespace that this checkout made, unless something is in it that we did not make."""
    path = resources.path(("v1", "Namespace"), name=name)
    try:
        namespace = client.find(path)
    except Refused as error:
        if error.status != 403:
            raise
        return
    if namespace is None or label(namespace, "checkout") != checkout:
        return
    command = f"kubectl --context {client.place.context} delete namespace {name}"
    try:
        others = _objects_of_others(client, resources, name, checkout)
        if not others:
            client.delete(path, uid=namespace["metadata"]["uid"])
    except Refused as error:  # no right to look, or a part of the API that does not answer
        say(f"the namespace {name} is kept: {error.what}. To remove it: {command}")
        return
    if others:
        shown = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN} more" if others[SHOWN:] else "")
        say(f"the namespace {name} is kept, as this stack did not make {shown}. To remove it all: {command}")


def _objects_of_others(client: Client, resources: Resources, namespace: str, checkout: str) -> list[str]:
    """What somebody else made in a namespace, as kind and name."""
    lists = resources.all_in(namespace)
    kinds = frozenset(lists.values())
    return [
        f"{kind[1]} {item['metadata']['name']}"
        for path, kind in lists.items()
        if kind not in WRITTEN_BY_CLUSTER
        for item in client.look(path)["items"]
        if (*kind, item["metadata"]["name"]) not in IN_EVERY_NAMESPACE
        and label(item, "checkout") != checkout
        and not _goes_anyway(item, kinds)
    ]


def _goes_anyway(item: Object, kinds: frozenset[Kind]) -> bool:
    """Whether an object is being deleted, or goes when the objects of its namespace go that own it."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    owned = bool(owners) and all((owner["apiVersion"], owner["kind"]) in kinds for owner in owners)
    return owned or bool(metadata.get("deletionTimestamp"))
