"""What is shipped: the data beside the code, and a command that works from it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_holds_the_data_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"devenv", wheel.name.split("-py3")[0] + ".dist-info"}
    shipped = {name.removeprefix("devenv/_assets/") for name in names if name.startswith("devenv/_assets/")}
    kinds = {f"compose/{file.name}" for file in (ROOT / "compose").iterdir()}
    assert kinds <= shipped
    assert "minikube/profile.yaml" in shipped


def test_what_is_installed_finds_its_kinds(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "devenv.yaml").write_text("name: a\nservices:\n  api: {image: x, uses: [postgers]}\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "devenv", "plan"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert 'did you mean "postgres"?' in ended.stderr
