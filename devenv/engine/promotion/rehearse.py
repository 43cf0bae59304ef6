"""Rehearsal: the chart of an environment in a namespace of another cluster that goes away again."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from devenv import documents, proc
from devenv.backends.helm import HelmFailed
from devenv.engine.promotion import charts
from devenv.engine.promotion.parcel import Parcel, packed
from devenv.engine.promotion.promote import Release
from devenv.engine.promotion.rollout import Order, Rollout, explained
from devenv.engine.promotion.smoke import Smoke
from devenv.errors import Card, DevenvError, UnitFailed, UsageError
from devenv.plan.promotion.changes import Origin, Target, secrets_needed
from devenv.plan.promotion.companions import Companion, Due
from devenv.plan.promotion.rehearsal import Ground, Node, Replacement, number, replaced, replacements
from devenv.plan.promotion.rollout import parts
from devenv.render.bundle import to_yaml
from devenv.stack.labels import LABEL
from devenv.stack.model import Identity, Stack, Unit
from devenv.stack.world import merge

if TYPE_CHECKING:
    from devenv.backends.images import Images
    from devenv.backends.kube.client import Client, Object
    from devenv.backends.kube.config import Place
    from devenv.backends.kube.delivery import Delivery
    from devenv.engine.project import Project
    from devenv.engine.promotion.companions import Companions

REHEARSAL = f"{LABEL}rehearsal"
"""The label of a namespace that a rehearsal made; its value is the checkout."""

PATIENCE = 30.0  # seconds to go on trying where the API server is away for a moment
GONE = 60.0  # seconds that such a namespace may take to go away
LOOK = 0.5  # seconds between two looks at it
NAMESPACES = "/api/v1/namespaces"
CLASSES = ("/apis/storage.k8s.io/v1/storageclasses", "/apis/networking.k8s.io/v1/ingressclasses")

Say = Callable[[str, str], None]


def require_elsewhere(place: Place, own: str, environment: str) -> None:
    """Raises `UsageError` for the cluster that the environment itself is on, under whatever name."""
    from devenv.backends.kube.config import find

    try:
        server = find(own).server
    except DevenvError:  # nobody here can reach it
        server = ""
    if own == place.context or server == place.server:
        raise UsageError(
            f"{environment} cannot be rehearsed on its own cluster",
            where=f"context {place.context}",
            why="a rehearsal is the proof before anything gets there",
            hint=f"devenv promote {environment} --rehearse --context NAME   or without, for Minikube",
        )


def target(place: Place, environment: str, stack: str) -> Target:
    """Where a rehearsal goes: a namespace that nobody has."""
    tail = f"-rehearsal-{randomness.token_hex(3)}"
    return Target(environment, place.context, f"{stack}-{environment}"[: 63 - len(tail)] + tail, stack)


@dataclass
class Rehearsal:
    """One rehearsal of an environment, as a release of its own."""

    project: Project
    release: Release

    @property
    def environment(self) -> str:
        """Whose values they are."""
        return self.release.target.environment

    @property
    def client(self) -> Client:
        """The API of the cluster that it is rehearsed on."""
        return self.release.client

    @cached_property
    def stack(self) -> Stack:
        """The stack of the environment, with all of its stores. Raises `ManifestInvalid`."""
        return charts.promoted(self.project, self.environment).stack

    # -- before

    def deliver(
        self, images: Images, delivery: Delivery, secrets: Mapping[str, str], say: Say
    ) -> dict[str, str]:
        """Bring every image to the cluster. Returns unit -> its image there, of those that are built.

        Raises `UnitFailed` for a failed build, `DevenvError` for an image that does not get there.
        """
        root = self.project.workspace.root
        owned = replace(self.stack, identity=Identity.of_checkout(self.stack.name, self._checkout))
        units: dict[str, Unit] = {}
        for unit in self.stack.units:
            units.setdefault(unit.image, unit)  # who has an image first is named for it
        there, here = delivery.has(units), images.have(units)
        for image, unit in units.items():
            if image in there:
                continue
            if image not in here and unit.build is None:
                say("images", f"{unit.name}  the cluster fetches {image} itself")
                continue
            if image not in here:
                say("images", f"{unit.name}  building")
                images.build(owned, unit, root, secrets, lambda line: say("build", line))
            delivery.bring(image, lambda line: say("images", line))
        prefix = f"{delivery.registry}/" if delivery.registry else ""
        return {unit.name: f"{prefix}{unit.image}" for unit in self.stack.units if unit.build is not None}

    @property
    def _checkout(self) -> str:
        return self.project.workspace.checkout

    def ground(self) -> Ground:
        """What the cluster has."""
        storage, ingress = (
            frozenset(item["metadata"]["name"] for item in self._listed(path)) for path in CLASSES
        )
        return Ground(_free(self._listed("/api/v1/nodes"), self._listed("/api/v1/pods")), storage, ingress)

    def _listed(self, path: str) -> list[Object]:
        """What is there of a kind in the whole cluster; nothing where we may not ask."""
        from devenv.backends.kube.refusals import Refused

        try:
            return list(self.client.get(path)["items"])
        except Refused:
            return []

    def parcel(self, images: Mapping[str, str]) -> tuple[Parcel, list[Replacement]]:
        """The chart with the environment's values, and what of them is replaced here."""
        text = charts.values_file(self.project, self.environment, images)
        values = documents.load(text) or {}
        whole = merge(charts.defaults(self.project), values)
        stand_ins = replacements(whole, self.ground(), self.release.target.namespace)
        origin = Origin(manifest=self.project.manifest.digest)
        text = to_yaml(replaced(values, stand_ins))
        fewer = {each.path[1]: each.value for each in stand_ins if each.path[-1] in ("replicas", "min")}
        units = tuple(
            replace(unit, replicas=fewer.get(unit.name, unit.replicas)) for unit in self.stack.units
        )
        stack = replace(self.stack, units=units)
        return Parcel(stack, charts.chart(self.project), text, origin), stand_ins

    # -- the namespace

    @contextmanager
    def namespace(self, say: Say) -> Iterator[None]:
        """The namespace, for as long as it is used. What an earlier rehearsal left goes first.

        One that was killed could not remove its own.
        """
        selector = f"{REHEARSAL}={self._checkout}"
        for item in self.client.get(NAMESPACES, labelSelector=selector)["items"]:
            say("removed", f"the namespace {item['metadata']['name']}, left by an earlier rehearsal")
            _remove(self.client, item)
        name = self.release.target.namespace
        labels = {REHEARSAL: self._checkout, f"{LABEL}stack": self.stack.name}
        metadata = {"name": name, "labels": labels}
        try:
            item = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            self.client.apply(f"{NAMESPACES}/{name}", item)
            yield
        finally:
            self._leave(say)

    def _leave(self, say: Say) -> None:
        """Remove the namespace, and say so; what cannot be removed is no reason to fail."""
        name = self.release.target.namespace
        path = f"{NAMESPACES}/{name}"
        try:
            with closing(self.release.connect()) as client:
                client.patience = PATIENCE
                if (item := client.find(path)) is None:
                    return
                _remove(client, item)
                gone = _wait_gone(client, path)
        except DevenvError as error:
            command = f"kubectl --context {self.release.target.context} delete namespace {name}"
            say("removed", f"not the namespace {name}: {error.what}. The next rehearsal does, or: {command}")
            return
        say("removed", f"the namespace {name}{'' if gone else ', which takes its time to go'}")

    # -- in it

    def make_secrets(self, objects: Sequence[Mapping[str, Any]]) -> list[str]:
        """Make the Secrets that pods among these objects read, with values that nobody uses elsewhere."""
        from devenv.render.chart import keys

        needed = secrets_needed(objects)
        ours = keys(charts.promoted(self.project, self.environment))
        values = {secret.name: randomness.token_hex(16) for secret in ours.values()}
        texts = {
            key: ours[key].value(values) if key in ours else randomness.token_hex(16)
            for key in {key for keys_of in needed.values() for key in keys_of}
        }
        self.release.secrets.create(needed, texts)
        return sorted(needed)

    def bring(self, companions: Companions, companion: Companion, say: Say, *, within: int) -> None:
        """Release a chart of other people, and wait until it is ready. Raises `UnitFailed`, `HelmFailed`."""
        try:
            companions.promote(Due(companion, ()), "a rehearsal", say, within=within)
        except HelmFailed as error:
            raise self.failed(error) from error
        except UnitFailed as error:
            raise self.failed(error, replace(error.card, hint="")) from error

    def install(self, parcel: Parcel, objects: Sequence[Mapping[str, Any]], say: Say, *, within: int) -> None:
        """Install and wait until all is ready; `objects` are what the chart makes of the parcel.

        Raises `UnitFailed` with the card of the unit that was in the way, else `HelmFailed`; after Ctrl-C
        `KeyboardInterrupt`.
        """
        interrupted: list[str] = []

        def stop() -> None:
            interrupted.append("install")
            say("install", "interrupted: what was made is removed")

        halt = proc.Stop()
        order = Order(self.release.target.namespace, parts(objects, parcel.stack.units), within)
        rolling = Rollout(self.release.connect, order, say, halt)
        with packed(parcel) as files, rolling as rollout:
            try:
                self.release.helm.install(
                    self.release.target.release,
                    files.chart,
                    [files.values],
                    within=within,
                    on_interrupt=stop,
                    stop=halt,
                )
            except HelmFailed as error:
                if interrupted:
                    raise KeyboardInterrupt from error
                raise self.failed(error, rollout.cause) from error

    def failed(self, error: DevenvError, cause: Card | None = None) -> DevenvError:
        """Why a rehearsal failed."""
        again = f"nothing was promoted; fix it, then devenv promote {self.environment} --rehearse"
        return explained(error, cause, again)

    def smoke(self, say: Say) -> None:
        """Raises `DevenvError` for a route that does not answer."""
        try:
            Smoke(self.client, self.release.target).test(self.stack, say)
        except DevenvError as error:
            raise self.failed(error) from error


def _remove(client: Client, namespace: Object) -> None:
    """Delete a namespace, and do not give its pods the time that they ask for."""
    path = f"{NAMESPACES}/{namespace['metadata']['name']}"
    client.delete(path, uid=namespace["metadata"]["uid"])
    client.delete(f"{path}/pods", grace=1)


def _wait_gone(client: Client, path: str) -> bool:
    """Whether it is gone in time."""
    began = client.clock.monotonic()
    while client.find(path) is not None:
        if client.clock.monotonic() - began > GONE:
            return False
        client.clock.sleep(LOOK)
    return True


def _free(nodes: Sequence[Object], pods: Sequence[Object]) -> tuple[Node, ...]:
    """The nodes that take pods, with what the pods on them have not asked for."""
    taken: dict[tuple[str, str], float] = {}
    for pod in pods:
        if pod["status"].get("phase") in ("Succeeded", "Failed"):
            continue
        for container in pod["spec"]["containers"]:
            requests = (container.get("resources") or {}).get("requests") or {}
            for resource, quantity in requests.items():
                key = pod["spec"].get("nodeName", ""), resource
                taken[key] = taken.get(key, 0.0) + number(quantity)
    return tuple(
        Node(
            node["metadata"].get("labels") or {},
            {
                resource: number(quantity) - taken.get((node["metadata"]["name"], resource), 0.0)
                for resource, quantity in node["status"]["allocatable"].items()
            },
        )
        for node in nodes
        if not node["spec"].get("unschedulable")
    )
