"""The data that ships with devenv, as it lies in an installed package."""

from __future__ import annotations

import py_compile
from pathlib import Path

from devenv import assets


def test_what_pip_compiles_is_no_file_of_a_first_project(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text("print('tea')\n", encoding="utf-8")
    compiled = Path(py_compile.compile(str(program)) or "")
    assert compiled.is_relative_to(tmp_path)
    assert assets.texts_of(tmp_path) == {"main.py": "print('tea')\n"}
