"""What makes the stack's Secret at a cluster: an object for an operator, by that operator's own schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from devenv.engine.promotion import charts
from devenv.errors import ManifestInvalid
from devenv.plan.promotion.changes import secrets_needed
from devenv.stack.text import Place, Secret
from tests import documents
from tests.helm import Helm
from tests.unit.stacks import problems

from .charts import project, rendered, written

SHOP = """\
    name: shop
    services:
      orders: {{image: x, port: 8000, uses: [postgres, migrate], route: /api, secrets: [STRIPE_KEY]}}
    jobs:
      migrate: {{image: x, uses: [postgres], secrets: [STRIPE_KEY]}}
    gateway: {{consumers: {{web: {{key: "${{secret.SHOP_KEY}}"}}}}}}
    environments:
      live: {{context: c, namespace: shop-live, secrets: {secrets}, infra: {{postgres: {postgres}}}}}
"""
EXTERNAL = "{external: {store: vault, kind: ClusterSecretStore, prefix: shop/live/}}"
SEALED: dict[str, Any] = {
    "apiVersion": "bitnami.com/v1alpha1",
    "kind": "SealedSecret",
    "metadata": {"name": "shop-secrets", "namespace": "shop-live"},
    "spec": {"encryptedData": {"POSTGRES_PASSWORD": "AgA1", "SHOP_KEY": "AgA2", "STRIPE_KEY": "AgA3"}},
}
SCHEMAS = json.loads((Path(__file__).parent / "data" / "makers.json").read_text(encoding="utf-8"))
VALUES = {"POSTGRES_PASSWORD": "p@ss w/ü%+~é", "SHOP_KEY": '"\\<&>\n"', "STRIPE_KEY": "{{ sk }}"}


def manifest(secrets: str = EXTERNAL, postgres: str = "deploy") -> str:
    return SHOP.format(secrets=secrets, postgres=postgres)


def closed(schema: Any) -> Any:
    """The schema of a resource, with what the cluster would drop without a word as an error."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in schema:
        inner.setdefault("additionalProperties", False)
    return inner


def maker(helm: Helm, chart: Path, kind: str) -> dict[str, Any]:
    objects = rendered(helm, chart, "-f", chart / "values-live.yaml")
    item = objects[kind, "shop-secrets"]
    metadata = item["metadata"]
    Draft202012Validator(closed(SCHEMAS[kind])).validate({**item, "metadata": {}})
    assert metadata["namespace"] == "there"
    assert metadata["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [
        each["metadata"].get("annotations", {}).get("helm.sh/hook-weight", "0") for each in objects.values()
    ]
    assert min(map(int, weights)) == int(metadata["annotations"]["helm.sh/hook-weight"])  # before any job
    assert secrets_needed(objects.values()) == {}
    return item


def evaluated(helm: Helm, folder: Path, templates: dict[str, str]) -> dict[str, str]:
    """What these templates make of the values, by the library of functions that both operators have of Helm's."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: a, version: 1.0.0}\n")
    (folder / "values.yaml").write_text(json.dumps(VALUES))
    written = [
        f'{{{{- define "{key}" -}}}}{text}{{{{- end }}}}\n"{key}": {{{{ include "{key}" .Values | toJson }}}}\n'
        for key, text in templates.items()
    ]
    (folder / "templates" / "all.yaml").write_text("".join(written))
    return dict(documents.load(helm("template", "a", folder)))


def test_external_secrets_makes_it_of_entries_with_a_prefix(helm: Helm, tmp_path: Path) -> None:
    item = maker(helm, written(tmp_path / "chart", project(tmp_path, manifest()), "live"), "ExternalSecret")
    spec = item["spec"]
    assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}
    assert {entry["secretKey"]: entry["remoteRef"] for entry in spec["data"]} == {
        name: {"key": f"shop/live/{name}"} for name in VALUES
    }
    # The Secret stays when its maker is made anew, or is taken away.
    assert (spec["target"]["name"], spec["target"]["creationPolicy"]) == ("shop-secrets", "Orphan")
    made = evaluated(helm, tmp_path / "other", spec["target"]["template"]["data"])
    places: tuple[Place, ...] = ("plain", "url", "json")
    for key, value in made.items():
        name, _, place = key.partition(".")
        wanted = Secret(name, next(each for each in places if each == (place or "plain"))).value(VALUES)
        if place == "json":
            assert json.loads(f'"{value}"') == json.loads(f'"{wanted}"') == VALUES[name]
        else:
            assert value == wanted
    assert made.keys() == {"POSTGRES_PASSWORD", "POSTGRES_PASSWORD.url", "SHOP_KEY.json", "STRIPE_KEY"}


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_or_of_the_properties_of_one_entry_and_only_of_what_is_needed(helm: Helm, tmp_path: Path) -> None:
    text = manifest("{external: {store: vault, entry: shop}}", "{external: {secret: live-postgres}}")
    chart = written(tmp_path / "chart", project(tmp_path, text), "live")
    objects = rendered(helm, chart, "-f", chart / "values-live.yaml")
    spec = objects["ExternalSecret", "shop-secrets"]["spec"]
    assert [entry["remoteRef"] for entry in spec["data"]] == [
        {"key": "shop", "property": "SHOP_KEY"},
        {"key": "shop", "property": "STRIPE_KEY"},
    ]
    assert secrets_needed(objects.values()).keys() == {"live-postgres"}


def test_sealed_secrets_makes_it_of_a_file(helm: Helm, tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text(yaml.safe_dump(SEALED))
    chart = written(tmp_path / "chart", project(tmp_path, manifest("{sealed: live.yaml}")), "live")
    spec = maker(helm, chart, "SealedSecret")["spec"]
    assert spec["encryptedData"] == SEALED["spec"]["encryptedData"]
    made = evaluated(helm, tmp_path / "other", spec["template"]["data"])
    assert made["POSTGRES_PASSWORD.url"] == Secret("POSTGRES_PASSWORD", "url").value(VALUES)
    assert made.keys() == {"POSTGRES_PASSWORD.url", "SHOP_KEY.json"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "Secret"}, "live.yaml is no SealedSecret with encrypted data"),
        ({"metadata": {"name": "shop", "namespace": "shop-live"}}, "is sealed for the name shop, and cannot"),
        ({"metadata": {"name": "shop-secrets"}}, "is sealed for the namespace None, and cannot"),
        ({"spec": {"encryptedData": {"SHOP_KEY": "AgA"}}}, "live.yaml lacks POSTGRES_PASSWORD, STRIPE_KEY"),
    ],
)
def test_a_file_that_would_not_do_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    (tmp_path / "live.yaml").write_text(yaml.safe_dump(SEALED | change))
    with pytest.raises(ManifestInvalid) as refused:
        charts.values_file(project(tmp_path, manifest("{sealed: live.yaml}")), "live")
    (problem,) = map(str, refused.value.problems)
    assert "environments.live.secrets.sealed" in problem
    assert why in problem
    assert "kubeseal" in problem


@pytest.mark.parametrize("content", [None, b"\xff", b"{"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "live.yaml").write_bytes(content)
    with pytest.raises(ManifestInvalid) as refused:
        charts.values_file(project(tmp_path, manifest("{sealed: live.yaml}")), "live")
    assert "live.yaml cannot be read" in str(refused.value.problems[0])


def test_a_file_for_the_whole_cluster_goes_anywhere(tmp_path: Path) -> None:
    wide = {"sealedsecrets.bitnami.com/cluster-wide": "true"}
    (tmp_path / "live.yaml").write_text(
        yaml.safe_dump(SEALED | {"metadata": {"name": "a", "annotations": wide}})
    )
    values = documents.load(charts.values_file(project(tmp_path, manifest("{sealed: live.yaml}")), "live"))
    assert values["sealedSecret"]["annotations"] == wide


@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ("{}", "secrets: is either external or sealed"),
        ("{sealed: a, external: {store: a}}", "secrets: is either external or sealed"),
        ("{external: {store: a, entry: b, prefix: c}}", "external: names an entry and a prefix"),
        ("{external: {store: ''}}", "store: "),
        ("{external: {store: a, kind: Store}}", "kind: "),
        ("{sealed: ../a}", 'sealed: "../a" is outside the project'),
    ],
)
def test_one_maker_is_named_in_one_way(secrets: str, why: str) -> None:
    (problem,) = problems(manifest(secrets))
    assert "environments.live.secrets" in problem
    assert why in problem


def test_what_makes_a_secret_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    own = f"{{context: c, secret: other, secrets: {EXTERNAL}}}"
    plain = f"name: a\nservices: {{web: {{image: x}}}}\nenvironments: {{live: {own}}}\n"
    with pytest.raises(ManifestInvalid) as raised:
        charts.values_file(project(tmp_path, plain), "live")
    assert [str(problem).partition(": ")[2] for problem in raised.value.problems] == [
        f"environments.live.{key}: has no effect: nothing that runs there reads a secret - remove it"
        for key in ("secret", "secrets")
    ]
