"""Logs of pods, from a server that answers from a table."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from devenv.backends.kube.client import Client
from devenv.backends.kube.logs import Logs
from devenv.backends.kube.refusals import Refused
from devenv.plan.model import ObservedUnit
from tests.unit.kubernetes.answering import Responding

POD = {
    "metadata": {"name": "web-1", "namespace": "shop", "uid": "1", "labels": {"devenv.dev/unit": "web"}},
    "status": {"containerStatuses": [{"name": "web", "restartCount": 0, "state": {"running": {}}}]},
}


class Closed(Responding):
    """A server that lists the pod and answers for its log with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(lambda path, **query: {"items": [POD]})
        self.status = status

    def apart(self) -> Client:
        return self

    def batches(self, path: str, **query: Any) -> Iterator[list[bytes]]:
        raise Refused(f"answered {self.status}", status=self.status, reason="")
        yield []


def read(status: int, *, follow: bool) -> list[Any]:
    stop = Event()
    unit = ObservedUnit("web", "shop/deployments/web", "running", stack="shop")
    lines = Logs(Closed(status), [unit], follow=follow, stop=stop).lines(tail=None, since=None)
    return list(lines)


@pytest.mark.parametrize("follow", [False, True])
def test_who_may_not_read_a_log_is_told(follow: bool) -> None:
    with pytest.raises(Refused, match="answered 403"):
        read(403, follow=follow)


def test_a_container_that_is_gone_has_no_log() -> None:
    assert read(404, follow=False) == []
