"""A workload of a cluster at rest: it has no pod, and another pod has its claims meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from devenv.backends.base import Attach, Stream
from devenv.backends.kube import look
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube.channels import ExecStream, exec_in
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.oneoff import claims_of, pod, until
from devenv.backends.kube.resources import Resources
from devenv.errors import DevenvError
from devenv.plan.model import ObservedUnit
from devenv.stack import labels
from devenv.stack.labels import LABEL

LOOK = 0.2  # seconds between two looks at pods that end
ENDING = 60.0  # seconds that they have beyond their own grace


@contextmanager
def resting(client: Client, resources: Resources, unit: ObservedUnit) -> Iterator[Attach]:
    """See `Backend.resting`."""
    namespace, kind, name = look.where(unit)
    path = resources.path(look.workload_kind(kind), namespace, name)
    workload = client.get(path)
    claims = claims_of(client, resources, workload)
    beside = pod(workload, (), tty=False, claims=claims)
    container = beside["spec"]["containers"][0]
    container |= {"command": ["sleep", "86400"], "args": []}
    # Without its fingerprint the next `up` applies it anew, should nobody come to do what is below.
    client.patch(path, _scaled(0, ""))
    try:
        _until_gone(client, resources, unit, float(beside["spec"].get("terminationGracePeriodSeconds", 30)))
        client.apply(resources.of(beside), beside)
        until(client, resources.of(beside), ("Running",))

        def attach(argv: Sequence[str]) -> Stream:
            there = beside["metadata"]["name"]
            channels = exec_in(
                client, namespace, there, argv, container=container["name"], stdin=True, tty=False
            )
            return ExecStream(channels)

        yield attach
    finally:
        try:
            client.delete(resources.of(beside), grace=0)
        finally:
            fingerprint = labels.read(workload["metadata"].get("annotations") or {}).fingerprint
            client.patch(path, _scaled(workload["spec"].get("replicas", 1), fingerprint))


def _scaled(replicas: int, fingerprint: str) -> Object:
    notes = {LABEL + "fingerprint": fingerprint}
    return {"metadata": {"annotations": notes}, "spec": {"replicas": replicas}}


def _until_gone(client: Client, resources: Resources, unit: ObservedUnit, grace: float) -> None:
    """Wait until a unit has no pod. Raises `DevenvError`."""
    namespace, limit = look.where(unit)[0], client.clock.monotonic() + grace + ENDING
    while left := list(resources.ours(("v1", "Pod"), namespace, stack=unit.stack, unit=unit.unit)):
        if client.clock.monotonic() > limit:
            raise DevenvError(
                f"{unit.unit} does not end",
                why=f"its pod {pod_of.name(left[0])} is still there",
                hint=f"kubectl -n {namespace} describe pod {pod_of.name(left[0])}",
            )
        client.clock.sleep(LOOK)
