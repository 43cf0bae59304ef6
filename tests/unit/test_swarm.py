"""The files for a swarm: what Compose runs, nothing of this machine, no secret, and a word for what is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devenv.engine.swarms import SwarmFiles, swarm
from devenv.errors import ManifestInvalid, UsageError
from devenv.render.swarm.service import deployed
from devenv.writing import export_chart
from tests import documents
from tests.conftest import ROOT

from .chart.charts import project

SHOP = """\
    name: shop
    services:
      orders:
        build: {context: ./orders, target: dev, args: {TOKEN: "${secret.TOKEN}"}}
        port: 8000
        uses: [postgres, migrate]
        route: {path: /api, plugins: [key-auth]}
        publish: 8123
        replicas: 2
        env: {PRICE: "$5"}
        secrets: [STRIPE_KEY]
        files: {/etc/orders.ini: orders.ini, /run/key: {secret: STRIPE_KEY}}
        resources: {cpu: 500m, memory: 64Mi}
        reload: {restart: true}
      worker: {image: "worker:1", uses: [orders], volumes: {data: /data}}
    jobs:
      migrate: {like: orders, command: migrate, uses: [postgres]}
      seed: {image: "seed:3", manual: true, volumes: {seeds: /seeds}}
    gateway:
      consumers: {web: {key: "${secret.SHOP_KEY}", custom_id: "{{web}}"}}
    environments:
      live:
        context: live-cluster
        registry: registry.example/team
        services: {orders: {replicas: 5, autoscale: {max: 9}, build: {target: production}, resources: {cpu: 1}}}
        infra: {postgres: {external: {secret: live-postgres}}}
      away: {context: away-cluster, infra: {postgres: {external: {host: db.example}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shop"


def made(folder: Path, manifest: str = SHOP, environment: str = "") -> SwarmFiles:
    folder.mkdir(exist_ok=True)
    return swarm(project(folder, manifest, orders__ini="[a]\n"), folder / "out", environment)


def document(files: SwarmFiles) -> dict[str, Any]:
    return dict(documents.load(files.files["stack.yaml"]))


def service(folder: Path, fragment: str) -> dict[str, Any]:
    manifest = f"    name: a\n    services:\n      api: {{image: x, compose: {fragment}}}\n"
    return dict(document(made(folder, manifest))["services"]["api"])


def test_no_secret_stands_in_it_and_each_is_asked_for(folder: Path) -> None:
    files = made(folder).files
    stack = documents.load(files["stack.yaml"])
    assert (
        stack["services"]["orders"]["environment"]["STRIPE_KEY"] == "${DEVENV_SECRET_STRIPE_KEY:?STRIPE_KEY}"
    )
    database = stack["services"]["orders"]["environment"]["DATABASE_URL"]
    assert "${DEVENV_URL_POSTGRES_PASSWORD:?POSTGRES_PASSWORD encoded for a URL}@postgres" in database
    assert stack["services"]["orders"]["environment"]["PRICE"] == "$$5"
    assert stack["secrets"]["STRIPE_KEY"] == {"external": True, "name": "shop-STRIPE_KEY"}
    assert {"source": "STRIPE_KEY", "target": "/run/key"} in stack["services"]["orders"]["secrets"]
    head = [line for line in files["stack.yaml"].splitlines() if line.startswith("#")]
    assert "# docker secret create shop-STRIPE_KEY -     # from stdin" in head
    assert "# export DEVENV_SECRET_TOKEN=..." in head
    assert head[-1] == "# docker stack deploy --with-registry-auth -c stack.yaml shop"


def test_a_file_that_holds_secrets_is_completed_by_the_swarm(folder: Path) -> None:
    files = made(folder)
    stack = document(files)
    (mounted,) = stack["services"]["kong"]["configs"]
    config = stack["configs"][mounted["source"]]
    assert (mounted["target"], config["template_driver"]) == ("/opt/kong/kong.yml", "golang")
    text = files.files[config["file"].removeprefix("./")]
    assert '- key: "{{ secret `SHOP_KEY.json` }}"' in text
    assert "{{ `{{` }}web}}" in text
    assert stack["services"]["kong"]["secrets"] == [{"source": "SHOP_KEY.json", "target": "SHOP_KEY.json"}]


def test_another_content_is_another_config(folder: Path) -> None:
    def config(files: SwarmFiles) -> dict[str, str]:
        stack = document(files)
        (mounted,) = stack["services"]["orders"]["configs"]
        assert mounted["target"] == "/etc/orders.ini"
        return dict(stack["configs"][mounted["source"]])

    first = config(made(folder))
    (folder / "orders.ini").write_text("[b]\n")
    second = config(swarm(project(folder), folder / "out"))
    assert first["file"] == second["file"] == "../orders.ini"
    assert first["name"] != second["name"]


def test_nothing_of_this_machine_goes_along(folder: Path) -> None:
    stack = document(made(folder))
    assert {name: spec["ports"] for name, spec in stack["services"].items() if "ports" in spec} == {
        "kong": [{"target": 8000, "published": 8000}]
    }
    for spec in stack["services"].values():
        assert (
            not {"build", "depends_on", "profiles", "labels", "mem_limit", "restart", "tmpfs"} & spec.keys()
        )
    assert "127.0.0.1" not in str(stack["services"]["orders"])
    assert stack["services"]["orders"]["deploy"] == {
        "restart_policy": {"condition": "any"},
        "resources": {"limits": {"memory": "67108864", "cpus": "0.5"}},
        "replicas": 2,
        "labels": {"devenv.dev/stack": "shop", "devenv.dev/unit": "orders"},
        "update_config": {"order": "start-first", "failure_action": "rollback"},
    }


def test_what_has_a_volume_stays_on_its_node_and_alone(folder: Path) -> None:
    stack = document(made(folder))
    deploy = {name: stack["services"][name]["deploy"] for name in ("postgres", "worker", "seed")}
    for each in deploy.values():
        assert each["placement"] == {"constraints": ["node.labels.devenv.data == true"]}
    assert {deploy[name]["update_config"]["order"] for name in ("postgres", "worker")} == {"stop-first"}
    assert stack["volumes"] == {"postgres-data": {}, "seed-seeds": {}, "worker-data": {}}


def test_a_job_ends_and_a_manual_one_waits(folder: Path) -> None:
    services = document(made(folder))["services"]
    deploy = services["migrate"]["deploy"]
    assert (deploy["mode"], deploy["replicas"]) == ("replicated-job", 1)
    assert deploy["restart_policy"] == {"condition": "on-failure"}
    manual = services["seed"]["deploy"]
    assert (manual["replicas"], manual["restart_policy"], "mode" in manual) == (
        0,
        {"condition": "none"},
        False,
    )


def test_images_are_built_and_pushed_by_a_file_of_their_own(folder: Path) -> None:
    files = made(folder, environment="live")
    images, stack = documents.load(files.files["images.yaml"]), document(files)
    assert list(images["services"]) == ["orders"]  # the job has the same image
    image = images["services"]["orders"]["image"]
    assert image.startswith("registry.example/team/shop-orders:")
    assert stack["services"]["orders"]["image"] == stack["services"]["migrate"]["image"] == image
    assert images["services"]["orders"]["build"]["target"] == "production"
    assert "# docker compose -f images.yaml build --push\n" in files.files["stack.yaml"]
    assert image != document(made(folder))["services"]["orders"]["image"]


def test_an_environment_says_how_many_and_where_stores_are(folder: Path) -> None:
    files = made(folder, environment="live")
    services = document(files)["services"]
    assert services["orders"]["deploy"]["replicas"] == 5
    assert "postgres" not in services
    assert services["orders"]["environment"]["DATABASE_URL"] == "${DEVENV_SECRET_DATABASE_URL:?DATABASE_URL}"
    (note,) = files.notes
    assert "environments.live.services.orders.autoscale: does nothing in a swarm" in note
    assert any("stage dev" in note for note in made(folder).notes)
    with pytest.raises(ManifestInvalid, match="a swarm has no name for a host elsewhere"):
        made(folder, environment="away")
    with pytest.raises(UsageError, match='no environment "lvie"'):
        made(folder, environment="lvie")


@pytest.mark.parametrize(
    ("fragment", "path", "why"),
    [
        ("{privileged: true}", "privileged", "no more rights"),
        ("{network_mode: host}", "network_mode", "networks of its stack"),
        ("{group_add: [docker]}", "group_add", "a swarm does not take it"),
        ('{ports: ["127.0.0.1:80:80"]}', "ports", "not on 127.0.0.1 alone"),
        ('{ports: [{target: 80, host_ip: "::1"}]}', "ports", "not on ::1 alone"),
        ('{volumes: ["./src:/src"]}', "volumes", "/src would be a folder of this machine"),
        ("{volumes: [{type: bind, source: ./src, target: /src}]}", "volumes", "/src would be a folder"),
    ],
)
def test_what_would_make_another_service_of_it_is_refused(
    folder: Path, fragment: str, path: str, why: str
) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        service(folder, fragment)
    (problem,) = map(str, refused.value.problems)
    assert f"services.api.compose.{path}" in problem
    assert why in problem


def test_all_of_it_is_refused_at_once(folder: Path) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        service(folder, "{privileged: true, ipc: host, container_name: api}")
    assert len(refused.value.problems) == 2


def test_what_a_service_does_without_is_said(folder: Path) -> None:
    files = made(
        folder, "    name: a\n    services:\n      api: {image: x, compose: {container_name: api}}\n"
    )
    assert "container_name" not in document(files)["services"]["api"]
    (note,) = files.notes
    assert "services.api.compose.container_name: does nothing in a swarm: a swarm names its tasks" in note


def test_a_fragment_is_put_where_a_swarm_has_it(folder: Path) -> None:
    spec = service(
        folder,
        '{restart: "on-failure:3", mem_reservation: 32m, pids_limit: 99, shm_size: 64m, tmpfs: ["/t:size=1m"],'
        " ulimits: {nofile: 9}, deploy: {endpoint_mode: dnsrr}, volumes: [kept:/k, /srv:/srv]}",
    )
    assert spec["deploy"]["restart_policy"] == {"condition": "on-failure", "max_attempts": 3}
    assert spec["deploy"]["resources"] == {"reservations": {"memory": "32m"}, "limits": {"pids": 99}}
    assert spec["deploy"]["endpoint_mode"] == "dnsrr"
    assert spec["deploy"]["placement"] == {"constraints": ["node.labels.devenv.data == true"]}
    assert spec["ulimits"] == {"nofile": 9}
    assert spec["volumes"] == [
        "kept:/k",
        "/srv:/srv",
        {"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": 2**26}},
        {"type": "tmpfs", "target": "/t", "tmpfs": {"size": 2**20}},
    ]


def test_an_amount_that_is_none_is_left_to_the_swarm() -> None:
    (mount,) = deployed({"shm_size": "much"}).spec["volumes"]
    assert mount["tmpfs"] == {"size": "much"}


@pytest.mark.engine  # for its program; it asks no engine
@pytest.mark.parametrize("example", sorted(path.parent.name for path in ROOT.glob("examples/*/devenv.yaml")))
def test_docker_takes_the_examples(tmp_path: Path, example: str) -> None:
    folder, out = tmp_path / example, tmp_path / "out"
    shutil.copytree(ROOT / "examples" / example, folder, ignore=shutil.ignore_patterns(".devenv"))
    files = swarm(project(folder), out)
    export_chart(files.files, out)
    variables = [
        line.split()[2].partition("=")[0]
        for line in files.files["stack.yaml"].splitlines()
        if "export" in line
    ]
    config = ["docker", "stack", "config", "-c", str(out / "stack.yaml")]
    environment = {**os.environ, **dict.fromkeys(variables, "x")}
    ended = subprocess.run(config, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    if variables:
        refused = subprocess.run(config, capture_output=True, text=True, check=False)
        assert refused.returncode
        assert "required variable DEVENV_" in refused.stderr
