"""A volume of the manifest's top level is one for all that mount it; without that, one name is refused twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devenv.engine.promotion.charts import promoted
from devenv.plan import notes
from devenv.plan.model import Observed, ObservedUnit
from devenv.plan.promotion.rehearsal import Ground, replacements
from devenv.render import chart as charts
from devenv.render import compose, swarm
from devenv.render.bundle import Source
from tests import documents
from tests.helm import Helm

from . import stacks
from .chart.charts import Objects, pod, project, rendered, written
from .kubernetes import stacks as kubernetes

MANIFEST = """\
name: shop
services:
  web: {image: "nginx:1", port: 80, volumes: {media: /srv, cache: /var/cache}}
  worker: {image: "worker:1", volumes: {media: /data, logs: /logs}}
  shipper: {image: "shipper:1", volumes: {logs: /logs}}
  alone: {image: "alone:1", volumes: {own: /own}}
jobs:
  import: {image: "import:1", volumes: {media: /in, theirs: /theirs}}
volumes:
  media: {size: 5Gi}
  logs:
  theirs: {external: company_archive}
"""
TOGETHER = ["import", "shipper", "web", "worker"]


def test_two_services_with_one_name_are_refused_with_both_ways_out() -> None:
    assert stacks.problems("""\
        name: shop
        services:
          web: {image: x, volumes: {media: /srv}}
          worker: {image: x, volumes: {media: /data}}
        """) == [
        "4:32: services.worker.volumes.media: web has a volume of that name - one for both: "
        "volumes: {media: {}} at the top level; one for each: another name here"
    ]


def test_what_contradicts_itself_is_refused() -> None:
    assert stacks.problems("""\
        name: shop
        services:
          a: {image: x, volumes: {b-c: /x}}
        volumes: {a-b-c: {}, e: {external: n, size: 1Gi}, f: {external: ../x}, Media: {}}
        """) == [
        "4:11: volumes.a-b-c: the volume a-b-c belongs to a already"
        " - rename it, or both would share one volume",
        "4:39: volumes.e.size: says nothing of a volume that somebody else makes - remove it",
        '4:55: volumes.f.external: "../x" is not the name of a volume - letters, digits, dots, hyphens and _',
        "4:72: volumes.Media: a volume's name is at most 63 lower-case letters, digits, hyphens"
        ' - write "media"',
    ]


def test_compose_has_one_volume_for_all() -> None:
    of = stacks.stack(MANIFEST)
    document = documents.load(compose.render(of, Source()).files["compose.yaml"])
    mounts = {name: service.get("volumes") for name, service in document["services"].items()}
    assert mounts == {
        "web": ["media:/srv", "web-cache:/var/cache"],
        "worker": ["media:/data", "logs:/logs"],
        "shipper": ["logs:/logs"],
        "alone": ["alone-own:/own"],
        "import": ["media:/in", "theirs:/theirs"],
    }
    names = {name: volume["name"] for name, volume in document["volumes"].items()}
    assert names == {
        "media": f"{of.id}_media",
        "logs": f"{of.id}_logs",
        "web-cache": f"{of.id}_web-cache",
        "alone-own": f"{of.id}_alone-own",
        "theirs": "company_archive",
    }
    assert document["volumes"]["theirs"] == {
        "name": "company_archive",
        "external": True,
    }  # no label: it stays
    assert document["volumes"]["media"]["labels"] == document["volumes"]["alone-own"]["labels"]


def test_a_swarm_has_one_volume_for_all() -> None:
    document = documents.load(swarm.render(stacks.stack(MANIFEST), Source()).files["stack.yaml"])
    assert document["volumes"]["media"] == {}
    assert document["volumes"]["theirs"] == {"external": True, "name": "company_archive"}


def claims(of: dict[tuple[str, str], Any]) -> dict[str, Any]:
    return {name: item["spec"] for (kind, name), item in of.items() if kind == "PersistentVolumeClaim"}


def mounted(workload: Any) -> dict[str, str]:
    """Path in the container -> the claim behind it, as far as the pod names one."""
    spec = pod(workload)
    behind = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in spec.get("volumes", ())
        if "persistentVolumeClaim" in volume
    }
    mounts = spec["containers"][0].get("volumeMounts", ())
    return {mount["mountPath"]: behind[mount["name"]] for mount in mounts if mount["name"] in behind}


def neighbours(workload: Any) -> list[str]:
    (term,) = pod(workload)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    (expression,) = term["labelSelector"]["matchExpressions"]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert term["labelSelector"]["matchLabels"].items() <= labels.items()
    assert labels[expression["key"]] in expression["values"]  # or no pod could be the first
    return sorted(expression["values"])


def is_one_volume(objects: Objects) -> None:
    kinds = {name: kind for kind, name in objects if kind in ("Deployment", "StatefulSet")}
    assert kinds == {
        "web": "StatefulSet", "worker": "Deployment", "shipper": "Deployment", "alone": "StatefulSet"
    }  # fmt: skip
    web, worker = objects["StatefulSet", "web"], objects["Deployment", "worker"]
    (job,) = [item for (kind, _), item in objects.items() if kind == "Job"]
    assert mounted(web) == {"/srv": "media"}
    assert mounted(worker) == {"/data": "media", "/logs": "logs"}
    assert mounted(job) == {"/in": "media", "/theirs": "company_archive"}
    templates = web["spec"]["volumeClaimTemplates"]
    assert [template["metadata"]["name"] for template in templates] == ["web-cache"]
    for item in (web, worker, job, objects["Deployment", "shipper"]):
        assert neighbours(item) == TOGETHER  # one node, as they hang together through a third
    assert "affinity" not in pod(objects["StatefulSet", "alone"])
    requested = {name: claim["resources"]["requests"]["storage"] for name, claim in claims(objects).items()}
    assert requested == {"media": "5Gi", "logs": "1Gi"}
    assert claims(objects)["media"]["accessModes"] == ["ReadWriteOnce"]


def test_kubernetes_has_one_claim_for_all_and_one_node() -> None:
    is_one_volume(kubernetes.objects(kubernetes.stack(MANIFEST)))


def test_a_chart_has_one_claim_for_all_and_one_node(tmp_path: Path, helm: Helm) -> None:
    chart = written(tmp_path / "chart", project(tmp_path, MANIFEST))
    objects = rendered(helm, chart)
    is_one_volume(objects)
    media = objects["PersistentVolumeClaim", "media"]
    assert media["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"  # data outlives the release


def test_values_of_a_chart_say_where_the_data_is(tmp_path: Path, helm: Helm) -> None:
    chart = written(tmp_path / "chart", project(tmp_path, MANIFEST))
    values = tmp_path / "values.yaml"
    values.write_text("""\
volumes:
  media: {size: 20Gi, class: nfs, mode: ReadWriteMany}
  logs: {claim: logs-of-ours, mode: ReadWriteMany}
services:
  shipper: {affinity: {nodeAffinity: {}}}
""")
    objects = rendered(helm, chart, "-f", values)
    assert claims(objects) == {
        "media": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "20Gi"}},
            "storageClassName": "nfs",
        }
    }
    assert "affinity" not in pod(objects["Deployment", "worker"])
    assert pod(objects["Deployment", "shipper"])["affinity"] == {"nodeAffinity": {}}
    assert mounted(objects["Deployment", "shipper"]) == {"/logs": "logs-of-ours"}


@pytest.mark.parametrize("left", ["shop-c0ffee_web-media", "web-media-web-0"])
def test_data_of_a_volume_that_became_shared_is_pointed_at(left: str) -> None:
    of = stacks.stack(MANIFEST)
    unit = ObservedUnit("web", role="service", id="1", state="running", volumes=(left,))
    (line,) = notes.data_left(of, Observed(units={"web": unit}))
    assert line == f"media is a volume of its own now; what web had under that name stays in {left}"


def test_a_rehearsal_makes_the_volumes_that_its_cluster_can_have(tmp_path: Path) -> None:
    values = charts.defaults(promoted(project(tmp_path, MANIFEST)))
    values["volumes"] |= {
        "media": {"size": "20Gi", "class": "nfs", "mode": "ReadWriteMany", "claim": ""},
        "logs": {"size": "1Gi", "class": "", "mode": "ReadWriteOnce", "claim": "logs-of-ours"},
    }
    ground = Ground(nodes=(), ingress_classes=frozenset(), storage_classes=frozenset({"standard"}))
    stand_ins = {each.path: each.value for each in replacements(values, ground, "there")}
    assert {path: value for path, value in stand_ins.items() if path[0] == "volumes"} == {
        ("volumes", "media", "class"): "",
        ("volumes", "media", "mode"): "ReadWriteOnce",
        ("volumes", "logs", "claim"): "",
        ("volumes", "theirs", "claim"): "",
    }
