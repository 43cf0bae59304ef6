"""How long is waited for a unit's pods, on a clock of our own."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.backends.kube.pods import Pods
from devenv.backends.kube.verdict import Expected
from devenv.backends.kube.waiting import Waiting
from devenv.errors import UnitFailed
from devenv.stack.model import Identity, Probe, Stack, Unit
from tests.unit.kubernetes.answering import Responding


def pod(name: str, fingerprint: str, *, running: bool = True, ready: bool = True) -> dict[str, Any]:
    state = {"running": {}} if running else {"waiting": {"reason": "ContainerCreating"}}
    return {
        "metadata": {"name": name, "uid": name, "annotations": {"devenv.dev/fingerprint": fingerprint}},
        "status": {
            "phase": "Running" if running else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready and running)}],
            "containerStatuses": [{"name": "web", "restartCount": 0, "state": state}],
        },
    }


class Script(Pods):
    """Pods as they are from a second on, each pause a second long."""

    def __init__(self, *story: tuple[int, list[dict[str, Any]]]) -> None:
        self._story, self._now, self.trouble = story, 100, None

    def listed(self, within: float) -> None:
        pass

    def of(self, unit: str) -> list[Any]:
        return next(pods for start, pods in reversed(self._story) if self._now - 100 >= start)

    def clock(self) -> float:
        return float(self._now)

    def pause(self, seconds: float) -> None:
        self._now += 1


def waited(pods: Script, replicas: int = 1) -> float:
    """For how many seconds; ends in `UnitFailed` for what takes too long."""
    unit = Unit("web", "service", "web:1", replicas=replicas)
    stack = Stack("shop", "shop", Identity("shop-c", "c"), units=(unit,))
    nowhere = Client(Place("lab", {"server": "http://127.0.0.1:9"}, {}))
    Waiting(nowhere, stack, unit, pods, ()).until_ready(Expected("new"), Event())
    return pods.clock() - 100


OLD = pod("old", "old")


def test_an_old_pod_that_runs_does_not_use_up_the_time_of_the_new_one() -> None:
    slow = [OLD, pod("new", "new", running=False)]
    assert waited(Script((0, slow), (40, [pod("new", "new")]))) > 40


def test_each_replica_has_its_own_time() -> None:
    first, second = pod("web-0", "new"), pod("web-1", "new")
    story = (0, [first, OLD]), (9, [first, pod("web-1", "new", ready=False)]), (16, [first, second])
    assert waited(Script(*story), replicas=2) >= 16


def test_a_pod_that_runs_and_does_not_get_ready_is_late() -> None:
    with pytest.raises(UnitFailed) as failed:
        waited(Script((0, [pod("new", "new", ready=False)])))
    assert failed.value.card.what == "was not ready within 10 s"


def outcome(answer: str) -> tuple[str, float]:
    """What comes of a store whose check goes on to get this answer, and after how many seconds."""
    event = {"involvedObject": {"name": "db-0"}, "message": f"Readiness probe failed: {answer}\n"}
    queries: list[str] = []

    def get(path: str, **query: str) -> dict[str, Any]:
        if path.endswith("/pods/db-0"):
            return store
        queries.append(query["fieldSelector"])
        return {"items": [event] if path.endswith("/events") else []}

    unit = Unit("db", "infra", "db:1", probe=Probe("exec", command=("ask",), within=60.0))
    stack = Stack("shop", "shop", Identity("shop-c", "c"), units=(unit,))
    store = pod("db-0", "new", ready=False)
    store["metadata"]["namespace"] = "shop"
    store["spec"] = {"containers": [{}]}
    pods = Script((0, [store]))
    with pytest.raises(UnitFailed) as failed:
        Waiting(Responding(get), stack, unit, pods, ()).until_ready(Expected("new"), Event())
    assert queries[0] == "involvedObject.uid=db-0,reason=Unhealthy"
    return failed.value.card.what, pods.clock() - 100


def test_a_store_that_nobody_can_enter_is_not_waited_for() -> None:
    what, seconds = outcome('FATAL:  role "app" does not exist')
    assert what == "cannot be entered"
    assert seconds < 5


SCRIPT = "sh -c case $answer in\n *'password authentication failed'*) echo 'the first start did not finish'"


@pytest.mark.parametrize(
    "answer",
    [
        "connection refused",
        f'command timed out: "{SCRIPT};; esac" timed out after 5s',
        f'command timed out: "{SCRIPT}...',  # as the cluster shortens it
        f'command "{SCRIPT};; esac" timed out',
    ],
)
def test_a_store_that_is_only_slow_has_its_time(answer: str) -> None:
    assert outcome(answer)[0] == "was not ready within 60 s"
