"""Any Kubernetes cluster, read: the workloads of a checkout, their state and their logs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

from devenv.backends import containers
from devenv.backends.absent import no_program
from devenv.backends.base import (
    Attach,
    Change,
    LogLine,
    Privileged,
    Removed,
    Running,
    Say,
    Session,
    Site,
    Stream,
    Work,
)
from devenv.backends.kube import forwards, look, target
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube import remove as removal
from devenv.backends.kube.cluster import Cluster
from devenv.backends.kube.pods import Pods
from devenv.backends.kube.refusals import Refused
from devenv.errors import DevenvError, ToolMissing
from devenv.plan.model import Observed, ObservedUnit
from devenv.stack.imaged import Declared
from devenv.stack.labels import EDITED, LABEL

if TYPE_CHECKING:
    from devenv.stack.model import Stack


class KubeBackend:
    """One namespace of one cluster."""

    name = "kube"
    renderer = "kubernetes"

    looking = "devenv logs"
    """What people type to see more of a unit."""

    def __init__(self, site: Site | None = None) -> None:
        self.cluster = Cluster(site or Site(), self.name)

    @property
    def home(self) -> str:
        return self.cluster.place.context

    def check(self) -> str:
        version = self.cluster.client.get("/version")["gitVersion"]
        return f"Kubernetes {version.removeprefix('v')} (context {self.cluster.place.context})"

    # -- looking

    def observe(self, checkout: str) -> Observed:
        observed = self._look(checkout)
        # A node does not list the labels of its images; the local engine, where they came from, does.
        local = containers.local(containers.address())
        units = {
            name: replace(
                unit,
                stand_in=unit.image in local.stand_ins,
                image_outdated=local.has_other(unit.image, brought=unit.image_brought, held=unit.image_id),
            )
            for name, unit in observed.units.items()
        }
        return replace(observed, units=units)

    def _look(self, checkout: str) -> Observed:
        ports = forwards.held_ports(self.cluster.folder)
        try:
            return look.observe(
                self.cluster.client, self.cluster.namespace, forwarded=ports, checkout=checkout
            )
        except Refused as error:
            if error.status != 403 or self.cluster.namespace:
                raise
        # Without the right to list all namespaces, list the one of the context.
        namespace = self.cluster.place.namespace or "default"
        return look.observe(self.cluster.client, namespace, forwarded=ports, checkout=checkout)

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        local, brought = containers.local(containers.address()), self.cluster.brought
        present = self.cluster.delivery(stack).has(wanted)
        return frozenset(image for image in present if not local.has_other(image, brought=brought.id(image)))

    def declared(self, images: Collection[str]) -> Mapping[str, Declared]:
        # The API does not show it; the local engine, where images come from, does of those that it has.
        try:
            answers = containers.details(containers.address(), images)
        except ToolMissing:
            return {}
        return {image: Declared.of(details) for image, details in answers.items()}

    def registry(self, stack: Stack) -> str:
        try:
            return self.cluster.delivery(stack).registry
        except DevenvError:  # no such context here: use the manifest's registry
            return stack.registry

    def changes(self, stack: str, stop: Event) -> Iterator[Change]:
        pods, units = Pods(self.cluster.client, self.cluster.namespace or "default", stack), Running()
        pods.start()
        pods.listed(look.PATIENCE)
        for instance, unit in pods.instances().items():
            units.start(unit, instance)
        before = pods.instances()
        try:
            while not stop.is_set():
                now = pods.instances()
                turns = [units.end(unit, id) for id, unit in before.items() if id not in now]
                turns += [units.start(unit, id) for id, unit in now.items() if id not in before]
                yield from filter(None, turns)
                before = now
                pods.pause(1.0)
        finally:
            pods.stop()

    def logs(
        self, units: Sequence[ObservedUnit], *, follow: bool, tail: int | None, since: int | None, stop: Event
    ) -> Iterator[Sequence[LogLine]]:
        from devenv.backends.kube.logs import Logs

        return Logs(self.cluster.client, units, follow=follow, stop=stop).lines(tail=tail, since=since)

    def _pods(self, unit: ObservedUnit) -> list[dict[str, Any]]:
        namespace = look.where(unit)[0]
        return list(self.cluster.resources.ours(("v1", "Pod"), namespace, stack=unit.stack, unit=unit.unit))

    def _pod_of(self, unit: ObservedUnit, instance: str = "") -> tuple[str, str]:
        from devenv.backends.kube.logs import newest

        pods = self._pods(unit)
        if instance:
            pods = [pod for pod in pods if instance in pod_of.instances(pod)]
        pod = newest(pods, unit.unit)
        if pod is None:
            raise DevenvError(f"{unit.unit} has no pod that runs", hint=f"{self.looking} {unit.unit}")
        return look.where(unit)[0], pod_of.name(pod)

    def instances(self, unit: ObservedUnit) -> Sequence[str]:
        staying = [pod for pod in self._pods(unit) if not pod["metadata"].get("deletionTimestamp")]
        return [instance for pod in staying for instance in pod_of.instances(pod)]

    def attach(self, unit: ObservedUnit, argv: Sequence[str], *, instance: str = "") -> Stream:
        from devenv.backends.kube.channels import ExecStream, exec_in

        namespace, pod = self._pod_of(unit, instance)
        return ExecStream(
            exec_in(self.cluster.client, namespace, pod, argv, container=unit.unit, stdin=True, tty=False)
        )

    def resting(self, unit: ObservedUnit) -> AbstractContextManager[Attach]:
        from devenv.backends.kube.resting import resting

        return resting(self.cluster.client, self.cluster.resources, unit)

    def privileged(self, unit: ObservedUnit, instance: str) -> Privileged | None:
        return None

    def mark_edited(self, unit: ObservedUnit, instance: str) -> None:
        namespace, pod = self._pod_of(unit, instance)
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        self.cluster.client.patch(path, {"metadata": {"annotations": {LABEL + EDITED: "true"}}})

    def exec(self, unit: ObservedUnit, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        from devenv.backends.kube import terminal
        from devenv.backends.kube.channels import exec_in, lacks_program

        namespace, pod = self._pod_of(unit)
        channels = exec_in(
            self.cluster.client, namespace, pod, argv, container=unit.unit, stdin=interactive, tty=tty
        )
        try:
            code = terminal.run(channels, tty=tty, interactive=interactive)
        except DevenvError as error:
            if lacks_program(error.why):
                raise no_program(unit.unit, argv[0]) from error
            raise
        if code is None:
            raise DevenvError(
                f"the connection to {unit.unit} broke",
                where=f"pod {pod}",
                why="its node, or a proxy on the way, hung up",
                hint=f"devenv exec {unit.unit}",
            )
        return code

    # -- the cluster itself, and everything of a checkout

    def require_allowed(self) -> None:
        by_hand = bool(self.cluster.site.context)
        target.guard(self.cluster.place, by_hand=by_hand)
        if not by_hand:
            target.require_same(self.cluster.client, self.cluster.target)

    def start(self, name: str, say: Say) -> None:
        """No-op: a cluster that is not Minikube's is not ours to start."""

    @property
    def idle(self) -> str:
        return ""

    def stop(self) -> None:
        """No-op: a cluster that is not Minikube's is not ours to stop."""

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        more = self.cluster.target.kinds if self.cluster.target else ()
        client, namespace = self.cluster.client, self.cluster.namespace
        if self.cluster.folder is not None:
            forwards.end(self.cluster.folder)
        return removal.remove(client, checkout, namespace, more, volumes=volumes, say=say)

    def open(self, work: Work) -> Session:
        from devenv.backends.kube.session import KubeSession

        session = KubeSession(self.cluster, work)
        self.cluster.target = session.target
        return session

    def close(self) -> None:
        self.cluster.close()
