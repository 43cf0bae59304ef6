"""The verdicts of a real Kong 3.9.3: what it starts with is planned, what it exits on is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.manifest.kong import regex, routes
from devenv.manifest.kong.document import faults
from devenv.render.kong import declarative
from devenv.sources import read
from devenv.sources.digests import Digests
from devenv.stack.world import Want
from tests import documents
from tests.table import each_row
from tests.unit.stacks import problems, stack

DATA = Path(__file__).parent / "data"


def data(name: str) -> Any:
    return json.loads((DATA / name).read_text(encoding="utf-8"))


MANIFESTS = {row["name"]: row for row in data("manifests.json")}
SNIPPETS = {row["name"]: row for row in data("snippets.json")}
UNSAID = data("snippets-unsaid.json")
# What devenv did not render when Kong was asked, or renders in another way since.
VERDICTS = {
    "regex named": True,  # as the snippet `path ~/(?<n>x)`
    "regex -- set": False,  # PCRE2: range out of order in character class
    "route names collide": True,  # Kong refused two routes `a-2`; the second of `a` is now called `a.2`
}


@each_row(MANIFESTS.keys())
def test_a_manifest_is_refused_when_kong_would_not_start_with_it(name: str) -> None:
    row = MANIFESTS[name]
    refusals = problems(row["manifest"])
    assert (not refusals) is VERDICTS.get(name, row["accepts"]), (refusals, row["reason"])
    assert all("Kong refuses" in problem for problem in refusals)
    assert all(problem[0].isdigit() for problem in refusals)  # its line


def test_the_names_of_generated_routes_are_all_different() -> None:
    text = MANIFESTS["route names collide"]["manifest"]
    gateway = stack(text).gateway
    assert gateway is not None
    document = declarative(gateway, "t")
    names = [route["name"] for service in document["services"] for route in service["routes"]]
    assert names == ["a", "a.2", "a-2"]


def test_a_host_is_rendered_as_browsers_send_it() -> None:
    gateway = stack(MANIFESTS["host upper case"]["manifest"]).gateway
    assert gateway is not None
    assert gateway.routes[0].hosts == ("api.localhost",)


@each_row([name for name in SNIPPETS if name not in UNSAID])
def test_a_snippet_said_in_a_manifest_is_refused_when_kong_refuses_it(name: str) -> None:
    row = SNIPPETS[name]
    text = as_manifest(documents.load(row["config"]))
    refusals = problems(text)
    assert (not refusals) is row["accepts"], (text, refusals, row["reason"])


@each_row(UNSAID.keys())
def test_the_other_snippets_cannot_be_said_in_a_manifest(name: str) -> None:
    with pytest.raises((Unsaid, yaml.YAMLError)):
        as_manifest(documents.load(SNIPPETS[name]["config"]))


class Unsaid(Exception):
    """A manifest has no words for it."""


def as_manifest(document: Any) -> str:
    """The manifest that renders as a snippet, as YAML that JSON is."""
    top = fields(document, "_format_version", services=[], consumers=[], plugins=[])
    if top["_format_version"] != "3.0":
        raise Unsaid
    manifest: dict[str, Any] = {"name": "t", "services": {}, "gateway": {}}
    for service in listed(top["services"]):
        entry = fields(service, "name", "url", routes=[])
        if (
            entry["name"] != "a"
            or manifest["services"]
            or len(entry["routes"]) > 1
            or entry["url"] not in ("http://u", "http://u:80")
        ):
            raise Unsaid
        manifest["services"]["a"] = {
            "image": "x",
            "port": 80,
            "route": [as_route(route) for route in entry["routes"]],
        }
    manifest["services"].setdefault("a", {"image": "x", "port": 80, "route": "/x"})
    manifest["gateway"]["plugins"] = [as_plugin(plugin) for plugin in listed(top["plugins"])]
    consumers = [as_consumer(consumer) for consumer in listed(top["consumers"])]
    manifest["gateway"]["consumers"] = dict(consumers)
    if len(manifest["gateway"]["consumers"]) < len(consumers):
        raise Unsaid
    return json.dumps(manifest, ensure_ascii=False)


def as_route(route: Any) -> Any:
    entry = fields(route, "name", paths=["/x"], hosts=[], methods=[], plugins=[], strip_path=True)
    lists = (entry["paths"], entry["hosts"], entry["methods"])
    if (
        entry["name"] != "r"
        or not all(isinstance(items, list) for items in lists)
        or len(entry["paths"]) != 1
        or not isinstance(entry["strip_path"], bool)
        or any(method != method.upper() for method in entry["methods"])
        or set(route) == {"name", "strip_path"}
    ):
        raise Unsaid
    return {
        "path": entry["paths"][0],
        "host": entry["hosts"],
        "methods": entry["methods"],
        "strip": entry["strip_path"],
        "plugins": [as_plugin(plugin) for plugin in entry["plugins"]],
    }


def as_plugin(plugin: Any) -> Any:
    entry = fields(plugin, "name", config={})
    if entry["config"] is None:
        raise Unsaid
    return {entry["name"]: entry["config"]}


def as_consumer(consumer: Any) -> tuple[str, Any]:
    entry = fields(
        consumer,
        "username",
        custom_id=None,
        plugins=[],
        keyauth_credentials=[],
        basicauth_credentials=[],
        jwt_secrets=[],
        acls=[],
    )
    users = [fields(user, "username", "password") for user in entry["basicauth_credentials"]]
    if len({user["username"] for user in users}) < len(users) or any(
        not isinstance(user["password"], str) for user in users
    ):
        raise Unsaid
    own = {
        "key": [fields(key, "key")["key"] for key in entry["keyauth_credentials"]],
        "basic": {user["username"]: user["password"] for user in users},
        "jwt": entry["jwt_secrets"],
        "groups": [fields(group, "group")["group"] for group in entry["acls"]],
        "plugins": [as_plugin(plugin) for plugin in entry["plugins"]],
    }
    return entry["username"], own | ({"custom_id": entry["custom_id"]} if entry["custom_id"] else {})


def fields(value: Any, *needed: str, **defaults: Any) -> dict[str, Any]:
    """A mapping with its defaults; a field that is missing or unknown cannot be said."""
    if not isinstance(value, dict) or set(needed) - set(value) or set(value) - set(needed) - set(defaults):
        raise Unsaid
    return defaults | value


def listed(value: Any) -> list[Any]:
    return value or []


REGEXES = {
    r"/v(?<major>\d+)/(?i:x)\p{L}\z": "",
    r"/[[:alpha:]]+[^]a-]{2,3}?": "",
    r"/(?x) a b # ( a comment": "",
    r"/a(?=b)": "look-around, including look-ahead and look-behind, is not supported",
    r"/(a)\1": "backreferences are not supported",
    r"/(?>a)": "unrecognized flag",
    r"/a**": "repetition operator missing expression",
    r"/[z-a]": "invalid character class range, the start must be <= the end",
    r"/[a-\d]": "invalid range boundary, must be a literal",
    r"/[[:foo:]]": "unknown POSIX class name",
    r"/[:alpha:]": "POSIX named classes are supported only within a class",
    r"/(a": "unclosed group",
    r"/a)": "unopened group",
    r"/[a[b]": "unclosed character class",
    r"/(?<n>a)(?<n>b)": "duplicate capture group name",
    r"/(?<1>a)": "invalid capture group character",
    r"/a{3,2}": "invalid repetition count range, the start must be <= the end",
    r"/(?ii)a": "duplicate flag",
    r"/(?i-)a": "dangling flag negation operator",
    r"/\p{Nope7}": "invalid Unicode character class",
    "/a\\": "incomplete escape sequence, reached end of pattern prematurely",
    r"/\x4": "invalid hexadecimal digit",
    "/" + "(" * 300: "nested too deeply",
}


@each_row(REGEXES.items())
def test_a_regular_expression_is_right_for_both_of_kongs_engines(pattern: str, reason: str) -> None:
    assert regex.reason(pattern) == reason


@pytest.mark.parametrize(
    ("path", "better"),
    {
        "/a/..": "/",
        "/a/b/.": "/a/b/",
        "/../a": "/a",
        "/.well-known/a": "/.well-known/a",
        "/%e2%82%ac": "/€",
        "/a%2f%20": "/a%2F ",
    }.items(),
)
def test_a_path_is_written_as_kong_reads_it(path: str, better: str) -> None:
    assert routes.normalized(path) == better
    assert routes.path_reason(better) == ""


def test_a_refusal_names_the_place_the_reason_and_the_way_out() -> None:
    text = (
        "name: t\n"
        "services:\n"
        "  a:\n"
        "    image: x\n"
        "    port: 80\n"
        "    route:\n"
        "      - /a%20b\n"
        "      - path: ~/b(?!c)\n"
        "        host: [a.test, 'b..test']\n"
        "        plugins: [cors, {cors: {nope: 1}}, nope]\n"
        "gateway:\n"
        "  consumers:\n"
        "    c: {key: k, groups: [g, g]}\n"
        "    d:\n"
        "      key: [k, '']\n"
        "      jwt: [{key: j, algorithm: RS256}]\n"
    )
    assert problems(text) == [
        '7:9: services.a.route[0]: Kong refuses the path "/a%20b": '
        "non-normalized path, consider use '/a b' instead - write \"/a b\"",
        '8:9: services.a.route[1]: Kong refuses the path "~/b(?!c)": '
        "look-around, including look-ahead and look-behind, is not supported",
        '9:24: services.a.route[1].host[1]: Kong refuses "b..test": invalid hostname: b..test',
        "10:25: services.a.route[1].plugins[1]: Kong refuses the plugin cors: it is listed here already"
        " - keep one of them",
        "10:33: services.a.route[1].plugins[1].cors.nope: Kong refuses cors in config.nope: unknown field",
        "10:44: services.a.route[1].plugins[2]: Kong refuses the plugin 'nope': not enabled; add it to the"
        " 'plugins' configuration property"
        " - infra: {kong: {env: {KONG_PLUGINS: bundled,its-name}}}, in an image that has it",
        "13:29: gateway.consumers.c.groups[1]: Kong refuses the group of c: uniqueness violation, c has it"
        " already - use each value once",
        "15:13: gateway.consumers.d.key[0]: Kong refuses the key: uniqueness violation, c has it already"
        " - use each value once",
        "15:16: gateway.consumers.d.key[1]: Kong refuses the key: length must be at least 1",
        "16:13: gateway.consumers.d.jwt[0].rsa_public_key: Kong refuses jwt.rsa_public_key: required field"
        " missing with algorithm RS256",
    ]


def test_a_plugin_that_the_user_brings_is_not_looked_into() -> None:
    text = (
        "name: t\n"
        "services: {a: {image: x, port: 80, route: {path: /x, plugins: [{mine: {any: 1}}]}}}\n"
        "infra: {kong: {env: {KONG_PLUGINS: 'bundled,mine'}}}\n"
    )
    assert problems(text) == []


def test_what_is_filled_in_later_is_not_refused_before() -> None:
    text = (
        "name: t\n"
        "services:\n"
        "  a:\n"
        "    {image: x, port: 80, route: {path: '/${stack.name}', host: '${stack.name}.test', "
        "plugins: [{cors: {origins: ['http://${stack.name}']}}]}}\n"
        "gateway: {consumers: {c: {key: '${secret.K}'}}}\n"
    )
    assert problems(text) == []


def test_a_configuration_to_merge_in_is_refused_where_kong_would_not_start_with_it(tmp_path: Path) -> None:
    text = (
        "services:\n"
        "  - name: a\n"
        "    routes:\n"
        "      - {name: r, paths: [/ok, /a%20b], hosts: [a..b], methods: [get]}\n"
        "      - {name: r, paths: ['~/x(?=y)']}\n"
        "plugins:\n"
        "  - {name: cors, config: {origins: ['*'], nope: 1}}\n"
        "  - {name: cors}\n"
        "  - {name: cors, route: r}\n"
        "  - {name: acl, config: }\n"
    )
    (tmp_path / "kong.yml").write_text(text, encoding="utf-8")
    wanted = [Want("text", "kong.yml", ("gateway", "extra"))]
    findings = read(tmp_path, wanted, Digests({})).findings
    assert all(path == ("gateway", "extra") for path, _, _ in findings)
    assert sorted(message for _, message, _ in findings) == sorted(
        [
            'kong.yml:4:32: services[0].routes[0].paths[1]: Kong refuses "/a%20b": non-normalized path, '
            "consider use '/a b' instead",
            'kong.yml:4:49: services[0].routes[0].hosts[0]: Kong refuses "a..b": invalid hostname: a..b',
            'kong.yml:4:66: services[0].routes[0].methods[0]: Kong refuses "get": invalid value: get',
            "kong.yml:5:9: services[0].routes[1]: Kong refuses it: uniqueness violation, there is another "
            "'r' of routes",
            'kong.yml:5:27: services[0].routes[1].paths[0]: Kong refuses "~/x(?=y)": look-around, including '
            "look-ahead and look-behind, is not supported",
            "kong.yml:7:43: plugins[0].config.nope: Kong refuses cors: unknown field",
            "kong.yml:8:5: plugins[1]: Kong refuses it: uniqueness violation, there is another 'cors' of plugins",
            "kong.yml:10:17: plugins[3].config: Kong refuses acl: config is a record",
        ]
    )


def test_the_verdicts_on_snippets_hold_for_a_configuration_to_merge_in() -> None:
    """Those about routes' paths, hosts and methods, and plugins' settings: the rest is of other entities."""
    kinds = ("path ", "host ", "method ", "rl ", "acl ", "cors ", "rsl ", "cid ", "rt ", "key_names ")
    of_credentials = ("acl no group",)
    checked = [r for name, r in SNIPPETS.items() if name.startswith(kinds) and name not in of_credentials]
    assert len(checked) > 100
    wrong = [row["name"] for row in checked if row["accepts"] is any(faults(documents.load(row["config"])))]
    assert wrong == []
