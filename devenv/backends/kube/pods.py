"""The pods of a stack, kept current by a watch that survives whatever happens to the API server."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import label, note
from devenv.errors import DevenvError
from devenv.stack.labels import LABEL

ROUND = 300  # seconds after which the server ends a watch that has nothing else to say
QUIET = 90.0  # seconds of silence after which a watch counts as lost; bookmarks come once a minute
AGAIN = (0.1, 2.0)  # seconds before the next try

TOO_OLD = 410  # status of a watch whose version is too old: list again

Pod = Mapping[str, Any]


class Pods:
    """A table of pods. `pause` waits for a change; nothing in here raises.

    `again`: seconds before the next try, doubling up to the second, unless `hurry` is called.
    """

    def __init__(
        self, client: Client, namespace: str, stack: str, *, again: tuple[float, float] = AGAIN
    ) -> None:
        self._client, self._stack, self._again, self._time = client, stack, again, client.clock
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._pods: dict[str, Pod] = {}
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._listed = threading.Event()
        self._hurry = threading.Event()
        self._blind, self._since = 0.0, 0.0
        self.trouble: DevenvError | None = None
        self.started = False

    def start(self) -> None:
        """Begin to watch, in the background, until `stop`."""
        self.started = True
        threading.Thread(target=self._run, daemon=True, name="pods").start()

    def stop(self) -> None:
        """End the watch; the table stays as it is."""
        self._stopped.set()
        self.hurry()
        self.wake()

    def listed(self, timeout: float) -> bool:
        """Whether the table is there, waiting for it if need be."""
        return self._listed.wait(timeout)

    def of(self, unit: str) -> list[Pod]:
        """A unit's pods that are not on their way out, the newest first."""
        with self._changed:
            pods = [pod for pod in self._pods.values() if label(pod, "unit") == unit]
        alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        return sorted(alive, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)

    def instances(self) -> dict[str, str]:
        """Every container that runs -> its unit; a container that is started again has another id."""
        with self._changed:
            return {
                instance: label(pod, "unit")
                for pod in self._pods.values()
                if label(pod, "unit")
                for instance in instances(pod)
            }

    def pause(self, seconds: float) -> None:
        """Wait for the next change, but no longer than this."""
        with self._changed:
            self._changed.wait(seconds)

    def hurry(self) -> None:
        """Ask an API server that was away again now."""
        self._hurry.set()

    def clock(self) -> float:
        """Seconds that pass only while we can see the pods."""
        now = self._time.monotonic()
        return now - self._blind - (now - self._since if self.trouble else 0.0)

    def away(self) -> float:
        """Seconds since the API server last answered; 0 while it does."""
        return self._time.monotonic() - self._since if self.trouble else 0.0

    def wake(self) -> None:
        """End every `pause` now."""
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        pause = self._again[0]
        while not self._stopped.is_set():
            try:
                version, pause = self._list(), self._again[0]
                while version and not self._stopped.is_set():
                    version = self._watch(version)
            except DevenvError as error:
                if self.trouble is None:
                    self._since = self._time.monotonic()
                self.trouble = error
                self.wake()
                self._stopped.wait(self._again[0])  # at least this long, however often `hurry` is called
                self._hurry.wait(pause * random.uniform(0.5, 1.5))
                self._hurry.clear()
                pause = min(self._again[1], 2 * pause)

    def _list(self) -> str:
        answer = self._client.look(self._path, labelSelector=f"{LABEL}stack={self._stack}")
        with self._changed:
            self._blind += self.away()
            self.trouble = None  # before anybody sees the pods
            self._pods = {str(pod["metadata"]["uid"]): pod for pod in answer["items"]}
            self._changed.notify_all()
        self._listed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> str:
        """Follow changes since a version; returns the last one seen, or nothing when it is too old."""
        lines = self._client.lines(
            self._path,
            quiet=QUIET,
            labelSelector=f"{LABEL}stack={self._stack}",
            resourceVersion=version,
            allowWatchBookmarks=True,
            timeoutSeconds=ROUND,
            watch=True,
        )
        started, latest = self._time.monotonic(), version
        try:
            for line in lines:
                with contextlib.suppress(ValueError):  # half a line: the connection was lost
                    event = json.loads(line)
                    latest = self._note(event["type"], event["object"])
                if self._stopped.is_set() or not latest:
                    break
        except Refused as error:
            if error.status != TOO_OLD:
                raise
            latest = ""
        if self._time.monotonic() - started < self._again[0]:  # a server that hangs up at once
            self._stopped.wait(self._again[0])
        return latest

    def _note(self, kind: str, pod: Object) -> str:
        """Take over a change; returns its version, or nothing where the server says that ours is too old."""
        if kind == "ERROR":
            return ""
        with self._changed:
            if kind == "DELETED":
                self._pods.pop(str(pod["metadata"]["uid"]), None)
            elif kind != "BOOKMARK":
                self._pods[str(pod["metadata"]["uid"])] = pod
            self._changed.notify_all()
        return str(pod["metadata"]["resourceVersion"])


def ready(pod: Pod) -> bool:
    """Whether its readiness condition holds."""
    return condition(pod, "Ready").get("status") == "True"


def condition(pod: Pod, kind: str) -> Mapping[str, Any]:
    """One of its conditions, or an empty one."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return next((row for row in conditions if row["type"] == kind), {})


def containers(pod: Pod) -> list[Mapping[str, Any]]:
    """The statuses of its containers, after those of init containers that have not ended well yet."""
    status = pod.get("status", {})
    first = status.get("initContainerStatuses") or ()
    unfinished = [
        container
        for container in first
        if container.get("state", {}).get("terminated", {}).get("exitCode") != 0
    ]
    return [*unfinished, *(status.get("containerStatuses") or ())]


def image_id(pod: Pod) -> str:
    """The digest of the image that its program runs; nothing for a registry's, or where it is not known."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    id = str(statuses[0].get("imageID") or "") if statuses else ""
    return id.removeprefix("docker://") if "@" not in id else ""


def ends(container: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """How a container ended, now and the time before, the latest first."""
    states = (container.get(when, {}).get("terminated") for when in ("state", "lastState"))
    return [state for state in states if state]


def end_id(pod: Pod, end: Mapping[str, Any]) -> str:
    """An id for one end of a container of a pod."""
    return f"{uid(pod)} {end.get('containerID') or end.get('finishedAt', '')}"


def all_ends(pods: Iterable[Pod]) -> frozenset[str]:
    """Every end in these pods, by id."""
    return frozenset(
        end_id(pod, end) for pod in pods for container in containers(pod) for end in ends(container)
    )


def running(pod: Pod) -> bool:
    """Whether every container of it runs."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return bool(statuses) and all("running" in status.get("state", {}) for status in statuses)


def restarts(pod: Pod) -> int:
    """How often its containers were started again."""
    return sum(int(container.get("restartCount", 0)) for container in containers(pod))


def ended(pod: Pod) -> int:
    """How often a program of it ended, as far as the cluster counts."""
    over = [
        container
        for container in containers(pod)
        if ends(container) and "running" not in container.get("state", {})
    ]
    return restarts(pod) + bool(over)


def stuck(pod: Pod) -> bool:
    """Whether it has ended, or waits to be tried again."""
    states = [container.get("state", {}) for container in containers(pod)]
    waiting = {state["waiting"].get("reason", "") for state in states if "waiting" in state}
    return any("terminated" in state for state in states) or bool(
        waiting - {"ContainerCreating", "PodInitializing"}
    )


def fingerprint(pod: Pod) -> str:
    """Fingerprint of the unit that the pod was made for."""
    return note(pod, "fingerprint")


def template(pod: Pod) -> str:
    """What the controllers of Kubernetes call the template that the pod was made from."""
    tags = pod["metadata"].get("labels") or {}
    return str(tags.get("pod-template-hash") or tags.get("controller-revision-hash") or "")


def instances(pod: Pod) -> list[str]:
    """The id of the unit's container in a pod while it runs; one that is started again has another id.

    Other containers, as a service mesh adds them, are not the unit's.
    """
    return [
        str(container["containerID"])
        for container in pod.get("status", {}).get("containerStatuses") or ()
        if container["name"] == label(pod, "unit") and "running" in container.get("state", {})
    ]


def name(pod: Pod) -> str:
    """Name of the pod."""
    return str(pod["metadata"]["name"])


def uid(pod: Pod) -> str:
    """Id of this very pod; one that replaces it has another."""
    return str(pod["metadata"]["uid"])
