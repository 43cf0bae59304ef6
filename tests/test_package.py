"""What is shipped: the data beside the code, and a command that works from it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (file,) = out.glob("*.whl")
    return file


def test_the_wheel_holds_the_data_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"devenv", wheel.name.split("-py3")[0] + ".dist-info"}
    shipped = {name.removeprefix("devenv/_assets/") for name in names if name.startswith("devenv/_assets/")}
    kinds = {f"compose/{file.name}" for file in (ROOT / "compose").iterdir()}
    assert kinds <= shipped
    assert "minikube/profile.yaml" in shipped
    assert "devenv/py.typed" in names  # without it nobody's type checker reads our annotations


def test_what_the_wheel_says_of_itself(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(archive.read(name))
    urls = {url.split(",")[0] for url in metadata.get_all("Project-URL", [])}
    assert urls >= {"Homepage", "Source", "Issues", "Changelog"}
    systems = {text for text in metadata.get_all("Classifier", []) if text.startswith("Operating System")}
    assert systems == {f"Operating System :: {name}" for name in ("POSIX", "POSIX :: Linux", "MacOS")}


def test_on_windows_it_says_what_to_type_instead(installed: Path, tmp_path: Path) -> None:
    unix_only = dict.fromkeys(["fcntl", "termios", "pwd", "grp", "resource"])
    windows = f"import sys; sys.platform = 'win32'; sys.modules.update({unix_only})"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", f"{windows}; from devenv.__main__ import main; main()"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "Traceback" not in ended.stderr
    assert "wsl --install" in ended.stderr


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import devenv from, as pip would have made it."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def devenv(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "devenv", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_installed_finds_its_kinds(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").write_text("name: a\nservices:\n  api: {image: x, uses: [postgers]}\n")
    ended = devenv(installed, tmp_path, "plan")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert 'did you mean "postgres"?' in ended.stderr


@pytest.mark.engine
def test_what_is_installed_renders_a_stack(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").write_text("name: a\nservices:\n  api: {image: x, uses: [postgres]}\n")
    ended = devenv(installed, tmp_path, "render", "-o", "out")
    assert (ended.returncode, ended.stdout) == (0, "out\n")
    assert "note  images that are not here cannot be asked (api)" in ended.stderr
    assert "image: postgres:18" in (tmp_path / "out" / "compose.yaml").read_text()


def test_it_is_the_installed_one_that_was_asked(installed: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", "import devenv.assets as a; print(a.root(), *a.catalogue())"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    kinds = sorted(file.stem for file in (ROOT / "compose").iterdir())
    assert ended.stdout.split() == [str(installed / "devenv" / "_assets"), *kinds]


def requirements() -> list[Requirement]:
    """What people install: the dependencies and those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for texts in (project["dependencies"], *extras) for text in texts]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_a_dependency_cannot_become_a_major_that_nobody_has_tried(requirement: Requirement) -> None:
    pins = (line.partition("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    tested = {name.lower(): version for name, equals, version in pins if equals}[requirement.name.lower()]
    bounds = [Version(part.version) for part in requirement.specifier if part.operator == "<"]
    assert bounds, f"{requirement} has no upper bound"
    assert tested in requirement.specifier
    major, minor, *_ = Version(tested).release
    assert min(bounds) <= Version(f"{major + 1}" if major else f"0.{minor + 1}")
