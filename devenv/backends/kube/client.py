"""Requests to an API server: plain dicts in and out, tried again where that is right.

Raises `Refused` for what the server refuses, `ToolMissing` for a server that does not answer.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from devenv.backends.base import Clock
from devenv.backends.kube.config import Place
from devenv.backends.kube.refusals import Refused, Untrusted, refused, stranger, unreachable
from devenv.backends.kube.transport import JSON, Official, Plain, Query, Request, Transport
from devenv.errors import DevenvError, ToolMissing

Object = dict[str, Any]

APPLY = "application/apply-patch+yaml"  # takes JSON, which is YAML
MERGE = "application/merge-patch+json"
OWNER = "devenv"  # our field manager
BUSY = (429, 500, 502, 503, 504)
TRIES = 5  # on a conflict, each after reading again
CAP = 1.0  # seconds, the longest pause between two tries without Retry-After
POLITE = 5.0  # seconds of Retry-After that even a request without patience waits
UNSURE = (401, 403)  # a server that has just started may answer these until it has loaded its access rules
YOUNG = 5.0  # seconds after a lost connection in which those answers are tried again
LONGEST = 60.0  # seconds one answer may take


class Client:
    """One API server, for any number of threads.

    `patience`: seconds to go on trying when the server is away or busy. 0 for reading; more while changing:
    an API server that restarts in the middle of an `up` comes back. `clock`: on which everybody waits who
    waits for something on this server. `look_up` finds the place again where the server does not answer, or
    not to us: a cluster that was stopped and started may have another address.
    """

    def __init__(
        self,
        place: Place,
        *,
        patience: float = 0.0,
        clock: Clock = time,
        look_up: Callable[[], Place] | None = None,
    ) -> None:
        self.place, self.patience, self.clock, self._look_up = place, patience, clock, look_up
        self._away = float("-inf")  # when the server last was
        self._open: set[urllib3.BaseHTTPResponse] = set()

    def apart(self) -> Client:
        """Another one for the same server, whose `close` hangs up on nobody else."""
        return Client(self.place, patience=self.patience, clock=self.clock, look_up=self._look_up)

    @property
    def transport(self) -> Transport:
        """The way to the server: the light one for reading, if that is enough to sign in."""
        return self._official if self.patience or self.place.by_plugin else self._plain

    @cached_property
    def _plain(self) -> Plain:
        return Plain(self.place)

    @cached_property
    def _official(self) -> Official:
        return Official(self.place)

    def get(self, path: str, **query: str | int | bool | None) -> Object:
        """An object or a list."""
        return self.request("GET", path, query=query)

    def look(self, path: str, **query: str | int | bool | None) -> Object:
        """The same without patience, for callers that ask again and again anyway."""
        return self.request("GET", path, query=query, patience=0)

    def find(self, path: str) -> Object | None:
        """An object, or None where there is none."""
        try:
            return self.get(path)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def apply(self, path: str, item: Mapping[str, Any]) -> Object:
        """Server-side apply: exactly the fields that we name become ours."""
        query = {"fieldManager": OWNER, "force": "true"}
        return self.request("PATCH", path, query=query, body=item, content=APPLY)

    def patch(self, path: str, change: Mapping[str, Any]) -> Object:
        """Merge a change into an object."""
        query = {"fieldManager": f"{OWNER}-once"}
        return self.request("PATCH", path, query=query, body=change, content=MERGE)

    def create(self, path: str, item: Mapping[str, Any]) -> Object:
        return self.request("POST", path, query={"fieldManager": OWNER}, body=item)

    def delete(self, path: str, *, uid: str = "", grace: int | None = None) -> None:
        """Delete an object; gone already is fine. With `uid`, only that very one."""
        body: Object = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", path, body=body)
        except Refused as error:
            if error.status != 404 and not (uid and error.status == 409):
                raise

    def text(self, path: str, **query: str | int | bool | None) -> str:
        """What a resource says in plain text."""
        return self.raw(path, **query).decode(errors="replace")

    def raw(self, path: str, **query: str | int | bool | None) -> bytes:
        """The bytes of an answer."""
        return self._tried(Request("GET", path, query), self.patience).data

    def request(
        self,
        verb: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = JSON,
        patience: float | None = None,
    ) -> Object:
        """One request, tried again after 409 (a few times), 429, 5xx and a lost connection (patiently)."""
        patience = self.patience if patience is None else patience
        response = self._tried(Request(verb, path, query or {}, body, content), patience)
        try:
            answer: Object = json.loads(response.data or b"{}")
        except ValueError as error:
            raise stranger(self.place, response.data) from error
        if response.status >= 300:  # to a page for logging in
            raise stranger(self.place, response.data)
        return answer

    def _tried(self, request: Request, patience: float) -> urllib3.BaseHTTPResponse:
        started, conflicts, tries = self.clock.monotonic(), 0, 0
        while True:
            error: DevenvError
            wait = 0.0
            try:
                response = self.transport.send(request, quiet=LONGEST)
                data = response.data or b""  # None where the other client's error had no body
            except (HTTPError, OSError) as lost:
                error = self._lost(lost)
                if self.moved():
                    continue
                if isinstance(error, Untrusted):
                    raise error from lost
            else:
                if response.status < 400:
                    return response
                error = refused(self.place, request.verb, request.path, response.status, data)
                wait = _seconds(response.headers.get("Retry-After"))
                if response.status == 409 and request.verb == "PATCH" and conflicts < TRIES:
                    conflicts += 1
                    continue
                if response.status == 401 and self.moved():
                    continue
                young = self.clock.monotonic() - self._away < YOUNG
                if response.status not in BUSY and not (response.status in UNSURE and young):
                    raise error
            tries += 1
            pause = max(wait, min(CAP, 0.1 * 2**tries) * random.uniform(0.5, 1.5))
            asked_to_wait = 0 < wait <= POLITE and tries <= TRIES  # busy, and says until when
            if not asked_to_wait and self.clock.monotonic() - started + pause > patience:
                raise error
            self.clock.sleep(pause)

    def lines(self, path: str, *, quiet: float | None, **query: str | int | bool | None) -> Iterator[bytes]:
        """Lines of an answer that goes on: a watch. See `batches`."""
        for batch in self.batches(path, quiet=quiet, **query):
            yield from batch

    def batches(
        self, path: str, *, quiet: float | None, **query: str | int | bool | None
    ) -> Iterator[list[bytes]]:
        """Lines of an answer that goes on, those together that came together.

        Ends when the server ends it or the connection is lost; `quiet` is the longest silence that is
        taken for life. Raises `Refused`, `ToolMissing`.
        """
        try:
            response = self.transport.send(Request("GET", path, query), quiet=quiet)
        except (HTTPError, OSError) as error:
            away = self._lost(error)
            self.moved()
            raise away from error
        self._open.add(response)
        try:
            if response.status >= 400:
                raise refused(self.place, "GET", path, response.status, response.data or b"")
            rest = b""
            for chunk in response.stream(1 << 16):
                *whole, rest = (rest + chunk).split(b"\n")
                if whole:
                    yield whole
            if rest:
                yield [rest]
        except (HTTPError, OSError):
            return
        finally:
            self._open.discard(response)
            response.close()

    def moved(self) -> bool:
        """Whether the kubeconfig leads elsewhere by now, or signs in otherwise; then it is followed."""
        if self._look_up is None:
            return False
        try:
            place = self._look_up()
        except DevenvError:  # nowhere, for now
            return False
        if place == self.place:
            return False
        self.place = place
        for transport in ("_plain", "_official"):
            vars(self).pop(transport, None)
        return True

    def _lost(self, error: Exception) -> ToolMissing:
        self._away = self.clock.monotonic()
        return unreachable(self.place, error)

    def close(self) -> None:
        """Hang up everywhere; answers that go on end."""
        for response in list(self._open):
            with contextlib.suppress(HTTPError, OSError, ValueError):
                response.shutdown()  # wakes the thread that reads, which then closes it
        for transport in (self._plain, self._official):
            transport.close()


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdecimal() else 0.0
