"""Configuration: what is read, and everything that is refused, all at once."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from devenv.gateway.config import load
from devenv.gateway.draft import Refused
from devenv.gateway.plugins import available
from tests import documents
from tests.table import each_row

HAS = "acl, basic-auth, correlation-id, cors, jwt, key-auth, opentelemetry, prometheus, rate-limiting, request-size-limiting"


def problems(text: str) -> list[str]:
    with pytest.raises(Refused) as refused:
        load(text)
    return refused.value.problems


def with_route(route: str = "{paths: [/]}", service: str = "url: http://u") -> str:
    return f'_format_version: "3.0"\nservices: [{{name: s, {service}, routes: [{route}]}}]\n'


def with_plugin(name: str, config: str = "{}") -> str:
    return f'_format_version: "3.0"\nplugins: [{{name: {name}, config: {config}}}]\n'


def with_consumer(fields: str) -> str:
    return f'_format_version: "3.0"\nconsumers: [{{username: c, {fields}}}]\n'


def test_every_problem_is_named_at_once() -> None:
    text = """
_format_version: "3.0"
upstreams: [{name: pool}]
services:
  - name: a
    url: http://a
    routes:
      - {name: a, paths: [/a]}
      - name: b
        paths: [b]
        plugins:
          - name: oauth2
          - name: rate-limiting
            config: {minute: 5, policy: redis, redis: {host: x}}
  - {name: a, port: 99999}
"""
    assert problems(text) == [
        'kong.yml: upstreams: the embedded gateway has no entity "upstreams" here - it has '
        "_comment, _format_version, _ignore, _transform, acls, basicauth_credentials, consumers, "
        "jwt_secrets, keyauth_credentials, plugins, routes, services",
        "kong.yml: services[1].port: expected a number from 0 to 65535, found 99999",
        "kong.yml: services[0].routes[1].paths[0]: should start with / (prefix path) or ~/ (regex path)",
        'kong.yml: services[1]: there is another service "a"',
        "kong.yml: services[1].host: required, but missing (or give a url)",
        "kong.yml: services[0].routes[1].plugins[0] (oauth2): the embedded gateway has no plugin "
        f'"oauth2" - it has {HAS}, request-transformer',
        "kong.yml: services[0].routes[1].plugins[1] (rate-limiting): config.redis: the embedded "
        'gateway has no field "redis" here - it has day, error_code, error_message, '
        "fault_tolerant, header_name, hide_client_headers, hour, limit_by, minute, month, path, "
        "policy, second, sync_rate, year",
        "kong.yml: services[0].routes[1].plugins[1] (rate-limiting): config.policy: the embedded "
        'gateway has no "redis" here - it has local',
    ]


@each_row(
    [
        ("[", "not YAML: line 2: "),
        ("a: b: c", "not YAML: line 1: mapping values are not allowed"),
        ("hello", "expected a mapping, found a string"),
        ("", "_format_version: required, but missing"),
        ("_format_version: '2.1'", '_format_version: the embedded gateway has no "2.1" here'),
        ("_format_version: '3.0'\nservices: {}", "services: expected a list, found a mapping"),
        ("_format_version: '3.0'\nservices: [1]", "services[0]: expected a mapping"),
        (with_route(service="url: ftp://u"), "services[0].url: expected an http or https URL"),
        (with_route(service="url: 'http://u:x'"), "services[0].url: expected an http or https URL"),
        (with_route(service="url: http://u, host: v"), "services[0].url: cannot be together with"),
        (with_route(service="host: u, protocol: grpc"), "services[0].protocol: the embedded"),
        (with_route(service="host: u, retries: -1"), "services[0].retries: expected a number from"),
        (
            with_route(service="host: u, client_certificate: x"),
            "services[0].client_certificate: the embedded gateway has no field",
        ),
        (with_route("{name: r}"), "services[0].routes[0]: must set one of"),
        (
            with_route("{paths: ['~/(']}"),
            "services[0].routes[0].paths[0]: not a regular expression",
        ),
        (with_route("{hosts: ['a.*.b']}"), "services[0].routes[0].hosts[0]: expected a host name"),
        (with_route("{methods: [get]}"), "services[0].routes[0].methods[0]: expected an HTTP"),
        (with_route("{headers: {host: [a]}}"), "services[0].routes[0].headers: use hosts"),
        (with_route("{headers: {a: ['~*(']}}"), "services[0].routes[0].headers.a[0]: not a reg"),
        (with_route("{paths: [/], snis: [a]}"), "services[0].routes[0].snis: the embedded"),
        (with_route("{paths: [/], path_handling: v1}"), "services[0].routes[0].path_handling: the"),
        (with_route("{paths: [/], strip_path: yes please}"), "strip_path: expected a boolean"),
        (with_route("{paths: [/], protocols: [tcp]}"), "protocols[0]: the embedded gateway has no"),
        (with_route("{paths: [/], service: x}"), "service: a nested route is its service's"),
        ("_format_version: '3.0'\nplugins: [{}]", "plugins[0].name: required, but missing"),
        (
            "_format_version: '3.0'\nplugins: [{name: cors, service: x}]",
            'plugins[0] (cors).service: there is no service "x"',
        ),
        (
            with_route("{paths: [/], plugins: [{name: cors, consumer: c}]}"),
            "plugins[0] (cors).consumer: a plugin bound to several entities is a top-level one",
        ),
        (
            with_consumer("plugins: [{name: cors}]"),
            "consumers[0].plugins[0] (cors): cors cannot be bound to a consumer",
        ),
        (
            "_format_version: '3.0'\nplugins: [{name: cors}, {name: cors}]",
            "plugins[1] (cors): bound to the same entities as plugins[0] (cors)",
        ),
        (
            with_plugin("key-auth", "{key_nmes: [a]}"),
            "config.key_nmes: the embedded gateway has no",
        ),
        (with_plugin("key-auth", "{key_names: []}"), "config.key_names: expected at least 1"),
        (with_plugin("key-auth", "{anonymous: x}"), 'config.anonymous: there is no consumer "x"'),
        (with_plugin("acl"), "config: exactly one of allow, deny must be set"),
        (with_plugin("acl", "{allow: [a], deny: [b]}"), "config: exactly one of allow, deny"),
        (with_plugin("rate-limiting"), "config: required: at least one of second, minute"),
        (
            with_plugin("rate-limiting", "{minute: 10, hour: 5}"),
            "config.hour: the limit for a hour is lower than the one for a minute",
        ),
        (
            with_plugin("rate-limiting", "{minute: 1, limit_by: header}"),
            'config.header_name: required with limit_by "header"',
        ),
        (with_plugin("jwt", "{maximum_expiration: 5}"), 'needs "exp" in claims_to_verify'),
        (with_plugin("cors", "{origins: ['(']}"), "config.origins[0]: not a regular expression"),
        (
            with_plugin("request-transformer", "{add: {headers: ['x']}}"),
            "config.add.headers[0]: expected name:value",
        ),
        (
            with_plugin("request-transformer", "{add: {headers: ['x:$(os.time())']}}"),
            "config.add.headers[0]: the embedded gateway has no Lua",
        ),
        (
            with_plugin("request-transformer", "{add: {cookies: ['x:y']}}"),
            'config.add.cookies: the embedded gateway has no field "cookies" here',
        ),
        (with_plugin("cors", "[]"), "config: expected a mapping, found a list"),
        ("_format_version: '3.0'\nconsumers: [{}]", "consumers[0]: at least one of username"),
        (with_consumer("keyauth_credentials: [{}]"), "keyauth_credentials[0].key: required"),
        (
            with_consumer("keyauth_credentials: [{key: a}, {key: a}]"),
            "keyauth_credentials[1].key: the same as in consumers[0].keyauth_credentials[0]",
        ),
        (with_consumer("jwt_secrets: [{key: a}]"), "jwt_secrets[0].secret: required with algo"),
        (
            with_consumer("jwt_secrets: [{key: a, algorithm: ES256}]"),
            'jwt_secrets[0].algorithm: the embedded gateway has no "ES256" here',
        ),
        (
            with_consumer("jwt_secrets: [{key: a, algorithm: RS256, rsa_public_key: x}]"),
            "jwt_secrets[0].rsa_public_key: not a public key in PEM form",
        ),
        (
            "_transform: false\n" + with_consumer("basicauth_credentials: [{username: a, password: b}]"),
            "basicauth_credentials[0]: with _transform: false",
        ),
        (
            "_format_version: '3.0'\nacls: [{group: a}]",
            "acls[0].consumer: required, but missing",
        ),
    ],
)
def test_what_is_refused(text: str, expected: str) -> None:
    reported = problems(text)
    assert any(expected in line for line in reported), reported
    assert all(line.startswith("kong.yml: ") for line in reported)


def test_problems_never_quote_a_credential() -> None:
    text = with_consumer(
        "keyauth_credentials: [{key: 1234567}], "
        "basicauth_credentials: [{username: a, password: [topsecret]}], "
        "jwt_secrets: [{key: k, algorithm: RS256, rsa_public_key: topsecret}]"
    )
    assert not any("1234567" in line or "topsecret" in line for line in problems(text))
    assert not any("topsecret" in line for line in problems("a: 'topsecret' x: y"))


def test_defaults_are_kongs() -> None:
    service = load(with_route()).services[0]
    assert (service.protocol, service.port, service.path, service.retries) == ("http", 80, None, 5)
    assert service.connect_timeout == service.read_timeout == service.write_timeout == 60000
    route = load(with_route()).routes[0]
    assert (route.strip_path, route.preserve_host) == (True, False)
    assert (route.protocols, route.https_redirect_status_code) == (("http", "https"), 426)
    priorities = {name: plugin.priority for name, plugin in available().items()}
    assert sorted(priorities, key=lambda name: -priorities[name]) == [
        "correlation-id",
        "cors",
        "jwt",
        "key-auth",
        "basic-auth",
        "request-size-limiting",
        "acl",
        "rate-limiting",
        "request-transformer",
        "opentelemetry",
        "prometheus",
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("url: http://u", ("http", "u", 80, None)),
        ("url: 'https://u/p'", ("https", "u", 443, "/p")),
        ("url: 'http://u:8080/a/'", ("http", "u", 8080, "/a/")),
        ("url: 'http://[::1]:81'", ("http", "[::1]", 81, None)),
        ("host: u", ("http", "u", 80, None)),
        ("host: u, protocol: https, port: 443, path: /p", ("https", "u", 443, "/p")),
    ],
)
def test_addresses(address: str, expected: tuple[str, str, int, str | None]) -> None:
    service = load(with_route(service=address)).services[0]
    assert (service.protocol, service.host, service.port, service.path) == expected


def test_flat_entities_are_nested_ones() -> None:
    text = """
_format_version: "3.0"
services: [{id: s1, name: s, host: u, created_at: 1, tags: null}]
routes: [{name: r, service: s, paths: [/]}, {name: q, service: {id: s1}, paths: [/q]}]
consumers: [{username: c}]
keyauth_credentials: [{consumer: c, key: k}]
acls: [{consumer: {username: c}, group: g}]
plugins: [{name: rate-limiting, service: s, consumer: c, config: {minute: 1}}]
"""
    configuration = load(text)
    assert [route.service for route in configuration.routes] == [configuration.services[0]] * 2
    assert configuration.keys[0].consumer is configuration.consumers[0]
    assert configuration.consumers[0].groups == ("g",)
    assert configuration.plugins[0].service == "s1"
    assert configuration.plugins[0].consumer == configuration.consumers[0].id


def test_the_same_text_has_the_same_ids_and_digest() -> None:
    first, second = load(with_route()), load(with_route())
    assert first == second
    assert first.digest != load(with_route("{paths: [/b]}")).digest


FULL = """
_format_version: "3.0"
services:
  - name: s
    url: http://u
    tags: [a]
    routes:
      - name: r
        paths: [/]
        hosts: [h]
        headers: {x: [y]}
        plugins: [{name: key-auth, config: {key_names: [k]}}]
    plugins: [{name: request-transformer, config: {add: {headers: ["a:b"]}}}]
consumers:
  - username: c
    keyauth_credentials: [{key: k}]
    basicauth_credentials: [{username: u, password: p}]
    jwt_secrets: [{key: j, secret: s}]
    acls: [{group: g}]
plugins: [{name: rate-limiting, service: s, consumer: c, config: {minute: 1}}]
"""


FULL_DOCUMENT = documents.load(FULL)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a document."""
    if not isinstance(node, dict | list):
        return []
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    return [place for key in keys for place in [(node, key), *places(node[key])]]


@each_row(range(40))
def test_nothing_in_a_file_is_ever_more_than_refused(seed: int) -> None:
    """Put values where they do not belong: the file loads or is refused, nothing else."""
    chance = random.Random(seed)
    for _ in range(25):
        document = copy.deepcopy(FULL_DOCUMENT)
        for _ in range(chance.randint(1, 3)):
            container, key = chance.choice(places(document))
            container[key] = chance.choice([None, 1, -1.5, True, "", "x", [], [[]], {}, {"a": 1}])
        try:
            load(json.dumps(document))
        except Refused as refused:
            assert refused.problems
