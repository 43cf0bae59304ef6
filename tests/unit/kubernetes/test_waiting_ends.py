"""How waiting for a unit ends, and what is asked of the cluster meanwhile; on a clock of our own."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from devenv.backends.base import Interrupted
from devenv.backends.kube.client import Object
from devenv.backends.kube.verdict import Expected
from devenv.backends.kube.waiting import PATIENCE, ROUTED, STARTING, Waiting
from devenv.errors import DevenvError, UnitFailed
from devenv.stack.model import Identity, Need, Probe, Stack, Unit, Volume
from tests.unit.kubernetes.answering import Answering, event
from tests.unit.kubernetes.test_waiting import Script, pod

WEB = Unit("web", "service", "web:1")
PROBED = Unit("web", "service", "web:1", probe=Probe("http", 80, "/"))
JOB = Unit("web", "job", "web:1", within=40.0)
NEW = Expected("new")
UP = pod("web", "new")
STARTS = pod("web", "new", running=False)


class Noted(Event):
    """A stop that never comes, and for how long it was waited for."""

    waited = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.waited += timeout or 0.0
        return False


def wait(
    unit: Unit,
    pods: Script,
    *,
    client: Answering | None = None,
    objects: tuple[Object, ...] = (),
    wanted: Expected | None = NEW,
    stop: Event | None = None,
    users: tuple[Unit, ...] = (),
) -> float:
    """For how many seconds it was waited; raises what waiting raises."""
    stack = Stack("shop", "shop", Identity("shop-c", "c"), units=(unit, *users))
    Waiting(client or Answering(), stack, unit, pods, objects).until_ready(wanted, stop or Event())
    return pods.clock() - 100


def failure(unit: Unit, pods: Script, **more: Any) -> tuple[str, float]:
    """What the card says, and after how many seconds it came."""
    with pytest.raises(UnitFailed) as failed:
        wait(unit, pods, **more)
    return failed.value.card.what, pods.clock() - 100


def ended(code: int, *, phase: str = "Failed") -> dict[str, Any]:
    over = pod("web", "new", ready=False)
    over["status"]["phase"] = phase
    over["spec"] = {"containers": [{"name": "web"}]}
    state = {"terminated": {"exitCode": code, "containerID": "1"}}
    over["status"]["containerStatuses"][0]["state"] = state
    return over


class Away(Script):
    """Pods that nobody can see for so many seconds, and that are ready then."""

    def __init__(self, seconds: float) -> None:
        super().__init__((0, [UP]))
        self._back = 100 + seconds
        self.trouble = DevenvError("the cluster is away")

    def away(self) -> float:
        return self._now - 100

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        if self._now >= self._back:
            self.trouble = None


def test_a_server_that_is_away_is_waited_for_so_long_and_no_longer() -> None:
    assert wait(PROBED, Away(PATIENCE - 1)) == PATIENCE - 1
    pods = Away(PATIENCE + 10)
    with pytest.raises(DevenvError, match="the cluster is away"):
        wait(PROBED, pods)
    assert PATIENCE < pods.away() <= PATIENCE + 1


def test_what_had_ended_before_counts_for_a_job_and_not_for_a_service() -> None:
    metadata = {"name": "web", "annotations": {"devenv.dev/fingerprint": "new"}}
    workload = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
    assert failure(JOB, Script((0, [ended(3)])), objects=(workload,), wanted=None) == ("ended with exit 3", 0)
    back = Script((0, [ended(3, phase="Running")]), (3, [UP]))
    assert wait(PROBED, back, objects=(workload,), wanted=None) == 3


def test_what_has_no_probe_has_to_run_for_a_moment_and_nothing_else_has() -> None:
    assert wait(WEB, Script((0, [UP]))) == 2
    assert wait(PROBED, Script((0, [UP]))) == 0
    assert wait(JOB, Script((0, [ended(0, phase="Succeeded")]))) == 0
    assert wait(JOB, Script((0, [UP]), (1, [ended(0, phase="Succeeded")]))) == 1


def test_a_job_has_its_own_time_and_its_retries_end_with_it() -> None:
    workload = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"namespace": "shop", "name": "web"}}
    client = Answering()
    late = failure(JOB, Script((0, [pod("web", "new")])), client=client, objects=(workload,))
    assert late == ("did not end within 40 s", 41)
    suspended = ("/apis/batch/v1/namespaces/shop/jobs/web", {"spec": {"suspend": True}})
    assert client.patched == [suspended]


def test_a_service_that_failed_is_left_as_it_is() -> None:
    client = Answering()
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    failure(WEB, Script((0, [ended(3)])), client=client, objects=(workload,))
    assert client.patched == []


def test_a_pod_has_its_time_to_start_before_the_time_to_get_ready() -> None:
    late = failure(WEB, Script((0, [STARTS])))
    assert late == ("was not ready within 10 s", STARTING + 11)
    assert wait(PROBED, Script((0, [STARTS]), (STARTING, [UP]))) == STARTING


def test_a_cluster_that_makes_no_pods_says_why_after_a_moment() -> None:
    refused = event("web", "exceeded quota: small", reason="FailedCreate")
    assert failure(WEB, Script((0, [])), client=Answering(refused)) == ("gets no pod", 3)
    assert wait(PROBED, Script((0, []), (2, [UP])), client=Answering(refused)) == 2


SERVICE = {"kind": "Service", "spec": {"clusterIP": "10.0.0.1"}}
HEADLESS = {"kind": "Service", "spec": {"clusterIP": "None"}}
USER = Unit("user", "service", "web:1", needs=(Need("web"),))


@pytest.mark.parametrize(
    ("objects", "users", "seconds"),
    [
        ((SERVICE,), (USER,), ROUTED),
        ((SERVICE,), (), 0),
        ((HEADLESS,), (USER,), 0),
        ((), (USER,), 0),
    ],
)
def test_a_node_has_its_moment_to_learn_the_way_where_somebody_goes_it(
    objects: tuple[Object, ...], users: tuple[Unit, ...], seconds: float
) -> None:
    stop = Noted()
    wait(PROBED, Script((0, [UP])), objects=objects, users=users, stop=stop)
    assert stop.waited == seconds


def test_waiting_ends_when_it_is_told_to() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Interrupted):
        wait(WEB, Script((0, [UP])), stop=stop)


STORE = Unit("web", "infra", "db:1", probe=Probe("exec", command=("ask",), within=30.0))
ANSWERS = [
    event("web", 'role "app" does not exist', reason="Unhealthy", at="10:00:00"),
    event("web", "connection refused", reason="Unhealthy", at="10:00:01"),
]


def unready(**spec: Any) -> dict[str, Any]:
    item = pod("web", "new", running=not spec.get("volumes"), ready=False)
    item["metadata"]["namespace"] = "shop"
    return {**item, "spec": {"containers": [{}], **spec}}


def test_a_store_is_judged_by_its_last_answer_and_asked_now_and_then() -> None:
    client = Answering(*ANSWERS)
    what, seconds = failure(STORE, Script((0, [unready()])), client=client)
    assert what == "was not ready within 30 s"
    assert (
        len([path for path in client.asked if path.endswith("/events")]) <= 2 + seconds / 3
    )  # two for the card


KEPT = Unit(
    "web", "infra", "db:1", probe=PROBED.probe, volumes=(Volume("data", "/data"), Volume("log", "/log"))
)
CLAIMS = [{"persistentVolumeClaim": {"claimName": name}} for name in ("data", "log")]
PENDING = {name: {"status": {"phase": "Pending"}} for name in ("data", "log")}


def claims(*reasons: tuple[str, str]) -> Answering:
    about = {"kind": "PersistentVolumeClaim"}
    events = [event(name, why, involvedObject={"name": name, **about}) for name, why in reasons]
    return Answering(*events, objects=PENDING)


def test_a_claim_that_nobody_fills_is_a_failure_at_once_and_one_that_may_be_filled_later() -> None:
    hopeless = claims(("log", 'storageclass.storage.k8s.io "fast" not found'))
    waits = Script((0, [unready(volumes=CLAIMS)]))
    assert failure(KEPT, waits, client=hopeless) == ("gets no volume", 11)
    slow = Script((0, [unready(volumes=CLAIMS)]))
    assert failure(KEPT, slow, client=claims(("log", "waiting for a volume"))) == ("gets no volume", 121)


def test_a_pod_that_has_its_node_has_its_volumes() -> None:
    client = claims(("log", 'storageclass.storage.k8s.io "fast" not found'))
    spec = {"volumes": CLAIMS, "nodeName": "minikube"}
    placed = Script((0, [unready(**spec)]), (20, [{**UP, "spec": spec}]))
    assert wait(KEPT, placed, client=client) == 20
