"""The manifest's own word for where its stack runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from devenv.backends import BACKENDS
from devenv.cli import app
from devenv.manifest.models import schema

MANIFEST = "name: shop\nbackend: {0}\nservices:\n  api: {{image: a:1, host: sleep 60}}\n"


def test_the_manifest_may_name_every_backend() -> None:
    (choices,) = [form["enum"] for form in schema()["properties"]["backend"]["anyOf"] if "enum" in form]
    assert choices == list(BACKENDS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_is_where_the_stack_runs(backend: str, tmp_path: Path) -> None:
    file = tmp_path / "devenv.yaml"
    file.write_text(MANIFEST.format(backend), encoding="utf-8")
    nowhere = {"DEVENV_BACKEND": None, "DOCKER_HOST": "tcp://127.0.0.1:1"}
    ended = CliRunner(env=nowhere).invoke(app, ["-f", str(file), "render"])
    assert (ended.exit_code, Path(ended.stdout.strip()).name) == (0, backend), ended.output
