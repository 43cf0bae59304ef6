"""A stack on a cluster, brought up: server-side apply, watching, and forwards on this machine's ports."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from devenv import documents
from devenv.backends import containers, supervised
from devenv.backends.base import Say, Work
from devenv.backends.images import Images
from devenv.backends.kube import forwards, ground, look, target
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube import remove as removal
from devenv.backends.kube.channels import ExecStream, exec_in
from devenv.backends.kube.client import Object
from devenv.backends.kube.config import in_use
from devenv.backends.kube.pods import Pods
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import CLAIM, PLURALS, WORKLOADS, annotated, kind_of, label
from devenv.backends.kube.target import Target
from devenv.backends.kube.verdict import RESTARTED, Expected
from devenv.backends.kube.waiting import PATIENCE, Waiting
from devenv.errors import DevenvError
from devenv.render.kubernetes.pod import as_image
from devenv.stack import labels
from devenv.stack.imaged import Declared, with_image
from devenv.stack.labels import BROUGHT, LABEL

if TYPE_CHECKING:
    from devenv.backends.kube.cluster import Cluster
    from devenv.backends.kube.delivery import Delivery
    from devenv.stack.model import Unit

SIBLINGS = frozenset({"kube", "minikube"})
"""Backends that may reach the same cluster, each with forwards of its own."""


class KubeSession:
    """One stack; its objects are those of the folder that was rendered."""

    def __init__(self, cluster: Cluster, work: Work) -> None:
        self._cluster, self._work, self._stack = cluster, work, work.stack
        self._client, self._resources = cluster.client, cluster.resources
        self._client.patience = PATIENCE
        self._objects = _objects(work.folder)
        kinds = {kind_of(item) for objects in self._objects.values() for item in objects} - set(PLURALS)
        stack = work.stack
        self.target = Target(
            cluster.place.context,
            stack.namespace,
            stack.id,
            stack.checkout,
            tuple(sorted(kinds)),
            in_use(),
            target.identity(self._client),
        )
        target.remember(work.folder, self.target)
        self._expected: dict[str, Expected] = {}
        self._sent: list[Object] = []
        self._pods = Pods(self._client, stack.namespace, stack.id)

    @cached_property
    def _delivery(self) -> Delivery:
        return self._cluster.delivery(self._stack)

    @cached_property
    def _images(self) -> Images:
        return Images(containers.address(), lambda: self._cluster.engine)

    def pull(self, image: str, say: Say) -> None:
        if self._images.have([image]):
            id = str(self._images.configuration(image).get("Id", ""))  # before: it may be made anew meanwhile
            self._delivery.bring(image, say)
            self._cluster.brought.note(image, id)
        else:
            say("the cluster fetches it itself")

    def build(self, unit: Unit, say: Say) -> None:
        self._images.build(self._work.stack, unit, self._cluster.site.root, self._work.secrets, say)
        self._delivery.bring(unit.image, say)

    def prepare(self, units: Sequence[str], say: Say) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._ground(say)
        # Services first: their names resolve before any program asks for them.
        services = [item for name in units for item in self._objects[name] if item["kind"] == "Service"]
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(self._send, services))
        self._sent = services

    def _ground(self, say: Say) -> None:
        stack, own = self._stack, {item["kind"]: item for item in self._objects.get("", ())}
        all_objects = [item for objects in self._objects.values() for item in objects]
        ground.ready_namespace(self._client, self._resources, own.get("Namespace"), stack.namespace, say)
        ground.refuse_foreign(self._client, self._resources, all_objects, stack.checkout)
        self._send(own["ServiceAccount"])

    def forward(self) -> None:
        for name in SIBLINGS - {self._cluster.backend}:  # the same cluster under its other name
            forwards.end(self._work.folder.parent / name)
        rows = tuple(
            forwards.Forward(port.host, unit.name, port.container)
            for unit in self._stack.units
            for port in unit.forwarded
            if port.host
        )
        table = forwards.Table(self.target.context, self._stack.namespace, self._stack.id, rows)
        forwards.ensure(self._work.folder, table)

    def apply(self, unit: Unit, *, recreate: bool) -> None:
        self._watch()
        *holders, rendered = self._objects[unit.name]
        image = self._images.configuration(unit.image)
        workload = as_image(unit, rendered, self._imaged(unit))
        if unit.reloads and self._images.has_shell(unit.image, self._stack.checkout):
            workload = supervised.on_kubernetes(unit, workload, image)
        if unit.build is None and (id := self._cluster.brought.id(unit.image)):
            workload = annotated(workload, {LABEL + BROUGHT: id})
        for item in (*self._claims(unit), *holders):
            if item not in self._sent:
                self._send(item)
        removal.remove_others(self._client, self._resources, workload)
        services = {item["metadata"]["name"] for item in holders if item["kind"] == "Service"}
        if unit.role == "service":
            removal.remove_aliases(self._client, self._resources, workload, services)
        before = self._current(unit.name)
        ended = pod_of.all_ends(() if unit.one_shot else before)
        if unit.one_shot and recreate:
            self._replace(workload)
            replaced, restart = set(map(pod_of.uid, before)), ""
        else:
            self._send_workload(workload)
            restart = self._roll(workload) if recreate and self._unchanged(before, workload) else ""
            replaced = self._unstick(unit)
        fingerprint = _fingerprint(workload)
        self._expected[unit.name] = Expected(fingerprint, restart, before=frozenset(replaced), ended=ended)

    def _imaged(self, unit: Unit) -> Unit:
        details = self._images.configuration(unit.image)
        return with_image(unit, Declared.of(details) if details else None)

    def _send_workload(self, workload: Object) -> None:
        try:
            self._send(workload)
        except Refused as error:
            if error.status != 422 or not any(word in error.why for word in ("immutable", "Forbidden")):
                raise
            self._replace(workload)

    def _replace(self, workload: Object) -> None:
        removal.replace(self._client, self._resources, self._resources.of(workload), workload)

    @staticmethod
    def _unchanged(pods: Sequence[pod_of.Pod], workload: Object) -> bool:
        """Whether pods of this template are there already: applying it again would replace none of them."""
        return any(pod_of.fingerprint(pod) == _fingerprint(workload) for pod in pods)

    def _roll(self, workload: Object) -> str:
        """Have new pods made of an unchanged template; returns the moment that marks them."""
        moment = datetime.datetime.now(datetime.UTC).isoformat()
        template = {"metadata": {"annotations": {RESTARTED: moment}}}
        self._client.patch(self._resources.of(workload), {"spec": {"template": template}})
        return moment

    def _claims(self, unit: Unit) -> list[Object]:
        """The claims that it shares with others."""
        shared = {volume.name for volume in unit.shared_volumes}
        own = self._objects.get("", ())
        return [item for item in own if kind_of(item) == CLAIM and item["metadata"]["name"] in shared]

    def _current(self, unit: str) -> list[pod_of.Pod]:
        pods = self._resources.ours(("v1", "Pod"), self.target.namespace, stack=self.target.stack, unit=unit)
        return list(pods)

    def _unstick(self, unit: Unit) -> set[str]:
        """Delete pods in a restart back-off, so that a new try starts at once."""
        if unit.one_shot:
            return set()
        crashed = {
            pod_of.uid(pod): pod
            for pod in self._current(unit.name)
            if not pod_of.ready(pod) and pod_of.stuck(pod)
        }
        for uid, pod in crashed.items():
            self._client.delete(self._resources.of({"apiVersion": "v1", "kind": "Pod", **pod}), uid=uid)
        return set(crashed)

    def _send(self, item: Object) -> None:
        self._client.apply(self._resources.of(item), item)

    def _watch(self) -> Pods:
        if not self._pods.started:
            self._pods.start()
        return self._pods

    def wait(self, unit: Unit, stop: Event) -> bool:
        objects, unit = self._objects.get(unit.name, ()), self._imaged(unit)
        waiting = Waiting(self._client, self._stack, unit, self._watch(), objects)
        waiting.until_ready(self._expected.get(unit.name), stop)
        return unit.probe is not None

    def restart(self, unit: str, id: str) -> None:
        namespace, kind, name = look.parts(id)
        workload = self._client.get(self._resources.path(look.workload_kind(kind), namespace, name))
        workload = {"apiVersion": look.workload_kind(kind)[0], "kind": kind, **workload}
        if kind == "Job":
            self._replace(self._objects[unit][-1])
        else:
            self._expected[unit] = Expected(_fingerprint(workload), restart=self._roll(workload))

    def remove(self, unit: str, id: str) -> None:
        namespace, kind, name = look.parts(id) if id else (self.target.namespace, "", "")
        if id and namespace == self.target.namespace:
            self._client.delete(self._resources.path(look.workload_kind(kind), namespace, name))
        else:
            removal.remove_unit(self._client, self.target.checkout, namespace, unit)

    def clear(self, unit: Unit, id: str) -> None:
        mark = unit.data.unfinished if unit.data else ""
        pods = self._current(unit.name)
        if not mark or not any(self._has_file(unit, pod, mark) for pod in pods):
            raise DevenvError(f"the data of {unit.name} is complete meanwhile", hint="devenv up")
        removal.remove_store(
            self._client, self.target.stack, self.target.namespace, unit, [dict(pod) for pod in pods]
        )

    def _has_file(self, unit: Unit, pod: pod_of.Pod, path: str) -> bool:
        test = exec_in(
            self._client,
            self.target.namespace,
            pod_of.name(pod),
            ["test", "-e", path],
            container=unit.name,
            stdin=False,
            tty=False,
        )
        with closing(ExecStream(test)) as stream:
            while stream.receive():
                pass
            return stream.exit_code == 0

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        from devenv.backends.kube import oneoff

        self._ground(lambda line: None)
        for item in self._objects[unit.name][:-1]:
            self._send(item)
        shell = tty and self._images.has_shell(unit.image, self._stack.checkout)
        image = self._images.configuration(unit.image) if shell else None
        return oneoff.run(self._client, self._objects[unit.name][-1], argv, tty=tty, image=image)

    def close(self) -> None:
        self._pods.stop()


def _objects(folder: Path) -> dict[str, list[Object]]:
    """Unit -> its objects in a rendered folder, the one that runs it last; "" for those of no unit."""
    files = [*folder.glob("*.yaml"), *folder.glob("manual/*.yaml")]
    items = [item for file in files for item in documents.load_all(file.read_text(encoding="utf-8"))]
    objects: dict[str, list[Object]] = {}
    for item in sorted(items, key=lambda item: kind_of(item) in WORKLOADS):
        objects.setdefault(label(item, "unit"), []).append(item)
    return objects


def _fingerprint(workload: Object) -> str:
    return labels.read(workload["metadata"].get("annotations") or {}).fingerprint
