"""Taking away what a checkout has on a cluster: by label only, what uses a store before the store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from devenv.backends.base import Removed, Say
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.ground import leave_namespace
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import CLAIM, OURS, WORKLOADS, Kind, Resources, kind_of, label
from devenv.errors import DevenvError
from devenv.stack.model import Unit

SPARE = 15.0  # seconds beyond a pod's own grace until it counts as stuck
LOOK = 0.1


def remove(
    client: Client, checkout: str, namespace: str, more: Sequence[Kind], *, volumes: bool, say: Say
) -> Removed:
    """Everything that carries the checkout's label; claims, and so the data, only when asked.

    Raises `DevenvError` for pods that are still there in the end.
    """
    resources = Resources(client)
    kinds = (*OURS, *(kind for kind in more if kind not in OURS))
    found = [one for kind in kinds for one in resources.ours(kind, namespace, checkout=checkout)]
    loose = list(resources.ours(("v1", "Pod"), namespace, checkout=checkout))
    claims = list(resources.ours(CLAIM, namespace, checkout=checkout))
    stores = [one for one in found if label(one, "role") == "infra"]
    others = [one for one in found if one not in stores]
    units = sorted({label(one, "unit") for one in found if _runs(one)})
    stuck: list[Object] = []
    for group in (others, stores):
        for one in group:
            if _runs(one):
                say(f"stopping {label(one, 'unit')}")
            client.delete(resources.of(one), uid=one["metadata"]["uid"])
        ended = {label(one, "unit") for one in group}
        stuck += _gone(client, [pod for pod in loose if label(pod, "unit") in ended], resources)
    for pod in loose:  # of `devenv run`
        if not label(pod, "unit"):
            client.delete(resources.of(pod), uid=pod["metadata"]["uid"])
    names = tuple(sorted(one["metadata"]["name"] for one in claims))
    if volumes:
        _remove_claims(client, resources, claims)
        where = {one["metadata"]["namespace"] for one in (*found, *claims)} | ({namespace} - {""})
        for name in where:
            leave_namespace(client, resources, name, checkout, say)
    if stuck:
        raise _stay(client, stuck)
    return Removed(tuple(units), names if volumes else (), () if volumes else names)


def remove_unit(client: Client, stack: str, namespace: str, unit: str) -> None:
    """One unit with all that is its own, but not its data; gone already is fine."""
    resources = Resources(client)
    for kind in OURS:
        for one in resources.ours(kind, namespace, stack=stack, unit=unit):
            client.delete(resources.of(one), uid=one["metadata"]["uid"])


def remove_store(client: Client, stack: str, namespace: str, unit: Unit, pods: Sequence[Object]) -> None:
    """A store and the claims of its own volumes, and so its data."""
    resources = Resources(client)
    for kind in WORKLOADS:
        for workload in resources.ours(kind, namespace, stack=stack, unit=unit.name):
            client.delete(resources.of(workload), uid=workload["metadata"]["uid"])
    stuck = _gone(client, pods, resources)
    if stuck:
        raise _stay(client, stuck)
    names = {f"{volume.name}-{unit.name}-0" for volume in unit.volumes}
    claims = resources.ours(CLAIM, namespace, stack=stack)
    _remove_claims(client, resources, [claim for claim in claims if claim["metadata"]["name"] in names])


def _remove_claims(client: Client, resources: Resources, claims: Sequence[Object]) -> None:
    """Claims and the volumes behind them, all of them at once."""
    for claim in claims:
        client.delete(resources.of(claim), uid=claim["metadata"]["uid"])
    for claim in claims:
        _volume_gone(client, claim)


def _volume_gone(client: Client, claim: Object) -> None:
    """Wait until a claim's volume is gone: a new one may be made at its very place.

    One that is to be kept, or that we may not look at, is not waited for.
    """
    path, started = f"/api/v1/persistentvolumes/{claim['spec'].get('volumeName', '')}", time.monotonic()
    while claim["spec"].get("volumeName") and time.monotonic() - started < SPARE:
        try:
            volume = client.find(path)
        except Refused:
            return
        if volume is None or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
            return
        time.sleep(LOOK)


def remove_others(client: Client, resources: Resources, wanted: Object) -> None:
    """Remove what runs a unit as another kind of object than it should be, as before its first volume."""
    metadata = wanted["metadata"]
    owner = {"stack": label(wanted, "stack"), "unit": label(wanted, "unit")}
    for kind in WORKLOADS:
        if kind != kind_of(wanted):
            for workload in resources.ours(kind, metadata["namespace"], **owner):
                client.delete(resources.of(workload), uid=workload["metadata"]["uid"])


def replace(client: Client, resources: Resources, path: str, wanted: Object) -> None:
    """Delete what cannot be changed, wait until it is gone, and make it anew. Claims stay."""
    client.delete(path)
    started = time.monotonic()
    while client.find(path) is not None:
        if time.monotonic() - started > SPARE:
            raise DevenvError(
                f"{path.rpartition('/')[2]} does not go away", hint="kubectl get all   shows it"
            )
        time.sleep(LOOK)
    client.apply(path, wanted)


def _runs(one: Object) -> bool:
    return (one["apiVersion"], one["kind"]) in WORKLOADS


def _stay(client: Client, pods: Sequence[Object]) -> DevenvError:
    context, namespace = client.place.context, pods[0]["metadata"]["namespace"]
    names = ", ".join(sorted({label(pod, "unit") for pod in pods}))
    return DevenvError(
        f"{names} did not end, though told to",
        where=f"context {context}, namespace {namespace}",
        why="pods are still there: their node, or the controllers of the cluster, may be down",
        hint=f"kubectl --context {context} -n {namespace} get pods -o wide   says on which node they are",
    )


def _gone(client: Client, pods: Iterable[Object], resources: Resources) -> list[Object]:
    """Wait until these pods are gone, giving each the time it asks for; returns those that are not."""
    waiting = list(pods)
    if not waiting:
        return []
    grace = max(int(pod["spec"].get("terminationGracePeriodSeconds") or 30) for pod in waiting)
    started = time.monotonic()
    while waiting and time.monotonic() - started < grace + SPARE:
        namespaces = {pod["metadata"]["namespace"] for pod in waiting}
        alive = {
            str(pod["metadata"]["uid"])
            for namespace in namespaces
            for pod in client.get(resources.path(("v1", "Pod"), namespace))["items"]
        }
        waiting = [pod for pod in waiting if str(pod["metadata"]["uid"]) in alive]
        if waiting:
            time.sleep(LOOK)
    return waiting
