from __future__ import annotations

import base64
from itertools import product
from typing import Any

import pytest

from devenv.errors import UsageError
from devenv.render.kubernetes import render
from devenv.render.kubernetes.objects import port_name
from devenv.render.kubernetes.pod import as_image_user
from tests import schemas
from tests.table import each_row
from tests.unit.kubernetes.stacks import EVERYTHING, objects, source, stack

SHOP = stack(EVERYTHING)
OBJECTS = objects(SHOP)
VERSIONS = ("1.33", "1.37")


def pod(kind: str, name: str, bundle: Any = OBJECTS) -> Any:
    return bundle[kind, name]["spec"]["template"]["spec"]


def container(kind: str, name: str, bundle: Any = OBJECTS) -> Any:
    return pod(kind, name, bundle)["containers"][0]


def env(kind: str, name: str) -> dict[str, Any]:
    return {
        entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(kind, name)["env"]
    }


@each_row([*product(OBJECTS, VERSIONS)])
def test_every_object_is_valid_by_kubernetes_own_schemas(key: tuple[str, str], version: str) -> None:
    schemas.validate(OBJECTS[key], version)


def test_same_stack_same_bytes() -> None:
    assert render(SHOP, source(SHOP)) == render(SHOP, source(SHOP))


def test_what_runs_a_unit() -> None:
    workloads = {name: kind for kind, name in OBJECTS if kind in ("Deployment", "StatefulSet", "Job")}
    assert workloads == {
        "postgres": "StatefulSet",
        "postgres-databases": "Job",
        "mongo": "StatefulSet",
        "cache": "StatefulSet",
        "minio": "StatefulSet",
        "minio-buckets": "Job",
        "legacy": "StatefulSet",
        "mailpit": "Deployment",
        "kong": "Deployment",
        "migrate": "Job",
        "seed": "Job",
        "orders": "Deployment",
        "worker": "StatefulSet",
        "echo": "Deployment",
    }


def test_an_address_has_the_port_of_the_container() -> None:
    ports = OBJECTS["Service", "orders"]["spec"]["ports"]
    assert ports == [
        {"name": "http", "port": 8000, "targetPort": 8000},
        {"name": "metrics", "port": 9100, "targetPort": 9100},
    ]
    assert ("Service", "worker") not in OBJECTS


def test_the_set_finds_itself_before_it_is_ready() -> None:
    spec = OBJECTS["Service", "mongo"]["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert "clusterIP" not in OBJECTS["Service", "postgres"]["spec"]


def test_secrets_are_only_in_secrets() -> None:
    bundle = render(SHOP, source(SHOP))
    assert bundle.private == {"secrets.yaml"}
    assert "s3cret" not in "".join(text for name, text in bundle.files.items() if name != "secrets.yaml")
    url = env("Deployment", "orders")["POSTGRES_URL"]["secretKeyRef"]
    assert url == {"name": "orders", "key": "POSTGRES_URL"}
    value = base64.b64decode(OBJECTS["Secret", "orders"]["data"]["POSTGRES_URL"]).decode()
    assert value == "postgresql://app:s3cret%20POSTGRES_PASSWORD@postgres:5432/shop"


def test_no_mark_of_a_secret_is_left() -> None:
    assert "\0" not in "".join(render(SHOP, source(SHOP)).files.values())


def test_a_secret_in_a_command_becomes_a_variable_and_dollars_stay_dollars() -> None:
    worker = container("StatefulSet", "worker")
    assert worker["args"] == ["sh", "-c", 'echo "${DEVENV_SECRET_STRIPE_KEY}"; kill $$$']
    assert "DEVENV_SECRET_STRIPE_KEY" in env("StatefulSet", "worker")


def test_texts_that_kubernetes_would_expand_stand_as_written() -> None:
    variables = env("Deployment", "orders")
    assert variables["PRICE"] == "$5"
    assert variables["SHELL_TEXT"] == "$$(date) $$$"
    app = stack("name: a\nservices: {a: {image: x, health: {exec: [sh, -c, 'kill -0 $$ && $(PORT)', $A]}}}\n")
    (of,) = objects(app)["Deployment", "a"]["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe"):
        assert of[probe]["exec"]["command"] == ["sh", "-c", "kill -0 $$$ && $$(PORT)", "$A"]


def test_gateway_configuration_with_keys_is_a_secret_and_rolls_the_pods() -> None:
    mounts = {mount["mountPath"]: mount for mount in container("Deployment", "kong")["volumeMounts"]}
    assert mounts["/opt/kong/kong.yml"]["name"] == "secrets"
    other = objects(stack(EVERYTHING.replace("/api/orders", "/orders")))
    digests = [
        bundle["Deployment", "kong"]["spec"]["template"]["metadata"]["annotations"]["devenv.dev/content"]
        for bundle in (OBJECTS, other)
    ]
    assert digests[0] != digests[1]


def test_gateway_configuration_without_keys_is_a_config_map() -> None:
    bundle = objects(stack("name: a\nservices:\n  web: {image: web, port: 80, route: /}\n"))
    assert "_format_version" in bundle["ConfigMap", "kong"]["data"]["opt_kong_kong.yml"]


def test_a_store_runs_as_its_own_user_without_any_right() -> None:
    assert pod("StatefulSet", "postgres")["securityContext"] == {
        "seccompProfile": {"type": "RuntimeDefault"},
        "runAsNonRoot": True,
        "runAsUser": 999,
        "runAsGroup": 999,
        "fsGroup": 999,
    }
    security = container("StatefulSet", "postgres")["securityContext"]
    assert security == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_an_image_of_unknown_user_may_become_another_user() -> None:
    for unit in ("legacy", "worker"):
        assert "runAsUser" not in pod("StatefulSet", unit)["securityContext"]
        assert "SETUID" in container("StatefulSet", unit)["securityContext"]["capabilities"]["add"]


@pytest.mark.parametrize("user", ["1234", "1234:0"])
def test_an_image_with_a_number_as_its_user_gets_no_way_to_become_another(user: str) -> None:
    workload = as_image_user(OBJECTS["StatefulSet", "worker"], user)

    spec = workload["spec"]["template"]["spec"]
    assert spec["securityContext"] == {
        "fsGroup": 1234, "seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True
    }  # fmt: skip
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    schemas.validate(workload, VERSIONS[0])


@pytest.mark.parametrize("user", ["", "0", "0:0", "node"])
def test_an_image_that_is_root_or_says_a_name_is_left_as_rendered(user: str) -> None:
    assert as_image_user(OBJECTS["StatefulSet", "worker"], user) == OBJECTS["StatefulSet", "worker"]
    assert as_image_user(OBJECTS["StatefulSet", "postgres"], "1234") == OBJECTS["StatefulSet", "postgres"]


def test_no_pod_has_a_token_or_the_variables_of_services() -> None:
    for (kind, _), item in OBJECTS.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            spec = item["spec"]["template"]["spec"]
            assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)


def test_probes() -> None:
    orders, echo = container("Deployment", "orders"), container("Deployment", "echo")
    assert orders["startupProbe"] == {
        "httpGet": {
            "path": "/healthz",
            "port": 8000,
            "httpHeaders": [{"name": "Host", "value": "localhost"}],
        },
        "timeoutSeconds": 2,
        "periodSeconds": 1,
        "failureThreshold": 60,
    }
    assert orders["readinessProbe"]["periodSeconds"] == 5
    assert echo["readinessProbe"]["grpc"] == {"port": 9000}
    assert "livenessProbe" not in orders
    assert "startupProbe" not in container("Job", "migrate")


def test_old_postgres_keeps_its_data_below_the_volume() -> None:
    old = objects(stack('name: a\ninfra: {postgres: {version: "17.11"}}\n'))
    assert {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"} in container(
        "StatefulSet", "postgres", old
    )["env"]
    assert "PGDATA" not in env("StatefulSet", "postgres")


def test_the_users_fragment_comes_last() -> None:
    assert pod("Deployment", "orders")["nodeSelector"] == {"disk": "ssd"}
    manifest = "name: a\ninfra: {mongo: {kubernetes: {Service: {spec: {clusterIP: null}}}}}\n"
    assert "clusterIP" not in objects(stack(manifest))["Service", "mongo"]["spec"]


def test_a_fragment_may_add_an_object_but_not_name_a_kind_that_is_not_there() -> None:
    manifest = "name: a\nservices: {web: {image: web, kubernetes: {%s}}}\n"
    bundle = objects(
        stack(manifest % "PodDisruptionBudget: {apiVersion: policy/v1, spec: {minAvailable: 1}}")
    )
    assert bundle["PodDisruptionBudget", "web"]["metadata"]["labels"]["devenv.dev/unit"] == "web"
    with pytest.raises(UsageError, match=r"kubernetes\.StatefulSet changes nothing"):
        objects(stack(manifest % "StatefulSet: {spec: {}}"))


def test_files_that_are_too_large_are_refused() -> None:
    with pytest.raises(UsageError, match=r"the files of migrate are too large for Kubernetes: 2\.0 MiB"):
        objects(SHOP, files={"./orders.ini": b"x" * 2 * 1024 * 1024})


def test_files_that_are_no_text_are_kept_as_they_are() -> None:
    bundle = objects(SHOP, files={"./orders.ini": b"\xff\x00"})
    assert bundle["ConfigMap", "orders"]["binaryData"] == {"etc_orders.ini": "/wA="}


def test_built_images_carry_the_registry_and_others_do_not() -> None:
    bundle = objects(SHOP, registry="ghcr.io/acme/")
    assert container("Deployment", "orders", bundle)["image"].startswith("ghcr.io/acme/shop-orders:")
    assert container("Deployment", "echo", bundle)["image"] == "echo:1"


def test_only_jobs_that_start_by_themselves_are_where_kubectl_finds_them() -> None:
    files = render(SHOP, source(SHOP)).files
    assert "name: seed\n" in files["manual/seed.yaml"]
    assert "name: seed\n" not in files["stack.yaml"]


def test_namespace_default_is_nobodys() -> None:
    bundle = objects(stack("name: a\nnamespace: default\nservices: {web: {image: web}}\n"))
    assert [name for kind, name in bundle if kind == "Namespace"] == []
    assert bundle["Deployment", "web"]["metadata"]["namespace"] == "default"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("http", "http"), ("a-name-of-16-let", "port-80"), ("HTTP", "port-80"), ("80", "port-80")],
)
def test_port_names(name: str, expected: str) -> None:
    assert port_name(name, 80) == expected


def test_a_stack_whose_name_no_label_takes_is_refused_and_one_that_just_fits_is_not() -> None:
    text = "name: {}\nservices: {{api: {{image: x}}}}\n"
    objects(stack(text.format("s" * 56)))
    with pytest.raises(UsageError, match="too long for Kubernetes") as refused:
        objects(stack(text.format("s" * 57)))
    assert refused.value.hint == "a name of at most 56 characters"


@each_row(
    [
        "metadata: ",
        "metadata: x",
        "{kind: Job}",
        "{apiVersion: v1}",
        "{metadata: {name: other, namespace: other, labels: }}",
        "{metadata: {labels: {devenv.dev/unit: other}}}",
        "{spec: {template: {metadata: }}}",
    ]
)
def test_an_object_stays_ours_whatever_a_fragment_says(change: str) -> None:
    change = change if change.startswith("{") else f"{{{change}}}"
    manifest = "name: a\nservices:\n  api: {image: x, kubernetes: {Deployment: %s}}\n"
    changed, plain = (objects(stack(manifest % text))["Deployment", "api"] for text in (change, "{}"))
    for key in ("apiVersion", "kind"):
        assert changed[key] == plain[key]
    for item, other in ((changed, plain), (changed["spec"]["template"], plain["spec"]["template"])):
        labels = {k: v for k, v in other["metadata"]["labels"].items() if k.startswith("devenv.dev/")}
        assert item["metadata"]["labels"].items() >= labels.items()
    assert (changed["metadata"]["name"], changed["metadata"]["namespace"]) == ("api", "a")


def test_volumes_of_a_pod_have_names_of_their_own() -> None:
    manifests = objects(
        stack(
            "name: a\nservices:\n"
            "  secret: {image: x, volumes: {files: /data}, files: {/run/key: {secret: KEY}}}\n"
        )
    )
    names = [mount["name"] for mount in container("StatefulSet", "secret", manifests)["volumeMounts"]]
    assert len(set(names)) == 2, names
