"""`${env.NAME}` on the command line: from the environment, then `.env`; without a value nothing is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import documents
from tests.fakes import Machine

from .conftest import Devenv

MANIFEST = (
    "name: shop\nservices:\n  api: {image: 'acme/api:${env.TAG}', env: {PLAIN: '${env.PLAIN:-nothing}'}}\n"
)


def image(devenv: Devenv, project: Path) -> str:
    assert devenv("render", "-o", "out").exit_code == 0
    return str(documents.load((project / "out" / "compose.yaml").read_text())["services"]["api"]["image"])


def test_the_environment_comes_before_env_files(
    devenv: Devenv, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "devenv.yaml").write_text(MANIFEST)
    (project / ".env").write_text("TAG=of-file\n")
    assert image(devenv, project) == "acme/api:of-file"
    monkeypatch.setenv("TAG", "of-shell")
    assert image(devenv, project) == "acme/api:of-shell"
    monkeypatch.setenv("TAG", "of-shell-again")  # what is remembered of the last one does not count
    assert image(devenv, project) == "acme/api:of-shell-again"


def test_a_changed_value_makes_the_unit_stale_and_what_is_not_named_does_not(
    devenv: Devenv, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "devenv.yaml").write_text(MANIFEST)
    monkeypatch.setenv("TAG", "7")
    assert devenv("up", "-d").exit_code == 0
    assert devenv("plan").output == ""
    monkeypatch.setenv("UNNAMED", "anything")
    assert devenv("plan").output == ""
    monkeypatch.setenv("PLAIN", "shown")
    assert "env" in devenv("plan").output


@pytest.mark.parametrize("command", ["up -d", "plan", "render", "env"])
def test_a_value_that_is_missing_is_refused_before_anything(
    devenv: Devenv, project: Path, machine: Machine, command: str
) -> None:
    (project / "devenv.yaml").write_text(MANIFEST)
    result = devenv(*command.split())
    assert result.exit_code == 2
    assert "devenv.yaml:3:9: services.api.image: TAG is not set" in result.output
    assert not machine.units


def test_what_runs_is_seen_and_stopped_without_the_value(
    devenv: Devenv, project: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "devenv.yaml").write_text(MANIFEST)
    monkeypatch.setenv("TAG", "7")
    assert devenv("up", "-d").exit_code == 0
    monkeypatch.delenv("TAG")
    for command in ("status", "logs", "down"):
        result = devenv(command)
        assert result.exit_code == 0, result.output
        assert "not set" not in result.output
    assert not machine.units
