"""Kinds of the project's own, from its `infra` folder or where `kinds:` says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Devenv

ROOT = Path(__file__).resolve().parents[2]

QUEUE = """
x-devenv:
  about: A queue of our own
  options: {version: "1"}
  url: queue://${host}:${port}
  env: {QUEUE_URL: "${url}"}
services:
  queue: {image: "queue:${version}", ports: ["4222"]}
"""
USES_QUEUE = "services:\n  api: {image: 'a:1', uses: [queue]}\n"


@pytest.mark.parametrize(
    ("folder", "manifest"),
    [
        ("infra", USES_QUEUE),
        ("dev/kinds", "kinds: dev/kinds\n" + USES_QUEUE),
        ("dev/kinds", "kinds: './dev/kinds'   # ours\n" + USES_QUEUE),
    ],
)
def test_a_project_has_kinds_of_its_own(devenv: Devenv, project: Path, folder: str, manifest: str) -> None:
    (project / folder).mkdir(parents=True)
    (project / folder / "queue.yaml").write_text(QUEUE)
    (project / folder / "values.yaml").write_text("something: else\n")
    (project / "devenv.yaml").write_text(manifest)
    plan = devenv("plan").stdout
    assert "apply queue (not found)" in plan
    assert devenv("plan").stdout == plan  # from the cache

    (project / folder / "queue.yaml").write_text(QUEUE.replace('"1"', '"2"'))
    assert "pull queue:2" in devenv("plan").stdout


def test_a_malformed_kind_of_the_project_is_a_problem_with_its_place(devenv: Devenv, project: Path) -> None:
    (project / "infra").mkdir()
    (project / "infra" / "queue.yaml").write_text(QUEUE.replace("ports", "prts"))
    (project / "devenv.yaml").write_text(USES_QUEUE)
    refused = devenv("plan")
    assert refused.exit_code == 2
    assert 'infra/queue.yaml:8:38: services.queue.prts: unknown key - did you mean "ports"?' in refused.stderr


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("kinds: ../kinds\n", '"../kinds" is outside the project'),
        ("kinds: /etc\n", '"/etc" is outside the project'),
        ('{"kinds": "mine", "services": {}}\n', "must be on a line of its own"),
        ("kinds:\n  mine\n", "must be on a line of its own"),
        ("kinds: [a]\n", "expected text"),
    ],
)
def test_kinds_name_a_folder_of_the_project(
    devenv: Devenv, project: Path, manifest: str, problem: str
) -> None:
    (project / "devenv.yaml").write_text(manifest)
    refused = devenv("plan")
    assert refused.exit_code == 2
    assert f"kinds: {problem}" in refused.stderr


@pytest.mark.programs
@pytest.mark.parametrize("command", ["plan", "render"])
def test_an_unchanged_manifest_is_not_parsed_again(
    command: str, devenv: Devenv, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"""
import sys
from devenv import hostports
from devenv.backends import BACKENDS
from devenv.cli import app
from devenv.render import DECLARED

hostports.taken = lambda ports, **_: {{}}  # as in this process: whatever listens on the machine of the tests
BACKENDS["fake"], DECLARED["fake"] = "tests.fakes:FakeBackend", DECLARED["compose"]
hostports.taken = lambda ports, **_: {{}}  # whatever listens on the machine of the tests, and ends between two runs
try:
    app(["{command}", "-b", "fake"])
finally:
    parsers = ("pydantic", "devenv.stack.kinds.catalogue", "devenv.manifest.parse")
    print([name for name in parsers if name in sys.modules], file=sys.stderr)
"""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert devenv(command, "-b", "fake").exit_code == 0
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", script]
    again = subprocess.run(argv, capture_output=True, text=True, env=env, cwd=project, check=True)
    assert again.stderr.splitlines()[-1] == "[]"


@pytest.mark.programs
def test_an_edited_manifest_reads_no_kind_again_and_loads_one_renderer(project: Path, tmp_path: Path) -> None:
    script = """
import sys
from devenv.backends import BACKENDS
from devenv.cli import app
from devenv.render import DECLARED
from devenv.stack.kinds import catalogue

BACKENDS["fake"], DECLARED["fake"] = "tests.fakes:FakeBackend", DECLARED["compose"]
kinds, make = [], catalogue._kind
catalogue._kind = lambda name, document: kinds.append(name) or make(name, document)
try:
    app(["render", "-b", "fake"])
finally:
    slow = [name for name in ("devenv.render.kubernetes", "devenv.engine.lifecycle") if name in sys.modules]
    print(kinds, slow, file=sys.stderr)
"""
    manifest = project / "devenv.yaml"
    manifest.write_text("services: {web: {image: busybox, uses: [postgres]}}\n", encoding="utf-8")
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", script]

    def last_line() -> str:
        ended = subprocess.run(argv, capture_output=True, text=True, env=env, cwd=project, check=True)
        return ended.stderr.splitlines()[-1]

    assert last_line() == "['postgres'] []"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    assert last_line() == "[] []"


def rendered(devenv: Devenv, project: Path) -> str:
    assert devenv("render", "-b", "kube", "-o", "out").exit_code == 0
    return (project / "out" / "stack.yaml").read_text()


def test_a_kind_of_the_project_may_differ_on_kubernetes_as_ours_do(devenv: Devenv, project: Path) -> None:
    (project / "infra" / "minikube").mkdir(parents=True)
    (project / "infra" / "queue.yaml").write_text(QUEUE)
    (project / "devenv.yaml").write_text(USES_QUEUE)
    plain = rendered(devenv, project)
    override = project / "infra" / "minikube" / "queue.yaml"
    override.write_text(
        'Service: {spec: {clusterIP: None}}\nversions: {"<2": {Service: {spec: {type: ClusterIP}}}}\n'
    )
    changed = rendered(devenv, project)
    added = set(changed.splitlines()) - set(plain.splitlines())
    assert {"  clusterIP: None", "  type: ClusterIP"} <= added
    prints = {line.strip() for line in added if "devenv.dev/fingerprint" in line}
    assert len(prints) == 1, "its pods are replaced, and no others"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "Servce: {spec: {}}\n",
            '1:1: Servce: no kind of object that a unit becomes - did you mean "Service"?',
        ),
        ("Service: none\n", "1:1: Service: expected a mapping - it is merged into the object"),
        ("[Service]\n", "1:1: expected a mapping from kinds of objects to fragments"),
        ("versions: {18: {}}\n", '1:12: versions.18: "18" is not a condition - write "<18" or ">=9.7"'),
        ("versions: [a]\n", "1:1: versions: expected a mapping from conditions to fragments"),
        ('versions: {"<2": {Service: 5}}\n', "1:19: versions.<2.Service: expected a mapping"),
        ("Service: {a: 1, a: 2}\n", "1:17: Service.a: written twice"),
    ],
)
def test_a_malformed_difference_is_a_problem_with_its_place(
    devenv: Devenv, project: Path, text: str, problem: str
) -> None:
    (project / "infra" / "minikube").mkdir(parents=True)
    (project / "infra" / "queue.yaml").write_text(QUEUE)
    (project / "infra" / "minikube" / "queue.yaml").write_text(text)
    (project / "devenv.yaml").write_text(USES_QUEUE)
    refused = devenv("plan")
    assert refused.exit_code == 2
    assert f"infra/minikube/queue.yaml:{problem}" in refused.stderr


def test_what_lies_there_for_no_kind_of_the_project_is_not_read(devenv: Devenv, project: Path) -> None:
    (project / "infra" / "minikube").mkdir(parents=True)
    (project / "infra" / "queue.yaml").write_text(QUEUE)
    (project / "infra" / "minikube" / "postgres.yaml").write_text("apiVersion: v1\nkind: Service\n")
    (project / "devenv.yaml").write_text(USES_QUEUE)
    assert devenv("plan").exit_code == 0
