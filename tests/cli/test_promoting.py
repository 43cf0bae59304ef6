"""`devenv promote` up to where Helm would change something: over a fake cluster, and a program that plays Helm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.backends import images
from devenv.backends.images import Images
from tests import documents
from tests.cli.conftest import Devenv
from tests.cluster import CONTEXT, fake_cluster
from tests.cluster.fake import Server

REVISION = {"revision": 1, "updated": "", "status": "deployed", "chart": "shop-0.1.0"}
DIGEST = f"sha256:{'0' * 64}"
MANIFEST = f"""
name: shop
services:
  web: {{build: ./web, port: 8000}}
environments:
  staging: {{context: {CONTEXT}, namespace: live, registry: registry.example/shop}}
"""
HELM = """#!/bin/sh
echo "$@" >> {folder}/asked
case $1 in
version) echo v4.3.1;;
history) cat {folder}/history 2>/dev/null || echo "[]";;
list) echo "[]";;
get) echo shop; cat {folder}/objects;;
template)
    for word in "$@"; do [ "$last" != --values ] || cp "$word" {folder}/values; last=$word; done
    cat {folder}/objects;;
esac
"""


class Registry(Images):
    """Images by name -> digest, and what was pushed."""

    def __init__(self) -> None:
        super().__init__("", pytest.fail)
        self.images: dict[str, str] = {}
        self.pushed: list[str] = []
        self.platforms: list[str] = []

    def publish(self, *args: Any, tags: Sequence[str], platform: str, **more: Any) -> str:
        self.pushed += tags
        self.platforms.append(platform)
        self.images |= dict.fromkeys(tags, DIGEST)
        return DIGEST

    def digest_in_registry(self, image: str, platform: str = "") -> str:
        return self.images.get(image, "")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry()
    monkeypatch.setattr(images, "Images", lambda *_: made)
    return made


@pytest.fixture
def cluster(project: Path) -> Iterator[Server]:
    with fake_cluster() as server:
        yield server


@pytest.fixture
def helm(project: Path, cluster: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of the project: `asked` has what was asked of Helm, `objects` what its templates make."""
    (project / "web").mkdir()
    (project / "web" / "Dockerfile").write_text("FROM scratch\n")
    (project / "devenv.yaml").write_text(MANIFEST)
    (project / "bin").mkdir()
    program = project / "bin" / "helm"
    program.write_text(HELM.format(folder=project))
    program.chmod(0o755)
    (project / "objects").write_text("")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return project


def reading(secret: str, key: str) -> str:
    """A Deployment whose pods read a key of a Secret."""
    env = [{"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}]
    spec = {"template": {"spec": {"containers": [{"name": "web", "image": "web:1", "env": env}]}}}
    return yaml.safe_dump(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    )


def test_a_secret_that_is_missing_is_named_before_anything_is_built(
    devenv: Devenv, helm: Path, registry: Registry
) -> None:
    (helm / "objects").write_text(reading("shop-secrets", "STRIPE_KEY"))
    ended = devenv("promote", "staging", "--yes")
    assert (ended.exit_code, registry.pushed) == (2, [])
    assert "shop-secrets: STRIPE_KEY" in ended.stderr
    assert "devenv promote staging --create-secrets" in ended.stderr

    ended = devenv("promote", "staging", "--yes", "--create-secrets")  # which knows no value
    assert (ended.exit_code, registry.pushed) == (2, [])
    assert "no value for STRIPE_KEY" in ended.stderr
    assert "upgrade" not in (helm / "asked").read_text()


def test_an_address_of_ones_own_machine_is_named(devenv: Devenv, helm: Path, registry: Registry) -> None:
    manifest = (helm / "devenv.yaml").read_text()
    (helm / "devenv.yaml").write_text(manifest.replace("8000}", "8000, env: {BACK: '${web.public_url}'}}"))
    (helm / "objects").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}")
    for argv in (("plan", "-e", "staging"), ("promote", "staging", "--yes")):
        assert "web: BACK is an address of one's own machine, http://localhost:8000" in " ".join(
            devenv(*argv).stderr.split()
        )


def test_a_credential_that_is_missing_is_named_with_its_label(
    devenv: Devenv, helm: Path, registry: Registry
) -> None:
    text = (helm / "devenv.yaml").read_text().replace("namespace: live", "namespace: live, gateway: kong")
    gateway = 'gateway: {consumers: {ann: {key: "${secret.KEY}"}}}\n'
    (helm / "devenv.yaml").write_text(text.replace("port: 8000", "port: 8000, route: /") + gateway)
    reads = {"devenv.dev/reads": json.dumps({"shop.ann.key-auth": ["key"]})}
    metadata = {"name": "ann", "annotations": reads}
    (helm / "objects").write_text(json.dumps({"kind": "KongConsumer", "metadata": metadata}))
    ended = devenv("promote", "staging", "--yes")
    assert "shop.ann.key-auth: key" in ended.stderr
    assert "label secret shop.ann.key-auth konghq.com/credential=key-auth" in ended.stderr


def test_what_is_refused_after_charts_of_others_were_released_does_not_say_that_nothing_was_changed(
    devenv: Devenv, helm: Path, registry: Registry, cluster: Server
) -> None:
    manifest, charts = (
        helm / "devenv.yaml",
        "charts: {kong: {chart: kong, repo: 'https://x.y', version: 1.0.0}}",
    )
    manifest.write_text(manifest.read_text().replace("namespace: live", f"namespace: live, {charts}"))
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {}}
    (helm / "objects").write_text(yaml.safe_dump(service))
    cluster.cluster.put("/api/v1/namespaces/live", {"metadata": {"name": "live"}})
    cluster.cluster.put("/api/v1/namespaces/live/services/web", service)
    ended = devenv("promote", "staging", "--yes")
    assert "upgrade kong kong --install" in (helm / "asked").read_text()
    assert "Service web is there already and not of this release" in ended.stderr
    assert "; released so far: kong" in ended.stderr


def test_what_the_registry_has_is_not_pushed_and_helm_reads_the_chart_once(
    devenv: Devenv, helm: Path, registry: Registry
) -> None:
    assert "nothing to promote" in devenv("promote", "staging", "--yes").stderr
    (image,) = registry.pushed
    assert image.startswith("registry.example/shop/shop-web:")
    (helm / "asked").unlink()
    assert "nothing to promote" in devenv("promote", "staging", "--yes").stderr
    assert registry.pushed == [image]
    assert [line.split()[0] for line in (helm / "asked").read_text().splitlines()].count("template") == 1


def test_an_image_that_several_run_is_pushed_once_and_called_as_the_plan_calls_it(
    devenv: Devenv, helm: Path, registry: Registry
) -> None:
    (helm / "devenv.yaml").write_text(
        (helm / "devenv.yaml").read_text() + "jobs: {migrate: {like: web, command: migrate}}\n"
    )
    assert "push web (" in devenv("plan", "-e", "staging").stdout
    first, second = (devenv("promote", "staging", "--yes").stderr for _ in range(2))
    assert len(registry.pushed) == first.count("pushed registry.example") == 1
    assert second.count("is in the registry already") == second.count("web  is in the registry already") == 1
    assert "migrate  " not in first + second


def test_a_diff_asks_helm_for_each_thing_once(devenv: Devenv, helm: Path, registry: Registry) -> None:
    row = {"revision": 1, "status": "deployed", "updated": "", "chart": "shop-0.1.0"}
    (helm / "history").write_text(json.dumps([row]))
    (helm / "objects").write_text(reading("shop-secrets", "STRIPE_KEY"))
    assert devenv("diff", "staging").exit_code == 0
    asked = (helm / "asked").read_text()
    for command in ("get", "history", "lint", "list", "template", "version"):
        assert len(re.findall(rf"^{command} ", asked, re.MULTILINE)) == 1
    assert "metadata" not in asked


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.963716128%:z", "%Y-%m-%d %H:%M:%S.34348331 %z IST"])
def test_history_counts_from_now_wherever_somebody_promoted(
    form: str, devenv: Devenv, helm: Path, registry: Registry
) -> None:
    """Helm keeps the moment in the zone of whoever deployed, and has a form for `history` and one for `list`."""
    moment = datetime.now(timezone(timedelta(hours=5, minutes=30))) - timedelta(seconds=90)
    updated = moment.strftime(form.replace("%:z", "+05:30"))
    row = {"revision": 1, "status": "deployed", "updated": updated, "chart": "shop-0.1.0"}
    (helm / "history").write_text(json.dumps([row]))
    assert " 1 min ago\n" in devenv("history", "staging").stdout
    (shown,) = json.loads(devenv("history", "staging", "--json").stdout)
    assert shown["when"] == f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_images_that_were_built_elsewhere_are_taken_by_their_tag(
    devenv: Devenv, helm: Path, registry: Registry
) -> None:
    ended = devenv("promote", "staging", "--yes", "--image-tag", "v7")
    assert (ended.exit_code, registry.pushed) == (1, [])
    assert "registry.example/shop lacks images with the tag v7 for linux/amd64" in ended.stderr
    assert "docker push registry.example/shop/shop-web:v7" in ended.stderr

    registry.images["registry.example/shop/shop-web:v7"] = DIGEST
    assert devenv("promote", "staging", "--yes", "--image-tag", "v7").exit_code == 0
    assert registry.pushed == []
    assert f"digest: {DIGEST}" in (helm / "values").read_text()
    assert devenv("diff", "staging", "--image-tag", "v8").exit_code == 1

    for typed in ("", "v 7", "a/b"):
        assert "is no tag of an image" in devenv("promote", "staging", "--image-tag", typed).stderr


def test_values_are_written_for_a_cluster_that_pulls(devenv: Devenv, helm: Path, registry: Registry) -> None:
    (helm / "kubeconfig").write_text("{}")
    ended = devenv("promote", "staging", "--write", "deploy", env={"KUBECONFIG": str(helm / "kubeconfig")})
    assert (ended.exit_code, ended.stdout) == (0, "deploy/values-staging.yaml\n")
    values = (helm / "deploy" / "values-staging.yaml").read_bytes()
    (image,) = registry.pushed
    repository = image.rpartition(":")[0]
    assert documents.load(values)["services"]["web"]["image"] == {
        "repository": repository, "tag": "", "digest": DIGEST,
    }  # fmt: skip
    assert "git -C deploy add values-staging.yaml" in ended.stderr
    assert not (helm / "asked").exists()

    again = devenv("promote", "staging", "--write", "deploy")
    assert "nothing to commit" in again.stderr
    assert (helm / "deploy" / "values-staging.yaml").read_bytes() == values
    assert registry.pushed == [image]


def test_values_stay_out_of_the_images_that_they_name(devenv: Devenv, helm: Path, registry: Registry) -> None:
    ended = devenv("promote", "staging", "--write", "web/deploy")
    assert (ended.exit_code, registry.pushed) == (2, [])
    assert "web/deploy is inside the build context of web" in ended.stderr
    manifest = helm / "devenv.yaml"
    text = manifest.read_text()
    job = "jobs: {migrate: {build: ./web}}"
    for extra, where in (("jobs: {a: {like: web}}", "services.web"), (job, "jobs.migrate")):
        manifest.write_text(
            (text if "like" in extra else text.replace("build: ./web", "image: 'w:1'")) + extra
        )
        ended = devenv("promote", "staging", "--write", "web/deploy")
        assert f"where {where}.build" in ended.stderr


def test_images_are_built_for_the_platform_that_was_named_or_the_nodes_run(
    devenv: Devenv, helm: Path, registry: Registry
) -> None:
    devenv("promote", "staging", "--write", "deploy")
    assert registry.platforms == ["linux/amd64"]
    registry.images.clear()
    devenv("promote", "staging", "--write", "deploy", "--platform", "linux/arm64")
    assert registry.platforms[1:] == ["linux/arm64"]
    assert "is no platform" in devenv("promote", "staging", "--platform", "arm").stderr


def test_a_rehearsal_takes_none_of_the_options_about_the_real_thing(devenv: Devenv, helm: Path) -> None:
    images = (("--write", "deploy"), ("--image-tag", "v7"), ("--platform", "linux/arm64"))
    for option in (*images, ("--create-secrets",), ("--adopt", "shop")):
        ended = devenv("promote", "staging", "--rehearse", *option)
        assert (ended.exit_code, f"{option[0]} is not for a rehearsal" in ended.stderr) == (2, True)


def test_values_that_are_written_take_none_of_the_options_that_change_the_cluster(
    devenv: Devenv, helm: Path
) -> None:
    for option in (("--create-secrets",), ("--adopt", "shop")):
        ended = devenv("promote", "staging", "--write", "deploy", *option)
        assert (ended.exit_code, f"leave out {option[0]}" in ended.stderr) == (2, True)


def test_a_context_that_leads_to_another_cluster_than_before_is_refused(
    devenv: Devenv, helm: Path, registry: Registry, cluster: Server
) -> None:
    def system(uid: str) -> None:
        metadata = {"name": "kube-system", "uid": uid}
        cluster.cluster.put("/api/v1/namespaces/kube-system", {"kind": "Namespace", "metadata": metadata})

    (helm / "objects").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}")
    system("one")
    (helm / "history").write_text(json.dumps([REVISION]))
    assert devenv("promote", "staging", "--yes").exit_code == 0
    system("two")
    (helm / "asked").unlink()
    for command in (
        ("promote", "staging", "--yes"),
        ("retire", "staging", "--yes"),
        ("rollback", "staging", "1", "--yes"),
    ):
        ended = devenv(*command)
        assert (ended.exit_code, "leads to another cluster than at the last" in ended.stderr) == (2, True)
    assert not {"upgrade", "uninstall", "rollback"} & {*(helm / "asked").read_text().split()}
    (helm / ".devenv" / "cluster-staging.json").unlink()
    assert devenv("retire", "staging", "--yes").exit_code == 0


def test_ctrl_c_before_anything_is_changed_says_so(
    devenv: Devenv, helm: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **more: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "publish", interrupted)
    ended = devenv("promote", "staging", "--yes")
    assert (ended.exit_code, "upgrade" in (helm / "asked").read_text()) == (130, False)
    assert f"interrupted: nothing of context {CONTEXT}, namespace live was changed" in ended.stderr


def test_volumes_are_said_to_be_kept_where_there_are_some(
    devenv: Devenv, helm: Path, cluster: Server
) -> None:
    (helm / "history").write_text(json.dumps([REVISION]))
    assert devenv("retire", "staging", "--yes").stderr == "staging is retired\n"
    labels = {"app.kubernetes.io/instance": "shop"}
    path = "/api/v1/namespaces/live/persistentvolumeclaims/data"
    cluster.cluster.put(
        path, {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "labels": labels}}
    )
    kept = "; kept: data. devenv retire staging --volumes removes the data"
    assert devenv("retire", "staging", "--yes").stderr == f"staging is retired{kept}\n"
    (helm / "history").write_text("[]")
    assert devenv("retire", "staging", "--yes").stderr == f"nothing is promoted to staging{kept}\n"
