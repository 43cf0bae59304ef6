"""status, logs and exec of what was promoted, on a fake cluster that is not the current context's."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devenv.backends.kube.client import Client
from devenv.backends.kube.config import find
from tests.cli.conftest import Devenv
from tests.cluster import CONTEXT, fake_cluster
from tests.cluster.fake import Server
from tests.e2e.checkout import eventually

HOME = "/api/v1/namespaces/live"
POSTGRES = "postgres:17"
MANIFEST = f"""
name: shop
services:
  web: {{image: "web:1", port: 8000, route: /web}}
  slow: {{image: "slow:1"}}
infra:
  postgres: {{version: "17"}}
environments:
  staging: {{context: {CONTEXT}, namespace: live, host: shop.example, infra: {{postgres: deploy}}}}
  production: {{context: prod-eu, namespace: live, infra: {{postgres: deploy}}}}
  away: {{context: nobody, infra: {{postgres: deploy}}}}
"""


def workload(name: str, image: str, *, stack: str = "shop", script: str = "") -> dict[str, Any]:
    labels = {"devenv.dev/unit": name, "devenv.dev/stack": stack, "devenv.dev/role": "service"}
    argv = ["sh", "-c", script or f"echo {name} of {stack} is up; exec sleep 60"]
    containers = [{"name": name, "image": image, "args": argv}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{name}-{stack}", "namespace": "live", "labels": labels},
        "spec": {"replicas": 1, "template": template},
    }


@pytest.fixture
def cluster(project: Path) -> Iterator[Server]:
    """A cluster with a namespace, whose context is one of several and not the current one."""
    (project / "devenv.yaml").write_text(MANIFEST)
    with fake_cluster() as server:
        file = Path(os.environ["KUBECONFIG"])
        config = json.loads(file.read_text())
        config["current-context"] = "nobody"
        config["clusters"].append({"name": "nobody", "cluster": {"server": "http://127.0.0.1:9"}})
        config["contexts"] += [
            {"name": "nobody", "context": {"cluster": "nobody", "user": CONTEXT}},
            {"name": "prod-eu", "context": {"cluster": CONTEXT, "user": CONTEXT}},
        ]
        file.write_text(json.dumps(config))
        yield server


@pytest.fixture
def promoted(cluster: Server) -> Client:
    """The same with what was promoted, beside what somebody's `up` made there."""
    client = Client(find(CONTEXT), patience=5)
    client.apply(HOME, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "live"}})
    path = "/apis/apps/v1/namespaces/live/deployments"
    for item in (workload("web", "web:1"), workload("web", "web:9", stack="shop-3fa1b2")):
        client.apply(f"{path}/{item['metadata']['name']}", item)
    eventually(lambda: len(client.get(f"{HOME}/pods")["items"]) == 2, "the pods", within=60)
    return client


@pytest.mark.programs
def test_the_status_is_of_what_was_promoted(devenv: Devenv, promoted: Client) -> None:
    ended = devenv("status", "-e", "staging")
    assert ended.exit_code == 0, ended.stderr
    assert f"on staging: context {CONTEXT}, namespace live" in ended.stderr
    assert [line.split()[:3] for line in ended.stdout.splitlines()] == [["web", "service", "running"]]
    answer = json.loads(devenv("status", "-e", "staging", "--json").stdout)
    assert (answer["stack"], answer["backend"], answer["environment"]) == ("shop", "kube", "staging")


@pytest.mark.programs
def test_the_status_says_that_a_promotion_was_begun_and_not_ended(devenv: Devenv, promoted: Client) -> None:
    for version, status in (("1", "deployed"), ("2", "pending-upgrade")):
        labels = {"owner": "helm", "name": "shop", "version": version, "status": status}
        metadata = {"name": f"sh.helm.release.v1.shop.v{version}", "namespace": "live", "labels": labels}
        path = f"{HOME}/secrets/{metadata['name']}"
        promoted.apply(path, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    ended = devenv("status", "-e", "staging")
    assert "note  revision 2 (pending-upgrade) was begun and not ended" in ended.stderr
    assert "devenv rollback staging" in ended.stderr
    assert ended.exit_code == 0


@pytest.mark.programs
def test_a_unit_that_fails_there_is_a_failure_of_the_status(devenv: Devenv, promoted: Client) -> None:
    item = workload("slow", "slow:1", script="exit 3")
    promoted.apply("/apis/apps/v1/namespaces/live/deployments/slow", item)
    eventually(lambda: "exited (3)" in devenv("status", "-e", "staging").stdout, "its end", within=60)
    assert devenv("status", "-e", "staging").exit_code == 1


@pytest.mark.programs
def test_logs_are_of_what_was_promoted(devenv: Devenv, promoted: Client, tmp_path: Path) -> None:
    def logs(*options: str) -> str:
        return devenv("logs", "-e", "staging", *options).stdout

    eventually(lambda: logs("web"), "its first line", within=60)
    assert logs("web") == logs() == "web of shop is up\n"
    assert logs("--tail", "0") == ""
    assert devenv("logs", "-e", "staging", "--save", "kept").stdout == "kept/web.log\n"
    assert Path("kept/web.log").read_text() == "web of shop is up\n"


@pytest.mark.programs
def test_logs_hide_what_is_in_the_release_s_secret(devenv: Devenv, promoted: Client) -> None:
    data = {"KEY": base64.b64encode(b"of shop is").decode()}
    metadata = {"name": "shop-secrets", "namespace": "live"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    promoted.apply(f"{HOME}/secrets/shop-secrets", secret)
    eventually(lambda: devenv("logs", "-e", "staging").stdout, "its first line", within=60)
    assert devenv("logs", "-e", "staging").stdout == "web ****** up\n"


@pytest.mark.programs
def test_logs_hide_the_passwords_in_secrets_of_external_stores_and_nothing_else_of_them(
    devenv: Devenv, promoted: Client, project: Path
) -> None:
    stores = "infra: {postgres: {external: {secret: db}}}"
    text = MANIFEST.replace("infra: {postgres: deploy}", stores, 1)
    (project / "devenv.yaml").write_text(text)
    values = {"PGPASSWORD": "of", "POSTGRES_URL": "postgres://app:of%20shop@db.acme/app", "PGHOST": "web"}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": "db", "namespace": "live"}
    promoted.apply(
        f"{HOME}/secrets/db", {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    )
    eventually(lambda: devenv("logs", "-e", "staging").stdout, "its first line", within=60)
    assert devenv("logs", "-e", "staging").stdout == "web ****** is up\n"


@pytest.mark.programs
def test_a_command_runs_in_what_was_promoted(
    devenv: Devenv, promoted: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    assert devenv("exec", "-e", "staging", "web", "--", "sh", "-c", "echo in $0; exit 7", "it").exit_code == 7
    assert capfd.readouterr().out == "in it\n"
    unknown = devenv("exec", "-e", "staging", "wbe", "env")
    assert '"wbe" is not running' in unknown.stderr
    assert 'did you mean "web"?' in unknown.stderr
    assert "devenv promote staging" in devenv("exec", "-e", "staging", "slow", "env").stderr


@pytest.mark.programs
def test_a_command_on_production_is_asked_for(devenv: Devenv, promoted: Client) -> None:
    refused = devenv("exec", "-e", "production", "web", "true")
    assert refused.exit_code == 2
    assert "prod-eu looks like production" in refused.stderr
    assert devenv("exec", "-e", "production", "--yes", "web", "true").exit_code == 0
    assert devenv("logs", "-e", "production").exit_code == 0


def test_what_is_not_there_is_said(devenv: Devenv, cluster: Server) -> None:
    def refused(*words: str) -> str:
        ended = devenv(*words)
        assert ended.exit_code in (1, 2, 3), ended.stdout
        return " ".join(ended.stderr.split())

    for command in (["status", "-e", "staging"], ["logs", "-e", "staging"], ["exec", "-e", "staging", "web"]):
        said = refused(*command)
        assert "there is no namespace live" in said
        assert f"context {CONTEXT}, namespace live" in said
        assert "devenv promote staging" in said

    client = Client(find(CONTEXT))
    client.apply(HOME, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "live"}})
    assert "nothing of shop runs in staging" in refused("status", "-e", "staging")
    cluster.cluster.objects[HOME]["status"]["phase"] = "Terminating"
    assert "the namespace live is being deleted" in refused("logs", "-e", "staging")

    away = refused("status", "-e", "away")
    assert "no Kubernetes cluster answers at http://127.0.0.1:9" in away
    assert "kubectl --context nobody get namespaces" in away
    assert 'no environment "staging2"' in refused("status", "-e", "staging2")
    assert "--context is not for environments" in refused("status", "-e", "staging", "--context", "nobody")


@pytest.mark.programs
def test_what_only_the_manifest_says_is_shown(devenv: Devenv, promoted: Client, project: Path) -> None:
    path = "/apis/apps/v1/namespaces/live/deployments"
    for name, image in (("kong", "kong:old"), ("postgres", POSTGRES)):
        promoted.apply(f"{path}/{name}", workload(name, image))

    def rows() -> dict[str, list[str]]:
        lines = devenv("status", "-e", "staging").stdout.splitlines()
        return {name: words for name, *words in map(str.split, lines)}

    eventually(lambda: rows().keys() == {"web", "kong", "postgres"}, "the pods", within=60)
    assert rows()["kong"] == ["kong", "running", "http://shop.example"]
    assert rows()["web"] == ["service", "running", "/web"]
    assert rows()["postgres"] == ["postgres", "17", "running"]
    manifest = project / "devenv.yaml"
    manifest.write_text(manifest.read_text().replace('"17"', '"18"'))
    assert rows()["postgres"] == ["postgres", "running"]  # 18 is not what runs there
