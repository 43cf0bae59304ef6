"""`devenv run` on a cluster: a unit in the foreground, in its own pod."""

from __future__ import annotations

import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import Queue
from typing import Any

from devenv.backends.kube import terminal
from devenv.backends.kube.channels import STDIN, STDOUT, Channels, attach_to
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.resources import CLAIM, Resources
from devenv.backends.supervised import words_of
from devenv.errors import DevenvError
from devenv.stack.labels import LABEL

LOOK = 0.2  # seconds between two looks at a pod that starts or ends
HELD = ["/bin/sh", "-c", 'read -r line; exec "$@"', "devenv"]  # what waits for its terminal
GO = b"\4"  # ends the line that it reads; no terminal shows it
SETTLE = 0.2  # seconds after which a log and an open stream show the same
START = 300.0  # seconds it may take to start, its image included


def run(
    client: Client, workload: Object, argv: Sequence[str], *, tty: bool, image: Mapping[str, Any] | None
) -> int:
    """Run a workload's container with another command if one is given; returns its exit code.

    On a terminal it starts once that is attached, given the configuration of an `image` with a shell.
    """
    resources = Resources(client)
    item = pod(workload, argv, tty=tty, claims=claims_of(client, resources, workload))
    (container,) = item["spec"]["containers"]
    words = words_of(container, image) if tty and image is not None else []
    if words:
        container |= {"command": HELD, "args": words}
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    path = resources.of(item)
    try:
        client.apply(path, item)
        started_pod = until(client, path, ("Running", "Succeeded", "Failed"))
        if tty and started_pod["status"]["phase"] == "Running":
            channels = attach_to(client, namespace, name, stdin=True, tty=True)
            begin = partial(_started, channels) if words else partial(_from_the_start, client, path)
            terminal.run(channels, tty=True, interactive=True, received=begin)
        else:
            for line in client.lines(f"{path}/log", quiet=None, follow=True):
                sys.stdout.buffer.write(line + b"\n")
                sys.stdout.buffer.flush()
        return exit_code(until(client, path, ("Succeeded", "Failed")))
    finally:
        client.delete(path, grace=0)


def _started(channels: Channels, frames: terminal.Frames) -> terminal.Frames:
    """What a container prints that has waited for us."""
    channels.send(STDIN, GO)
    return frames


def _from_the_start(client: Client, path: str, frames: terminal.Frames) -> terminal.Frames:
    """What a container prints that has not."""
    return from_the_start(frames, lambda: client.raw(f"{path}/log"), client.clock.sleep)


def from_the_start(
    frames: terminal.Frames, log: Callable[[], bytes], sleep: Callable[[float], None]
) -> terminal.Frames:
    """What a container prints from its start on: its log, then what came since we attached and is not in it.

    A line that was not ended before we attached is not in the log yet; that part of it is lost.
    """
    coming: Queue[tuple[int, bytes] | None] = Queue()

    def receive() -> None:
        for frame in frames:
            coming.put(frame)
        coming.put(None)

    threading.Thread(target=receive, daemon=True).start()
    sleep(SETTLE)
    printed = re.sub(rb"(?<!\r)\n", b"\r\n", log())  # as the terminal showed it; nodes write lines without \r
    present = [coming.get() for _ in range(coming.qsize())]
    fresh = b"".join(frame[1] for frame in present if frame and frame[0] == STDOUT)
    yield STDOUT, printed + fresh[_overlap(printed, fresh) :]
    yield from (frame for frame in present if frame and frame[0] != STDOUT)
    if None not in present:
        yield from iter(coming.get, None)


def _overlap(before: bytes, after: bytes) -> int:
    """How many bytes at the end of the first are the beginning of the second."""
    longest = min(len(before), len(after))
    return next(length for length in range(longest, -1, -1) if before.endswith(after[:length]))


def pod(workload: Object, argv: Sequence[str], *, tty: bool, claims: dict[str, str]) -> Object:
    """The workload's template as a pod. It has no unit label: no Service leads to it, nobody waits for it."""
    template = workload["spec"]["template"]
    spec: dict[str, Any] = {**template["spec"], "restartPolicy": "Never"}
    unwanted = ("startupProbe", "readinessProbe", "livenessProbe", "ports")
    container = {key: value for key, value in spec["containers"][0].items() if key not in unwanted}
    if argv:
        container["args"] = [word.replace("$", "$$") for word in argv]
    if tty:
        container |= {"stdin": True, "stdinOnce": True, "tty": True}
    bound = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in claims.items()]
    spec |= {"containers": [container], "volumes": [*(spec.get("volumes") or ()), *bound]}
    metadata = workload["metadata"]
    labels = {key: value for key, value in metadata["labels"].items() if key != LABEL + "unit"}
    name = f"{metadata['name'][:50]}-run-{secrets.token_hex(3)}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": labels},
        "spec": spec,
    }


def claims_of(client: Client, resources: Resources, workload: Object) -> dict[str, str]:
    """Volume -> claim for what a StatefulSet would bring; the first pod's, as far as it is there."""
    namespace, name = workload["metadata"]["namespace"], workload["metadata"]["name"]
    claims = {}
    for template in workload["spec"].get("volumeClaimTemplates") or ():
        volume = template["metadata"]["name"]
        claim = f"{volume}-{name}-0"
        if client.find(resources.path(CLAIM, namespace, claim)) is None:
            raise DevenvError(f"{name} has no data yet", hint=f"devenv up {name}")
        claims[volume] = claim
    return claims


def until(client: Client, path: str, phases: Sequence[str]) -> Object:
    """The pod once it is in one of these phases. Raises `DevenvError` where it cannot be started."""
    started = time.monotonic()
    while True:
        latest = client.get(path)
        status = latest.get("status", {})
        if status.get("phase") in phases:
            return latest
        for container in status.get("containerStatuses") or ():
            waiting = container.get("state", {}).get("waiting") or {}
            if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                raise DevenvError(
                    "it could not be started", why=str(waiting.get("message", waiting["reason"]))
                )
        if phases[0] == "Running" and time.monotonic() - started > START:
            raise DevenvError("it did not start", why=str(status.get("conditions", "")))
        time.sleep(LOOK)


def exit_code(pod: Object) -> int:
    """What the command of a pod ended with. Raises `DevenvError` where a node ended it before."""
    status = pod["status"]
    for container in status.get("containerStatuses") or ():
        if ended := container.get("state", {}).get("terminated"):
            return int(ended["exitCode"])
    raise DevenvError("the cluster ended it", why=status.get("message") or status.get("reason") or "")
