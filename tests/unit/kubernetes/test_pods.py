"""What a pod's status says, and what the table of a stack's pods gives out; without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from devenv.backends.kube.pods import Pods, all_ends, containers, end_id, ends, ready, running, stuck
from devenv.backends.kube.refusals import Refused
from devenv.errors import DevenvError
from tests.clock import Clock
from tests.unit.kubernetes.answering import Answering


def pod(name: str, *, unit: str = "web", day: int = 1, status: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "resourceVersion": str(day),
            "creationTimestamp": f"2026-01-0{day}T00:00:00Z",
            "labels": {"devenv.dev/unit": unit} if unit else {},
            **more,
        },
        "status": status or {},
    }


class Scripted(Answering):
    """A server whose lists are these in turn; an error is raised, and the last one ends the watching."""

    def __init__(self, *lists: Any, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.lists, self.pods = list(lists), Pods(self, "shop", "s")
        self.moments: list[tuple[float, float]] = []

    def look(self, path: str, **query: Any) -> dict[str, Any]:
        self.moments.append((self.pods.clock(), self.pods.away()))
        following = self.lists.pop(0)
        if not self.lists:
            self.pods.stop()
        if isinstance(following, DevenvError):
            raise following
        return {"metadata": {"resourceVersion": ""}, "items": following}


class Passing:
    """Waits that take no time here, and on the clock as much as they were asked for at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._set = clock, False

    def wait(self, timeout: float) -> bool:
        self._clock.now += 0 if self._set else 10
        return self._set

    def set(self) -> None:
        self._set = True

    def clear(self) -> None:
        pass

    def is_set(self) -> bool:
        return self._set


def listed(*pods: dict[str, Any]) -> Pods:
    """A table that has been listed once."""
    client = Scripted(list(pods))
    client.pods._list()
    return client.pods


def test_the_pods_of_a_unit_are_its_own_that_stay_the_newest_first() -> None:
    leaving = pod("leaving", day=3, deletionTimestamp="2026-01-04T00:00:00Z")
    table = listed(pod("old"), pod("new", day=2), leaving, pod("other", unit="db"))
    assert [item["metadata"]["name"] for item in table.of("web")] == ["new", "old"]


def test_instances_are_containers_that_run_of_a_unit() -> None:
    def status(id: str, **state: Any) -> dict[str, Any]:
        sidecar = {"name": "mesh", "containerID": "sidecar", "state": {"running": {}}}
        return {"containerStatuses": [{"name": "web", "containerID": id, "state": state}, sidecar]}

    table = listed(
        pod("a", status=status("1", running={})),
        pod("b", status=status("2", terminated={"exitCode": 1})),
        pod("run", unit="", status=status("3", running={})),
        pod("new"),
    )
    assert table.instances() == {"1": "web"}


def test_the_table_follows_what_changes() -> None:
    table = listed(pod("a"), pod("b"))
    assert table._note("MODIFIED", pod("a", day=2, unit="db")) == "2"
    assert table._note("DELETED", pod("b", day=3)) == "3"
    assert table._note("ADDED", pod("c", day=4)) == "4"
    assert table._note("BOOKMARK", {"metadata": {"resourceVersion": "5"}}) == "5"
    assert table._note("ERROR", {"code": 410}) == ""
    assert [item["metadata"]["name"] for item in (*table.of("web"), *table.of("db"))] == ["c", "a"]


def test_time_passes_only_while_the_pods_can_be_seen() -> None:
    away, clock = DevenvError("away"), Clock(1000.0)
    client = Scripted(away, away, [pod("a")], [pod("b")], clock=clock)
    client.pods._stopped = client.pods._hurry = Passing(clock)  # type: ignore[assignment]
    client.pods._run()
    # Two tries failed, and twenty seconds went by after each.
    assert client.moments == [(1000, 0), (1000, 20), (1000, 40), (1000, 0)]
    assert (client.pods.trouble, client.pods.clock(), client.pods.away()) == (None, 1000, 0)
    clock.now += 5
    assert client.pods.clock() == 1005


@pytest.mark.parametrize(("code", "harmless"), [(410, True), (403, False), (500, False)])
def test_only_a_version_that_is_too_old_is_no_trouble(code: int, harmless: bool) -> None:
    class Refusing(Scripted):
        def lines(self, path: str, **query: Any) -> Iterator[bytes]:
            raise Refused("no", status=code, reason="")
            yield b""

    client = Refusing([])
    client.pods.stop()
    with nullcontext() if harmless else pytest.raises(Refused):
        assert client.pods._watch("1") == ""


def status(**more: Any) -> dict[str, Any]:
    return {"status": more}


def state(**state: Any) -> dict[str, Any]:
    return status(containerStatuses=[{"state": state}])


def test_ready_is_what_is_known_to_be() -> None:
    for value, expected in (("True", True), ("False", False), ("Unknown", False)):
        assert ready(status(conditions=[{"type": "Ready", "status": value}])) == expected
    assert not ready(status(conditions=[{"type": "Initialized", "status": "True"}]))
    assert not ready({})


def test_running_are_all_of_its_containers() -> None:
    assert running(state(running={}))
    assert not running(status(containerStatuses=[{"state": {"running": {}}}, {"state": {"waiting": {}}}]))
    assert not running({})


def test_stuck_is_what_ended_or_waits_for_another_try() -> None:
    assert stuck(state(terminated={"exitCode": 1}))
    assert stuck(state(waiting={"reason": "CrashLoopBackOff"}))
    assert not stuck(state(waiting={"reason": "ContainerCreating"}))
    assert not stuck(state(waiting={"reason": "PodInitializing"}))
    assert not stuck(state(running={}))


def test_a_container_that_runs_before_the_others_is_one_until_it_has_ended_well() -> None:
    def first(**state: Any) -> list[Any]:
        return list(containers(status(initContainerStatuses=[{"state": state}])))

    assert first(terminated={"exitCode": 0}) == []
    assert len(first(terminated={"exitCode": 3})) == len(first(running={})) == 1


def test_ends_are_the_last_one_first_and_each_has_an_id() -> None:
    now, before = {"exitCode": 2, "finishedAt": "10:00"}, {"exitCode": 1, "containerID": "c1"}
    container = {"state": {"terminated": now}, "lastState": {"terminated": before}}
    assert ends(container) == [now, before]
    assert ends({"state": {"running": {}}}) == []
    crashed = pod("a", status={"containerStatuses": [container]})
    assert end_id(crashed, before) == "a c1"
    assert all_ends([crashed]) == {"a 10:00", "a c1"}
