"""The whole package on macOS, as far as Linux can be it: no Mac runs these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.backends.process import identity
from devenv.backends.process.control import SOCKET_PATH, Control
from devenv.backends.process.records import Folder
from tests import mac

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
    monkeypatch.setattr("tempfile.tempdir", temporary)
    longest = Control(Folder(tmp_path)).short / ".s.PGSQL.65535"
    assert len(os.fsencode(longest)) < SOCKET_PATH


@pytest.mark.programs
def test_a_process_is_known_by_its_start_whatever_a_terminal_says_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identity, "PROCESSES", Path("/nowhere"))
    with subprocess.Popen(["sleep", "100"]) as program:
        first = identity.identity(program.pid)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        assert first == identity.identity(program.pid) != ""
        program.kill()
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        assert identity.identity(program.pid) == ""  # nobody has asked after it yet
