"""What the engine tells of a stack's containers by itself: their states, and which units start and end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain
from typing import Any

import docker.errors
from docker.api.client import APIClient
from requests.exceptions import RequestException

from devenv.backends.base import Change, Running
from devenv.backends.containers import Container, reach, unreachable
from devenv.backends.docker.connection import Refused, speaks, with_labels
from devenv.backends.states import TELLING, State, States, inspected
from devenv.stack import labels

LOOK = 2.0  # seconds between two looks whether a stream has ended; each costs a watcher that rests
AWAY = (RequestException, docker.errors.DockerException, OSError, ValueError)
"""What the stream of events raises where the engine goes away."""


class Events:
    """The events of one engine. `inspect` and `labelled` ask it, see `Engine`."""

    def __init__(
        self,
        address: str,
        api: APIClient,
        inspect: Callable[[str], Mapping[str, Any]],
        labelled: Callable[..., Sequence[Container]],
    ) -> None:
        self.address = address
        self._api, self._inspect, self._labelled = api, inspect, labelled
        self._stream: Any = None
        self._states = States()

    @speaks
    def listen(self, stack: str) -> None:
        """Keep track of a stack's containers from now on, in the background."""
        since = int(time.time()) - 1
        filters = {"type": "container", "event": list(TELLING), **with_labels({"stack": stack})}
        stream = self._api.events(since=since, filters=filters, decode=True)
        self._stream = stream
        threading.Thread(target=self._track, args=(stream,), daemon=True, name="events").start()

    def close(self) -> None:
        """End listening."""
        if self._stream is not None:
            self._stream.close()

    def _track(self, stream: Iterator[dict[str, Any]]) -> None:
        with suppress(*AWAY):  # the next request of whoever waits raises the error
            for event in stream:
                self._states.note(event)
        self._states.clear()

    def begin(self, container: str) -> None:
        """Forget the run before: late events of it must not count for this one."""
        with suppress(Refused):  # removed meanwhile; an event tells
            self._states.begin(container, inspected(self._inspect(container)))

    def state(self, container: str) -> State:
        """A container's state: from events, or by one request when there was none."""
        state = self._states.get(container)
        return state or self._states.keep(container, inspected(self._inspect(container)))

    def pause(self, seconds: float) -> None:
        """Wait for the next event, but no longer than this."""
        self._states.pause(seconds)

    def changes(self, stack: str, stop: threading.Event) -> Iterator[Change]:
        """What happens to a stack's units from now on, until `stop` is set or the engine goes away.

        Raises `ToolMissing` where it is away already.
        """
        reach(self.address)
        filters = {"type": "container", "event": ["start", "die"], **with_labels({"stack": stack})}
        units, ended = Running(), threading.Event()
        try:
            events = self._api.events(since=int(time.time()), filters=filters, decode=True)
            for container in self._labelled(stack=stack):
                if container["State"] == "running":
                    units.start(labels.read(container["Labels"]).unit, str(container["Id"]))
            threading.Thread(target=_close_on, args=(stop, ended, events), daemon=True).start()
            for event in events:
                unit, id = labels.read(event["Actor"]["Attributes"]).unit, str(event["Actor"]["ID"])
                change = units.start(unit, id) if event["Action"] == "start" else units.end(unit, id)
                if change is not None:
                    yield change
        except AWAY:
            return
        finally:
            ended.set()

    @speaks
    def next_start(self, stack: str, unit: str) -> str:
        """Wait for a unit's next run; its container, or nothing once the unit is removed."""
        filters = {
            "type": "container", "event": ["start", "destroy"], **with_labels({"stack": stack, "unit": unit})
        }  # fmt: skip
        removed = set()
        # The engine answers before it listens: events in between come only with a `since` in the past.
        events = self._api.events(since=int(time.time()) - 2, filters=filters, decode=True)
        with closing(events):
            for event in chain(({},), events):
                if event.get("Action") == "destroy":  # the engine may list it for a moment longer
                    removed.add(event["Actor"]["ID"])
                containers = self._labelled(stack=stack, unit=unit)
                present = [container for container in containers if container["Id"] not in removed]
                begun = [str(container["Id"]) for container in present if container["State"] == "running"]
                if begun:
                    return begun[0]
                if not present:
                    return ""
        raise unreachable(self.address, "the stream of its events ended")


def _close_on(stop: threading.Event, ended: threading.Event, stream: Any) -> None:
    """Close a stream as soon as `stop` is set, or soon after it has ended by itself."""
    while not ended.is_set() and not stop.wait(LOOK):
        pass
    stream.close()
