"""Waiting until a unit is ready and reachable, or saying why it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event

from devenv.backends import listening
from devenv.backends.base import BEGIN, Interrupted
from devenv.backends.kube import cards, outlook
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.pods import Pods
from devenv.backends.kube.resources import Resources, note
from devenv.backends.kube.verdict import UNSCHEDULABLE, Expected, Verdict, counts, judge
from devenv.errors import UnitFailed
from devenv.stack.model import Stack, Unit

PATIENCE = 60.0  # seconds an API server may be away
STARTING = 300.0  # seconds until a pod runs; pulling a large image takes its time
SETTLE = 1.2  # seconds a unit without a probe has to run before it counts: a kubelet looks once a second
ASKING = 2.0  # seconds between two looks at why a store is not ready
BARREN = 2.0  # seconds without a pod after which we ask why
ROUTED = 1.0  # seconds a node may take to learn where a Service leads: kube-proxy writes rules once a second


@dataclass(frozen=True)
class Waiting:
    """Waits for one unit. `objects` are the unit's own, the last one runs it."""

    client: Client
    stack: Stack
    unit: Unit
    pods: Pods
    objects: Sequence[Object]

    def until_ready(self, expected: Expected | None, stop: Event) -> None:
        """Raises `UnitFailed`, or `Interrupted` when told to stop."""
        pods, unit, limit = self.pods, self.unit, self._limit
        pods.listed(PATIENCE)
        if expected is None:  # nothing was applied: all that ended did so before
            fingerprint = note(self.objects[-1], "fingerprint") if self.objects else ""
            ended = () if unit.one_shot else pods.of(unit.name)
            expected = Expected(fingerprint, ended=pod_of.all_ends(ended))
        began, running, started_pods = pods.clock(), 0.0, set[str]()
        last_check, look, amiss = began, listening.soon(limit), ""
        while not stop.is_set():
            if pods.trouble is not None:  # while the API server is away, nothing is ready or late
                if pods.away() > PATIENCE:
                    raise pods.trouble
                pods.pause(1.0)
                continue
            pods_now, now = pods.of(unit.name), pods.clock()
            passed = now - began
            verdict = judge(unit, pods_now, expected, passed=passed)
            running_pods = {
                pod_of.uid(pod) for pod in pods_now if pod_of.running(pod) and counts(pod, expected)
            }
            if not running_pods <= started_pods:  # each replica has the full time; an old pod has had it
                running, started_pods = now, started_pods | running_pods
            if unit.volumes and passed > UNSCHEDULABLE:
                self._check_claims(pods_now, passed)
            if verdict.failed:
                facts = (("instead", amiss),) if amiss else ()
                raise self._failed(replace(verdict, facts=(*verdict.facts, *facts)))
            if verdict.ready and (unit.one_shot or unit.probe or now - running >= SETTLE):
                self._until_routed(stop)
                return
            if unit.role == "infra" and running_pods and now - last_check > ASKING:
                last_check = now
                self._check_answers(pods_now)
            if running and now - running > look:
                look += listening.AGAIN
                amiss = self._check_listening(pods_now)
            if (running and now - running > limit) or passed > STARTING + limit:
                raise self._late(pods_now)
            if not pods_now and passed > BARREN:
                self._check_barren()
            pods.pause(SETTLE if verdict.ready or not pods_now else 1.0)
        raise Interrupted

    @property
    def _limit(self) -> float:
        if self.unit.one_shot:
            return self.unit.within
        return self.unit.probe.within if self.unit.probe else BEGIN

    def _until_routed(self, stop: Event) -> None:
        """Give nodes time to route to a pod that is ready: a dependant that starts at once is refused."""
        service = next((item for item in self.objects if item["kind"] == "Service"), None)
        needed = any(need.unit == self.unit.name for other in self.stack.units for need in other.needs)
        if service is not None and needed and service["spec"].get("clusterIP") != "None":
            stop.wait(ROUTED)

    def _failed(self, verdict: Verdict) -> UnitFailed:
        if (
            self.unit.one_shot and self.objects
        ):  # no more retries: they are for bundles that are applied by hand
            path = Resources(self.client).of(self.objects[-1])
            self.client.patch(path, {"spec": {"suspend": True}})
        return UnitFailed(cards.card(self.client, self.unit, self.stack.namespace, verdict))

    def _late(self, pods: Sequence[pod_of.Pod]) -> UnitFailed:
        verb = "did not end" if self.unit.one_shot else "was not ready"
        pod = pod_of.name(pods[0]) if pods else ""
        facts = outlook.unready(self.client, self.unit, pods[0]) if pods else ()
        return self._failed(Verdict(failed=f"{verb} within {self._limit:g} s", pod=pod, facts=facts))

    def _check_listening(self, pods: Sequence[pod_of.Pod]) -> str:
        """Why nobody reaches the unit. Raises `UnitFailed` where no waiting mends it."""
        amiss = ""
        for pod in pods:
            if (amiss := outlook.amiss(self.client, self.unit, pod) or amiss).endswith(listening.ONLY):
                raise self._failed(Verdict(failed=amiss, pod=pod_of.name(pod)))
        return amiss

    def _check_answers(self, pods: Sequence[pod_of.Pod]) -> None:
        """Raises `UnitFailed` when a store's check got what no waiting mends."""
        for pod in pods:
            if verdict := outlook.unanswered(self.client, pod):
                raise self._failed(verdict)

    def _check_barren(self) -> None:
        """Raises `UnitFailed` when the cluster refuses to make the unit's pods."""
        names = cards.owners(self.unit)
        messages = cards.events(self.client, self.stack.namespace, names, reason="FailedCreate")
        if messages:
            raise self._failed(Verdict(failed="gets no pod", facts=(("event", messages[-1]),)))

    def _check_claims(self, pods: Sequence[pod_of.Pod], passed: float) -> None:
        """Raises `UnitFailed` when a pod waits for a volume that nobody makes."""
        for pod in pods:
            if verdict := outlook.unclaimed(self.client, pod, passed=passed):
                raise self._failed(verdict)
