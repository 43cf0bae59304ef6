"""The data that ships with devenv, as it lies in an installed package."""

from __future__ import annotations

import py_compile
from pathlib import Path

import pytest

from devenv import assets


def test_what_pip_compiles_is_no_file_of_a_first_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "root", lambda: tmp_path)
    program = tmp_path / "templates" / "starters" / "api" / "main.py"
    program.parent.mkdir(parents=True)
    program.write_text("print('tea')\n", encoding="utf-8")
    py_compile.compile(str(program))
    assert assets.starter("api") == {"main.py": "print('tea')\n"}
