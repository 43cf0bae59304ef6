"""With its defaults, the chart's objects are those that the kube backend applies, but for what is listed here."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from devenv import assets
from devenv.engine.promotion import charts
from devenv.render.kubernetes import render
from devenv.stack.model import Stack
from tests import documents, schemas
from tests.conftest import ROOT
from tests.helm import Helm
from tests.unit.kubernetes.stacks import EVERYTHING

from .charts import (
    Object,
    Objects,
    commands,
    environment,
    of_backend,
    pod,
    project,
    rendered,
    secret_values,
    written,
)

Secrets = Mapping[str, Mapping[str, str]]

DIFFERENCES = {
    "metadata": "labels and annotations are the release's: identity, ports of this machine and fingerprints are local",
    "selector": "the release's name instead of the checkout",
    "strategy": "a new pod is ready before an old one goes",
    "terminationGracePeriodSeconds": "longer by the time in which a pod drains",
    "topologySpreadConstraints": "pods are spread over nodes",
    "lifecycle": "a pod drains before it ends",
    "activeDeadlineSeconds": "nobody of devenv waits for a job there: Kubernetes ends it",
    "initContainers": "files with secrets are filled in at the start: the chart has no secret",
    "env": "compared by what a container sees",
    "command": "compared by what runs",
    "args": "compared by what runs",
    "volumes": "files of a Secret and filled-in ones; compared by their contents",
    "volumeMounts": "the same",
}
"""What of an object is left out of the comparison, and why."""

ONLY_IN_BACKEND = {
    "Namespace": "whoever installs a release names one",
    "Secret": "a chart has no secrets: NOTES.txt lists the keys of the one that has to exist",
}
ONLY_IN_CHART = {
    "ConfigMap": "a file with secrets in it is one here, as marks: see the test of the contents",
    "CronJob": "a manual job, suspended: the backend applies it when asked to run it",
    "PodDisruptionBudget": "a drained node takes one pod at a time",
    "Ingress": "with a host only",
    "HorizontalPodAutoscaler": "where it scales only",
}
GATEWAY_ONLY = "Kong's Admin API and Manager stay on laptops: nobody has to log in there"
UNKEPT = {"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE"}
"""Kong keeps no connection to a pod that may end, where pods are replaced under load."""

MANIFESTS = {"shop": "", "everything": EVERYTHING}
FILES = {"orders.ini": "[orders]\nprice = {{ 5 }}\n"}
VALUE = 'it\'s "a" $secret/ü😀: ${x}#\\'


@dataclass(frozen=True)
class Both:
    """The objects of a stack on both ways, and what is in the Secrets there."""

    stack: Stack
    here: Objects
    secrets: Secrets
    there: Objects
    chart_secrets: Secrets


@pytest.fixture(scope="module", params=MANIFESTS)
def both(request: pytest.FixtureRequest, helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "shop":
        shutil.copytree(ROOT / "examples/shop", folder, dirs_exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_text(content, encoding="utf-8")
    of = project(folder, MANIFESTS[request.param])
    promoted = charts.promoted(of)
    values = dict.fromkeys(promoted.stack.secrets | promoted.stack.generated, VALUE)
    stack = replace(promoted.stack, namespace="there")
    kinds = assets.overrides({unit.engine for unit in stack.units})
    here, secrets = of_backend(render(stack, replace(promoted.source, secrets=values, overrides=kinds)).files)
    there = rendered(helm, written(folder / "chart", of))
    return Both(stack, here, secrets, there, {"shop-secrets": secret_values(promoted, values)})


def everything_else(item: Object) -> Any:
    """An object without what is different on purpose."""
    item = copy.deepcopy(item)
    for part in (item, item["spec"].get("template", {}) if "spec" in item else {}):
        part.pop("metadata", None)
    spec = item.get("spec", {})
    for claim in spec.get("volumeClaimTemplates", ()):
        claim["metadata"] = claim["metadata"]["name"]
    places = [spec]
    if "template" in spec:
        inner = spec["template"]["spec"]
        places += [inner, *inner["containers"]]
    for place in places:
        for name in DIFFERENCES:
            place.pop(name, None)
        if place.get("resources") == {}:
            del place["resources"]
    return item


@pytest.mark.programs
def test_the_objects_are_the_same(both: Both) -> None:
    expected = {key for key in both.here if key[0] not in (*ONLY_IN_BACKEND, "ConfigMap")}
    assert {key for key in both.there if key[0] not in ONLY_IN_CHART} == expected
    for key in expected:
        item = everything_else(both.here[key])
        if is_gateway(both, key[1]):
            item = without_administration(item)
        assert everything_else(both.there[key]) == item, key


def is_gateway(both: Both, unit: str) -> bool:
    return both.stack.gateway is not None and both.stack.gateway.unit == unit


def workloads(both: Both) -> Iterator[tuple[str, Object, Object]]:
    for (kind, name), item in both.here.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            yield name, pod(item), pod(both.there[kind, name])


def test_a_container_sees_the_same_variables_and_runs_the_same_command(both: Both) -> None:
    for name, here, there in workloads(both):
        (ours,), (theirs,) = here["containers"], there["containers"]
        expected, actual = environment(ours, both.secrets), environment(theirs, both.chart_secrets)
        made_of = {each for each in actual.keys() - expected.keys() if each.startswith("DEVENV_")}
        changed = {each for each in expected if actual.pop(each, None) != expected[each]}
        administration = {each for each in expected if each.startswith("KONG_ADMIN_")}
        assert changed == (administration if is_gateway(both, name) else set()), GATEWAY_ONLY
        assert actual.keys() - made_of == (UNKEPT if is_gateway(both, name) else set())
        seen = environment(theirs, both.chart_secrets)
        assert list(commands(ours, expected)) == list(commands(theirs, seen))


def without_administration(item: Object) -> Object:
    if item["kind"] == "Service":
        item["spec"]["ports"] = item["spec"]["ports"][:1]
    else:
        container = item["spec"]["template"]["spec"]["containers"][0]
        container["ports"] = container["ports"][:1]
    return item


@pytest.mark.programs
def test_files_have_the_same_contents(both: Both, tmp_path: Path) -> None:
    """Those with secrets in them are filled in by the very script that a pod starts with."""
    compared = 0
    for name, here, there in workloads(both):
        configs = [config_map(here, both.here), config_map(there, both.there)]
        filled = fill_in(there, configs[1], both.chart_secrets, tmp_path / name)
        expected = contents(here, configs[0], both.secrets, {})
        actual = contents(there, configs[1], both.chart_secrets, filled)
        assert {path: parsed(text) for path, text in actual.items()} == {
            path: parsed(text) for path, text in expected.items()
        }
        compared += len(actual)
    assert compared


def config_map(spec: Object, objects: Mapping[tuple[str, str], Object]) -> Object:
    """What a pod mounts as its files."""
    names = {volume["configMap"]["name"] for volume in spec.get("volumes", ()) if "configMap" in volume}
    return objects["ConfigMap", names.pop()] if names else {}


def parsed(text: str) -> Any:
    return documents.load(text) if text.startswith("# Rendered") else text


def fill_in(spec: Object, config: Object, secrets: Secrets, folder: Path) -> dict[str, str]:
    """What the init container writes, by file."""
    if "initContainers" not in spec:
        return {}
    (writer,) = spec["initContainers"]
    templates, filled = folder / "templates", folder / "filled"
    for made in (templates, filled):
        made.mkdir(parents=True)
    for name, text in config["data"].items():
        (templates / name).write_text(text, encoding="utf-8")
    seen = environment(writer, secrets)
    ((_, _, script), _) = commands(writer, {})
    script = script.replace("/devenv/templates", str(templates)).replace("/devenv/filled", str(filled))
    subprocess.run(["sh", "-c", script], env={**os.environ, **seen}, check=True)
    return {file.name: file.read_text(encoding="utf-8") for file in filled.iterdir()}


def contents(spec: Object, config: Object, secrets: Secrets, filled: dict[str, str]) -> dict[str, str]:
    """Path in the container -> what is in that file."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    files = {}
    for mount in spec["containers"][0].get("volumeMounts", ()):
        volume = volumes.get(mount["name"], {})
        if "configMap" in volume:
            files[mount["mountPath"]] = config["data"][mount["subPath"]]
        elif "secret" in volume:
            files[mount["mountPath"]] = secrets[volume["secret"]["secretName"]][mount["subPath"]]
        elif mount["name"] == "filled":
            files[mount["mountPath"]] = filled[mount["subPath"]]
    return files


def test_kubernetes_own_schemas_take_every_object(both: Both) -> None:
    for item in both.there.values():
        schemas.validate(item, "1.33")
