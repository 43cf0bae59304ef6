"""What an operator sets in the values of a chart, with what becomes of it: valid objects in each case."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import schemas
from tests.helm import Helm

from .charts import Object, Objects, objects, pod, project, rendered, written

SHOP = """\
    name: shop
    services:
      web: {image: "web:1", port: 80, route: /, uses: [postgres, migrate], secrets: [KEY], volumes: {shared: /s}}
      worker: {image: "worker:1", volumes: {shared: /s}}
      keeper: {image: "keeper:1", volumes: {own: /own}}
    jobs: {migrate: {image: "migrate:1", uses: [postgres]}}
    volumes: {shared: {}}
"""


def web(objects: Objects) -> Object:
    return pod(objects["Deployment", "web"])


def budget(objects: Objects) -> Any:
    item = objects.get(("PodDisruptionBudget", "web"))
    return item and {key: value for key, value in item["spec"].items() if key != "selector"}


def keeper(objects: Objects) -> Any:
    spec = objects["StatefulSet", "keeper"]["spec"]
    target = objects["HorizontalPodAutoscaler", "keeper"]["spec"]["scaleTargetRef"]
    spread = bool(spec["template"]["spec"]["topologySpreadConstraints"])
    budgeted = ("PodDisruptionBudget", "keeper") in objects
    return "replicas" in spec, "strategy" in spec, target["kind"], spread, budgeted


def claim(objects: Objects) -> Any:
    (claim,) = objects["StatefulSet", "postgres"]["spec"]["volumeClaimTemplates"]
    spec = claim["spec"]
    return spec["storageClassName"], spec["resources"]["requests"]["storage"]


def labels(objects: Objects) -> Any:
    item = objects["Deployment", "web"]
    both = [part["metadata"]["labels"] for part in (item, item["spec"]["template"])]
    assert all(each["app.kubernetes.io/name"] == "web" for each in both)
    return [each["app.kubernetes.io/part-of"] for each in both]


def account(objects: Objects) -> Any:
    made = [name for kind, name in objects if kind == "ServiceAccount"]
    return (
        web(objects)["serviceAccountName"],
        pod(objects["StatefulSet", "postgres"])["serviceAccountName"],
        made,
    )


def ingress(objects: Objects) -> Any:
    spec = objects["Ingress", "shop"]["spec"]
    return [rule["host"] for rule in spec["rules"]], spec["tls"]


def balancer(objects: Objects) -> Any:
    assert not [name for kind, name in objects if kind == "Ingress"]
    service, gateway = objects["Service", "kong-public"], objects["Deployment", "kong"]
    (port,) = service["spec"]["ports"]
    found = service["spec"]["selector"].items() <= gateway["spec"]["template"]["metadata"]["labels"].items()
    return port["port"], port["targetPort"], service["metadata"]["annotations"], found


CERTIFICATE = [{"hosts": ["shop.example", "www.shop.example"], "secretName": "123"}]
TWO_HOSTS = {"host": "shop.example", "hosts": ["www.shop.example"], "tls": "123", "class": "1"}
DIGEST = "sha256:" + "0" * 64

Row = tuple[Mapping[str, Any], Callable[[Objects], Any], Any]

TURNED: dict[str, Row] = {
    "none runs": (
        {"services": {"web": {"replicas": 0}}},
        lambda objects: objects["Deployment", "web"]["spec"]["replicas"],
        0,
    ),
    "a service of several with a volume each": (
        {"services": {"keeper": {"autoscale": {"min": 2, "max": 4}}}},
        keeper,
        (False, False, "StatefulSet", True, True),
    ),
    "it scales": (
        {"services": {"web": {"autoscale": {"max": 9}}}},
        lambda objects: (
            objects["HorizontalPodAutoscaler", "web"]["spec"]["maxReplicas"],
            "replicas" in objects["Deployment", "web"]["spec"],
        ),
        (9, False),
    ),
    "one stays instead of one goes": (
        {"services": {"web": {"disruptionBudget": {"minAvailable": "50%"}}}},
        budget,
        {"minAvailable": "50%"},
    ),
    "more may go": (
        {"services": {"web": {"disruptionBudget": {"maxUnavailable": 2}}}},
        budget,
        {"maxUnavailable": 2},
    ),
    "no budget": ({"services": {"web": {"disruptionBudget": None}}}, budget, None),
    "no spread, no drain": (
        {"services": {"web": {"spread": "", "drainSeconds": 0}}},
        lambda objects: web(objects).keys() & {"topologySpreadConstraints", "lifecycle"},
        set(),
    ),
    "a label of the whole": ({"labels": {"app.kubernetes.io/part-of": "acme"}}, labels, ["acme", "acme"]),
    "labels and annotations": (
        {"labels": {"team": "1"}, "annotations": {"owner": "on"}},
        lambda objects: [
            name
            for (_, name), item in objects.items()
            if (item["metadata"]["labels"]["team"], item["metadata"]["annotations"]["owner"]) != ("1", "on")
        ],
        [],
    ),
    "nodes": (
        {"services": {"web": {"nodeSelector": {"disk": "1"}, "tolerations": [{"operator": "Exists"}]}}},
        lambda objects: (web(objects)["nodeSelector"], web(objects)["tolerations"]),
        ({"disk": "1"}, [{"operator": "Exists"}]),
    ),
    "an account of theirs": (
        {"serviceAccount": {"create": False, "name": "1234"}},
        account,
        ("1234", "1234", []),
    ),
    "no account": ({"serviceAccount": {"create": False, "name": ""}}, account, ("default", "default", [])),
    "an account without a name": ({"serviceAccount": {"name": ""}}, account, ("shop", "shop", ["shop"])),
    "an image by digest": (
        {
            "services": {"web": {"image": {"repository": "r:5000/web", "digest": DIGEST}}},
            "imagePullSecrets": [{"name": "1"}],
        },
        lambda objects: (web(objects)["containers"][0]["image"], web(objects)["imagePullSecrets"]),
        (f"r:5000/web@{DIGEST}", [{"name": "1"}]),
    ),
    "no resources": (
        {"services": {"web": {"resources": None}}, "infra": {"postgres": {"resources": {"limits": None}}}},
        lambda objects: web(objects)["containers"][0]["resources"],
        None,
    ),
    "no security context": (
        {"services": {"web": {"podSecurityContext": None, "securityContext": None}}},
        lambda objects: web(objects)["securityContext"],
        None,
    ),
    "volumes": (
        {"infra": {"postgres": {"volumes": {"data": {"size": 5, "class": "010"}}}}},
        claim,
        ("010", "5"),
    ),
    "a volume of theirs": (
        {"volumes": {"shared": {"claim": "7"}}},
        lambda objects: (
            [volume["persistentVolumeClaim"]["claimName"] for volume in web(objects)["volumes"]],
            [name for kind, name in objects if kind == "PersistentVolumeClaim"],
        ),
        (["7"], []),
    ),
    "the Secret's name": (
        {"secret": "123"},
        lambda objects: {
            entry["valueFrom"]["secretKeyRef"]["name"]
            for entry in web(objects)["containers"][0]["env"]
            if "valueFrom" in entry
        },
        {"123"},
    ),
    "two hosts": (
        {"ingress": TWO_HOSTS},
        ingress,
        (["shop.example", "www.shop.example"], CERTIFICATE),
    ),
    "two hosts of an Ingress for each route": (
        {"gateway": {"kind": "ingress"}, "ingress": TWO_HOSTS},
        ingress,
        (["shop.example", "www.shop.example"], CERTIFICATE),
    ),
    "a load balancer": (
        {
            "gateway": {"kind": "loadbalancer", "port": 443},
            "ingress": {"host": "shop.example", "annotations": {"internal": "true"}},
        },
        balancer,
        (443, 8000, {"internal": "true"}, True),
    ),
    "a store elsewhere": (
        {"infra": {"postgres": {"external": {"host": "1234"}}}},
        lambda objects: objects["Service", "postgres"]["spec"]["externalName"],
        "1234",
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    return written(folder / "chart", project(folder, SHOP))


def turned(helm: Helm, made: Path, values: Mapping[str, Any]) -> Path:
    file = made.parent / f"turned{helm.major}.yaml"
    file.write_text(json.dumps(values), encoding="utf-8")
    return file


@pytest.mark.parametrize("row", TURNED.values(), ids=TURNED)
def test_what_is_set_arrives_in_valid_objects(row: Row, helm: Helm, made: Path) -> None:
    values, what, expected = row
    objects = rendered(helm, made, "-f", turned(helm, made, values))
    for item in objects.values():
        schemas.validate(item, "1.33")
    assert what(objects) == expected


REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "a second copy of a store": ({"infra": {"postgres": {"replicas": 2}}}, "/infra/postgres/replicas"),
    "a label that pods are found by": (
        {"labels": {"app.kubernetes.io/name": "x"}},
        "/labels/app.kubernetes.io~1name",
    ),
    "a label of ours": ({"labels": {"devenv.dev/unit": "x"}}, "/labels/devenv.dev~1unit"),
}


def test_what_would_break_a_release_is_refused_with_its_place(helm: Helm, made: Path) -> None:
    for name, (values, place) in REFUSED.items():
        refusal = helm("template", "rel", made, "-f", turned(helm, made, values), code=1)
        assert place in refusal, name


def test_a_release_whose_name_is_a_number_has_texts_as_labels(helm: Helm, made: Path) -> None:
    for item in objects(helm("template", "123", made)).values():
        schemas.validate(item, "1.33")
