"""What the state of a unit's pods means: ready, not yet, or failed and why. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from devenv.backends.base import AGAIN
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube.pods import Pod
from devenv.stack import labels
from devenv.stack.model import Unit

UNSCHEDULABLE = 10.0  # seconds a pod may be unschedulable before that is a failure: other pods may be ending
UNBOUND = 120.0  # seconds a volume may take to be made: a disk in a cloud takes a minute by itself
HOPELESS = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
            "CreateContainerError", "RunContainerError", "PreCreateHookError")  # fmt: skip

KILLED = 137
STOPPED = (0, KILLED, 143)
"""Exit codes of a container that the kubelet stops, as when its startup probe never passed."""
ROUNDED = 1.0  # seconds by which the moments that a cluster tells are rounded

PASSING = (
    "failed to sync",
    "timed out waiting for the condition",
)  # a kubelet that is behind; it tries again


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ready`, or `failed` with what happened, or neither: not yet. `facts` are for the card."""

    ready: bool = False
    failed: str = ""
    pod: str = ""
    facts: tuple[tuple[str, str], ...] = field(default=())
    ended: bool = False


NOT_YET = Verdict()


@dataclass(frozen=True, slots=True)
class Expected:
    """Which pods count: those made for this fingerprint and this restart, and not made before it.

    `ended`: ends of containers that had come before that, as a node that was stopped brings them: they are
    started again.
    """

    fingerprint: str
    restart: str = ""
    before: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()


def judge(unit: Unit, pods: Sequence[Pod], expected: Expected, *, passed: float) -> Verdict:
    """`passed`: seconds since the waiting began."""
    ours = [pod for pod in pods if counts(pod, expected)]
    for pod in ours:
        if (verdict := failure(unit, pod, expected, passed=passed)) is not None:
            return verdict
    if unit.one_shot:
        succeeded = any(pod.get("status", {}).get("phase") == "Succeeded" for pod in ours)
        return Verdict(ready=True) if succeeded else NOT_YET
    up = sum(map(pod_of.ready, ours))
    replaced = all(counts(pod, expected) for pod in pods)  # an old pod may still get requests
    return Verdict(ready=up >= unit.replicas and replaced)


def counts(pod: Pod, expected: Expected) -> bool:
    """Whether a pod is one of those that are waited for."""
    restart = str((pod["metadata"].get("annotations") or {}).get(RESTARTED, ""))
    return (
        pod_of.fingerprint(pod) == expected.fingerprint
        and restart >= expected.restart
        and pod_of.uid(pod) not in expected.before
        and pod.get("status", {}).get("reason") not in ("Evicted", "NodeShutdown", "Preempting")
    )


RESTARTED = "devenv.dev/restarted"
"""The annotation that makes a restart a new generation of pods; RFC 3339, so that later is greater."""


def failure(unit: Unit, pod: Pod, expected: Expected, *, passed: float) -> Verdict | None:
    """Why a pod fails; None while it may still become ready."""
    for container in pod_of.containers(pod):
        for end in pod_of.ends(container):
            expected_end = pod_of.end_id(pod, end) in expected.ended
            again = unit.comes_again(end.get("exitCode", 1)) and pod_of.restarts(pod) + 1 < AGAIN
            if not expected_end and not again and not (unit.one_shot and end.get("exitCode") == 0):
                return _ended(unit, pod, end)
        waiting = container.get("state", {}).get("waiting") or {}
        passing = any(word in waiting.get("message", "") for word in PASSING)
        if waiting.get("reason") in HOPELESS and not passing:
            return _waits(pod, container, waiting)
    scheduled = pod_of.condition(pod, "PodScheduled")
    if scheduled.get("reason") == "Unschedulable":
        message = str(scheduled.get("message", ""))
        unbound = "unbound" in message and "PersistentVolumeClaim" in message
        if passed > (UNBOUND if unbound else UNSCHEDULABLE):
            what = "gets no volume" if unbound else "fits on no node"
            return Verdict(failed=what, pod=pod_of.name(pod), facts=(("scheduler", message),))
    if pod.get("status", {}).get("phase") == "Failed":
        message = pod["status"].get("message") or pod["status"].get("reason") or "failed"
        return Verdict(failed=f"was ended by the cluster: {message}", pod=pod_of.name(pod))
    return None


def _ended(unit: Unit, pod: Pod, ended: Mapping[str, Any]) -> Verdict:
    reason, code = ended.get("reason", ""), ended.get("exitCode", 1)
    facts = (("limit", limit),) if (limit := _limit(pod)) else ()
    if reason == "OOMKilled":
        return Verdict(failed="ran out of memory", pod=pod_of.name(pod), facts=facts, ended=True)
    if reason in ("StartError", "ContainerCannotRun"):
        message = str(ended.get("message", "")).strip()
        return Verdict(failed="could not be started", pod=pod_of.name(pod), facts=(("message", message),))
    if unit.probe and code in STOPPED and _ran(ended) >= unit.probe.within - ROUNDED:
        late = f"was not ready within {unit.probe.within:g} s"
        return Verdict(failed=late, pod=pod_of.name(pod))  # its check says why
    if code == KILLED and facts:  # a busy node misses the kernel's word that it was for memory
        what = "was killed, as a program is that is out of memory"
        return Verdict(failed=what, pod=pod_of.name(pod), facts=facts, ended=True)
    return Verdict(failed=f"ended with exit {code}", pod=pod_of.name(pod), ended=True)


def _ran(ended: Mapping[str, Any]) -> float:
    """Seconds that a container ran; none where the cluster does not say."""
    moments = [ended.get(name) for name in ("startedAt", "finishedAt")]
    if not all(moments):
        return 0.0
    started, finished = (datetime.fromisoformat(str(moment)) for moment in moments)
    return (finished - started).total_seconds()


def _limit(pod: Pod) -> str:
    containers = pod.get("spec", {}).get("containers") or [{}]
    resources = containers[0].get("resources") or {}
    return str((resources.get("limits") or {}).get("memory", ""))


def _waits(pod: Pod, container: Mapping[str, Any], waiting: Mapping[str, Any]) -> Verdict:
    reason, message = waiting["reason"], str(waiting.get("message", ""))
    image = str(container.get("image") or pod["spec"]["containers"][0]["image"])
    if reason.startswith(("Image", "ErrImage", "InvalidImage")):
        facts = (("image", image), ("message", message))
        return Verdict(failed="has an image that cannot be pulled", pod=pod_of.name(pod), facts=facts)
    return Verdict(failed="could not be started", pod=pod_of.name(pod), facts=(("message", message),))


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of a unit's pods, as `status` shows it."""

    state: str
    healthy: bool | None = None
    exit_code: int = 0
    detail: str = ""


def condense(workload: Mapping[str, Any], pods: Collection[Pod]) -> Summary:
    """The state of a workload and its pods."""
    if workload["kind"] == "Job":
        return _job(workload, pods)
    alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if not alive:
        return Summary("created" if workload["spec"].get("replicas", 1) else "running")
    new = _of_present_template(workload, alive)
    serves = any(pod_of.ready(pod) for pod in alive if pod not in new)
    state = _new_pods(workload, new)
    if not serves or state.healthy is not False:
        return state
    how = "is not ready" if state.state == "running" else "failed"
    return replace(state, detail=f"the old version still runs; the new one {how}")


def _of_present_template(workload: Mapping[str, Any], pods: Sequence[Pod]) -> list[Pod]:
    """The pods of a workload's present template, as we mark them; in a release, as their controller does."""
    fingerprint = labels.read(workload["metadata"].get("annotations") or {}).fingerprint
    if fingerprint:
        return [pod for pod in pods if pod_of.fingerprint(pod) == fingerprint]
    latest = workload.get("status", {}).get("updateRevision") or pod_of.template(
        max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    )
    return [pod for pod in pods if pod_of.template(pod) == latest]


def _new_pods(workload: Mapping[str, Any], pods: Collection[Pod]) -> Summary:
    """The state of the pods of the workload's present template."""
    codes = [code for pod in pods if (code := _crashing(pod)) is not None]
    if codes:
        return Summary("exited", False, codes[0])
    if any(map(pod_of.stuck, pods)):  # it has never started, and waits for its next try
        return Summary("created", False)
    all_ready = sum(map(pod_of.ready, pods)) >= workload["spec"].get("replicas", 1)
    probed = any("readinessProbe" in container for pod in pods for container in pod["spec"]["containers"])
    return Summary("running", all_ready if probed or not all_ready else None)


def _crashing(pod: Pod) -> int | None:
    """The exit code of a container that keeps crashing; None where none does."""
    for container in pod_of.containers(pod):
        state = container.get("state", {})
        ended = state.get("terminated") or container.get("lastState", {}).get("terminated") or {}
        if "running" not in state and ended:
            return int(ended.get("exitCode", 1))
    return None


def _job(workload: Mapping[str, Any], pods: Collection[Pod]) -> Summary:
    status = workload.get("status", {})
    ended = {
        condition["type"] for condition in status.get("conditions") or () if condition["status"] == "True"
    }
    if "Complete" in ended or status.get("succeeded"):
        return Summary("exited")
    codes = [
        int(container["state"]["terminated"]["exitCode"])
        for pod in pods
        for container in pod_of.containers(pod)
        if container.get("state", {}).get("terminated")
    ]
    if "Failed" in ended or (workload["spec"].get("suspend") and (codes or status.get("failed"))):
        return Summary("exited", exit_code=next((code for code in codes if code), 1))
    active = [pod for pod in pods if pod.get("status", {}).get("phase") in ("Pending", "Running")]
    if not active and codes:
        return Summary("exited", exit_code=next((code for code in codes if code), 0))
    return Summary("running" if active or status.get("active") else "created")
