"""Root, where a store refuses to be started by root: in a namespace, and as another user."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from devenv.backends.process.launch import NOBODY
from tests.e2e.process.conftest import Processes, processes

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by PostgreSQL"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv"),
]

MANIFEST = """
infra:
  postgres: {seed: ./pets.sql}
"""


def without(folder: Path, *programs: str) -> str:
    """A PATH on which these programs are not allowed to do what they are for, as in most containers."""
    folder.mkdir()
    for program in programs:
        (folder / program).write_text("#!/bin/sh\necho Operation not permitted >&2\nexit 1\n")
        (folder / program).chmod(0o755)
    return f"{folder}{os.pathsep}"


@pytest.fixture(scope="module")
def contained(
    tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]
) -> Iterator[Processes]:
    """A stack that was brought up where no user namespace can be made, below a folder of root alone."""
    folder = tmp_path_factory.mktemp("contained")
    folder.chmod(0o700)
    path = without(folder / "bin", "unshare") + environment["PATH"]
    with processes(folder, {**environment, "PATH": path}) as checkout:
        checkout.manifest(MANIFEST)
        checkout.write("pets.sql", "CREATE TABLE pet (name text); INSERT INTO pet VALUES ('Rex'), ('Tom');")
        checkout.on("up", "-d", "postgres")
        yield checkout


def counted(checkout: Processes) -> str:
    """What the server's own client counts."""
    query = "SELECT count(*) FROM pet"
    client = ("psql", "-XAtU", "app", "-d", "app", "-c", query)
    return checkout.devenv("exec", "-T", "postgres", "--", *client).stdout.strip()


def test_a_store_that_refuses_root_runs_as_nobody(contained: Processes) -> None:
    owner = Path(f"/proc/{contained.records()['postgres'].pid}").stat().st_uid
    assert owner == NOBODY
    assert counted(contained) == "2"


def test_its_data_outlives_down_and_a_namespace_can_take_it_over(
    contained: Processes, environment: Mapping[str, str]
) -> None:
    server = contained.records()["postgres"].pid
    contained.devenv("down")
    assert contained.gone([server])
    namespace = {"PATH": environment["PATH"]}
    if subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    contained.on("up", "-d", "postgres", env=namespace)
    assert (contained.folder.data / "postgres-data").stat().st_uid == 0
    contained.devenv("down", env=namespace)
    contained.on("up", "-d", "postgres")
    assert counted(contained) == "2"


def test_data_of_another_user_is_not_said_to_be_removed(contained: Processes, tmp_path: Path) -> None:
    contained.devenv("down")
    other = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all")
    kept = contained.folder.data / "postgres-data"
    ended = contained.devenv("down", "--volumes", "-y", "-b", "process", under=other, exits=1)
    assert "the data cannot be removed" in ended.stderr
    assert f"sudo rm -rf {contained.folder.data}" in ended.stderr
    assert kept.exists()
    contained.devenv("down", "--volumes", "-y", "-b", "process")
    assert not kept.exists()


def test_without_either_it_is_refused_with_the_reason(contained: Processes, tmp_path: Path) -> None:
    path = without(tmp_path / "bin", "unshare", "setpriv") + contained.environment["PATH"]
    refused = contained.on("up", "-d", "postgres", env={"PATH": path}, exits=2)
    assert "postgres does not run as root, and neither unshare nor setpriv" in refused.stderr
