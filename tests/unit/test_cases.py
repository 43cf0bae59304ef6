"""Inputs from bug reports of other tools: files as they are found, read as their authors meant them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devenv.cli import app
from devenv.workspace import Workspace
from tests.cases import DOTENV, DOTENV_VALUES, from_windows

MANIFEST = """\
name: windows
services:
  api:
    image: api:1
    port: 8000
    route: /api
    secrets: [FIRST, SECOND]
    command: |
      echo one
      echo two
gateway: {extra: ./kong.yml}
"""
KONG = """\
_format_version: "3.0"
plugins:
- name: correlation-id
  config: {header_name: x-trace}
"""
ENV = 'FIRST=alpha\nSECOND="beta gamma"\n'


def test_a_value_of_the_env_file_is_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(DOTENV, encoding="utf-8")
    space = Workspace(tmp_path / "devenv.yaml")
    values = space.secret_values(wanted=DOTENV_VALUES, generated=(), environment={}, strict=True)
    assert values == DOTENV_VALUES


def test_files_from_windows_mean_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    def rendered(written: Callable[[str], bytes]) -> dict[str, str]:
        for file, text in (("devenv.yaml", MANIFEST), ("kong.yml", KONG), (".env", ENV)):
            (tmp_path / file).write_bytes(written(text))
        out = tmp_path / f"out-{written.__name__}"
        done = CliRunner().invoke(app, ["render", "-b", "compose", "-o", str(out)])
        assert done.exit_code == 0, done.output
        return {
            str(file.relative_to(out)): file.read_text() for file in sorted(out.rglob("*")) if file.is_file()
        }

    unix = rendered(str.encode)
    assert any("x-trace" in text for name, text in unix.items() if name != "compose.yaml"), list(unix)
    assert 'DEVENV_SECRET_SECOND="beta gamma"' in unix[".env"]
    assert rendered(from_windows) == unix
