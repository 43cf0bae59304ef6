"""Kinds of the project's own, from its `infra` folder or where `kinds:` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Devenv

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
        ("kinds: ../kinds\n", '"../kinds" leaves the project'),
        ("kinds: /etc\n", '"/etc" leaves the project'),
        ('{"kinds": "mine", "services": {}}\n', "has to stand on a line of its own"),
        ("kinds:\n  mine\n", "has to stand on a line of its own"),
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
