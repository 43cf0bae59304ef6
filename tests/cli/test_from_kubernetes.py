"""`devenv init --from-kubernetes`: where objects come from, what is written, and what is refused."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests import documents
from tests.conftest import ROOT
from tests.helm import Helm

from .conftest import Devenv

OBJECTS = ROOT / "tests" / "clustered" / "k8s"
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "registry.test/acme/web:1", ports: [{containerPort: 8000}]}]
"""


@pytest.fixture
def empty(project: Path) -> Path:
    """A folder with nothing in it."""
    (project / "devenv.yaml").unlink()
    (project / ".env").unlink()
    return project


def test_a_stack_on_a_cluster_becomes_a_manifest_that_plan_takes(devenv: Devenv, empty: Path) -> None:
    shutil.copytree(OBJECTS, empty / "k8s")
    ended = devenv("init", "--from-kubernetes", "k8s")
    assert ended.exit_code == 0, ended.output
    assert "sesame" not in ended.output
    assert "sesame" not in (empty / "devenv.yaml").read_text()
    kept = empty / ".devenv" / "secrets.env"
    assert "TOKEN='sesame-token'" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    manifest = documents.load((empty / "devenv.yaml").read_text())
    assert [*manifest["services"], *manifest["jobs"], *manifest["infra"]] == [
        "front",
        "prices",
        "front-migrate",
        "cache",
    ]
    assert manifest["services"]["front"]["uses"] == ["cache", "front-migrate", "prices"]
    assert devenv("plan").exit_code == 0
    again = devenv("init", "--from-kubernetes", "k8s")
    assert (again.exit_code, "devenv.yaml is there already" in again.stderr) == (2, True)


def test_what_comes_in_is_read_as_a_file_is(devenv: Devenv, empty: Path) -> None:
    ended = devenv(
        "init", "--from-kubernetes", "-", input=f"apiVersion: v1\nkind: List\nitems:\n- {_inline(WEB)}\n"
    )
    assert ended.exit_code == 0, ended.output
    assert documents.load((empty / "devenv.yaml").read_text())["services"]["web"]["port"] == 8000


def _inline(text: str) -> str:
    return text.replace("\n", "\n  ").rstrip()


@pytest.mark.parametrize(
    ("where", "skaffold", "build"),
    [
        ("apps/web", "", "./apps/web"),
        ("server", "build: {artifacts: [{image: registry.test/acme/web, context: server}]}", "./server"),
        ("apps/other", "", None),
    ],
    ids=["a folder of its name", "what Skaffold says", "another folder"],
)
def test_an_image_of_the_project_is_built(
    devenv: Devenv, empty: Path, where: str, skaffold: str, build: str | None
) -> None:
    (empty / where).mkdir(parents=True)
    (empty / where / "Dockerfile").write_text("FROM x\n")
    (empty / "web.yaml").write_text(WEB)
    if skaffold:
        (empty / "skaffold.yaml").write_text(f"apiVersion: skaffold/v4\nkind: Config\n{skaffold}\n")
    assert devenv("init", "--from-kubernetes", "web.yaml").exit_code == 0
    service = documents.load((empty / "devenv.yaml").read_text())["services"]["web"]
    assert service.get("build") == build
    assert ("image" in service) == (build is None)


@pytest.mark.programs
def test_a_chart_is_what_helm_makes_of_it(
    devenv: Devenv, empty: Path, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(helm.program.parent), prepend=os.pathsep)
    (empty / "web" / "templates").mkdir(parents=True)
    (empty / "web" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 0.1.0\n")
    (empty / "web" / "values.yaml").write_text("port: 9000\n")
    template = WEB.replace("8000", "{{ .Values.port }}").replace(
        "name: web}", "name: {{ .Release.Name }}}", 1
    )
    (empty / "web" / "templates" / "web.yaml").write_text(template)
    refused = devenv("init", "--from-kubernetes", "web/templates/web.yaml")
    assert "is a template of Helm's" in refused.stderr
    assert "devenv init --from-kubernetes web " in refused.stderr
    above = devenv("init", "--from-kubernetes")
    assert "devenv init --from-kubernetes web" in above.stderr
    ended = devenv("init", "--from-kubernetes", "web")
    assert ended.exit_code == 0, ended.output
    assert documents.load((empty / "devenv.yaml").read_text())["services"]["web"]["port"] == 9000
    (empty / "web" / "templates" / "web.yaml").write_text('{{ fail "no port" }}')
    assert "no port" in devenv("init", "--force", "--from-kubernetes", "web").stderr


def test_a_folder_with_objects_alone_says_how_they_are_taken_over(devenv: Devenv, empty: Path) -> None:
    for name, text in {
        "k8s/web.yaml": WEB,
        "skaffold.yaml": "apiVersion: skaffold/v4\nkind: Config\n",
    }.items():
        (empty / name).parent.mkdir(exist_ok=True)
        (empty / name).write_text(text)
    (empty / "k8s" / "over").mkdir()
    (empty / "k8s" / "over" / "kustomization.yaml").write_text("resources: []\n")
    ended = devenv("init")
    assert ended.exit_code == 2
    commands = [line.strip() for line in ended.stderr.splitlines() if "--from-kubernetes" in line]
    assert commands == [
        "try   devenv init --from-kubernetes k8s/over   a kustomization",
        "devenv init --from-kubernetes k8s   a file for Kubernetes",
    ]


REFUSED: Mapping[str, tuple[Mapping[str, str], Sequence[str], str]] = {
    "nothing": ({}, [], "no objects of Kubernetes there"),
    "no such file": ({}, ["k8s"], "no file k8s"),
    "a form that it has not": (
        {"a.yaml": WEB.replace("containers: [", "containers: x #")},
        ["a.yaml"],
        "a.yaml:8:7: spec.template.spec.containers: expected a list",
    ),
    "in the second document": (
        {"a.yaml": f"kind: X\napiVersion: v1\n---\n{WEB}".replace("8000}]", "8000")},
        ["a.yaml"],
        "a.yaml:1",
    ),
    "nothing that runs": (
        {"a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n"},
        ["a.yaml"],
        "nothing of this runs",
    ),
    "several overlays": (
        {"k8s/a/kustomization.yaml": "resources: []\n", "k8s/b/kustomization.yaml": "resources: []\n"},
        ["k8s"],
        "devenv init --from-kubernetes k8s/b",
    ),
}


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_refused_says_what_to_type(devenv: Devenv, empty: Path, row: str) -> None:
    files, named, words = REFUSED[row]
    for name, text in files.items():
        (empty / name).parent.mkdir(parents=True, exist_ok=True)
        (empty / name).write_text(text)
    ended = devenv("init", "--from-kubernetes", *named)
    assert ended.exit_code != 0
    assert words in ended.stderr, ended.stderr
    assert not (empty / "devenv.yaml").exists()
