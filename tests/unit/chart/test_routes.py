"""Routes as objects of a cluster's own gateway. No controller is there to serve them: their schemas judge them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from devenv.errors import ManifestInvalid
from devenv.plan.promotion.changes import secrets_needed
from tests import documents
from tests.helm import Helm
from tests.schemas import validate

from .charts import Objects, project, rendered, written

PLAIN = """\
    name: shop
    services:
      orders: {image: "orders:1", port: 8000, route: /api/orders}
      web: {image: "web:1", port: 80, route: [{path: /}, {path: /shop, host: [shop.example, www.shop.example]}]}
    environments:
      own: {context: a, host: a.example}
      ingress: {context: b, gateway: ingress, host: b.example, ingress: {class: nginx, tls: b-tls}}
      routes: {context: c, gateway: {httproute: {gateway: public, namespace: infra, listener: https}}}
"""
NEEDY = """\
    name: shop
    services:
      orders:
        image: "orders:1"
        port: 8000
        route: {path: /api, strip: true, methods: [GET], plugins: [{rate-limiting: {minute: 5}}]}
    environments:
      cluster: {context: b, gateway: GATEWAY}
"""
HTTPROUTE = Draft7Validator(json.loads((Path(__file__).parent / "httproute.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart, with the values of all environments beside it."""
    folder = tmp_path_factory.mktemp("shop")
    return written(folder / "chart", project(folder, PLAIN), "own", "ingress", "routes")


def of(helm: Helm, made: Path, environment: str) -> Objects:
    return rendered(helm, made, "-f", made / f"values-{environment}.yaml")


def test_by_itself_the_gateway_comes_along(helm: Helm, made: Path) -> None:
    objects = of(helm, made, "own")
    assert ("Deployment", "kong") in objects
    rules = objects["Ingress", "shop"]["spec"]["rules"]
    assert [rule["host"] for rule in rules] == ["a.example", "shop.example", "www.shop.example"]
    assert {rule["http"]["paths"][0]["backend"]["service"]["name"] for rule in rules} == {"kong"}
    assert not [key for key in objects if key[0] == "HTTPRoute"]


def test_an_ingress_leads_to_each_service(helm: Helm, made: Path) -> None:
    objects = of(helm, made, "ingress")
    assert not [key for key in objects if key[1] == "kong"]
    ingress = objects["Ingress", "shop"]
    validate(ingress, "1.33.0")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [
        {"hosts": ["b.example", "shop.example", "www.shop.example"], "secretName": "b-tls"}
    ]
    leads = {
        rule["host"]: {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
        for rule in ingress["spec"]["rules"]
    }
    assert leads == {
        "b.example": {"/api/orders": "orders", "/": "web"},
        "shop.example": {"/api/orders": "orders", "/": "web", "/shop": "web"},
        "www.shop.example": {"/api/orders": "orders", "/": "web", "/shop": "web"},
    }


def test_http_routes_attach_to_the_gateway_that_the_environment_names(helm: Helm, made: Path) -> None:
    objects = of(helm, made, "routes")
    routes = {name: item for (kind, name), item in objects.items() if kind == "HTTPRoute"}
    assert sorted(routes) == ["orders", "orders-2", "web", "web-2"]
    for item in routes.values():
        assert [error.message for error in HTTPROUTE.iter_errors(item)] == []
        (parent,) = item["spec"]["parentRefs"]
        assert parent == {"name": "public", "namespace": "infra", "sectionName": "https"}
    assert routes["orders"]["spec"]["rules"] == [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/api/orders"}}],
            "backendRefs": [{"name": "orders", "port": 8000}],
        }
    ]
    assert "hostnames" not in routes["web"]["spec"]
    for name, paths in (("web-2", {"/", "/shop"}), ("orders-2", {"/api/orders"})):
        spec = routes[name]["spec"]
        assert spec["hostnames"] == ["shop.example", "www.shop.example"]
        assert {rule["matches"][0]["path"]["value"] for rule in spec["rules"]} == paths


def test_what_a_host_has_for_itself_comes_before_what_every_host_has(helm: Helm, tmp_path: Path) -> None:
    manifest = PLAIN.replace(
        "{path: /shop, host: [shop.example, www.shop.example]}", "{path: /api, host: [shop.example]}"
    )
    made = written(tmp_path / "chart", project(tmp_path, manifest), "ingress", "routes")
    rules = of(helm, made, "ingress")["Ingress", "shop"]["spec"]["rules"]
    paths = {rule["host"]: sorted(path["path"] for path in rule["http"]["paths"]) for rule in rules}
    assert paths == {"b.example": ["/", "/api/orders"], "shop.example": ["/", "/api"]}  # as Kong has it
    objects = of(helm, made, "routes")
    assert ("HTTPRoute", "orders-2") not in objects


def test_methods_and_strip_are_kept_where_an_http_route_can(helm: Helm, tmp_path: Path) -> None:
    manifest = NEEDY.replace(", plugins: [{rate-limiting: {minute: 5}}]", "").replace(
        "GATEWAY", "{httproute: public}"
    )
    chart = written(tmp_path / "chart", project(tmp_path, manifest), "cluster")
    route = of(helm, chart, "cluster")["HTTPRoute", "orders"]
    assert [error.message for error in HTTPROUTE.iter_errors(route)] == []
    (rule,) = route["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/api"}, "method": "GET"}]
    assert rule["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"] == "/"


LOST = {
    "ingress": {"the plugin rate-limiting", "methods (GET)", "strip (of /api)"},
    "{httproute: public}": {"the plugin rate-limiting"},
}


@pytest.mark.parametrize(("way", "what"), LOST.items(), ids=LOST)
def test_what_a_way_cannot_express_is_refused_by_name(tmp_path: Path, way: str, what: set[str]) -> None:
    with pytest.raises(ManifestInvalid) as raised:
        _: Any = project(tmp_path, NEEDY.replace("GATEWAY", way)).manifest.parsed
    assert lost(raised.value) == what
    for problem in raised.value.problems:
        assert problem.path.startswith("services.orders.route")
        assert problem.line == 6
        assert "which environments.cluster.gateway chooses" in str(problem)
        assert str(problem).endswith("choose gateway: deploy or kong there, or remove it")


def lost(error: ManifestInvalid) -> set[str]:
    """What the problems of a manifest say that it cannot express."""
    return {str(problem).partition("cannot express ")[2].rpartition(" - ")[0] for problem in error.problems}


def test_an_operator_who_turns_the_value_is_refused_as_well(helm: Helm, tmp_path: Path) -> None:
    chart = written(tmp_path / "chart", project(tmp_path, NEEDY.replace("GATEWAY", "deploy")), "cluster")
    answer = helm("template", "shop", chart, "--set", "gateway.kind=ingress", code=1)
    assert "an Ingress cannot express the plugin rate-limiting of orders" in answer
    assert "kind: Ingress" not in helm("template", "shop", chart)


KONG = """\
    name: shop
    services:
      orders:
        image: "orders:1"
        port: 8000
        route:
          - {path: /api, strip: true, methods: [GET, POST], plugins: [{rate-limiting: {minute: 5}}, key-auth]}
          - {path: "~/v[0-9]+", host: [shop.example]}
    gateway: {plugins: [{cors: {origins: ["*"]}}, {rate-limiting: {minute: 600}}]}
    environments:
      cluster: {context: b, gateway: kong, host: b.example, ingress: {tls: b-tls, annotations: {cert: "yes"}}}
"""
KONGPLUGIN, KONGCONSUMER = (
    Draft7Validator(json.loads((Path(__file__).parent / f"{name}.json").read_text("utf-8")))
    for name in ("kongplugin", "kongconsumer")
)


def test_kongs_controller_gets_an_ingress_for_each_route(helm: Helm, tmp_path: Path) -> None:
    objects = of(helm, written(tmp_path / "chart", project(tmp_path, KONG), "cluster"), "cluster")
    assert ("Deployment", "kong") not in objects
    first, second = objects["Ingress", "orders"], objects["Ingress", "orders.2"]
    assert first["metadata"]["annotations"] == {
        "konghq.com/strip-path": "true",
        "konghq.com/preserve-host": "true",
        "konghq.com/methods": "GET,POST",
        "konghq.com/plugins": "cors,orders.rate-limiting,orders.key-auth",
        "cert": "yes",
    }
    assert second["metadata"]["annotations"]["konghq.com/plugins"] == "cors,rate-limiting"
    assert second["metadata"]["annotations"]["konghq.com/strip-path"] == "false"
    rules = [item["spec"]["rules"][0] for item in (first, second)]
    assert [rule["host"] for rule in rules] == ["b.example", "shop.example"]
    assert [rule["http"]["paths"][0]["path"] for rule in rules] == ["/api", "/~/v[0-9]+"]
    for item in (first, second):
        validate(item, "1.33.0")
        assert item["spec"]["ingressClassName"] == "kong"


def test_a_plugin_is_an_object_that_kongs_definition_takes(helm: Helm, tmp_path: Path) -> None:
    objects = of(helm, written(tmp_path / "chart", project(tmp_path, KONG), "cluster"), "cluster")
    plugins = {name: item for (kind, name), item in objects.items() if kind == "KongPlugin"}
    for item in plugins.values():
        assert [error.message for error in KONGPLUGIN.iter_errors(item)] == []
    assert {name: (item["plugin"], item.get("config")) for name, item in plugins.items()} == {
        "cors": ("cors", {"origins": ["*"]}),
        "rate-limiting": ("rate-limiting", {"policy": "local", "minute": 600}),
        "orders.rate-limiting": ("rate-limiting", {"policy": "local", "minute": 5}),
        "orders.key-auth": ("key-auth", None),
    }
    assert not KONGPLUGIN.is_valid({**plugins["cors"], "spec": {}})


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("{consumers: {web: {jwt: [{secret: abc}]}}}", "a JWT of web without key"),
        ('{consumers: {web: {custom_id: "${secret.ID}"}}}', "the secret in custom_id of web"),
        (
            '{consumers: {web: {plugins: [{http-log: {http_endpoint: "${secret.LOG_URL}"}}]}}}',
            "the secret in the plugin http-log",
        ),
        (
            '{plugins: [{jwt: {}}, {http-log: {http_endpoint: "${secret.LOG_URL}"}}]}',
            "the secret in the plugin http-log",
        ),
    ],
)
def test_what_would_show_a_secret_is_refused_for_kongs_controller(
    tmp_path: Path, section: str, why: str
) -> None:
    manifest = KONG.replace('{plugins: [{cors: {origins: ["*"]}}, {rate-limiting: {minute: 600}}]}', section)
    with pytest.raises(ManifestInvalid) as raised:
        _: Any = project(tmp_path, manifest).manifest.parsed
    assert lost(raised.value) == {why}
    (problem,) = raised.value.problems
    assert problem.path.startswith("gateway.")
    assert str(problem).endswith("choose gateway: deploy there, or remove it")


CONSUMERS = """\
    gateway:
      consumers:
        web: {key: [abc, "${secret.WEB_KEY}"], groups: [staff], custom_id: "7", plugins: [{rate-limiting: {minute: 9}}]}
        Ann Lee: {basic: {ann: "${secret.ANN_PASSWORD}"}, jwt: [{key: a, secret: "${secret.ANN_JWT}"}]}
"""


def test_a_consumer_is_an_object_and_its_credentials_are_secrets(helm: Helm, tmp_path: Path) -> None:
    manifest = KONG[: KONG.index("    gateway:")] + CONSUMERS + KONG[KONG.index("    environments:") :]
    objects = of(helm, written(tmp_path / "chart", project(tmp_path, manifest), "cluster"), "cluster")
    for (kind, _), item in objects.items():
        if kind == "KongConsumer":
            assert [error.message for error in KONGCONSUMER.iter_errors(item)] == []
    web = objects["KongConsumer", "web"]
    assert not KONGCONSUMER.is_valid({**web, "spec": {"unheard": 1}})
    assert (web["username"], web["custom_id"]) == ("web", "7")
    assert web["credentials"] == ["shop.web.key-auth", "shop.web.key-auth.2", "shop.web.acl"]
    assert web["metadata"]["annotations"] == {
        "kubernetes.io/ingress.class": "kong",
        "konghq.com/plugins": "consumer.web.rate-limiting",
        "devenv.dev/reads": '{"shop.web.key-auth.2": ["key"]}',
    }
    plugin = objects["KongPlugin", "consumer.web.rate-limiting"]
    assert plugin["config"] == {"policy": "local", "minute": 9}
    made = {name: item for (kind, name), item in objects.items() if kind == "Secret"}
    assert {name: item["stringData"] for name, item in made.items()} == {
        "shop.web.key-auth": {"key": "abc"}, "shop.web.acl": {"group": "staff"},
    }  # fmt: skip
    for name, item in made.items():
        validate(item, "1.33.0")
        assert item["metadata"]["labels"]["konghq.com/credential"] == name.split(".")[2]
        assert item["metadata"]["labels"]["devenv.dev/stack"]
    (ann,) = (item for (kind, _), item in objects.items() if kind == "KongConsumer" and item != web)
    assert re.fullmatch("ann-lee-[0-9a-f]{6}", ann["metadata"]["name"])
    needed = secrets_needed(objects.values())
    assert needed == {
        "shop.web.key-auth.2": {"key"},
        f"shop.{ann['metadata']['name']}.basic-auth": {"username", "password"},
        f"shop.{ann['metadata']['name']}.jwt": {"algorithm", "key", "secret"},
    }


ODD = """\
    name: shop
    services:
      orders:
        image: "orders:1"
        port: 8000
        uses: [kong]
        route: {path: /api, methods: [purge], host: [shop.*, "a.example:8443", "*.b.example"]}
    environments:
      cluster: {context: b, gateway: GATEWAY}
"""


@pytest.mark.parametrize(
    ("way", "methods"),
    [
        ("ingress", {"methods (purge)"}),
        ("kong", set[str]()),
        ("{httproute: public}", {"the method purge"}),
    ],
)
def test_hosts_and_methods_that_no_object_has_and_uses_of_the_gateway_are_refused(
    tmp_path: Path, way: str, methods: set[str]
) -> None:
    with pytest.raises(ManifestInvalid) as raised:
        _: Any = project(tmp_path, ODD.replace("GATEWAY", way)).manifest.parsed
    assert lost(raised.value) == {
        "the host shop.*",
        "the host a.example:8443",
        "that orders uses kong",
        *methods,
    }


def test_settings_of_plugins_are_values_of_either_kong(helm: Helm, tmp_path: Path) -> None:
    chart = written(tmp_path / "chart", project(tmp_path, KONG), "cluster")
    turned = (
        "--set",
        r"gateway.plugins.orders\.rate-limiting.minute=7",
        "--set",
        "gateway.plugins.cors=null",
    )
    before, after = (rendered(helm, chart, *more) for more in ((), turned))
    digests = [
        item["Deployment", "kong"]["spec"]["template"]["metadata"]["annotations"] for item in (before, after)
    ]
    assert digests[0] != digests[1]
    kong = documents.load(*after["ConfigMap", "kong"]["data"].values())
    assert kong["services"][0]["routes"][0]["plugins"] == [
        {"name": "rate-limiting", "config": {"policy": "local", "minute": 7}},
        {"name": "key-auth"},
    ]
    assert kong["plugins"][0] == {"name": "cors"}
    objects = rendered(helm, chart, "-f", chart / "values-cluster.yaml", *turned)
    assert objects["KongPlugin", "orders.rate-limiting"]["config"] == {"policy": "local", "minute": 7}
    assert "config" not in objects["KongPlugin", "cors"]
