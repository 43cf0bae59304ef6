"""`make demo` on a machine with nothing but Python: the guestbook as plain processes, no engine anywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.checkout import COMMAND
from tests.e2e.process.conftest import Processes

pytestmark = pytest.mark.registry

ABSENT = (
    "docker*",
    "podman*",
    "uv",
    "uvx",
    "curl",
    "wget",
    "psql",
    "pg_*",
    "postgres",
    "valkey*",
    "redis*",
    "minio",
)
"""What a machine with nothing but Python and the system's own tools has not."""

HIDDEN = """
for socket in /var/run/docker.sock /run/podman/podman.sock; do
  [ ! -S "$socket" ] || mount --bind /dev/null "$socket"
done
exec "$@"
"""
NO_ENGINE = (
    "unshare",
    "--mount",
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
    "sh",
    "-ec",
    HIDDEN,
    "sh",
)


@dataclass(frozen=True)
class Demo:
    """The examples in a folder of their own, and what `make demo` printed there."""

    guestbook: Processes
    output: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    if subprocess.run([*NO_ENGINE, "true"], capture_output=True).returncode:
        pytest.skip("an engine's socket cannot be hidden here")
    bin = folder / "bin"
    bin.mkdir()
    for program in [*Path("/bin").iterdir(), *Path("/sbin").iterdir()]:
        if not any(map(program.match, ABSENT)) and not (bin / program.name).is_symlink():
            (bin / program.name).symlink_to(program)
    (bin / "devenv").unlink(missing_ok=True)
    (bin / "devenv").symlink_to(COMMAND)
    ignored = shutil.ignore_patterns(".devenv", ".env", "shop", "__pycache__")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=ignored)
    kept = {key: value for key, value in environment.items() if not key.startswith("DOCKER_")}
    own = {**kept, "PATH": str(bin), "PIP_CACHE_DIR": pip_cache()}
    guestbook = Processes(folder / "examples/guestbook", "guestbook", None, own)  # type: ignore[arg-type]
    try:
        done = subprocess.run(
            [*NO_ENGINE, sys.executable, str(folder / "examples/demo.py")],
            env=own,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield Demo(guestbook, done.stdout + done.stderr)
    finally:
        guestbook.clear()


def pip_cache() -> str:
    """Where this machine keeps what it downloaded; the tests' own home has nothing."""
    asked = [sys.executable, "-m", "pip", "cache", "dir"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_it_says_first_why_it_uses_no_containers(demo: Demo) -> None:
    assert "plain processes of this machine" in demo.output
    assert "no Docker engine at /var/run/docker.sock" in demo.output


def test_the_page_and_the_api_answer_through_the_gateway(demo: Demo) -> None:
    answers = re.findall(r"GET (\S+) +(\d+) +(.+)", demo.output)
    assert answers == [
        ("/", "200", "as anybody"),
        ("/api/entries", "401", "as anybody"),
        ("/api/entries", "200", "with the key"),
    ]
    assert "6 guests wrote into the book" in demo.output


def test_it_says_what_stands_in_for_what(demo: Demo) -> None:
    units = {row["name"]: row for row in demo.guestbook.on("status", "--json").json["units"]}
    assert {name for name, row in units.items() if row["stand_in"]} == {"kong", "minio"}
    assert {row["state"] for row in units.values()} <= {"healthy", "running", "done"}


def test_each_page_that_is_shown_is_there(demo: Demo) -> None:
    urls = {row["name"]: row["urls"] for row in demo.guestbook.on("status", "--json").json["units"]}
    assert len(urls["minio"]) == len(urls["kong"]) == 1
    for url in urls["minio"] + urls["kong"]:
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200, url
    with urllib.request.urlopen(*urls["minio"], timeout=10) as answer:
        assert "<summary>pictures</summary>" in answer.read().decode()


def test_tests_that_need_an_engine_are_skipped_with_the_reason(demo: Demo) -> None:
    pytest_ = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "tests/e2e/test_machine.py",
    ]
    done = subprocess.run(
        [*NO_ENGINE, *pytest_],
        env={**demo.guestbook.environment, "DEVENV_TEST_REQUIRE_ENGINE": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "no Docker engine" in done.stdout
    assert not re.search(r"\d (passed|failed|error)", done.stdout)
