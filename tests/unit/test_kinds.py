"""Kinds of a project's own: several services, other kinds, configuration files, a gateway of another name."""

from __future__ import annotations

import base64
from pathlib import Path
from textwrap import dedent

import pytest

from devenv import assets
from devenv.errors import ManifestInvalid, UsageError
from devenv.manifest.parse import parse
from devenv.render import compose, kubernetes
from devenv.render.bundle import Source
from devenv.render.kubernetes.parity import lost_extras
from devenv.stack.fingerprints import fingerprint
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.model import Need, Stack
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.resolve import resolve
from devenv.stack.text import masked, secrets_in
from devenv.stack.world import World
from tests import documents

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "kinds" / "infra"
OWN = {file.stem: file.read_text() for file in FOLDER.iterdir()}
API = "name: a\nservices:\n  api: {{image: x, port: 80, uses: [{}]}}\n"


def stack(text: str, kinds: dict[str, str] = OWN) -> Stack:
    catalogue = Catalogue({**assets.catalogue(), **{name: dedent(kind) for name, kind in kinds.items()}})
    manifest, _ = parse(dedent(text), file="devenv.yaml", kinds=Facts(catalogue))
    ports, _ = allot(outline(manifest, catalogue).claims, taken={}, current={}, checkout="c", remap=False)
    return resolve(manifest, catalogue, World("c0ffee123456", ports))


def test_each_service_of_a_kind_has_its_own_port_link_need_and_memory() -> None:
    app = stack(API.format("elasticsearch"))
    search, kibana = app.unit("elasticsearch"), app.unit("kibana")
    assert [(port.name, port.container) for port in search.ports] == [("port-9200", 9200)]
    assert [(port.name, port.container) for port in kibana.ports] == [("ui", 5601)]
    assert (search.links, [(link.label, link.url) for link in kibana.links]) == (
        (),
        [("kibana", "http://localhost:5601")],
    )
    assert (search.needs, kibana.needs) == ((), (Need("elasticsearch"),))
    assert (search.memory, kibana.memory) == (1 << 30, 768 << 20)
    assert (search.grace, kibana.grace) == (30.0, 10.0)
    assert dict(kibana.env)["ELASTICSEARCH_HOSTS"] == '["http://elasticsearch:9200"]'
    assert app.unit("api").needs == (Need("elasticsearch"),)


def test_a_renamed_kind_renames_its_services_and_two_of_one_kind_stand_side_by_side() -> None:
    app = stack(API.format("elasticsearch, search") + "infra: {search: {kind: elasticsearch}}\n")
    names = {unit.name for unit in app.units}
    assert names == {"elasticsearch", "kibana", "search", "search-kibana", "api"}
    assert dict(app.unit("search-kibana").env)["ELASTICSEARCH_HOSTS"] == '["http://search:9200"]'
    assert {volume.name for unit in app.units for volume in unit.volumes} == {
        "elasticsearch-data",
        "search-data",
    }


def test_a_service_of_a_kind_and_a_service_of_the_stack_cannot_share_a_name() -> None:
    with pytest.raises(
        ManifestInvalid, match="4:3: services.kibana: elasticsearch runs a unit of that name already"
    ):
        stack(API.format("elasticsearch") + "  kibana: {image: x}\n")


BESIDE = "x-devenv: {about: a}\nservices: {NAME: {image: x}, side: {image: x}}\n"


def test_services_of_two_kinds_cannot_share_a_name_until_one_is_renamed() -> None:
    kinds = {name: BESIDE.replace("NAME", name) for name in ("left", "right")}
    with pytest.raises(ManifestInvalid, match="infra.right: it runs a unit called side, as left does"):
        stack(API.format("left, right"), kinds)
    app = stack(API.format("left, other") + "infra: {other: {kind: right}}\n", kinds)
    assert {unit.name for unit in app.units} == {"left", "side", "other", "other-side", "api"}
    kinds["side"] = "x-devenv: {about: a}\nservices: {side: {image: x}}\n"
    with pytest.raises(ManifestInvalid, match="infra.left: it runs a unit called side, as side does"):
        stack(API.format("left, side"), kinds)


def test_what_a_kind_uses_comes_with_it_and_is_there_first() -> None:
    app = stack(API.format("prometheus"))
    assert app.unit("prometheus").needs == (Need("postgres"),)
    source = dict(app.unit("prometheus-postgres").env)["DATA_SOURCE_NAME"]
    assert masked(source) == "postgresql://app:******@postgres:5432/app?sslmode=disable"
    assert secrets_in(source) == {"POSTGRES_PASSWORD"}


def test_a_kind_uses_the_store_of_that_kind_that_the_manifest_has() -> None:
    app = stack(API.format("prometheus") + "infra: {db: {kind: postgres, database: shop}}\n")
    assert "postgres" not in app
    source = dict(app.unit("prometheus-postgres").env)["DATA_SOURCE_NAME"]
    assert masked(source) == "postgresql://app:******@db:5432/shop?sslmode=disable"


def test_a_kind_may_use_a_part_of_another() -> None:
    own = """
        x-devenv: {about: a, uses: [postgres/own]}
        services: {own: {image: "x", environment: [URL=$${x} ${postgres.url}]}}
    """
    app = stack(API.format("own"), {"own": own.replace("[URL", '["URL').replace("url}]", 'url}"]')})
    assert masked(dict(app.unit("own").env)["URL"]) == "${x} postgresql://app:******@postgres:5432/own"
    assert app.unit("own").needs == (Need("postgres"), Need("postgres-databases", done=True))
    assert "in own;" in " ".join(map(str, app.unit("postgres-databases").command or ()))


def test_what_a_kind_uses_may_not_be_called_as_a_service_is() -> None:
    with pytest.raises(ManifestInvalid, match="the postgres that another kind uses has that name already"):
        stack(API.format("prometheus") + "  postgres: {image: x}\n")


TARGETS = 'infra: {prometheus: {targets: ["${api.host}:80", "a\\"b"]}}\n'
SECRETS = {"PROMETHEUS_TOKEN": 'to"ken', "BILLING_TOKEN": "bill", "POSTGRES_PASSWORD": "p"}


@pytest.mark.parametrize("backend", ["compose", "kubernetes"])
def test_a_configuration_file_names_services_options_and_secrets(backend: str) -> None:
    app = stack(API.format("prometheus") + TARGETS)
    assert app.secrets == {"BILLING_TOKEN"}
    if backend == "compose":
        bundle = compose.render(app, Source(secrets=SECRETS))
        text = bundle.files["files/prometheus/etc_prometheus_prometheus.yml"]
        assert "bill" not in bundle.files["compose.yaml"]
    else:
        rendered = kubernetes.render(app, Source(secrets=SECRETS))
        assert "bill" not in rendered.files["stack.yaml"].replace("billing", "")
        objects = documents.load_all(rendered.files["secrets.yaml"])
        secret = next(resource for resource in objects if resource["metadata"]["name"] == "prometheus")
        ((_, raw),) = secret["data"].items()

        text = base64.b64decode(raw).decode()
    assert text.startswith("# $1 and ${x} are Prometheus's own.\n")
    scrape = documents.load(text)["scrape_configs"]
    assert [job["static_configs"][0]["targets"] for job in scrape] == [
        ["api:80", 'a"b'],
        ["prometheus-postgres:9187"],
        ["billing.acme.io"],
    ]
    assert scrape[0]["authorization"]["credentials"] == SECRETS["PROMETHEUS_TOKEN"]
    assert scrape[2]["basic_auth"]["password"] == "bill"


def test_a_changed_option_or_secret_of_a_configuration_file_makes_its_container_stale() -> None:
    plain, targets = (stack(API.format("prometheus") + more).unit("prometheus") for more in ("", TARGETS))
    assert fingerprint(plain, {}) != fingerprint(targets, {})
    assert fingerprint(plain, {"BILLING_TOKEN": "1"}) != fingerprint(plain, {"BILLING_TOKEN": "2"})


def test_what_a_kind_asks_for_and_a_cluster_does_not_do_is_said() -> None:
    assert lost_extras(stack(API.format("elasticsearch"))) == [
        "elasticsearch: ulimits does nothing here: Kubernetes has nothing like ulimits"
    ]
    assert lost_extras(stack(API.format("postgres"))) == []


DOOR = """
    x-devenv:
      about: A gateway of another name
      gateway: {config: /etc/door.yml, port: 80}
    services: {door: {image: "door:1", ports: [{name: web, target: 80}]}}
"""


def test_a_gateway_is_what_says_that_it_is_one() -> None:
    routed = "name: a\nservices:\n  api: {image: x, port: 80, route: /}\n"
    own = stack(routed + "infra: {door: {}}\n", {"door": DOOR})
    assert own.gateway is not None
    assert own.gateway.unit == "door"
    assert "kong" not in own
    assert [unit.name for unit in own.units if unit.gateway] == ["door"]
    assert [unit.name for unit in stack(routed).units if unit.gateway] == ["kong"]


def test_an_option_that_is_no_amount_where_one_is_wanted_is_said_with_its_place() -> None:
    with pytest.raises(UsageError, match='"lots" is not an amount of memory') as refused:
        stack(API.format("elasticsearch") + "infra: {elasticsearch: {kibana_memory: lots}}\n")
    assert refused.value.where == "infra.elasticsearch: mem_limit"
    assert refused.value.hint == "write 256Mi or 1Gi"


def test_an_option_that_is_no_time_where_one_is_wanted_is_said_with_its_place() -> None:
    slow = DOOR.replace(
        "web, target: 80}]", "web, target: 80}], healthcheck: {test: open, start_period: '${patience}'}"
    )
    slow = slow.replace("gateway: {", "options: {version: '1', patience: '90'}\n      gateway: {")
    kinds = {"door": slow}
    probe = stack("name: a\ninfra: {door: {}}\n", kinds).unit("door").probe
    assert probe is not None
    assert probe.within == 90
    with pytest.raises(UsageError, match='"soon" is not a duration') as refused:
        stack("name: a\ninfra: {door: {patience: soon}}\n", kinds)
    assert refused.value.where == "infra.door.healthcheck"


def test_each_path_at_which_jenkins_looks_for_its_configuration_is_there() -> None:
    app = stack(API.format("jenkins"), {})
    text = compose.render(app, Source(secrets=dict.fromkeys(app.secrets | app.generated, "s"))).files[
        "compose.yaml"
    ]
    jenkins = documents.load(text)["services"]["jenkins"]
    mounted = {str(Path(each["target"]).parent) for each in jenkins["volumes"] if isinstance(each, dict)}
    assert set(jenkins["environment"]["CASC_JENKINS_CONFIG"].split(",")) <= mounted
