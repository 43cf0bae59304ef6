"""Lines of all pods of some units, merged; with `follow` also those of pods that come later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from queue import Empty, Queue
from threading import Event

from devenv.backends import loglines
from devenv.backends.base import LogLine
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.look import where
from devenv.backends.kube.pods import restarts
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import Resources, label
from devenv.backends.kube.transport import CONNECTIONS
from devenv.backends.loglines import Batches
from devenv.errors import DevenvError
from devenv.plan.model import ObservedUnit

LOOK = 1.0  # seconds between two looks for new pods

Query = Mapping[str, int | str | None]


class Logs:
    """One reading of logs."""

    def __init__(self, client: Client, units: Sequence[ObservedUnit], *, follow: bool, stop: Event) -> None:
        self._client, self._resources = client.apart() if follow else client, Resources(client)
        self._units = {unit.unit: (where(unit)[0], unit.stack) for unit in units}
        self._follow, self._stop = follow, stop
        self._batches: Queue[Sequence[LogLine]] = Queue(maxsize=loglines.AHEAD)
        self._over = Event()  # set once nobody takes lines any more
        self._reading: set[str] = set()
        self._forbidden: Refused | None = None

    def lines(self, *, tail: int | None, since: int | None) -> Batches:
        """Without `follow` in the order they were printed, else as they come.

        Raises `Refused` for who may not read them.
        """
        query = {"tailLines": tail, "sinceTime": _time(since)}
        return self._followed(query) if self._follow else self._merged(query)

    def _merged(self, query: Query) -> Batches:
        sources = list(self._sources(query))
        with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
            first = list(pool.map(loglines.next_batch, sources))
        if self._forbidden:
            raise self._forbidden
        return loglines.merged(
            [chain([batch], source) for batch, source in zip(first, sources, strict=True)], self._stop
        )

    def _followed(self, query: Query) -> Batches:
        last_look = time.monotonic()
        try:
            self._read_on(query)
            while not self._stop.is_set():
                if self._forbidden:
                    raise self._forbidden
                if time.monotonic() - last_look > LOOK:
                    last_look = time.monotonic()
                    self._read_on({"tailLines": None, "sinceTime": None})
                with suppress(Empty):
                    yield self._batches.get(timeout=loglines.HEARS)
        finally:
            self._over.set()
            self._client.close()

    def _read_on(self, query: Query) -> None:
        """Read every pod that is not yet read, in a thread of its own."""
        for source in self._sources(query):
            arguments = (source, self._batches, self._over)
            threading.Thread(
                target=loglines.pass_on, args=arguments, daemon=True, name=loglines.READING
            ).start()

    def _sources(self, query: Query) -> Iterator[Batches]:
        """The logs of the pods that have one and are not yet read."""
        for unit, (namespace, stack) in self._units.items():
            try:
                pods = list(self._resources.ours(("v1", "Pod"), namespace, stack=stack, unit=unit))
            except DevenvError:
                if not self._follow:
                    raise
                continue  # the API server is away for a moment; the open logs go on
            for pod in pods:
                key = f"{pod['metadata']['uid']}/{restarts(pod)}"
                if key not in self._reading and _started(pod):
                    self._reading.add(key)
                    yield self._read(unit, namespace, pod["metadata"]["name"], query)

    def _read(self, unit: str, namespace: str, pod: str, query: Query) -> Batches:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        try:
            for raw in self._client.batches(path, quiet=None, follow=self._follow, timestamps=True, **query):
                yield loglines.parsed(unit, raw)
        except Refused as error:  # other than 403: a container that has not started yet, or is gone
            self._forbidden = self._forbidden or (error if error.status == 403 else None)
        except DevenvError:  # the API server is away: the next look tells
            return


def _started(pod: Object) -> bool:
    """Whether it has a log; before its container starts, asking for one is an error."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return any(state.keys() & {"running", "terminated"} for status in statuses for state in [status["state"]])


def _time(since: int | None) -> str | None:
    return f"{datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}" if since else None


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
    up = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return up, str(pod["metadata"]["creationTimestamp"])
