"""Plugins through the real proxy: what they let in, what they refuse, what the upstream sees."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import time
from typing import Any

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from .conftest import Start
from .harness import Reply, Running, until

PRIVATE_KEY = rsa.generate_private_key(65537, 2048)
PUBLIC_PEM = PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PRIVATE_PEM = PRIVATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SECRET = "an-hs256-secret-of-enough-length-0123456789"
CONSUMERS: list[dict[str, Any]] = [
    {
        "username": "ann",
        "custom_id": "a-1",
        "keyauth_credentials": [{"key": "ann-key"}],
        "basicauth_credentials": [{"username": "ann", "password": "pass:word"}],
        "jwt_secrets": [
            {"key": "ann-hs", "secret": SECRET},
            {"key": "ann-rs", "algorithm": "RS256", "rsa_public_key": PUBLIC_PEM.decode()},
        ],
        "acls": [{"group": "staff"}, {"group": "admins"}],
    },
    {
        "username": "bob",
        "keyauth_credentials": [{"key": "bob-key"}],
        "acls": [{"group": "partners"}],
    },
    {"username": "nobody"},
]


def configuration(*plugins: dict[str, Any], **more: Any) -> str:
    service = {
        "name": "echo",
        "url": "UPSTREAM",
        "routes": [{"name": "all", "paths": ["/"]}],
        "plugins": list(plugins),
    }
    document = {"_format_version": "3.0", "services": [service], "consumers": CONSUMERS, **more}
    return yaml.safe_dump(document)


def plugin(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "config": config}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def hs256(**claims: Any) -> str:
    return jwt.encode({"iss": "ann-hs", **claims}, SECRET, "HS256")


# --- key-auth ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "request_", "expected"),
    [
        ({}, {}, (401, "No API key found in request")),
        ({}, {"headers": {"apikey": ""}}, (401, "No API key found in request")),
        ({}, {"headers": {"apikey": "wrong"}}, (401, "Unauthorized")),
        ({}, {"headers": {"ApiKey": "ann-key"}}, "ann"),
        ({}, {"path": "/?apikey=ann-key"}, "ann"),
        ({}, {"path": "/?apikey=ann-key&apikey=bob-key"}, (401, "Duplicate API key found")),
        ({}, {"path": "/?apikey=bob-key", "headers": {"apikey": "ann-key"}}, "ann"),
        (
            {"key_in_query": False},
            {"path": "/?apikey=ann-key"},
            (401, "No API key found in request"),
        ),
        (
            {"key_in_header": False},
            {"headers": {"apikey": "ann-key"}},
            (401, "No API key found in request"),
        ),
        ({"key_names": ["k", "x-key"]}, {"headers": {"X-Key": "bob-key"}}, "bob"),
        ({}, {"method": "OPTIONS"}, (401, "No API key found in request")),
        ({"run_on_preflight": False}, {"method": "OPTIONS"}, None),
        ({"anonymous": "nobody"}, {}, "nobody"),
        ({"anonymous": "nobody"}, {"headers": {"apikey": "wrong"}}, "nobody"),
    ],
)
def test_key_auth(start: Start, config: dict[str, Any], request_: dict[str, Any], expected: Any) -> None:
    reply = start(configuration(plugin("key-auth", **config))).ask(**request_)
    if isinstance(expected, tuple):
        assert (reply.status, reply.message) == expected
        assert reply.headers["WWW-Authenticate"] == "Key"
    else:
        assert reply.status == 200
        assert reply.seen.get("x-consumer-username") == expected


def test_key_auth_names_its_realm(start: Start) -> None:
    reply = start(configuration(plugin("key-auth", realm="shop"))).ask()
    assert reply.headers["WWW-Authenticate"] == 'Key realm="shop"'


def test_key_auth_tells_the_upstream_who_asks_whatever_the_client_says(start: Start) -> None:
    gateway = start(configuration(plugin("key-auth", anonymous="nobody")))
    forged = {"X-Consumer-Custom-ID": "forged", "X-Anonymous-Consumer": "forged"}
    ann = gateway.ask(headers={"apikey": "ann-key", **forged}).seen
    assert ann["x-consumer-custom-id"] == "a-1"
    assert len(ann["x-consumer-id"]) == len(ann["x-credential-identifier"]) == 36
    assert "x-anonymous-consumer" not in ann
    nobody = gateway.ask(headers=forged).seen
    assert nobody["x-anonymous-consumer"] == "true"
    assert not {"x-consumer-custom-id", "x-credential-identifier"} & set(nobody)


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        ({"path": "/p?a=1&k=ann-key&b=%20"}, ""),
        ({"path": "/p?a=1&b=%20", "headers": {"k": "ann-key"}}, ""),
        (
            {
                "path": "/p?a=1&b=%20",
                "method": "POST",
                "body": '{"k": "ann-key", "x": 1}',
                "headers": {"Content-Type": "application/json"},
            },
            '{"x":1}',
        ),
        (
            {
                "path": "/p?a=1&b=%20",
                "method": "POST",
                "body": "x=1&k=ann-key&y=2",
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            },
            "x=1&y=2",
        ),
    ],
)
def test_key_auth_hides_the_key(start: Start, request_: dict[str, Any], body: str) -> None:
    config = plugin("key-auth", key_names=["k"], key_in_body=True, hide_credentials=True)
    reply = start(configuration(config)).ask(**request_)
    assert reply.status == 200
    assert b"ann-key" not in reply.body
    # What is left of a query that held the key is written as forms are.
    left = "/p?a=1&b=+" if "k=" in request_["path"] else "/p?a=1&b=%20"
    assert (reply.json["target"], reply.json["body"]) == (left, body)


# --- basic-auth -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "ok"),
    [
        ({}, False),
        (basic("ann:pass:word"), True),
        (basic("ann:wrong"), False),
        (basic("bob:"), False),
        ({"Authorization": "Basic !!!"}, False),
        ({"Authorization": "Bearer x"}, False),
        ({"Proxy-Authorization": basic("ann:pass:word")["Authorization"]}, True),
    ],
)
def test_basic_auth(start: Start, headers: dict[str, str], ok: bool) -> None:
    gateway = start(configuration(plugin("basic-auth", hide_credentials=True)))
    reply = gateway.ask(headers=headers)
    if ok:
        assert reply.seen["x-consumer-username"] == reply.seen["x-credential-identifier"] == "ann"
        assert not {"authorization", "proxy-authorization"} & set(reply.seen)
    else:
        assert (reply.status, reply.message) == (401, "Unauthorized")
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="service"'


def test_basic_auth_takes_the_digests_of_an_export(start: Start) -> None:
    identity = "11111111-1111-4111-8111-111111111111"
    digest = hashlib.sha1(f"word{identity}".encode()).hexdigest()
    consumer = {
        "id": identity,
        "username": "ann",
        "basicauth_credentials": [{"username": "ann", "password": digest}],
    }
    text = configuration(plugin("basic-auth"), consumers=[consumer], _transform=False)
    gateway = start(text)
    assert gateway.ask(headers=basic("ann:word")).status == 200
    assert gateway.ask(headers=basic(f"ann:{digest}")).status == 401


# --- jwt --------------------------------------------------------------------------------------


def flipped(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


NONE = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "none", "typ": "JWT"}, {"iss": "ann-hs"})
)


@pytest.mark.parametrize(
    ("config", "request_", "expected"),
    [
        ({}, {}, "Unauthorized"),
        ({}, {"headers": {"Authorization": "Basic x"}}, "Unauthorized"),
        ({}, {"headers": bearer(hs256())}, None),
        ({}, {"path": f"/?jwt={hs256()}"}, None),
        ({"uri_param_names": []}, {"path": f"/?jwt={hs256()}"}, "Unauthorized"),
        ({"cookie_names": ["t"]}, {"headers": {"Cookie": f"a=b; t={hs256()}"}}, None),
        ({"header_names": ["x-token"]}, {"headers": {"X-Token": f"bearer {hs256()}"}}, None),
        ({}, {"headers": bearer(jwt.encode({"iss": "ann-rs"}, PRIVATE_PEM, "RS256"))}, None),
        ({}, {"headers": bearer(flipped(hs256()))}, "Invalid signature"),
        (
            {},
            {"headers": bearer(jwt.encode({"iss": "ann-rs"}, "x" * 32, "HS256"))},
            "Invalid algorithm",
        ),
        ({}, {"headers": bearer(f"{NONE}.")}, "Invalid algorithm"),
        ({}, {"headers": bearer("a.b.c")}, "Bad token; invalid JSON"),
        ({}, {"headers": bearer("x")}, "Bad token; invalid JSON"),
        (
            {},
            {"headers": bearer(jwt.encode({}, SECRET, "HS256"))},
            "No mandatory 'iss' in claims",
        ),
        (
            {},
            {"headers": bearer(jwt.encode({"iss": "x"}, SECRET, "HS256"))},
            "No credentials found for given 'iss'",
        ),
        (
            {"key_claim_name": "kid"},
            {"headers": bearer(jwt.encode({}, SECRET, "HS256", headers={"kid": "ann-hs"}))},
            None,
        ),
        (
            {},
            {"path": f"/?jwt={hs256(a=1)}", "headers": bearer(hs256())},
            "Multiple tokens provided",
        ),
        ({"claims_to_verify": ["exp"]}, {"headers": bearer(hs256())}, {"exp": "must be a number"}),
        (
            {"claims_to_verify": ["exp"]},
            {"headers": bearer(hs256(exp=1))},
            {"exp": "token expired"},
        ),
        ({"claims_to_verify": ["exp"]}, {"headers": bearer(hs256(exp=2**33))}, None),
        (
            {"claims_to_verify": ["exp", "nbf"]},
            {"headers": bearer(hs256(exp=1, nbf=2**33))},
            {"exp": "token expired", "nbf": "token not valid yet"},
        ),
        (
            {"claims_to_verify": ["exp"], "maximum_expiration": 60},
            {"headers": bearer(hs256(exp=2**33))},
            {"exp": "exceeds maximum allowed expiration"},
        ),
        ({"run_on_preflight": False}, {"method": "OPTIONS"}, None),
        ({"anonymous": "nobody"}, {}, None),
    ],
)
def test_jwt(start: Start, config: dict[str, Any], request_: dict[str, Any], expected: Any) -> None:
    reply = start(configuration(plugin("jwt", **config))).ask(**request_)
    if expected is None:
        assert reply.status == 200
    else:
        content = {"message": expected} if isinstance(expected, str) else expected
        assert (reply.status, reply.json) == (401, content)
        error = "" if expected == "Unauthorized" else ' error="invalid_token"'
        assert reply.headers["WWW-Authenticate"] == f"Bearer{error}"


def test_jwt_takes_a_secret_in_base64(start: Start) -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    consumers = [{"username": "c", "jwt_secrets": [{"key": "c", "secret": encoded}]}]
    gateway = start(configuration(plugin("jwt", secret_is_base64=True), consumers=consumers))
    token = jwt.encode({"iss": "c"}, SECRET, "HS256")
    assert gateway.ask(headers=bearer(token)).seen["x-credential-identifier"] == "c"


def test_either_of_two_kinds_of_authentication_is_enough(start: Start) -> None:
    plugins = [plugin(name, anonymous="nobody") for name in ("key-auth", "basic-auth")]
    gateway = start(configuration(*plugins))
    for headers, expected in [
        ({"apikey": "bob-key"}, "bob"),
        (basic("ann:pass:word"), "ann"),
        ({}, "nobody"),
    ]:
        assert gateway.ask(headers=headers).seen["x-consumer-username"] == expected


# --- acl --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "key", "expected"),
    [
        ({"allow": ["staff"]}, "ann-key", 200),
        ({"allow": ["staff"]}, "bob-key", 403),
        ({"deny": ["staff"]}, "ann-key", 403),
        ({"deny": ["staff"]}, "bob-key", 200),
    ],
)
def test_acl(start: Start, config: dict[str, Any], key: str, expected: int) -> None:
    gateway = start(configuration(plugin("key-auth"), plugin("acl", **config)))
    reply = gateway.ask(headers={"apikey": key, "X-Consumer-Groups": "forged"})
    assert reply.status == expected
    if expected == 200:
        groups = "staff, admins" if key == "ann-key" else "partners"
        assert reply.seen["x-consumer-groups"] == groups
    else:
        assert reply.message == "You cannot consume this service"


def test_acl_needs_to_know_the_consumer_and_can_hide_groups(start: Start) -> None:
    reply = start(configuration(plugin("acl", allow=["staff"]))).ask()
    assert (reply.status, reply.message) == (401, "Unauthorized")
    hiding = plugin("acl", allow=["staff"], hide_groups_header=True)
    gateway = start(configuration(plugin("key-auth"), hiding))
    forged = {"apikey": "ann-key", "X-Consumer-Groups": "forged"}
    assert "x-consumer-groups" not in gateway.ask(headers=forged).seen


# --- rate-limiting ----------------------------------------------------------------------------


def test_rate_limiting_counts_down_then_refuses_until_the_window_is_over(start: Start) -> None:
    gateway = start(configuration(plugin("rate-limiting", minute=2, hour=1000)))
    for remaining in (1, 0):
        reply = gateway.ask()
        assert reply.status == 200
        assert limits(reply) == {
            "RateLimit-Limit": "2",
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": "60",
            "X-RateLimit-Limit-Minute": "2",
            "X-RateLimit-Remaining-Minute": str(remaining),
            "X-RateLimit-Limit-Hour": "1000",
            "X-RateLimit-Remaining-Hour": str(998 + remaining),
        }
    gateway.now[0] += 20
    reply = gateway.ask()
    assert (reply.status, reply.message) == (429, "API rate limit exceeded")
    assert reply.headers["Retry-After"] == reply.headers["RateLimit-Reset"] == "40"
    assert reply.headers["RateLimit-Remaining"] == "0"
    assert reply.headers["X-RateLimit-Remaining-Hour"] == "998"
    gateway.now[0] += 40
    assert gateway.ask().status == 200


def limits(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if "ratelimit" in name.lower()}


@pytest.mark.parametrize(
    ("config", "first", "second", "third"),
    [
        ({"limit_by": "ip"}, {"apikey": "ann-key"}, {"apikey": "bob-key"}, None),
        ({}, {"apikey": "ann-key"}, {"apikey": "ann-key"}, {"apikey": "bob-key"}),
        (
            {"limit_by": "credential"},
            {"apikey": "ann-key"},
            {"apikey": "ann-key"},
            {"apikey": "bob-key"},
        ),
        ({"limit_by": "service"}, {"apikey": "ann-key"}, {"apikey": "bob-key"}, None),
        (
            {"limit_by": "header", "header_name": "x-tenant"},
            {"apikey": "ann-key", "X-Tenant": "1"},
            {"apikey": "bob-key", "X-Tenant": "1"},
            {"apikey": "ann-key", "X-Tenant": "2"},
        ),
    ],
)
def test_rate_limiting_counts_by(
    start: Start,
    config: dict[str, Any],
    first: dict[str, str],
    second: dict[str, str],
    third: dict[str, str] | None,
) -> None:
    """The first two are counted together; the third, if any, is not."""
    gateway = start(configuration(plugin("key-auth"), plugin("rate-limiting", minute=1, **config)))
    assert gateway.ask(headers=first).status == 200
    assert gateway.ask(headers=second).status == 429
    if third:
        assert gateway.ask(headers=third).status == 200


def test_rate_limiting_says_what_it_is_told_to_say(start: Start) -> None:
    config = {"minute": 1, "error_code": 503, "error_message": "later", "hide_client_headers": True}
    gateway = start(configuration(plugin("rate-limiting", **config)))
    gateway.ask()
    reply = gateway.ask()
    assert (reply.status, reply.message, limits(reply)) == (503, "later", {})
    assert "Retry-After" not in reply.headers


def test_counts_outlive_a_reload(start: Start) -> None:
    text = configuration(plugin("rate-limiting", minute=1))
    gateway = start(text)
    assert gateway.ask().status == 200
    again = text.replace("UPSTREAM", "http://127.0.0.1:1")
    assert gateway.ask("/config", method="POST", body=again, listener="admin").status == 201
    assert gateway.ask().status == 429


# --- cors -------------------------------------------------------------------------------------

PREFLIGHT = {"Origin": "http://a.test", "Access-Control-Request-Method": "PUT"}


def cors(reply: Reply) -> dict[str, str]:
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in reply.headers.items()
        if name.lower().startswith("access-control-") or name.lower() == "vary"
    }


@pytest.mark.parametrize(
    ("config", "headers", "expected"),
    [
        (
            {},
            {**PREFLIGHT, "Access-Control-Request-Headers": "x-a"},
            {
                "allow-origin": "*",
                "allow-headers": "x-a",
                "allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT",
            },
        ),
        (
            {
                "origins": ["http://a.test", "http://b.test"],
                "methods": ["GET", "PUT"],
                "headers": ["x-a", "x-b"],
                "credentials": True,
                "max_age": 600,
                "exposed_headers": ["x-c"],
            },
            PREFLIGHT,
            {
                "allow-origin": "http://a.test",
                "vary": "Origin",
                "allow-credentials": "true",
                "allow-headers": "x-a,x-b",
                "allow-methods": "GET,PUT",
                "max-age": "600",
            },
        ),
        (
            {"origins": ["http://b.test", "http://c.test"], "methods": ["GET"]},
            PREFLIGHT,
            {"vary": "Origin", "allow-methods": "GET"},
        ),
        (
            {"private_network": True, "methods": ["GET"]},
            {**PREFLIGHT, "Access-Control-Request-Private-Network": "true"},
            {"allow-origin": "*", "allow-methods": "GET", "allow-private-network": "true"},
        ),
    ],
)
def test_cors_answers_a_preflight_before_authentication(
    start: Start, config: dict[str, Any], headers: dict[str, str], expected: dict[str, str]
) -> None:
    gateway = start(configuration(plugin("key-auth"), plugin("cors", **config)))
    reply = gateway.ask(method="OPTIONS", headers=headers)
    assert (reply.status, reply.body) == (200, b"")
    assert cors(reply) == expected


@pytest.mark.parametrize(
    ("config", "origin", "expected"),
    [
        ({}, None, {"allow-origin": "*"}),
        (
            {"credentials": True},
            "http://a.test",
            {"allow-origin": "http://a.test", "vary": "Origin", "allow-credentials": "true"},
        ),
        ({"origins": ["*"]}, "http://a.test", {"allow-origin": "*"}),
        (
            {"origins": ["http://a.test"], "exposed_headers": ["x", "y"]},
            "http://other.test",
            {"allow-origin": "http://a.test", "vary": "Origin", "expose-headers": "x,y"},
        ),
        ({"origins": ["http://a.test", "http://b.test"]}, "http://x.test", {"vary": "Origin"}),
        (
            {"origins": [r"(.*\.)?a\.test"]},
            "http://deep.a.test:3000",
            {"allow-origin": "http://deep.a.test:3000", "vary": "Origin"},
        ),
        ({"origins": [r"^http://.*\.a\.test$"]}, "http://a.test.evil", {"vary": "Origin"}),
        (
            {"origins": ["http://a.test", "http://b.test"]},
            "http://b.test:80",
            {"allow-origin": "http://b.test", "vary": "Origin"},
        ),
    ],
)
def test_cors_tells_who_may_read_a_response(
    start: Start, config: dict[str, Any], origin: str | None, expected: dict[str, str]
) -> None:
    gateway = start(configuration(plugin("cors", **config)))
    headers = {"Origin": origin} if origin else {}
    assert cors(gateway.ask(headers=headers)) == expected


def test_cors_headers_are_on_refusals_and_replace_the_upstreams(start: Start) -> None:
    gateway = start(configuration(plugin("key-auth"), plugin("cors")))
    refused = gateway.ask(headers={"Origin": "http://a.test"})
    assert (refused.status, cors(refused)) == (401, {"allow-origin": "*"})
    allowed = gateway.ask("/cors", headers={"Origin": "http://a.test", "apikey": "ann-key"})
    assert cors(allowed) == {"allow-origin": "*"}


def test_cors_can_leave_a_preflight_to_the_upstream(start: Start) -> None:
    gateway = start(configuration(plugin("cors", preflight_continue=True)))
    reply = gateway.ask("/cors", method="OPTIONS", headers=PREFLIGHT)
    assert cors(reply) == {"allow-origin": "http://upstream"}


# --- request-transformer ----------------------------------------------------------------------


def test_request_transformer_changes_headers(start: Start) -> None:
    config = plugin(
        "request-transformer",
        remove={"headers": ["x-debug"]},
        rename={"headers": ["X-Client-Id:x-legacy"]},
        replace={"headers": ["x-there:new", "x-absent:no", "host:other.test"]},
        add={"headers": ["x-gateway:kong", "x-there:no", "x-url:http://a:80/"]},
        append={"headers": ["x-list:b", "x-said:$(headers.x_say) $(query_params.q)"]},
    )
    headers = {
        "X-Debug": "1",
        "X-Client-Id": "7",
        "X-There": "old",
        "X-List": "a",
        "X-Say": "hi",
    }
    reply = start(configuration(config)).ask("/?q=you", headers=headers)
    received = reply.seen
    assert not {"x-debug", "x-client-id", "x-absent"} & set(received)
    wanted = {"x-legacy": "7", "x-there": "new", "host": "other.test", "x-gateway": "kong"}
    assert wanted.items() <= received.items()
    assert (received["x-url"], received["x-said"]) == ("http://a:80/", "hi you")
    lists = [value for name, value in reply.json["headers"] if name.lower() == "x-list"]
    assert lists == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "a=1&l=x"),
        ("a=9&debug=1&old=o%20o&r=0&l=y", "a=9&new=o%20o&r=2&l=y&l=x"),
    ],
)
def test_request_transformer_changes_the_query(start: Start, query: str, expected: str) -> None:
    config = plugin(
        "request-transformer",
        remove={"querystring": ["debug"]},
        rename={"querystring": ["old:new"]},
        replace={"querystring": ["r:2"]},
        add={"querystring": ["a:1"]},
        append={"querystring": ["l:x"]},
    )
    assert start(configuration(config)).ask(f"/p?{query}").json["target"] == f"/p?{expected}"


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (
            "application/json",
            '{"gone": 1, "old": [2], "r": 0}',
            '{"new":[2],"r":"2","a":"1","l":["x"]}',
        ),
        ("application/json", "[1]", "[1]"),
        ("application/json", "not json", "not json"),
        ("application/x-www-form-urlencoded", "gone=1&old=2&r=0", "new=2&r=2&a=1&l=x"),
        ("text/plain", "gone=1", "gone=1"),
    ],
)
def test_request_transformer_changes_the_body(start: Start, kind: str, body: str, expected: str) -> None:
    config = plugin(
        "request-transformer",
        remove={"body": ["gone"]},
        rename={"body": ["old:new"]},
        replace={"body": ["r:2"]},
        add={"body": ["a:1"]},
        append={"body": ["l:x"]},
    )
    gateway = start(configuration(config))
    reply = gateway.ask(method="POST", headers={"Content-Type": kind}, body=body)
    assert reply.json["body"] == expected
    assert reply.seen["content-length"] == str(len(expected))


def test_request_transformer_changes_path_and_method(start: Start) -> None:
    service = {
        "name": "echo",
        "url": "UPSTREAM/base",
        "routes": [{"name": "user", "paths": [r"~/users/(?<id>\d+)"]}],
        "plugins": [
            plugin(
                "request-transformer",
                http_method="PUT",
                replace={"uri": "/people/$(uri_captures.id)/$(uri_captures[1])"},
            )
        ],
    }
    reply = start(configuration(services=[service])).ask("/users/42?x=1")
    assert (reply.json["method"], reply.json["target"]) == ("PUT", "/people/42/42?x=1")


# --- correlation-id ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generator", "pattern_length"), [("uuid", 36), ("uuid#counter", 38), ("tracker", 0)]
)
def test_correlation_id(start: Start, generator: str, pattern_length: int) -> None:
    config = plugin("correlation-id", generator=generator, echo_downstream=True, header_name="X-Id")
    gateway = start(configuration(config))
    reply = gateway.ask()
    assert reply.headers["X-Id"] == reply.seen["x-id"]
    assert len(reply.seen["x-id"]) >= max(pattern_length, 10)
    kept = gateway.ask(headers={"X-Id": "mine"})
    assert kept.headers["X-Id"] == kept.seen["x-id"] == "mine"
    assert gateway.ask().headers["X-Id"] != reply.headers["X-Id"]


# --- request-size-limiting --------------------------------------------------------------------


def test_request_size_limiting(start: Start) -> None:
    config = plugin("request-size-limiting", allowed_payload_size=2, size_unit="kilobytes")
    gateway = start(configuration(config))
    assert gateway.ask(method="POST", body=b"x" * 2048).status == 200
    over = gateway.ask(method="POST", body=b"x" * 2049)
    assert (over.status, over.message) == (413, "Request size limit exceeded")
    waiting = gateway.ask(method="POST", body=b"x" * 2049, headers={"Expect": "100-continue"})
    assert waiting.status == 417
    assert gateway.ask(method="POST", body=iter([b"x" * 1024] * 2)).status == 200


def test_request_size_limiting_stops_a_body_without_a_length(start: Start) -> None:
    config = plugin("request-size-limiting", allowed_payload_size=2, size_unit="kilobytes")
    gateway = start(configuration(config))
    with socket.create_connection(("127.0.0.1", gateway.ports["proxy"]), timeout=60) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            client.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
            time.sleep(0.02)
        assert until(client, b"Request size limit exceeded").startswith(b"HTTP/1.1 413 ")


def test_request_size_limiting_can_ask_for_a_length(start: Start) -> None:
    config = plugin("request-size-limiting", require_content_length=True)
    reply = start(configuration(config)).ask(method="POST", body=iter([b"x"]))
    assert (reply.status, reply.message) == (411, "A valid Content-Length header is required")


# --- scopes -----------------------------------------------------------------------------------

SCOPES = [
    ("route", "service", "consumer"),
    ("route", "consumer"),
    ("service", "consumer"),
    ("route", "service"),
    ("consumer",),
    ("route",),
    ("service",),
    (),
]


@pytest.mark.parametrize("first", range(len(SCOPES)))
def test_the_most_specific_plugin_wins(start: Start, first: int) -> None:
    names = {"route": "all", "service": "echo", "consumer": "ann"}
    plugins = [
        {
            **plugin("request-transformer", add={"headers": [f"x-scope:{at}"]}),
            **{kind: names[kind] for kind in scope},
        }
        for at, scope in enumerate(SCOPES)
        if at >= first
    ]
    gateway = start(configuration(plugin("key-auth"), plugins=plugins[::-1]))
    assert gateway.ask(headers={"apikey": "ann-key"}).seen["x-scope"] == str(first)


def test_plugins_bound_elsewhere_and_disabled_ones_do_not_run(start: Start) -> None:
    other = {"name": "other", "url": "UPSTREAM", "routes": [{"name": "other", "paths": ["/o"]}]}
    echo = {"name": "echo", "url": "UPSTREAM", "routes": [{"name": "all", "paths": ["/"]}]}
    plugins = [
        {**plugin("key-auth"), "service": "other"},
        {**plugin("rate-limiting", minute=1), "enabled": False},
    ]
    gateway: Running = start(configuration(services=[echo, other], plugins=plugins))
    assert [gateway.ask().status for _ in range(3)] == [200] * 3
    assert gateway.ask("/o").status == 401
