"""A stack on any Kubernetes cluster: server-side apply, watching, and forwards on this machine's ports."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import yaml

from devenv import assets
from devenv.backends import containers
from devenv.backends.base import LogLine, Removed, Say, Site, Stream
from devenv.backends.images import Images
from devenv.backends.kube import delivery, forwards, ground, look, target
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube import remove as removal
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.config import Place, find
from devenv.backends.kube.pods import Pods
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import PLURALS, WORKLOADS, Resources, kind_of, label
from devenv.backends.kube.target import Target
from devenv.backends.kube.verdict import RESTARTED, Wanted
from devenv.backends.kube.waiting import PATIENCE, Waiting
from devenv.errors import DevenvError
from devenv.plan.model import Found, Observed

if TYPE_CHECKING:
    from devenv.backends.docker import Engine
    from devenv.render.bundle import Bundle
    from devenv.stack.model import Stack, Unit


class KubeBackend:
    """A stack as objects in one namespace of one cluster."""

    name = "kube"
    fragment = "kubernetes"

    def __init__(self, site: Site | None = None) -> None:
        self._site = site or Site()
        self._folder = self._site.state / self.name if self._site.state else None
        self._objects: dict[str, list[Object]] = {}
        self._wanted: dict[str, Wanted] = {}
        self._sent: list[Object] = []
        self._pods: Pods | None = None
        self._stack: Stack | None = None

    # -- where

    @cached_property
    def target(self) -> Target | None:
        """Where the last `up` put the stack."""
        return target.recall(self._folder)

    @cached_property
    def place(self) -> Place:
        return find(self._site.context or (self.target.context if self.target else ""))

    @cached_property
    def client(self) -> Client:
        return Client(self.place)

    @cached_property
    def resources(self) -> Resources:
        return Resources(self.client)

    @cached_property
    def _delivery(self) -> delivery.Delivery:
        assert self._stack is not None
        return delivery.choose(self.client, self._stack)

    @cached_property
    def _engine(self) -> Engine:
        from devenv.backends.docker import Engine

        address = containers.address()
        containers.reach(address)
        return Engine(address)

    @cached_property
    def _images(self) -> Images:
        return Images(containers.address(), lambda: self._engine)

    @property
    def namespace(self) -> str:
        """The namespace in use; empty where that is not known yet."""
        known = self.target
        return known.namespace if known and known.context == self.place.context else ""

    @property
    def home(self) -> str:
        return self.place.context

    def check(self) -> str:
        version = self.client.get("/version")["gitVersion"]
        return f"Kubernetes {version.removeprefix('v')} (context {self.place.context})"

    def start(self, name: str, say: Say) -> None:
        target.guard(self.place, by_hand=bool(self._site.context))
        self._leave(say)

    def _leave(self, say: Say) -> None:
        """A stack runs in one place: what is left on another cluster is stopped, its data kept."""
        last = self.target
        if self._folder is None:
            return
        for sibling in {"kube", "minikube"} - {self.name}:  # the same cluster under its other name
            forwards.end(self._folder.parent / sibling)
        if last is None or last.context == self.place.context:
            return
        forwards.end(self._folder)
        try:
            client = Client(find(last.context))
            removed = removal.remove(
                client, last.checkout, last.namespace, last.kinds, volumes=False, say=lambda line: None
            )
            client.close()
        except DevenvError as error:
            say(f"the stack was on {last.context}, where it stays: {error.what}")
        else:
            if removed.units:
                say(f"the stack ran on {last.context}: stopped there, its data kept")
        self.target = None

    @property
    def idle(self) -> str:
        return ""

    def stop(self) -> None:
        """Nothing of it is ours."""

    def render(
        self, stack: Stack, *, fingerprints: Mapping[str, str], secrets: Mapping[str, str], folder: Path
    ) -> Bundle:
        from devenv.render import kubernetes

        self._stack = stack
        files = {file.source for unit in stack.units for file in unit.files if file.source}
        fragments = assets.fragments()
        engines = {unit.engine for unit in stack.units} & set(fragments)
        source = kubernetes.Source(
            fingerprints=fingerprints,
            secrets=secrets,
            files={name: (self._site.root / name).read_bytes() for name in files},
            overrides={engine: yaml.safe_load(fragments[engine]) for engine in engines},
            registry=self._delivery.registry,
        )
        return kubernetes.render(stack, source)

    # -- looking

    def observe(self, checkout: str) -> Observed:
        seen = self._look(checkout)
        # A node's images say less of themselves than those here, from which they came.
        stand_ins = containers.stand_ins(containers.address())
        units = {name: replace(one, stand_in=one.image in stand_ins) for name, one in seen.units.items()}
        return replace(seen, units=units)

    def _look(self, checkout: str) -> Observed:
        held = forwards.held(self._folder)
        try:
            return look.observe(self.client, checkout, self.namespace, held)
        except Refused as error:
            if error.status != 403 or self.namespace:
                raise
        # Who may not look everywhere may look where the context leads.
        return look.observe(self.client, checkout, self.place.namespace or "default", held)

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        self._stack = stack
        return self._delivery.has(wanted)

    def declared(self, images: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        return {}  # a cluster says nothing of what its nodes hold

    # -- doing

    def follow(self, stack: Stack, bundle: Path) -> None:
        self._folder, self._stack = bundle, stack
        self.client.patience = PATIENCE
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        files = [*bundle.glob("*.yaml"), *bundle.glob("manual/*.yaml")]
        everything = [one for file in files for one in yaml.load_all(file.read_text(), loader) if one]
        self._objects = {}
        for one in sorted(everything, key=lambda one: kind_of(one) in WORKLOADS):
            self._objects.setdefault(label(one, "unit"), []).append(one)
        kinds = {kind_of(one) for one in everything} - set(PLURALS)
        self.target = Target(
            self.place.context, stack.namespace, stack.id, stack.checkout, tuple(sorted(kinds))
        )
        target.remember(bundle, self.target)
        if self._pods is not None:
            self._pods.stop()
        self._pods = Pods(self.client, stack.namespace, stack.id)

    def pull(self, image: str, say: Say) -> None:
        assert self._stack is not None
        if self._images.have([image]):
            self._delivery.bring(image, say)
        else:
            say("the cluster fetches it itself")

    def build(self, unit: Unit, root: Path, secrets: Mapping[str, str], say: Say) -> None:
        assert self._stack is not None
        self._images.build(self._stack, unit, root, secrets, say)
        self._delivery.bring(unit.image, say)

    def prepare(self, stack: Stack, units: Sequence[str], say: Say) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._ground(stack, say)
        # Names resolve before anything that asks for them runs.
        services = [one for name in units for one in self._objects[name] if one["kind"] == "Service"]
        with ThreadPoolExecutor(max_workers=8) as pool:
            held = pool.submit(self.forward, stack)
            list(pool.map(self._send, services))
            held.result()
        self._sent = services

    def _ground(self, stack: Stack, say: Say) -> None:
        objects = [one for held in self._objects.values() for one in held]
        own = {one["kind"]: one for one in self._objects.get("", ())}
        ground.ready_namespace(self.client, self.resources, own.get("Namespace"), stack.namespace, say)
        ground.refuse_foreign(self.client, self.resources, objects, stack.checkout)
        self._send(own["ServiceAccount"])

    def forward(self, stack: Stack) -> None:
        if self._folder is None:
            return
        found = tuple(
            forwards.Forward(port.host, unit.name, port.container)
            for unit in stack.units
            for port in unit.ports
            if port.host
        )
        table = forwards.Table(self.place.context, stack.namespace, stack.id, found)
        forwards.ensure(self._folder, table)

    def apply(self, unit: Unit, fingerprint: str) -> None:
        self._watch()
        *holders, workload = self._objects[unit.name]
        for one in holders:
            if one not in self._sent:
                self._send(one)
        path = self.resources.of(workload)
        current = self._current(unit.name)
        removal.remove_others(self.client, self.resources, workload)
        found = self.client.find(path) if unit.one_shot else None
        if found is not None and not _goes_well(found, fingerprint):
            removal.replace(self.client, self.resources, path, workload)
        else:
            try:
                self.client.apply(path, workload)
            except Refused as error:
                if error.status != 422 or not any(word in error.why for word in ("immutable", "Forbidden")):
                    raise
                removal.replace(self.client, self.resources, path, workload)
        replaced = found is not None and not _goes_well(found, fingerprint)
        gone = set(map(pod_of.uid, current)) if replaced else self._unstick(unit)
        ended = pod_of.all_ends(() if unit.one_shot else current)
        self._wanted[unit.name] = Wanted(fingerprint, before=frozenset(gone), ended=ended)

    def _current(self, unit: str) -> list[pod_of.Pod]:
        assert self.target is not None
        pods = self.resources.ours(("v1", "Pod"), self.target.namespace, stack=self.target.stack, unit=unit)
        return list(pods)

    def _unstick(self, unit: Unit) -> set[str]:
        """Delete pods that wait to be started again: a new try should not have to wait as long."""
        if unit.one_shot:
            return set()
        found = self._current(unit.name)
        crashed = {pod_of.uid(pod): pod for pod in found if not pod_of.ready(pod) and pod_of.stuck(pod)}
        for uid, pod in crashed.items():
            self.client.delete(self.resources.of({"apiVersion": "v1", "kind": "Pod", **pod}), uid=uid)
        return set(crashed)

    def _send(self, one: Object) -> None:
        self.client.apply(self.resources.of(one), one)

    def _watch(self) -> Pods:
        assert self._pods is not None
        if not self._pods.started:
            self._pods.start()
        return self._pods

    def wait(self, unit: Unit, stop: Event) -> None:
        assert self._stack is not None
        waiting = Waiting(self.client, self._stack, unit, self._watch(), self._objects.get(unit.name, ()))
        waiting.until_ready(self._wanted.get(unit.name), stop)

    # -- removing

    def remove_unit(self, name: str) -> None:
        assert self.target is not None
        if "/" in name:  # a stray's id
            namespace, kind, called = name.split("/")
            version = next(version for version, known in WORKLOADS if known == kind)
            self.client.delete(self.resources.path((version, kind), namespace, called))
        else:
            removal.remove_unit(self.client, self.target.stack, self.target.namespace, name)

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        if self._folder is not None:
            forwards.end(self._folder)
        more = self.target.kinds if self.target else ()
        return removal.remove(self.client, checkout, self.namespace, more, volumes=volumes, say=say)

    # -- using

    def logs(
        self, found: Sequence[Found], *, follow: bool, tail: int | None, since: str | None, stop: Event
    ) -> Iterator[LogLine]:
        from devenv.backends.kube.logs import Logs

        return Logs(self.client, found, follow=follow, stop=stop).lines(tail=tail, since=since)

    def _pod_of(self, found: Found) -> tuple[str, str]:
        from devenv.backends.kube.logs import newest

        namespace = look.where(found)[0]
        pods = list(self.resources.ours(("v1", "Pod"), namespace, stack=found.stack, unit=found.unit))
        pod = newest(pods, found.unit)
        if pod is None:
            raise DevenvError(f"{found.unit} has no pod that runs", hint=f"devenv logs {found.unit}")
        return namespace, pod_of.name(pod)

    def attach(self, found: Found, argv: Sequence[str]) -> Stream:
        from devenv.backends.kube.channels import ExecStream, exec_in

        namespace, pod = self._pod_of(found)
        return ExecStream(
            exec_in(self.client, namespace, pod, argv, container=found.unit, stdin=True, tty=False)
        )

    def exec(self, found: Found, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        from devenv.backends.kube import terminal
        from devenv.backends.kube.channels import exec_in

        namespace, pod = self._pod_of(found)
        channels = exec_in(
            self.client, namespace, pod, argv, container=found.unit, stdin=interactive, tty=tty
        )
        return terminal.run(channels, tty=tty, interactive=interactive)

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        from devenv.backends.kube import oneoff

        assert self._stack is not None
        self._ground(self._stack, lambda line: None)
        for one in self._objects[unit.name][:-1]:
            self._send(one)
        return oneoff.run(self.client, self._objects[unit.name][-1], argv, tty=tty)

    def restart(self, name: str) -> None:
        assert self.target is not None
        workload = next(
            one
            for kind in WORKLOADS
            for one in self.resources.ours(kind, self.target.namespace, stack=self.target.stack, unit=name)
        )
        path = self.resources.of(workload)
        if workload["kind"] == "Job":
            removal.replace(self.client, self.resources, path, self._objects[name][-1])
            return
        moment = datetime.datetime.now(datetime.UTC).isoformat()
        template = {"metadata": {"annotations": {RESTARTED: moment}}}
        self.client.patch(path, {"spec": {"template": template}})
        fingerprint = str(workload["metadata"]["annotations"]["devenv.dev/fingerprint"])
        self._wanted[name] = Wanted(fingerprint, restart=moment)

    def close(self) -> None:
        if self._pods is not None:
            self._pods.stop()
        if "client" in vars(self):
            self.client.close()
        if "_engine" in vars(self):
            self._engine.close()


def _goes_well(job: Object, fingerprint: str) -> bool:
    """Whether a job is the one that is wanted and has not failed."""
    said = (job["metadata"].get("annotations") or {}).get("devenv.dev/fingerprint")
    failed = any(
        one["type"] == "Failed" and one["status"] == "True"
        for one in job.get("status", {}).get("conditions") or ()
    )
    return said == fingerprint and not failed and not job["spec"].get("suspend")
