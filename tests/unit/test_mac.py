"""The whole package on macOS, as far as Linux can be it: no Mac runs these tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from devenv import hostports
from devenv.backends.process import identity
from devenv.backends.process.control import SOCKET_PATH, Control
from devenv.backends.process.records import Folder
from devenv.doctor import memory
from tests import mac

VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                3567.
Pages active:                            240000.
Pages inactive:                          234000.
Pages speculative:                         1234.
Pages wired down:                        101234."""

SCRIPT = """
import importlib, pkgutil, sys, devenv
assert sys.platform == "darwin"
for module in pkgutil.walk_packages(devenv.__path__, "devenv."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from devenv.watching import Tree
print(Tree.__module__)

import os
from devenv.__main__ import main
for words in ("plan --json", "plan --reload", "render -b kube -o out", "render -b process -o out", "doctor"):
    child = os.fork()  # a command ends its process
    if child == 0:
        sys.argv = ["devenv", *words.split()]
        main()
    print(f"{words}: {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", file=sys.stderr)
"""


@pytest.mark.programs
def test_every_module_is_imported_and_commands_that_start_nothing_do_what_they_do(tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").write_text("name: shop\nservices:\n  web: {image: nginx, port: 80}\n")
    before = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    ended = run(SCRIPT, tmp_path, mac.environment(tmp_path, before))
    assert "devenv.watching.native" in ended.stdout
    codes = [line for line in ended.stderr.splitlines() if line[-3:-1] == ": "]
    assert [line[-1] for line in codes] == ["0", "0", "0", "0", "1"], ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.programs
def test_changes_are_seen_where_watchdog_has_no_module_for_the_system(tmp_path: Path) -> None:
    script = "from devenv.watching import Tree; print(Tree.__module__)"
    ended = run(script, tmp_path, mac.environment(tmp_path, os.environ, fsevents=False))
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "devenv.watching.polling", "")


def run(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "temporary",
    ["/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T", f"/tmp/{'deep/' * 20}"],
    ids=["a Mac's", "a deep one"],
)
def test_the_path_of_a_socket_is_short_enough_for_every_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    longest = Control(Folder(tmp_path), temporary).short / ".s.PGSQL.65535"
    assert len(os.fsencode(longest)) < SOCKET_PATH


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a program of macOS on the PATH, which says what it says there."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, text: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        (tmp_path / name).chmod(0o755)

    return put


@pytest.mark.programs
def test_what_left_its_group_is_found_by_its_mark(
    says: Callable[[str, str], None],
) -> None:
    says("ps", "  71 nginx: worker DEVENV_UNIT=shop/web HOME=/\n  72 vi DEVENV_UNIT=shop/web2\n 73 ps -A -E")
    assert list(identity.marked("shop/web", processes=Path("/nowhere"))) == [71]


@pytest.mark.programs
def test_free_memory_is_what_nobody_has_and_what_is_taken_back(
    says: Callable[[str, str], None], tmp_path: Path
) -> None:
    assert memory.look(tmp_path / "none") > 0
    says("vm_stat", VM_STAT)
    assert memory.look(tmp_path / "none") == 16384 * (3567 + 234000 + 1234)


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("lsof") is None, reason="needs lsof, which every Mac has")
def test_the_owner_of_a_port_is_asked_of_lsof(unused_port: int) -> None:
    with socket.create_server(("127.0.0.1", unused_port)):
        (owner,) = hostports.taken([unused_port], tables=("/nowhere",)).values()
        assert owner.endswith(f"(pid {os.getpid()})")


@pytest.mark.programs
def test_a_process_is_known_by_its_start_whatever_a_terminal_says_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = Path("/nowhere")
    with subprocess.Popen(["sleep", "100"]) as program:
        first = identity.identity(program.pid, nowhere)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        assert first == identity.identity(program.pid, nowhere) != ""
        program.kill()
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        assert identity.identity(program.pid, nowhere) == ""  # nobody has asked after it yet
