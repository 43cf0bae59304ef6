"""Status, admin and GUI listeners."""

from __future__ import annotations

import json

import pytest

from .conftest import Start
from .harness import Running

CONFIG = """
_format_version: "3.0"
services:
  - name: shop
    url: UPSTREAM/base
    routes:
      - name: route
        paths: [/api]
        plugins: [{name: key-auth}]
consumers:
  - username: ann
    keyauth_credentials: [{key: top-secret-1}]
    basicauth_credentials: [{username: ann, password: top-secret-2}]
    jwt_secrets: [{key: issuer, secret: top-secret-3}]
    acls: [{group: staff}]
plugins: [{name: rate-limiting, consumer: ann, config: {minute: 5}}]
"""
NEXT = '_format_version: "3.0"\nroutes: [{name: new, paths: [/new]}]\n'


@pytest.fixture
def gateway(start: Start) -> Running:
    return start(CONFIG)


def test_ready_once_a_configuration_is_loaded(start: Start) -> None:
    gateway = start(None)
    waiting = gateway.ask("/status/ready", listener="status")
    assert waiting.status == 503
    assert waiting.message == "no configuration available (empty configuration present)"
    assert gateway.ask("/").status == 404
    assert gateway.ask("/config", method="POST", body=NEXT, listener="admin").status == 201
    ready = gateway.ask("/status/ready", listener="status")
    assert (ready.status, ready.json) == (200, {"message": "ready"})


@pytest.mark.parametrize("listener", ["status", "admin"])
def test_status(gateway: Running, listener: str) -> None:
    gateway.ask("/api")
    status = gateway.ask("/status", listener=listener).json
    assert status["server"]["total_requests"] == 1
    assert "database" not in status
    assert len(status["configuration_hash"]) == 32


def test_entities_are_listed_and_credentials_are_not(gateway: Running) -> None:
    lists = {
        name: gateway.ask(f"/{name}", listener="admin").json["data"]
        for name in ("services", "routes", "plugins", "consumers")
    }
    service, route, consumer = (lists[name][0] for name in ("services", "routes", "consumers"))
    assert (service["name"], service["path"], service["retries"]) == ("shop", "/base", 5)
    assert (route["name"], route["paths"]) == ("route", ["/api"])
    assert route["service"] == {"id": service["id"]}
    assert all(entities == sorted(entities, key=lambda entity: entity["id"]) for entities in lists.values())
    key_auth, limiting = sorted(lists["plugins"], key=lambda plugin: plugin["name"])
    assert (key_auth["name"], key_auth["route"]) == ("key-auth", {"id": route["id"]})
    assert key_auth["config"]["key_names"] == ["apikey"]
    assert (limiting["config"]["minute"], limiting["consumer"]) == (5, {"id": consumer["id"]})
    assert set(consumer) == {"id", "username", "custom_id", "tags", "created_at", "updated_at"}


@pytest.mark.parametrize("path", ["/", "/services", "/consumers", "/plugins", "/config", "/status"])
def test_no_listener_shows_a_credential(gateway: Running, path: str) -> None:
    reply = gateway.ask(path, listener="admin")
    assert reply.status == 200
    assert b"top-secret" not in reply.body


def test_the_root_says_what_it_is(gateway: Running) -> None:
    root = gateway.ask("/", listener="admin").json
    assert root["tagline"] == "devenv's stand-in for Kong (not Kong)"
    assert root["plugins"]["available_on_server"]["key-auth"] == {"priority": 1250}
    assert root["plugins"]["enabled_in_cluster"] == ["key-auth", "rate-limiting"]


FORM = (
    b'--x\r\nContent-Disposition: form-data; name="config"; filename="kong.yml"\r\n\r\n'
    + NEXT.encode()
    + b"\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/yaml", NEXT.encode()),
        ("multipart/form-data; boundary=x", FORM),
        ("application/json", json.dumps({"config": NEXT}).encode()),
        (
            "application/json",
            b'{"_format_version": "3.0", "routes": [{"name": "new", "paths": ["/new"]}]}',
        ),
    ],
)
def test_a_posted_configuration_replaces_the_whole(gateway: Running, kind: str, body: bytes) -> None:
    headers = {"Content-Type": kind}
    reply = gateway.ask("/config", method="POST", headers=headers, body=body, listener="admin")
    assert reply.status == 201
    assert [route["name"] for route in reply.json["routes"].values()] == ["new"]
    assert gateway.ask("/api").status == 404
    assert gateway.ask("/new").status == 503


def test_an_unchanged_configuration_is_not_loaded_again(gateway: Running) -> None:
    for path, status in [("/config", 201), ("/config?check_hash=1", 304), ("/config", 201)]:
        assert gateway.ask(path, method="POST", body=NEXT, listener="admin").status == status


def test_a_refused_configuration_leaves_the_old_one(gateway: Running) -> None:
    body = NEXT + "plugins: [{name: oauth2}, {name: acl}]\n"
    reply = gateway.ask("/config?flatten_errors=1", method="POST", body=body, listener="admin")
    assert reply.status == 400
    assert reply.json["name"] == "invalid declarative configuration"
    assert [line.partition(": ")[2].partition(":")[0] for line in reply.json["problems"]] == [
        "plugins[0] (oauth2)",
        "plugins[1] (acl)",
    ]
    assert gateway.ask("/api").status == 401


def test_the_page_lists_everything(gateway: Running) -> None:
    reply = gateway.ask("/", listener="admin_gui")
    page = reply.body.decode()
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "<h1>devenv's stand-in for Kong (not Kong)</h1>" in page
    for shown in ("shop", "/api", "key-auth", "rate-limiting", "consumer ann", "route route"):
        assert shown in page
    assert "top-secret" not in page
