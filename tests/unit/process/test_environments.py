"""What is installed for a unit, and where."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devenv.backends.process.environments import Environment

BARE, SHARED = ("-m", "venv"), ("-m", "venv", "--without-pip")


@pytest.fixture(autouse=True)
def no_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without uv."""
    monkeypatch.setenv("PATH", "/nowhere")


def project(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_packages_of_a_stand_in_are_installed_apart_from_those_of_devenv(tmp_path: Path) -> None:
    installed = Environment.of_packages("minio", ("moto[s3]==5", "flask"), tmp_path)
    assert installed.folder.parent == tmp_path
    assert installed.python == installed.folder / "bin/python"
    make, install = installed.steps
    assert (*make[:3], make[-1]) == (sys.executable, *BARE, str(installed.folder))
    assert install[-2:] == ("moto[s3]==5", "flask")
    assert not installed.ready
    assert Environment.of_packages("minio", (), tmp_path).ready


def test_other_packages_are_another_environment(tmp_path: Path) -> None:
    folders = [Environment.of_packages("minio", (package,), tmp_path).folder for package in ("a==1", "a==2")]
    assert len(set(folders)) == 2


def test_another_lock_file_is_another_environment(tmp_path: Path) -> None:
    api = project(tmp_path / "api", requirements_txt="a==1")
    before = Environment.of(api, tmp_path)
    (api / "requirements.txt").write_text("a==2")
    assert Environment.of(api, tmp_path).folder != before.folder
    assert before.folder.name.startswith("api-")


@pytest.mark.parametrize(("pip", "make"), [(True, SHARED), (False, BARE)])
def test_pip_of_devenv_installs_where_devenv_has_one(
    pip: bool, make: tuple[str, ...], tmp_path: Path
) -> None:
    made, install = Environment.of_packages("x", ("y",), tmp_path, pip=pip).steps
    python = str(Environment.of_packages("x", ("y",), tmp_path, pip=pip).python)
    assert tuple(made[1:-1]) == make
    assert install[0] == (sys.executable if pip else python)
    assert "--no-compile" in install


@pytest.mark.parametrize(
    ("lock", "words", "beside"),
    [
        ("uv.lock", ("uv", "sync", "--quiet", "--frozen"), False),
        ("package-lock.json", ("npm", "ci", "--no-audit", "--no-fund"), True),
        ("pnpm-lock.yaml", ("pnpm", "install", "--frozen-lockfile"), True),
        ("yarn.lock", ("yarn", "install", "--frozen-lockfile"), True),
    ],
)
def test_uv_and_npm_install_what_their_lock_file_says(
    lock: str, words: tuple[str, ...], beside: bool, tmp_path: Path
) -> None:
    web = project(tmp_path / "web", **({} if beside else {"pyproject_toml": ""}))
    (web / lock).write_text("1")
    installed = Environment.of(web, tmp_path / "env")
    assert (installed.steps, installed.asks) == ((words,), lock)
    assert installed.folder.parent == (web if beside else tmp_path / "env")
    if not beside:  # `uv run` and `uv sync` then mean that folder
        assert installed.variables["UV_PROJECT_ENVIRONMENT"] == str(installed.folder)


def test_node_modules_of_the_user_are_left_alone(tmp_path: Path) -> None:
    web = project(tmp_path / "web")
    (web / "package-lock.json").write_text("{}")
    (web / "node_modules").mkdir()
    assert Environment.of(web, tmp_path).ready


def test_what_a_requirements_file_includes_counts_as_well(tmp_path: Path) -> None:
    source = project(tmp_path / "web", requirements_txt="-r base.txt\n--constraint pins.txt\n")
    folders = []
    for text in ("flask", "-r requirements.txt\nflask", "flask==3"):
        (source / "base.txt").write_text(text)
        folders.append(Environment.of(source, tmp_path).folder)
    (source / "pins.txt").write_text("flask==3.1")
    folders.append(Environment.of(source, tmp_path).folder)
    assert len(set(folders)) == 4
