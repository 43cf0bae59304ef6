"""A gateway's configuration taken over into a manifest: what Kong would serve is the same before and after."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from multidict import CIMultiDict, CIMultiDictProxy

from devenv.drafting.draft import Objection
from devenv.drafting.kong.convert import Converted, settled
from devenv.drafting.kong.forms import Gateway, gateway
from devenv.drafting.kong.targets import Target
from devenv.engine import gateways
from devenv.errors import ManifestInvalid, UsageError
from devenv.gateway.config import Refused, load
from devenv.gateway.registry import Loaded
from devenv.gateway.router import normalized
from devenv.manifest.kong.document import faults
from devenv.render.kong import kong_yml
from tests import documents
from tests.table import each_row
from tests.unit.stacks import manifest as parse
from tests.unit.stacks import stack

from .replay import DATA, as_bytes, recorded, replay_config, upstream
from .test_kong_verdicts import MANIFESTS, SNIPPETS

UPSTREAM = re.compile(r"(127\.0\.0\.1|localhost):19090")
UP = [Target("up", 80)]


def manifest_of(converted: Converted, services: tuple[str, ...] = ("up",)) -> str:
    """A manifest whose services are there already, with what was taken over."""
    routes = {name: converted.routes.get(name) or "/never-asked" for name in services}
    return json.dumps(
        {
            "name": "t",
            "infra": {"kong": {}},
            "services": {name: {"image": "x", "port": 80, "route": route} for name, route in routes.items()},
            "gateway": {"plugins": converted.plugins, "consumers": converted.consumers},
        },
        ensure_ascii=False,
    )


def check(converted: Converted, services: tuple[str, ...] = ("up",)) -> list[Objection]:
    try:
        parse(manifest_of(converted, services))
    except ManifestInvalid as error:
        return [(problem.path, problem.message) for problem in error.problems]
    return []


def read(text: str) -> Gateway:
    return gateway(documents.load(dedent(text)), file="kong.yml")


def taken_over(text: str) -> Converted:
    converted, left = settled(read(text), UP, check)
    assert left == []
    return converted


def rendered(converted: Converted) -> Any:
    """Kong's configuration that the manifest renders, with the upstream and `preserve_host` of the original."""
    own = stack(manifest_of(converted), extra=converted.extra)
    document = documents.load(kong_yml(own, converted.secrets))
    for service in document["services"]:
        for route in service.get("routes", ()):
            if route["name"].partition(".")[0] == service["name"] == "up":
                route["preserve_host"] = False
    return document


def replayable(document: Any) -> str:
    text = json.dumps(document, ensure_ascii=False)
    return re.sub(r"up(\.t\.svc\.cluster\.local)?:80\b", "127.0.0.1:19090", text)


def served(loaded: Loaded, method: str, host: str, path: str, headers: CIMultiDictProxy[str]) -> Any:
    """Where a request goes and with which plugins, in words that do not depend on names."""
    match = loaded.router.match(method, host, path, headers)
    if match is None:
        return None
    service, route = match.service, match.route
    address = (service.protocol, service.host, service.port, service.path or "/") if service else ()
    consumers = {consumer.username: consumer.id for consumer in loaded.configuration.consumers}
    plugins = {
        (name, username): attached.values
        for name in loaded.plugins.order
        for username, identity in ({"": None} | consumers).items()
        if (attached := loaded.plugins.find(name, route.id, service.id if service else None, identity))
    }
    times = (service.read_timeout, service.retries) if service else ()
    stripped = route.strip_path and match.prefix != "/"
    return address, times, match.prefix, match.upstream_path, match.captures, stripped, plugins


def requests(config: str) -> Iterator[tuple[str, str, str, CIMultiDictProxy[str]]]:
    """The recorded requests of a configuration that a router is asked about."""
    for case in recorded()["cases"]:
        lines = as_bytes(case["request"]).decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
        words = lines[0].split(" ")
        if case["config"] == config and case["listener"] == "proxy" and len(words) == 3:
            pairs = [line.partition(":")[::2] for line in lines[1:] if ":" in line]
            headers = CIMultiDict((name, value.strip()) for name, value in pairs)
            path = normalized(words[1].partition("?")[0]) if words[1].startswith("/") else "/"
            yield words[0], headers.get("host", ""), path, CIMultiDictProxy(headers)


LUA = "transformer-lua"  # which the embedded gateway refuses, so that nothing can be asked of it


@each_row([name for name in recorded()["configs"] if name != LUA])
def test_every_recorded_request_goes_where_it_went_before(config: str) -> None:
    text = recorded()["configs"][config]
    before = Loaded.of(load(text.replace("localhost:19090", "127.0.0.1:19090")))
    converted = taken_over(UPSTREAM.sub("up:80", text))
    after = Loaded.of(load(replayable(rendered(converted))))
    asked = list(requests(config))
    assert asked
    for request in asked:
        assert served(after, *request) == served(before, *request), request[:3]


@pytest.mark.long
def test_every_recorded_request_is_answered_as_kong_answered_it() -> None:
    reasons = json.loads((DATA / "recorded-differs.json").read_text(encoding="utf-8"))
    listed = {name for names in reasons.values() for name in names}
    # The admin API lists entities by names that are the manifest's now, and `preserve_host` is the manifest's.
    others = re.compile(r"admin|preserve host|prefix without strip|host without port|with subprotocol")

    async def replayed() -> dict[str, list[str]]:
        differing: dict[str, list[str]] = {}
        async with upstream() as server:
            for name, text in recorded()["configs"].items():
                cases = [case for case in recorded()["cases"] if case["config"] == name]
                document = rendered(taken_over(text.replace("127.0.0.1:19090", "up:80")))
                own = replayable(document).replace("10.255.255.1:81", "127.0.0.1:1")
                own = own.replace(":19090", f":{server.port}").replace(
                    "https://up:80", f"https://127.0.0.1:{server.port}"
                )
                own = re.sub(r'"read_timeout": \d+', '"read_timeout": 50', own)
                differing |= await replay_config(own, cases, server)
        return differing

    differing = asyncio.run(replayed())
    assert {
        name: parts for name, parts in differing.items() if name not in listed and not others.search(name)
    } == {}


def accepted(document: Any) -> bool:
    try:
        load(json.dumps(document, ensure_ascii=False))
    except Refused:
        return False
    return True


def imported(text: str) -> tuple[Converted, bool]:
    """A snippet taken over; and whether Kong would start with what is rendered of it."""
    converted, left = settled(read(text.replace("http://u", "http://up")), UP, check)
    refused = [*left, *faults(converted.extra)]
    return converted, not refused and accepted(rendered(converted))


MENDED = frozenset(
    ("route name odd name", "route name a/b", "route name a:b", "route name ", "route name a@b", "tag comma", "tag slash",
     "duplicate route names", "protocols empty", "id not uuid", "format number", "unknown top", "bool str",
     "plugin null config", "plugin consumer_group", "key number", "basic number password", "basic dup", "acls dup",
     "route service ref obj")
)  # fmt: skip
"""What Kong refuses for a name, a tag, an id or a form that the manifest writes in its own way."""

UNNOTICED = frozenset(("url http://ü", "url http://u:80//x", "url http://u:80/{x}"))
"""What Kong refuses of services that stay in Kong's words: nothing here knows what it takes for a URL."""


@each_row(SNIPPETS)
def test_a_snippet_is_taken_over_if_kong_takes_it(row: Any) -> None:
    """What Kong refuses is refused, or mended by what the manifest says in another way."""
    try:
        documents.load(row["config"])
    except yaml.YAMLError:
        return
    before = accepted(documents.load(row["config"]))
    try:
        converted, starts = imported(row["config"])
    except UsageError as refused:
        assert not row["accepts"] or "it has no services" in str(refused.why)
        return
    if before or not row["accepts"]:
        other = row["name"] in MENDED | UNNOTICED
        assert starts is (row["accepts"] or other), (converted.routes, converted.extra, row["reason"])


@each_row({name: row for name, row in MANIFESTS.items() if row["accepts"]})
def test_what_a_manifest_renders_comes_back_as_the_same_routes(row: Any) -> None:
    own = stack(row["manifest"])
    if own.gateway is None:
        return
    secrets = dict.fromkeys(own.secrets, "x1y2z3")
    document = documents.load(kong_yml(own, secrets))
    services = tuple(service["name"] for service in document["services"])
    targets = [Target(name, own.unit(name).ports[0].container) for name in services]
    converted, left = settled(gateway(document, file="kong.yml"), targets, lambda item: check(item, services))
    assert not left
    again = stack(manifest_of(converted, services).replace('"/never-asked"', "[]"), extra=converted.extra)
    assert again.gateway is not None
    same = {
        route.path: (route.service, route.hosts, route.methods, route.strip) for route in own.gateway.routes
    }
    assert {
        route.path: (route.service, route.hosts, route.methods, route.strip) for route in again.gateway.routes
    } == same
    assert [plugin.name for plugin in again.gateway.plugins] == [
        plugin.name for plugin in own.gateway.plugins
    ]
    assert [each.name for each in again.gateway.consumers] == [each.name for each in own.gateway.consumers]


# -- forms

FLAT = """
    _format_version: "2.1"
    services: [{name: orders, host: up, port: 80, protocol: http}]
    routes:
    - {name: all, service: orders, paths: [/orders], strip_path: false}
    - {name: one, service: {name: orders}, paths: ['/orders/\\d+$']}
    plugins: [{name: cors}, {name: key-auth, route: one}, {name: rate-limiting, consumer: ann, config: {minute: 5}}]
    consumers: [{username: ann}]
    keyauth_credentials: [{consumer: ann, key: sesame-open}]
    acls: [{consumer: ann, group: staff}]
"""
KONGFIG = """
    host: localhost:8001
    apis:
    - name: orders
      ensure: present
      attributes: {upstream_url: 'http://up', uris: '/orders, /old', methods: [GET], strip_uri: false}
      plugins:
      - {name: key-auth}
      - {name: cors, ensure: removed}
      - {name: rate-limiting, attributes: {config.minute: 5, username: ann}}
    - {name: ancient, attributes: {upstream_url: 'http://up/', request_path: /ancient, request_host: a.test}}
    services:
    - name: new
      attributes: {url: 'http://up:80'}
      routes: [{name: new, attributes: {paths: [/new], strip_path: true}}]
    consumers:
    - username: ann
      ensure: present
      acls: [{group: staff, ensure: present}]
      credentials:
      - {name: key-auth, ensure: present, attributes: {key: sesame-open}}
      - {name: jwt, attributes: {key: issuer, secret: sesame-jwt}}
    - {username: ie, ensure: removed}
"""
DECK = """
    _format_version: "3.0"
    _info: {select_tags: [shop], defaults: {service: {retries: 2}, route: {strip_path: false}}}
    _plugin_configs: {usual: {minute: 7}}
    _workspace: default
    services:
    - name: orders
      url: http://up
      plugins: [{name: rate-limiting, _config: usual, config: {hour: 9}}]
      routes: [{name: orders, paths: [/orders], tags: [shop]}]
    consumers:
    - username: ann
      keyauth_credentials: [{key: '${{ env "DECK_ANN_KEY" }}'}]
      basicauth_credentials: [{username: ann, password: sesame}]
    consumer_groups: [{name: gold}]
"""


def test_lists_at_the_top_are_read_as_what_they_belong_to() -> None:
    converted = taken_over(FLAT)
    assert converted.routes["up"] == [
        "/orders",
        {"path": "~/orders/\\d+$", "plugins": ["key-auth"], "strip": True},
    ]
    assert converted.plugins == ["cors"]
    assert converted.consumers == {
        "ann": {
            "key": "${secret.ANN_KEY}",
            "groups": ["staff"],
            "plugins": [{"rate-limiting": {"minute": 5}}],
        }
    }
    assert converted.secrets == {"ANN_KEY": "sesame-open"}
    assert converted.extra == {}


def test_a_kongfig_file_is_read_with_its_old_apis() -> None:
    converted = taken_over(KONGFIG)
    assert converted.routes["up"] == [
        {"path": "/ancient", "host": "a.test"},
        {"path": "/new", "strip": True},
    ]
    orders = converted.extra["services"][0]  # a plugin of its own for one consumer has no word in a manifest
    assert orders["routes"][0] == {
        "name": "orders",
        "paths": ["/orders", "/old"],
        "methods": ["GET"],
        "strip_path": False,
    }
    assert [plugin["name"] for plugin in orders["plugins"]] == ["key-auth"]
    (limit,) = converted.extra["plugins"]
    assert limit == {"name": "rate-limiting", "config": {"minute": 5}, "consumer": "ann", "service": "orders"}
    assert converted.consumers["ann"]["jwt"] == [{"key": "issuer", "secret": "${secret.ANN_JWT_SECRET}"}]
    dropped = {row.what for row in converted.rows if row.fate == "dropped"}
    assert {"consumers ie", "plugins cors", "host"} <= dropped


def test_a_deck_state_file_is_read_with_its_defaults_and_variables() -> None:
    converted = taken_over(DECK)
    assert converted.routes["up"] == [
        {"path": "/orders", "plugins": [{"rate-limiting": {"minute": 7, "hour": 9}}]}
    ]
    assert converted.extra == {"services": [{"name": "up", "retries": 2}]}
    assert converted.consumers["ann"]["key"] == "${secret.DECK_ANN_KEY}"
    assert converted.consumers["ann"]["basic"] == {"ann": "${secret.ANN_PASSWORD}"}
    assert converted.secrets == {"ANN_PASSWORD": "sesame"}
    assert {("by hand", "consumer_groups"), ("dropped", "_workspace")} <= {
        (row.fate, row.what) for row in converted.rows
    }


def test_an_upstream_with_one_target_is_that_service() -> None:
    converted = taken_over(
        """
        _format_version: "3.0"
        upstreams: [{name: orders-up, targets: [{target: 'up:80', weight: 100}]}]
        services: [{name: orders, host: orders-up, routes: [{name: r, paths: [/x]}]}]
        """
    )
    assert converted.routes == {"up": [{"path": "/x", "strip": True}]}
    assert converted.extra == {}


@each_row(
    {
        "protocols that are none": ("services: [{name: a, url: 'http://up:80', routes: [{name: r, paths: [/], protocols: [5]}]}]", "services"),
        "of a plugin": ("plugins: [{name: cors, protocols: [5]}]", "plugins"),
        "routes of a consumer": ("consumers: [{username: a, routes: [{plugins: 5}]}]", "consumers"),
        "services of a service": ("services: [{name: a, url: 'http://b', services: [{plugins: 5}]}]", "services"),
        "credentials of a service": ("services: [{name: a, url: 'http://b', credentials: [5]}]", "services"),
    }
)  # fmt: skip
def test_what_kong_takes_nowhere_stays_in_its_words(text: str, kind: str) -> None:
    assert kind in taken_over(f"_format_version: '3.0'\n{text}\n").extra


@each_row(
    {
        "by name": ("http://my_orders:8000", [Target("my-orders", 8000)], "my-orders"),
        "in a cluster": ("http://orders.shop.svc:8000", [Target("orders", 8000)], "orders"),
        "on this machine": ("http://host.docker.internal:8001", [Target("orders", 80, {8001: 80})], "orders"),
        "a port nobody knew": ("http://orders:8000", [Target("orders")], "orders"),
        "another port": ("http://orders:9000", [Target("orders", 8000)], None),
        "somebody else": ("https://orders.test", [Target("orders", 443)], None),
    }
)
def test_hosts_are_matched_to_services(url: str, targets: list[Target], name: str | None) -> None:
    text = f"{{_format_version: '3.0', services: [{{name: s, url: '{url}', routes: [{{name: r, paths: [/x]}}]}}]}}"
    converted, _ = settled(read(text), targets, lambda _: [])
    assert next(iter(converted.routes), None) == name
    assert bool(converted.extra) is (name is None)


@each_row(
    {
        "nothing": ({}, "it is empty"),
        "a list": ([1], "no mapping"),
        "a Compose file": ({"services": {"a": {}}}, "_format_version is missing"),
        "a version": ({"_format_version": "0.1", "services": []}, "_format_version is 0.1"),
        "no entities": ({"_format_version": "3.0"}, "it has no services"),
        "none of them": ({"_format_version": "3.0", "services": []}, "it has no services"),
        "an entity": ({"_format_version": "3.0", "services": ["a"]}, "services[0] is no mapping"),
        "a plugin": ({"_format_version": "3.0", "plugins": [{"config": {}}]}, "a plugin has no name"),
        "kongfig's attributes": (
            {"apis": [{"name": "a", "attributes": {"uris": [{"a": 1}]}}]},
            "services[0].routes[0].paths[0]: expected text",
        ),
    }
)
def test_what_is_no_configuration_is_refused_with_the_reason(value: Any, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        gateway(value, file="kong.yml")
    assert why in str(refused.value.why)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("services: [{name: a, routes: x}]", "2:22: services[0].routes: expected a list"),
        ("routes: [{name: [a]}]", "2:11: routes[0].name: expected text"),
        ("routes: [{paths: [{}]}]", "2:19: routes[0].paths[0]: expected text"),
        ("consumers: [{acls: [x]}]", "2:21: consumers[0].acls[0]: expected a mapping"),
        ("_info: {defaults: x}", "2:9: _info.defaults: expected a mapping"),
    ],
)
def test_a_form_that_kong_does_not_take(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"_format_version: '3.0'\n{text}\n")
    with pytest.raises(ManifestInvalid) as refused:
        gateways.read(tmp_path / "c.yaml", "c.yaml")
    assert [str(each) for each in refused.value.problems] == [f"c.yaml:{problem}"]


def test_secrets_in_headers_and_in_variables_of_a_script_are_only_named() -> None:
    converted = taken_over(
        """
        _format_version: "3.0"
        plugins:
        - {name: http-log, config: {http_endpoint: "http://log", headers: {Authorization: Bearer log-sesame, X-Kind: a}}}
        - {name: request-transformer, config: {add: {headers: ["X-Api-Key: add-sesame", "Authorization: $(headers.b)", "X-A: b"]}}}
        consumers:
        - {username: web, keyauth_credentials: [{key: $WEB_TOKEN}, {key: "${OTHER_TOKEN}"}, {key: $a}]}
        """
    )
    assert converted.consumers["web"]["key"] == [
        "${secret.WEB_TOKEN}",
        "${secret.OTHER_TOKEN}",
        "${secret.WEB_KEY}",
    ]
    log, transformer = converted.plugins
    assert log["http-log"]["headers"] == {
        "Authorization": "${secret.HTTP_LOG_HEADERS_AUTHORIZATION}",
        "X-Kind": "a",
    }
    assert transformer["request-transformer"]["add"]["headers"] == [
        "X-Api-Key: ${secret.REQUEST_TRANSFORMER_ADD_HEADERS_X_API_KEY}",
        "Authorization: $(headers.b)",
        "X-A: b",
    ]
    assert converted.secrets == {
        "HTTP_LOG_HEADERS_AUTHORIZATION": "Bearer log-sesame",
        "REQUEST_TRANSFORMER_ADD_HEADERS_X_API_KEY": "add-sesame",
        "WEB_KEY": "$a",
    }


def test_keys_of_certificates_are_told_to_stay_in_plain_text() -> None:
    text = "{_format_version: '3.0', certificates: [{cert: c, key: k, snis: [{name: a.test}]}]}"
    converted, _ = settled(read(text), UP, lambda _: [])
    (row,) = [row for row in converted.rows if row.what.startswith("certificates")]
    assert row.note == "in kong-extra.yml: no field says it, its private keys in plain text"
