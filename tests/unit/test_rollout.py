"""What is said of a release while Helm waits for it, and when waiting is given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.engine.promotion.rollout import Order, Rollout
from devenv.errors import ToolMissing
from devenv.plan.promotion.rollout import Part, Prospect, Row, balanced, parts
from devenv.stack.model import Unit
from tests.clock import Clock
from tests.table import each_row
from tests.unit.kubernetes.answering import Answering, event
from tests.unit.kubernetes.stacks import stack

SHOP = stack("{name: shop, services: {web: {image: 'web:1', port: 8000, health: /healthz}}}")
JOBS = stack("{name: shop, jobs: {web: {image: 'web:1', command: migrate}}}")
LABELS = {"devenv.dev/unit": "web", "devenv.dev/stack": "shop"}


def pod(**status: Any) -> dict[str, Any]:
    metadata = {"name": "web-1", "uid": "1", "namespace": "shop", "labels": LABELS}
    containers = [{"name": "web", "image": "web:1"}]
    return {"metadata": metadata, "spec": {"containers": containers}, "status": status}


READY = pod(conditions=[{"type": "Ready", "status": "True"}])
RUNNING = pod(phase="Running", containerStatuses=[{"name": "web", "state": {"running": {}}}])


def ended(times: int, code: int = 3, **more: Any) -> dict[str, Any]:
    """A pod whose program ended this often, and waits for its next try."""
    container = {
        "name": "web",
        "restartCount": times - 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": code, **more}},
    }
    return pod(phase="Running", containerStatuses=[container])


def waiting(reason: str, message: str = "", restarts: int = 0) -> dict[str, Any]:
    """A pod whose container was not made, or has no image."""
    state = {"waiting": {"reason": reason, "message": message}}
    container = {"name": "web", "state": state, "restartCount": restarts}
    return pod(phase="Pending", containerStatuses=[container])


def about(message: str, count: int = 1, **more: Any) -> dict[str, Any]:
    """What the cluster said of pod 1."""
    said = event("web-1", message, count=count, **more)
    said["involvedObject"]["uid"] = "1"
    return said


@dataclass
class Watched:
    """A rollout of one unit on a cluster that answers from a table, and what it says."""

    api: Answering
    units: tuple[Unit, ...] = SHOP.units[:1]
    lines: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    within: int = 300

    def __post_init__(self) -> None:
        self.clock = Clock(100.0)
        order = Order("shop", [Part(self.units[0], LABELS)], self.within)
        self.rollout = Rollout(
            lambda: self.api,
            order,
            lambda step, line: self.lines.append(line),
            lambda: self.given_up.append("once"),
            clock=self.clock,
        )

    def look(self, *pods: Mapping[str, Any], after: float = 0.0, refusals: Any = ()) -> str:
        """The last line after one look."""
        self.clock.now += after
        self.rollout.look(self.api, [dict(pod) for pod in pods], refusals)
        return self.lines[-1] if self.lines else ""

    @property
    def cause(self) -> str:
        return self.rollout.cause.what if self.rollout.cause else ""


def test_a_pod_that_never_gets_ready_has_a_card() -> None:
    watched = Watched(Answering(logs={("web-1", False): "still warming up"}))
    watched.look(RUNNING)
    watched.look(RUNNING, after=5)
    assert watched.cause == "was not ready in time"
    assert watched.rollout.cause is not None
    assert watched.rollout.cause.output == ("still warming up",)
    assert watched.look(READY, after=1) == "web  1 of 1 ready"
    assert watched.cause == ""


def test_the_card_is_there_before_a_short_wait_of_helm_ends() -> None:
    watched = Watched(Answering(), within=5)
    watched.look(RUNNING)
    watched.look(RUNNING, after=2)
    assert watched.cause == "was not ready in time"


@each_row({"no": (), "one": ("connection refused",)})
def test_a_card_says_what_the_check_got_also_where_that_is_nothing_yet(*answers: str) -> None:
    events = [about(f"Readiness probe failed: {answer}", reason="Unhealthy") for answer in answers]
    watched = Watched(Answering(*events))
    watched.look(RUNNING)
    watched.look(RUNNING, after=5)
    assert watched.rollout.cause is not None
    facts = dict(watched.rollout.cause.facts)
    assert facts["probe"] == "GET /healthz on port 8000"
    assert facts.get("answer", facts.get("event")) == (events[0]["message"] if events else "none yet")


def test_a_slow_one_says_what_it_waits_for_and_how_long_helm_will() -> None:
    refused = 'Get "http://10.1.2.3:8000/healthz": dial tcp 10.1.2.3:8000: connect: connection refused'
    watched = Watched(Answering(about(f"Readiness probe failed: {refused}", reason="Unhealthy")))
    assert watched.look(RUNNING) == "web  0 of 1 ready"
    probe = "GET /healthz on port 8000: connection refused"
    slow = f"web  0 of 1 ready  {probe}; Helm waits {{}} s more"
    assert watched.look(RUNNING, after=20) == slow.format(280)
    watched.look(RUNNING, after=30)
    assert len(watched.lines) == 2
    assert watched.look(RUNNING, after=20) == slow.format(230)  # once a minute
    assert watched.look(READY, after=1) == "web  1 of 1 ready"


def test_a_server_that_goes_away_in_the_middle_ends_no_look_at_a_rollout() -> None:
    class Away(Answering):
        def find(self, path: str) -> None:
            raise ToolMissing("no Kubernetes cluster answers")

        def look(self, path: str, **query: Any) -> dict[str, Any]:
            return {"items": []}

        def close(self) -> None: ...

    watched = Watched(Away())
    watched.rollout._order = Order("shop", [], 300, balanced=["kong-public"])
    with watched.rollout:
        pass
    assert watched.cause == ""


def test_a_service_without_an_address_of_a_load_balancer_has_a_card() -> None:
    service: dict[str, Any] = {"spec": {"ports": [{"port": 80}]}, "status": {"loadBalancer": {}}}
    watched = Watched(Answering(objects={"kong-public": service}))
    order = Order(
        "shop", [], 300, balanced=balanced([{**service, "kind": "Service", "metadata": {"name": "no"}}])
    )
    assert order.balanced == []
    kind = {"kind": "Service", "metadata": {"name": "kong-public"}, "spec": {"type": "LoadBalancer"}}
    watched.rollout._order = Order("shop", [], 300, balanced=balanced([kind]))
    for after in (0, 5, 5):
        watched.clock.now += after
        watched.rollout.look_at_balancers(watched.api)
    assert watched.lines == ["kong-public  waits for the address of a load balancer"]
    assert watched.cause == "gets no address"
    service["status"]["loadBalancer"] = {"ingress": [{"ip": "203.0.113.7"}]}
    watched.rollout.look_at_balancers(watched.api)
    assert watched.cause == ""


PULLING = about('Pulling image "web:1"', type="Normal", reason="Pulling")


@each_row(
    {
        "its image": ([PULLING], waiting("ContainerCreating"), '  Pulling image "web:1"'),
        "a node's word": (
            [about("Started container web", type="Normal", reason="Started")],
            waiting("ContainerCreating"),
            "",
        ),
        "room": (
            [about("0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available.")],
            waiting("ContainerCreating"),
            "  0/1 nodes are available: 1 Insufficient cpu",
        ),
        "a volume": (
            [PULLING, about("MountVolume failed")],
            waiting("ContainerCreating"),
            "  MountVolume failed",
        ),
    }
)
def test_what_a_pod_waits_for_before_it_runs(
    events: list[Mapping[str, Any]], state: Mapping[str, Any], awaits: str
) -> None:
    watched = Watched(Answering(*events))
    watched.look(state)
    assert watched.look(state, after=20) == f"web  0 of 1 ready{awaits}; Helm waits 280 s more"


def test_a_job_that_took_its_time_is_not_what_was_in_the_way() -> None:
    watched = Watched(Answering(), units=JOBS.units)
    assert watched.look(RUNNING) == "web  runs"
    watched.look(RUNNING, after=5)
    assert watched.cause
    assert watched.look(pod(phase="Succeeded")) == "web  done"
    assert watched.cause == ""


def test_a_unit_whose_pods_are_refused_has_a_card() -> None:
    refusal = event("web-5d9f7c8b6f", "exceeded quota: few", at="10:00:00", reason="FailedCreate", count=3)
    refusal["metadata"] = {"uid": "1"}
    watched = Watched(Answering(refusal))
    assert watched.look(refusals=[refusal]) == "web  0 of 1 ready  gets no pod"
    assert watched.rollout.cause is not None
    assert watched.rollout.cause.facts[0] == ("event", "exceeded quota: few")
    assert "quota" in watched.rollout.cause.hint
    assert not watched.given_up  # others may go
    assert watched.look(READY, refusals=[refusal]) == "web  1 of 1 ready"


def test_what_failed_and_runs_for_a_moment_is_still_the_cause_where_helm_fails() -> None:
    watched = Watched(Answering())
    watched.look(ended(1))
    watched.look(READY)
    assert watched.cause == "ended with exit 3"


def tries(message: str, count: int) -> dict[str, Any]:
    """What a node said of its tries to pull the image."""
    return about(f'Failed to pull image "web:1": {message}', count, reason="Failed")


ABSENT, AWAY = "web:1: not found", "dial tcp 10.0.0.9:443: connect: connection refused"
PULLED = "has an image that cannot be pulled"
CONFIG = "CreateContainerConfigError"
NO_FILE = 'exec: "serve": executable file not found in $PATH'


@each_row(
    {
        "absent once": (waiting("ImagePullBackOff"), tries(ABSENT, 1), ""),
        "absent twice": (waiting("ImagePullBackOff"), tries(ABSENT, 2), PULLED),
        "denied": (waiting("ImagePullBackOff"), tries("denied: it is private", 2), PULLED),
        "away": (waiting("ImagePullBackOff"), tries(AWAY, 3), ""),
        "away for a minute": (waiting("ImagePullBackOff"), tries(AWAY, 4), PULLED),
        "no name": (waiting("InvalidImageName"), tries(ABSENT, 0), PULLED),
        "pulls": (waiting("ContainerCreating"), tries(ABSENT, 5), ""),
        "root": (waiting(CONFIG, "image will run as root"), None, "could not be started"),
        "a Secret that comes": (waiting(CONFIG, 'secret "keys" not found'), None, ""),
        "a key that comes": (waiting(CONFIG, "couldn't find key A in Secret shop/keys"), None, ""),
        "no program": (waiting("RunContainerError", NO_FILE, 1), None, "could not be started"),
        "no program, first": (waiting("RunContainerError", NO_FILE), None, ""),
        "crashed": (ended(3), None, ""),
        "crashes": (ended(4), None, "ended with exit 3"),
        "out of memory": (ended(4, 137, reason="OOMKilled"), None, "ran out of memory"),
    }
)
def test_helm_is_stopped_once_no_waiting_helps(
    state: Mapping[str, Any], said: Mapping[str, Any] | None, cause: str
) -> None:
    watched = Watched(Answering(*filter(None, [said])))
    for _ in range(2):
        watched.look(state, after=1)
    assert watched.given_up == ["once"] * bool(cause)
    given_up = [line for line in watched.lines if line.endswith("not waited for any longer")]
    assert given_up == ([f"web  {cause}: not waited for any longer"] if cause else [])
    assert not cause or watched.cause == cause


def test_a_pod_that_the_cluster_will_never_make_ends_the_wait() -> None:
    refusal = event("web-5d9f7c8b6f", 'violates PodSecurity "restricted:latest"', reason="FailedCreate")
    refusal["metadata"] = {"uid": "1"}
    watched = Watched(Answering(refusal))
    watched.look(refusals=[refusal])
    assert watched.given_up == ["once"]


def row(
    name: str, *, ready: int = 0, ends: int = 0, wrong: str = "", done: bool = False, role: str = ""
) -> Row:
    unit = Unit(name, "job" if role else "service", "i")
    return Row(Part(unit, {}), 1, ready, done=done, ends=ends, wrong=wrong or ("exit 1" if ends else ""))


def test_a_program_that_waits_for_another_one_has_until_that_is_up_and_two_tries_more() -> None:
    prospect = Prospect()
    assert not prospect.hopeless([row("web", ends=4), row("store")])  # which still begins
    assert not prospect.hopeless([row("web", ends=6), row("store", ready=1)])
    assert not prospect.hopeless([row("web", ends=7), row("store", ready=1)])
    assert prospect.hopeless([row("web", ends=8), row("store", ready=1)]) == row("web", ends=8)


def test_a_job_that_was_tried_again_and_went_well_gives_the_others_their_time() -> None:
    prospect = Prospect()
    assert not prospect.hopeless([row("web", ends=3), row("migrate", ends=3, role="job")])
    assert not prospect.hopeless([row("web", ends=5), row("migrate", done=True, role="job")])
    assert not prospect.hopeless([row("web", ends=6), row("migrate", done=True, role="job")])
    assert prospect.hopeless([row("web", ends=7), row("migrate", done=True, role="job")])


def test_one_that_is_up_for_a_moment_again_and_again_brings_no_new_hope() -> None:
    prospect = Prospect()
    for ends in range(1, 5):
        assert not prospect.hopeless([row("web", ready=1, ends=ends)])
    assert prospect.hopeless([row("web", ends=5)])


def workload(kind: str, name: str, *, labels: Mapping[str, str], **spec: Any) -> dict[str, Any]:
    inside = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": f"{name}:1"}]}}
    selector = {} if kind == "Job" else {"selector": {"matchLabels": labels}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": inside, **selector, **spec}}


def test_the_parts_of_a_release_are_its_workloads() -> None:
    objects = [
        workload("Deployment", "web", labels={**LABELS, "app.kubernetes.io/name": "web"}, replicas=2),
        {"kind": "Service", "metadata": {"name": "web"}, "spec": {}},
        workload("Job", "migrate-1f", labels={**LABELS, "devenv.dev/unit": "migrate"}),
        workload("Deployment", "operator", labels={"app": "operator"}),
        workload("Job", "hook", labels={}),
    ]
    found = {part.unit.name: part for part in parts(objects, SHOP.units)}
    assert [(name, part.unit.replicas, part.unit.one_shot) for name, part in found.items()] == [
        ("web", 2, False), ("migrate", 1, True), ("operator", 1, False), ("hook", 1, True),
    ]  # fmt: skip
    assert found["web"].unit.probe is not None  # as the manifest says
    assert found["web"].has(pod())
    assert not found["migrate"].has(pod())
    assert not found["hook"].has(pod())
    own = {"metadata": {"labels": {"batch.kubernetes.io/job-name": "hook"}}}
    assert found["hook"].has(own)
