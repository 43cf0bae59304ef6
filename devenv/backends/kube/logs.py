"""Lines of all pods of some units, merged; with `follow` also those of pods that come later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from queue import Empty, Queue
from threading import Event
from typing import Any

from devenv.backends.base import LogLine
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.look import where
from devenv.backends.kube.pods import restarts
from devenv.backends.kube.resources import Resources, label
from devenv.errors import DevenvError
from devenv.plan.model import Found

LOOK = 1.0  # seconds between two looks for pods that have come meanwhile
AHEAD = 10_000  # lines read before somebody takes them
SECONDS = {"s": 1, "m": 60, "h": 3600}


class Logs:
    """One reading of logs."""

    def __init__(self, client: Client, found: Sequence[Found], *, follow: bool, stop: Event) -> None:
        self._client, self._resources = client, Resources(client)
        self._units = {one.unit: (where(one)[0], one.stack) for one in found}
        self._follow, self._stop = follow, stop
        self._lines: Queue[LogLine | None] = Queue(maxsize=AHEAD)
        self._reading: set[str] = set()
        self._open = 0

    def lines(self, *, tail: int | None, since: str | None) -> Iterator[LogLine]:
        """Without `follow` in the order they were printed, else as they come."""
        query = {"tailLines": tail, "sinceSeconds": _seconds(since)}
        self._read_all(query)
        looked, waiting = time.monotonic(), []
        while (self._open or self._follow) and not self._stop.is_set():
            if self._follow and time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                self._read_all({"tailLines": None, "sinceSeconds": None})
            try:
                line = self._lines.get(timeout=0.2)
            except Empty:
                continue
            if line is None:
                self._open -= 1
            elif self._follow:
                yield line
            else:
                waiting.append(line)
        yield from sorted(waiting, key=lambda line: line.time)

    def _read_all(self, query: Mapping[str, int | None]) -> None:
        for unit, (namespace, stack) in self._units.items():
            try:
                pods = list(self._resources.ours(("v1", "Pod"), namespace, stack=stack, unit=unit))
            except DevenvError:
                if not self._follow:
                    raise
                continue  # the API server is away for a moment; what is read goes on
            for pod in pods:
                key = f"{pod['metadata']['uid']}/{restarts(pod)}"
                if key not in self._reading and _started(pod):
                    self._reading.add(key)
                    self._open += 1
                    arguments = (unit, namespace, pod["metadata"]["name"], query)
                    threading.Thread(target=self._read, args=arguments, daemon=True).start()

    def _read(self, unit: str, namespace: str, pod: str, query: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        try:
            for raw in self._client.lines(path, quiet=None, follow=self._follow, timestamps=True, **query):
                moment, _, said = raw.decode(errors="replace").rstrip("\r").partition(" ")
                self._lines.put(LogLine(unit, said, moment))
        except DevenvError:
            pass  # a container that has not started yet, or is gone
        finally:
            self._lines.put(None)


def _started(pod: Object) -> bool:
    """Whether there is a log; asked for before, it is an error."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return any(one.keys() & {"running", "terminated"} for status in statuses for one in [status["state"]])


def _seconds(since: str | None) -> int | None:
    return int(since[:-1]) * SECONDS[since[-1]] if since else None


def newest(pods: Sequence[Object], unit: str) -> Object | None:
    """The unit's pod to talk to: one that is ready rather than one that is not, else the newest."""
    alive = [
        pod
        for pod in pods
        if label(pod, "unit") == unit
        and not pod["metadata"].get("deletionTimestamp")
        and pod.get("status", {}).get("phase") == "Running"
    ]
    return max(alive, key=_rank, default=None)


def _rank(pod: Object) -> tuple[bool, str]:
    conditions = pod["status"].get("conditions") or ()
    up = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return up, str(pod["metadata"]["creationTimestamp"])
