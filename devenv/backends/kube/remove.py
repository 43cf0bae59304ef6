"""Removing what a checkout has on a cluster: by label only, and what uses a store before the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from devenv.backends.base import Removed, Say
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.ground import leave_namespace
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import CLAIM, OURS, SERVICE, WORKLOADS, Kind, Resources, kind_of, label
from devenv.errors import DevenvError
from devenv.stack.model import Unit

SPARE = 15.0  # seconds until what should go at once counts as stuck
RETURN = 45.0  # beyond a pod's own grace: controllers and nodes that lost the API server ask again after 30
LOOK = 0.1


def remove(
    client: Client, checkout: str, namespace: str, more: Sequence[Kind], *, volumes: bool, say: Say
) -> Removed:
    """Everything that carries the checkout's label; claims, and so the data, only when asked.

    Looks in every namespace, as the stack may have been in others before, and without the right to list
    those in `namespace` alone. Raises `DevenvError` for pods that are still there in the end.
    """
    resources = Resources(client)
    kinds = (*OURS, *(kind for kind in more if kind not in OURS))
    objects = [item for kind in kinds for item in resources.ours_anywhere(kind, namespace, checkout=checkout)]
    pods = resources.ours_anywhere(("v1", "Pod"), namespace, checkout=checkout)
    claims = resources.ours_anywhere(CLAIM, namespace, checkout=checkout)
    stores = [item for item in objects if label(item, "role") == "infra"]
    others = [item for item in objects if item not in stores]
    units = sorted({label(item, "unit") for item in objects if _runs(item)})
    runs = [pod for pod in pods if not label(pod, "unit")]  # of `devenv run`, left by one that was killed
    stuck: list[Object] = []
    for group in ([*runs, *others], stores):
        for item in group:
            if item in runs or _runs(item):
                say(f"stopping {_unit_of(item)}")
            client.delete(resources.of(item), uid=item["metadata"]["uid"])
        ended = {_unit_of(item) for item in group}
        stuck += _await_end(client, [pod for pod in pods if _unit_of(pod) in ended], resources)
    names = tuple(sorted(item["metadata"]["name"] for item in claims))
    if volumes:
        _remove_claims(client, resources, claims)
        where = {item["metadata"]["namespace"] for item in (*objects, *claims)} | ({namespace} - {""})
        for name in where:
            leave_namespace(client, resources, name, checkout, say)
    if stuck:
        raise _still_there(client, stuck)
    units += [_unit_of(pod) for pod in runs]
    return Removed(tuple(units), names if volumes else (), () if volumes else names)


def remove_unit(client: Client, checkout: str, namespace: str, unit: str) -> None:
    """One unit with all that is its own, but not its data; gone already is fine."""
    resources = Resources(client)
    for kind in OURS:
        for item in resources.ours(kind, namespace, checkout=checkout, unit=unit):
            client.delete(resources.of(item), uid=item["metadata"]["uid"])


def remove_store(client: Client, stack: str, namespace: str, unit: Unit, pods: Sequence[Object]) -> None:
    """A store and the claims of its own volumes, and so its data."""
    resources = Resources(client)
    for kind in WORKLOADS:
        for workload in resources.ours(kind, namespace, stack=stack, unit=unit.name):
            client.delete(resources.of(workload), uid=workload["metadata"]["uid"])
    stuck = _await_end(client, pods, resources)
    if stuck:
        raise _still_there(client, stuck)
    names = {f"{volume.name}-{unit.name}-0" for volume in unit.own_volumes}
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
    path = f"/api/v1/persistentvolumes/{claim['spec'].get('volumeName', '')}"
    started = client.clock.monotonic()
    while claim["spec"].get("volumeName") and client.clock.monotonic() - started < SPARE:
        try:
            volume = client.find(path)
        except Refused:
            return
        if volume is None or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
            return
        client.clock.sleep(LOOK)


def remove_others(client: Client, resources: Resources, item: Object) -> None:
    """Remove what runs a unit as another kind of object than it should be, as before its first volume."""
    metadata = item["metadata"]
    owner = {"stack": label(item, "stack"), "unit": label(item, "unit")}
    for kind in WORKLOADS:
        if kind != kind_of(item):
            for workload in resources.ours(kind, metadata["namespace"], **owner):
                client.delete(resources.of(workload), uid=workload["metadata"]["uid"])


def remove_aliases(client: Client, resources: Resources, workload: Object, names: Collection[str]) -> None:
    """Remove the Services of a unit that have none of these names, as those of aliases that are gone."""
    owner = {"stack": label(workload, "stack"), "unit": label(workload, "unit")}
    for service in resources.ours(SERVICE, workload["metadata"]["namespace"], **owner):
        if service["metadata"]["name"] not in names:
            client.delete(resources.of(service), uid=service["metadata"]["uid"])


def replace(client: Client, resources: Resources, path: str, item: Object) -> None:
    """Delete what cannot be changed, wait until it is gone, and make it anew. Claims stay."""
    client.delete(path)
    started = client.clock.monotonic()
    while client.find(path) is not None:
        if client.clock.monotonic() - started > SPARE:
            raise DevenvError(
                f"{path.rpartition('/')[2]} does not go away", hint="kubectl get all   shows it"
            )
        client.clock.sleep(LOOK)
    client.apply(path, item)


def _unit_of(item: Object) -> str:
    return label(item, "unit") or str(item["metadata"]["name"])


def _runs(item: Object) -> bool:
    return (item["apiVersion"], item["kind"]) in WORKLOADS


def _still_there(client: Client, pods: Sequence[Object]) -> DevenvError:
    context, namespace = client.place.context, pods[0]["metadata"]["namespace"]
    names = ", ".join(sorted(set(map(_unit_of, pods))))
    return DevenvError(
        f"{names} did not stop",
        where=f"context {context}, namespace {namespace}",
        why="pods are still there: their node, or the controllers of the cluster, may be down",
        hint=f"kubectl --context {context} -n {namespace} get pods -o wide   says on which node they are",
    )


def _await_end(client: Client, pods: Iterable[Object], resources: Resources) -> list[Object]:
    """Wait until these pods are gone, giving each the time it asks for; returns those that are not."""
    waiting = list(pods)
    if not waiting:
        return []
    grace = max(int(pod["spec"].get("terminationGracePeriodSeconds") or 30) for pod in waiting)
    started = client.clock.monotonic()
    while waiting and client.clock.monotonic() - started < grace + RETURN:
        namespaces = {pod["metadata"]["namespace"] for pod in waiting}
        alive = {
            str(pod["metadata"]["uid"])
            for namespace in namespaces
            for pod in client.get(resources.path(("v1", "Pod"), namespace))["items"]
        }
        waiting = [pod for pod in waiting if str(pod["metadata"]["uid"]) in alive]
        if waiting:
            client.clock.sleep(LOOK)
    return waiting
