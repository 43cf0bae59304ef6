"""An API server for tests of what is concluded from its answers: it answers from a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.errors import DevenvError
from tests.clock import Clock


class Answering(Client):
    """A client whose server has these events and objects; logs are by (pod, previous)."""

    def __init__(
        self,
        *events: Mapping[str, Any],
        objects: Mapping[str, Any] | None = None,
        logs: Mapping[tuple[str, bool], str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(Place("lab", {"server": "http://127.0.0.1:9"}, {}), clock=clock or Clock())
        self._events, self._objects, self._logs = events, objects or {}, logs or {}
        self.asked: list[str] = []
        self.patched: list[tuple[str, Any]] = []

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        self.asked.append(path)
        if path.endswith("/events"):
            terms = [term.split("=") for term in query["fieldSelector"].split(",")]
            items = [event for event in self._events if all(_field(event, k) == v for k, v in terms)]
            return {"items": items}
        name = path.rpartition("/")[2]
        if name not in self._objects:
            raise DevenvError(f"no {name}")
        return dict(self._objects[name])

    def text(self, path: str, **query: Any) -> str:
        self.asked.append(path)
        pod = path.split("/")[-2]
        if (pod, bool(query["previous"])) not in self._logs:
            raise DevenvError("no log")
        return self._logs[pod, bool(query["previous"])]

    def patch(self, path: str, change: Mapping[str, Any]) -> dict[str, Any]:
        self.patched.append((path, change))
        return {}


class Responding(Client):
    """A client whose server answers each look with this function; deletions are recorded as (path, uid)."""

    def __init__(self, respond: Callable[..., dict[str, Any]]) -> None:
        super().__init__(Place("lab", {"server": "http://127.0.0.1:9"}, {}), clock=Clock())
        self._respond = respond
        self.deleted: list[tuple[str, str]] = []

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._respond(path, **query)

    look = get

    def delete(self, path: str, *, uid: str = "", **more: Any) -> None:
        self.deleted.append((path, uid))


def _field(event: Any, path: str) -> Any:
    for key in path.split("."):
        event = event.get(key, {})
    return event


def event(name: str, message: str, *, at: str = "", **more: Any) -> dict[str, Any]:
    """A warning about an object; `at` is a moment of that day."""
    when = {"lastTimestamp": f"2026-01-01T{at}Z"} if at else {}
    about = {"name": name, "uid": name, "kind": "Pod"}
    return {"type": "Warning", "involvedObject": about, "message": message, **when, **more}
