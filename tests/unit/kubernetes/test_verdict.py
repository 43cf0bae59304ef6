"""States of pods, as clusters report them, and what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.backends.kube.pods import all_ends
from devenv.backends.kube.verdict import NOT_YET, Expected, Summary, Verdict, condense, judge
from devenv.stack.model import Probe, Unit
from tests.table import each_row

WEB = Unit("web", "service", "web:1", probe=Probe("http", 80, "/"))
JOB = Unit("migrate", "job", "web:1")
NOW = Expected("f1")


def pod(
    *,
    fingerprint: str = "f1",
    ready: bool = False,
    state: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    phase: str = "Running",
    uid: str = "u1",
    conditions: tuple[dict[str, str], ...] = (),
    **status: Any,
) -> dict[str, Any]:
    container = {"name": "web", "image": "web:1", "state": state or {"running": {}}, "lastState": last or {}}
    return {
        "metadata": {
            "name": f"web-{uid}",
            "uid": uid,
            "annotations": {"devenv.dev/fingerprint": fingerprint},
        },
        "spec": {
            "containers": [
                {"image": "web:1", "readinessProbe": {}, "resources": {"limits": {"memory": "64Mi"}}}
            ]
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}, *conditions],
            "containerStatuses": [container],
            **status,
        },
    }


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def test_ready_are_all_replicas_of_the_new_kind_and_no_old_one() -> None:
    assert judge(WEB, [pod(ready=True)], NOW, passed=0).ready
    assert judge(WEB, [], NOW, passed=0) == NOT_YET
    assert judge(WEB, [pod()], NOW, passed=0) == NOT_YET
    old = pod(fingerprint="f0", ready=True, uid="u0")
    assert judge(WEB, [old], NOW, passed=0) == NOT_YET
    assert judge(WEB, [pod(ready=True), old], NOW, passed=0) == NOT_YET


def test_an_old_pod_that_fails_is_no_failure() -> None:
    old = pod(fingerprint="f0", state=ended(1), uid="u0")
    assert judge(WEB, [old, pod(ready=True)], NOW, passed=0) == NOT_YET
    deleted = Expected("f1", before=frozenset({"u1"}))
    assert judge(WEB, [pod(state=ended(1))], deleted, passed=0) == NOT_YET


def test_a_restart_counts_only_pods_made_after_it() -> None:
    after = pod(ready=True, uid="u2")
    after["metadata"]["annotations"]["devenv.dev/restarted"] = "2026-01-01T10:00:00"
    restarted = Expected("f1", restart="2026-01-01T10:00:00")
    assert judge(WEB, [pod(ready=True)], restarted, passed=0) == NOT_YET
    assert judge(WEB, [after], restarted, passed=0).ready


def test_an_evicted_pod_is_replaced_and_no_failure() -> None:
    evicted = pod(phase="Failed", reason="Evicted", state=ended(137), uid="u0")
    assert not judge(WEB, [evicted], NOW, passed=0).failed


@pytest.mark.parametrize(
    ("failed_pod", "what", "facts"),
    [
        (pod(state=ended(3)), "ended with exit 3", ()),
        (pod(state=waiting("CrashLoopBackOff"), last=ended(2)), "ended with exit 2", ()),
        (pod(state=waiting("CrashLoopBackOff"), last=ended(137, "OOMKilled")), "ran out of memory", (("limit", "64Mi"),)),
        (
            pod(state=waiting("ImagePullBackOff", "no such host"), phase="Pending"),
            "has an image that cannot be pulled",
            (("image", "web:1"), ("message", "no such host")),
        ),
        (
            pod(state=waiting("CreateContainerConfigError", 'secret "x" not found')),
            "could not be started",
            (("message", 'secret "x" not found'),),
        ),
        (
            pod(
                phase="Pending",
                state=waiting("ContainerCreating"),
                conditions=(
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"},
                ),
            ),
            "fits on no node",
            (("scheduler", "0/1 nodes"),),
        ),
    ],
)  # fmt: skip
def test_failures(failed_pod: dict[str, Any], what: str, facts: tuple[tuple[str, str], ...]) -> None:
    verdict = judge(WEB, [failed_pod], NOW, passed=60)
    assert (verdict.failed, verdict.facts, verdict.pod) == (what, facts, "web-u1")


def test_a_kubelet_that_is_behind_is_no_failure() -> None:
    behind = waiting(
        "CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"
    )
    assert judge(WEB, [pod(phase="Pending", state=behind)], NOW, passed=5) == NOT_YET


def test_what_had_ended_before_is_no_failure_and_what_ends_again_is() -> None:
    down, again = pod(ready=True, state=ended(143)), pod(ready=True, last=ended(143))
    before = Expected("f1", ended=all_ends([down]))
    assert judge(WEB, [again], before, passed=0).ready
    assert judge(WEB, [down], before, passed=0).failed == ""
    assert judge(WEB, [again], NOW, passed=0).failed == "ended with exit 143"
    again["status"]["containerStatuses"][0]["lastState"]["terminated"]["containerID"] = "another"
    assert judge(WEB, [again], before, passed=0).failed == "ended with exit 143"


def test_a_container_that_runs_before_the_others_may_end_and_may_not_fail() -> None:
    first = {"name": "first", "state": ended(0, "Completed")}
    done = pod(ready=True, initContainerStatuses=[first])
    assert judge(WEB, [done], NOW, passed=0).ready
    assert condense(workload(), [done]).state == "running"
    failed = pod(
        initContainerStatuses=[{"name": "first", "state": ended(3)}], state=waiting("PodInitializing")
    )
    assert judge(WEB, [failed], NOW, passed=0).failed == "ended with exit 3"


def test_a_pod_may_take_a_moment_to_be_scheduled() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "pvc"}
    assert judge(WEB, [pod(phase="Pending", conditions=(condition,))], NOW, passed=1) == NOT_YET


def test_a_job_is_ready_when_it_ended_well() -> None:
    assert judge(JOB, [pod(phase="Succeeded", state=ended(0, "Completed"))], NOW, passed=0) == Verdict(
        ready=True
    )
    assert judge(JOB, [pod(state=ended(4), phase="Failed")], NOW, passed=0).failed == "ended with exit 4"


def workload(kind: str = "Deployment", spec: Any = None, **status: Any) -> dict[str, Any]:
    metadata = {"annotations": {"devenv.dev/fingerprint": "f1"}}
    spec = {"replicas": 1} if spec is None else spec
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": status}


@each_row(
    [
        (workload(), [], Summary("created")),
        (workload(spec={"replicas": 0}), [], Summary("running")),
        (workload(), [pod(ready=True)], Summary("running", True)),
        (workload(), [pod()], Summary("running", False)),
        (workload(), [pod(state=waiting("CrashLoopBackOff"), last=ended(2))], Summary("exited", False, 2)),
        (workload(), [pod(state=waiting("ErrImagePull"))], Summary("created", False)),
        (workload(), [pod(state=waiting("ContainerCreating"))], Summary("running", False)),
        (workload("Job", {}, succeeded=1), [], Summary("exited")),
        (workload("Job", {"suspend": True}, failed=1), [pod(state=ended(3))], Summary("exited", exit_code=3)),
        (workload("Job", {}, active=1), [pod()], Summary("running")),
        (workload("Job", {"suspend": True}), [], Summary("created")),
    ]
)
def test_states_as_status_shows_them(item: Any, pods: Any, expected: Summary) -> None:
    assert condense(item, pods) == expected


OLD = pod(fingerprint="f0", ready=True, uid="old")


@pytest.mark.parametrize(
    ("new", "state", "how"),
    [
        (pod(), "running", "is not ready"),
        (pod(state=waiting("CrashLoopBackOff"), last=ended(2)), "exited", "failed"),
        (pod(state=waiting("ErrImagePull")), "created", "failed"),
    ],
)
def test_a_rollout_that_fails_is_not_healthy_because_the_old_pod_serves(
    new: Any, state: str, how: str
) -> None:
    now = condense(workload(), [OLD, new])
    assert (now.state, now.healthy) == (state, False)
    assert now.detail == f"the old version still runs; the new one {how}"


def of_release(made: Any, template: str, at: str, key: str = "pod-template-hash") -> Any:
    """A pod of a release, which has no fingerprint."""
    made["metadata"] |= {"annotations": {}, "labels": {key: template}, "creationTimestamp": at}
    return made


@pytest.mark.parametrize(
    ("kind", "key", "status"),
    [
        ("Deployment", "pod-template-hash", {}),
        ("StatefulSet", "controller-revision-hash", {"updateRevision": "b"}),
    ],
)
def test_a_release_that_rolls_is_as_its_new_pods_are(kind: str, key: str, status: Any) -> None:
    old = of_release(pod(ready=True, uid="old"), "a", "2026-01-01T10:00:00Z", key)
    item = {**workload(), "kind": kind, "status": status, "spec": {"replicas": 1}}
    item["metadata"] = {"name": "web"}

    def rolling(new: Any) -> Summary:
        return condense(item, [of_release(new, "b", "2026-01-01T11:00:00Z", key), old])

    assert rolling(pod()).detail == "the old version still runs; the new one is not ready"
    broken = rolling(pod(state=waiting("CrashLoopBackOff"), last=ended(3)))
    assert (broken.state, broken.exit_code) == ("exited", 3)
    assert broken.detail == "the old version still runs; the new one failed"
    assert rolling(pod(ready=True)) == Summary("running", True)
    if kind == "StatefulSet":  # whose new pods come after the old ones have gone
        assert condense(item, [old]).detail == "the old version still runs; the new one is not ready"


def test_an_old_pod_on_its_way_out_changes_nothing() -> None:
    assert condense(workload(), [OLD, pod(ready=True)]) == Summary("running", True)


def unschedulable(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(phase="Pending", state=waiting("ContainerCreating"), conditions=(condition,))


@pytest.mark.parametrize(
    ("message", "passed", "failed"),
    [
        ("pod has unbound immediate PersistentVolumeClaims", 60, ""),
        ("pod has unbound immediate PersistentVolumeClaims", 121, "gets no volume"),
        ("the node is unbound from its pool", 60, "fits on no node"),
        ("a node has another PersistentVolumeClaim", 60, "fits on no node"),
    ],
)
def test_a_volume_has_longer_to_be_made_than_a_node_to_be_found(
    message: str, passed: float, failed: str
) -> None:
    assert judge(WEB, [unschedulable(message)], NOW, passed=passed).failed == failed


def test_a_pod_of_a_later_restart_counts_as_well() -> None:
    later = pod(ready=True)
    later["metadata"]["annotations"]["devenv.dev/restarted"] = "2026-01-01T11:00:00"
    assert judge(WEB, [later], Expected("f1", restart="2026-01-01T10:00:00"), passed=0).ready


@pytest.mark.parametrize("reason", ["Evicted", "NodeShutdown", "Preempting"])
def test_a_pod_that_the_cluster_took_away_to_replace_it_is_no_failure(reason: str) -> None:
    assert judge(WEB, [pod(phase="Failed", reason=reason)], NOW, passed=60) == NOT_YET


@pytest.mark.parametrize("code", [0, 137, 143])
def test_a_program_that_the_kubelet_stopped_was_not_ready_in_time(code: int) -> None:
    slow = Unit("web", "service", "web:1", probe=Probe("http", 80, "/", within=3))
    stopped = ended(code)
    stopped["terminated"] |= {"startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:00:03Z"}
    verdict = judge(slow, [pod(last=stopped)], NOW, passed=4)
    assert (verdict.failed, verdict.ended) == ("was not ready within 3 s", False)
    stopped["terminated"]["finishedAt"] = "2026-01-01T10:00:01Z"
    ended_early = (
        "was killed, as a program is that is out of memory" if code == 137 else f"ended with exit {code}"
    )
    assert judge(slow, [pod(last=stopped)], NOW, passed=4).failed == ended_early


def test_a_service_that_ends_well_has_failed_as_well() -> None:
    verdict = judge(WEB, [pod(state=ended(0, "Completed"))], NOW, passed=0)
    assert (verdict.failed, verdict.ended) == ("ended with exit 0", True)


@each_row(
    [
        ("ImagePullBackOff", "has an image that cannot be pulled"),
        ("InvalidImageName", "has an image that cannot be pulled"),
        ("ErrImageNeverPull", "has an image that cannot be pulled"),
        ("CreateContainerConfigError", "could not be started"),
        ("CreateContainerError", "could not be started"),
        ("RunContainerError", "could not be started"),
        ("PreCreateHookError", "could not be started"),
        ("ErrImagePull", ""),  # the kubelet tries once more by itself
        ("ContainerCreating", ""),
    ]
)
def test_which_reasons_to_wait_are_failures(reason: str, failed: str) -> None:
    assert judge(WEB, [pod(phase="Pending", state=waiting(reason))], NOW, passed=0).failed == failed


@pytest.mark.parametrize("message", ["failed to sync configmap", "timed out waiting for the condition"])
def test_each_message_of_a_kubelet_that_is_behind_is_waited_out(message: str) -> None:
    behind = pod(phase="Pending", state=waiting("CreateContainerConfigError", message))
    assert judge(WEB, [behind], NOW, passed=0) == NOT_YET


def test_the_image_that_cannot_be_pulled_is_that_of_the_container_that_waits() -> None:
    pulling = pod(state=waiting("InvalidImageName"))
    pulling["status"]["containerStatuses"][0]["image"] = "sidecar:1"
    assert ("image", "sidecar:1") in judge(WEB, [pulling], NOW, passed=0).facts
    del pulling["status"]["containerStatuses"][0]["image"]
    assert ("image", "web:1") in judge(WEB, [pulling], NOW, passed=0).facts


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"message": "the node was lost", "reason": "NodeLost"}, "the node was lost"),
        ({"reason": "DeadlineExceeded"}, "DeadlineExceeded"),
        ({}, "failed"),
    ],
)
def test_a_pod_that_the_cluster_ended_says_why(status: dict[str, str], why: str) -> None:
    verdict = judge(WEB, [pod(phase="Failed", **status)], NOW, passed=0)
    assert verdict == Verdict(failed=f"was ended by the cluster: {why}", pod="web-u1")


def test_who_ran_out_of_memory_had_run() -> None:
    assert judge(WEB, [pod(state=ended(137, "OOMKilled"))], NOW, passed=0).ended


@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun"])
def test_what_could_not_be_started_says_what_was_said(reason: str) -> None:
    start = {"terminated": {"exitCode": 128, "reason": reason, "message": "no such file\n"}}
    verdict = judge(WEB, [pod(state=start)], NOW, passed=0)
    assert (verdict.failed, verdict.facts) == ("could not be started", (("message", "no such file"),))
    assert not verdict.ended


def test_a_pod_on_its_way_out_is_not_there() -> None:
    leaving = pod(ready=True)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T10:00:00Z"
    assert condense(workload(), [leaving]) == Summary("created")


def test_new_pods_that_are_ready_are_no_old_version() -> None:
    half = [pod(ready=True), pod(uid="u2")]
    assert condense(workload(spec={"replicas": 2}), half) == Summary("running", False)


def unprobed(**more: Any) -> dict[str, Any]:
    item = pod(**more)
    del item["spec"]["containers"][0]["readinessProbe"]
    return item


def test_health_is_unknown_where_nothing_is_probed_and_all_run() -> None:
    assert condense(workload(), [unprobed(ready=True)]) == Summary("running", None)
    assert condense(workload(), [unprobed()]) == Summary("running", False)
    assert condense(workload(), [OLD, unprobed(ready=True)]) == Summary("running", None)


def test_a_container_that_runs_again_does_not_crash() -> None:
    assert condense(workload(), [pod(ready=True, last=ended(2))]) == Summary("running", True)


def test_a_service_that_ended_well_and_waits_to_be_started_again_is_no_success() -> None:
    again = pod(state=waiting("CrashLoopBackOff"), last=ended(0, "Completed"))
    assert condense(workload(), [again]) == Summary("exited", False, 0)  # and a service is not to end


def conditions(**holding: str) -> tuple[dict[str, str], ...]:
    return tuple({"type": kind, "status": status} for kind, status in holding.items())


FAILED, DONE = pod(state=ended(3), phase="Failed"), pod(state=ended(0), phase="Succeeded")


@each_row(
    [
        (workload("Job", {}, conditions=conditions(Complete="False")), [], Summary("created")),
        (workload("Job", {}, conditions=conditions(Complete="True")), [], Summary("exited")),
        (workload("Job", {}, conditions=conditions(Failed="True")), [], Summary("exited", exit_code=1)),
        (
            workload("Job", {}, conditions=conditions(Failed="True")),
            [DONE, FAILED],
            Summary("exited", exit_code=3),
        ),
        (workload("Job", {"suspend": True}, failed=1), [], Summary("exited", exit_code=1)),
        (workload("Job", {}, failed=1), [FAILED, pod(phase="Pending")], Summary("running")),
        (workload("Job", {}, failed=1), [FAILED, pod()], Summary("running")),
        (workload("Job", {}), [DONE, FAILED], Summary("exited", exit_code=3)),
        (workload("Job", {}), [DONE], Summary("exited")),
        (workload("Job", {}, active=1), [], Summary("running")),
    ]
)
def test_states_of_a_job(job: Any, pods: Any, expected: Summary) -> None:
    assert condense(job, pods) == expected
