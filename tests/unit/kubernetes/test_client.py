"""Requests against a server that misbehaves in the ways API servers do."""

from __future__ import annotations

import atexit
import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.backends.kube.pods import Pods
from devenv.backends.kube.refusals import Refused
from devenv.errors import MISSING_TOOL, ToolMissing
from tests import serving
from tests.clock import Clock
from tests.table import each_row


@pytest.fixture(autouse=True, params=["plain", "official"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes the light way, doing the other; both have to say the same of the same server."""
    if request.param == "official":
        monkeypatch.setattr(Client, "_plain", property(lambda self: self._official))


KUBECONFIGS = tempfile.mkdtemp()
atexit.register(shutil.rmtree, KUBECONFIGS, ignore_errors=True)


def place_of(server: str) -> Place:
    """A context of a kubeconfig that leads to a server."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=KUBECONFIGS, delete=False) as file:
        cluster = {"server": server}
        json.dump(
            {
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
                "clusters": [{"name": "lab", "cluster": cluster}],
                "users": [{"name": "lab", "user": {}}],
            },
            file,
        )
    return Place("lab", cluster, {}, files=(file.name,))


PODS = "/api/v1/namespaces/shop/pods"
Answer = tuple[int, dict[str, str], Any]


@contextmanager
def server(*answers: Answer | Callable[[Any], None]) -> Iterator[tuple[Client, list[str]]]:
    """A server that gives these answers in turn, the last one for ever."""
    left, requests = list(answers), []

    class Handler(serving.Handler):
        def _answer(self) -> None:
            requests.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = left.pop(0) if len(left) > 1 else left[0]
            if callable(answer):
                answer(self)
                return
            status, headers, body = answer
            self.send_json(body, status, headers)

        do_GET = do_PATCH = do_DELETE = _answer

    with serving.listening(Handler) as listener:
        client = Client(place_of(listener.address), clock=Clock())
        try:
            yield client, requests
        finally:
            client.close()


def status(code: int, message: str, reason: str = "") -> Answer:
    return code, {}, {"kind": "Status", "message": message, "reason": reason}


OK: Answer = (200, {}, {"ok": True})


def test_a_conflict_is_tried_again_a_few_times() -> None:
    with server(status(409, "changed"), status(409, "changed"), OK) as (client, requests):
        assert client.apply(f"{PODS}/web", {}) == {"ok": True}
        assert len(requests) == 3
    with server(status(409, "changed")) as (client, requests), pytest.raises(Refused):
        client.apply(f"{PODS}/web", {})
    assert len(requests) == 6


def test_a_server_that_is_busy_says_when_to_come_back() -> None:
    with server((429, {"Retry-After": "4"}, {}), OK) as (client, requests):
        assert client.get(PODS) == {"ok": True}
        assert len(requests) == 2
        assert client.clock.monotonic() == 4


def test_a_server_that_is_away_is_waited_for_while_doing_and_not_while_looking() -> None:
    with server(status(503, "starting"), status(500, "etcd"), OK) as (client, _):
        with pytest.raises(Refused, match="the cluster answered 503"):
            client.get(PODS)
        client.patience = 10
        assert client.get(PODS) == {"ok": True}


def test_an_answer_that_is_no_json_is_why() -> None:
    def says(handler: Any) -> None:
        handler.send_response(503)
        handler.send_header("Content-Length", "4")
        handler.end_headers()
        handler.wfile.write(b"down")

    with server(says) as (client, _), pytest.raises(Refused, match="503") as error:
        client.text(f"{PODS}/web/proxy/")
    assert error.value.why == "down"


def test_a_connection_that_is_lost_is_made_again() -> None:
    def hang_up(handler: Any) -> None:
        handler.connection.close()

    with server(hang_up, hang_up, OK) as (client, _):
        client.patience = 10
        assert client.get(PODS) == {"ok": True}


@pytest.mark.parametrize("code", [401, 403])
def test_a_server_that_has_just_come_back_does_not_know_who_may_what_yet(code: int) -> None:
    def hang_up(handler: Any) -> None:
        handler.connection.close()

    with server(hang_up, status(code, "forbidden"), OK) as (client, requests):
        client.patience = 10
        assert client.get(PODS) == {"ok": True}
        assert len(requests) == 3
    with server(status(code, "forbidden"), OK) as (client, requests):
        client.patience = 10
        with pytest.raises(Refused):
            client.get(PODS)
        assert len(requests) == 1


def test_whoever_only_looks_waits_as_long_as_is_asked_and_not_for_ever() -> None:
    with server((503, {"Retry-After": "5"}, {}), OK) as (client, requests):
        assert client.get(PODS) == {"ok": True}
        assert client.clock.monotonic() == 5
        assert len(requests) == 2
    with (
        server((429, {"Retry-After": "30"}, {}), OK) as (client, requests),
        pytest.raises(Refused, match="429"),
    ):
        client.get(PODS)
    assert len(requests) == 1


def test_a_proxy_that_hangs_up_before_it_says_who_it_is_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tries: list[int] = []

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                tries.append(len(connection.recv(1 << 16)))  # a greeting that is read, and not answered
                connection.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        client = Client(place_of(f"https://127.0.0.1:{listening.getsockname()[1]}"), clock=Clock())
        with pytest.raises(ToolMissing) as raised:
            client.get(PODS)
        assert raised.value.why == "the server hangs up at once"
        assert len(tries) == 1
        client.patience = 0.5
        with pytest.raises(ToolMissing):
            client.get(PODS)
        assert len(tries) > 2
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def test_nobody_there() -> None:
    client = Client(place_of("http://127.0.0.1:9"))
    with pytest.raises(ToolMissing) as raised:
        client.get(PODS)
    error = raised.value
    assert error.what == "no Kubernetes cluster answers at http://127.0.0.1:9"
    assert (error.where, error.why) == ("context lab", "Connection refused")
    client.close()


@each_row(
    [
        (
            status(403, 'deployments.apps is forbidden: User "eve" cannot patch resource "deployments" in'),
            "apply",
            "no right to patch deployments.apps in the namespace shop",
        ),
        (
            status(403, "pods is forbidden: exceeded quota: q"),
            "apply",
            "the quota of the namespace shop is used up",
        ),
        (
            status(403, 'admission webhook "images.acme.io" denied the request: unsigned'),
            "apply",
            "the cluster does not admit deployments.apps in the namespace shop",
        ),
        (
            status(
                403, 'pods "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
            ),
            "apply",
            "the cluster does not admit deployments.apps in the namespace shop",
        ),
        (
            status(403, "unable to create new content in namespace shop because it is being terminated"),
            "apply",
            "the namespace shop is being deleted",
        ),
        (
            status(401, "Unauthorized"),
            "get",
            "the cluster does not accept the credentials: they expired, or belong to another cluster",
        ),
        (status(404, "nope"), "get", "no deployments.apps web in the namespace shop"),
        (status(422, "bad"), "apply", "the cluster refuses deployments.apps web in the namespace shop"),
        (
            (418, {}, "no object"),
            "get",
            "the cluster answered 418 to GET /apis/apps/v1/namespaces/shop/deployments/web",
        ),
    ]
)
def test_a_refusal_says_what_was_refused(answer: Answer, verb: str, what: str) -> None:
    path = "/apis/apps/v1/namespaces/shop/deployments/web"
    with server(answer) as (client, _), pytest.raises(Refused) as raised:
        client.apply(path, {}) if verb == "apply" else client.get(path)
    assert raised.value.what == what
    assert raised.value.where == "context lab"


def test_a_refusal_may_have_no_body() -> None:
    def answer(handler: Any) -> None:
        handler.send_response(401)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with server(answer) as (client, _), pytest.raises(Refused) as raised:
        client.get(PODS)
    assert (raised.value.status, raised.value.why) == (401, "")


def login_page(code: int) -> Callable[[Any], None]:
    """What a proxy before a cluster shows to whoever has no session."""

    def answer(handler: Any) -> None:
        body = b"<html><body>Log in</body></html>"
        handler.send_response(code)
        handler.send_header("Location", "https://login.example/")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize("code", [200, 302, 404])
def test_what_is_no_api_server_is_said(code: int) -> None:
    with server(login_page(code)) as (client, _), pytest.raises(ToolMissing) as raised:
        client.get("/version")
    assert raised.value.what == f"what answers at {client.place.server} is no Kubernetes API"
    assert raised.value.where == "context lab"
    assert "Log in" in raised.value.why
    assert "kubectl --context lab" in raised.value.hint


def test_a_page_of_a_service_is_not_the_api_servers() -> None:
    with server(login_page(302)) as (client, _):
        assert "Log in" in client.text(f"{PODS}/web/proxy/")
    with server(login_page(404)) as (client, _), pytest.raises(Refused) as raised:
        client.text(f"{PODS}/web/proxy/")
    assert raised.value.status == 404


def test_a_cluster_behind_a_prefix_is_asked_there() -> None:
    with server(OK) as (client, requests):
        behind = Client(place_of(f"{client.place.server}/k8s/clusters/c-abc12/"), clock=Clock())
        assert behind.get("/version", verbose=True) == {"ok": True}
        behind.close()
    assert requests == ["GET /k8s/clusters/c-abc12/version?verbose=true"]
    answer = {"type": "error", "status": "404", "message": 'clusters "c-abc12" not found'}
    with server((404, {}, answer)) as (client, _), pytest.raises(ToolMissing) as raised:
        client.get("/version")
    assert "c-abc12" in raised.value.why


def test_bad_credentials_are_a_missing_tool_and_any_other_refusal_a_failure() -> None:
    with server(status(401, "Unauthorized")) as (client, _), pytest.raises(Refused) as raised:
        client.get(PODS)
    assert raised.value.exit_code == MISSING_TOOL
    with server(status(404, "")) as (client, _):
        assert client.find(PODS) is None
        client.delete(f"{PODS}/web")


def pod(name: str, version: int) -> dict[str, Any]:
    metadata = {
        "name": name, "uid": name, "resourceVersion": str(version), "creationTimestamp": f"2026-01-0{version}",
        "labels": {"devenv.dev/unit": "web"},
    }  # fmt: skip
    return {"metadata": metadata, "status": {}}


def listing(version: int, *names: str) -> Answer:
    return (
        200,
        {},
        {"metadata": {"resourceVersion": str(version)}, "items": [pod(name, version) for name in names]},
    )


def events(*changes: tuple[str, dict[str, Any]]) -> Callable[[Any], None]:
    """A watch that says this and then breaks off in the middle of a line."""

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        for kind, item in changes:
            handler.wfile.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")
        handler.wfile.write(b'{"type": "ADD')

    return answer


def names_after(pods: Pods, count: int) -> list[str]:
    for _ in range(200):
        names = [item["metadata"]["name"] for item in pods.of("web")]
        if len(names) == count:
            return names
        pods.pause(0.05)
    return names


def silent(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.connection.settimeout(5)
    handler.rfile.read(1)  # until the other side hangs up


def test_a_watch_goes_on_after_the_connection_broke_where_it_was() -> None:
    with server(
        listing(1, "a"),
        events(("ADDED", pod("b", 2))),
        events(("DELETED", pod("a", 3)), ("ADDED", pod("c", 3))),
        silent,
    ) as (client, requests):
        pods = Pods(client, "shop", "s")
        pods.start()
        assert names_after(pods, 2)
        while len(requests) < 4:
            pods.pause(0.05)
        assert sorted(names_after(pods, 2)) == ["b", "c"]
        assert ["resourceVersion=1&" in requests[1], "resourceVersion=2&" in requests[2]] == [True, True]
        pods.stop()


GONE = {"kind": "Status", "code": 410}


@pytest.mark.parametrize("gone", [events(("ERROR", GONE)), (410, {}, GONE)], ids=["within", "at once"])
def test_what_is_too_old_to_be_followed_is_listed_again(gone: Any) -> None:
    with server(listing(1, "a"), gone, listing(5, "d"), silent) as (client, _):
        pods = Pods(client, "shop", "s")
        pods.start()
        while [item["metadata"]["name"] for item in pods.of("web")] != ["d"]:
            pods.pause(0.05)
        assert pods.trouble is None
        pods.stop()


def test_whoever_is_in_a_hurry_does_not_wait_for_the_next_try() -> None:
    failing = [status(500, "etcd")] * 8
    with server(*failing, listing(1, "a"), silent) as (client, _):
        pods = Pods(client, "shop", "s", again=(0.02, 60.0))
        pods.start()
        began = time.monotonic()
        while not pods.of("web"):
            pods.hurry()
            pods.pause(0.05)
        assert time.monotonic() - began < 5
        pods.stop()


def test_trouble_is_there_to_be_read_and_goes_away() -> None:
    with server(status(403, "no"), listing(1, "a"), silent) as (client, _):
        pods = Pods(client, "shop", "s")
        pods.start()
        assert names_after(pods, 1) == ["a"]
        assert pods.trouble is None
        pods.stop()


def test_a_cluster_that_has_another_address_by_now_is_found_there() -> None:
    with server((200, {}, {"items": []})) as (there, requests):
        moved = [place_of("http://127.0.0.1:9"), there.place]
        client = Client(moved[0], clock=Clock(), look_up=lambda: moved[-1])
        assert client.get(PODS) == {"items": []}
        moved.append(place_of("http://127.0.0.1:9"))
        assert client.get(PODS) == {"items": []}  # asked only where nobody answers
    assert len(requests) == 2


def test_a_token_that_was_renewed_is_taken() -> None:
    with server((401, {}, {"message": "Unauthorized"}), (200, {}, {"items": []})) as (there, requests):
        renewed = replace(there.place, user={"token": "new"})
        client = Client(there.place, clock=Clock(), look_up=lambda: renewed)
        assert client.get(PODS) == {"items": []}
    assert len(requests) == 2


def test_a_server_that_stays_away_is_not_asked_for_ever() -> None:
    away = place_of("http://127.0.0.1:9")
    client = Client(away, clock=Clock(), look_up=lambda: away)
    with pytest.raises(ToolMissing):
        client.get(PODS)
