"""`devenv doctor`, whole, over an engine that answers as a real one does, or not at all."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from devenv import hostports
from devenv.cli import app
from devenv.doctor import engine
from devenv.doctor.engine import _version as ask_version
from tests.engine import fake_engine
from tests.engine.fake import Engine

pytestmark = pytest.mark.programs

MANIFEST = """
name: shop
services:
  api: {image: "api:1", port: 80, publish: 8080, secrets: [KEY]}
"""


@dataclass
class Doctor:
    """Runs `devenv` in a folder of its own, over an engine; checks may take as long as a busy machine needs."""

    engine: Engine

    def __call__(self, *arguments: str, within: str = "60") -> Result:
        return self.devenv("doctor", "--within", within, *arguments)

    def devenv(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))


@cache
def version_of(argv: tuple[str, ...], seconds: float) -> str | None:
    """What the docker command really says of a plugin; it takes longer to start than all that is tested here."""
    return ask_version(list(argv), seconds)


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doctor]:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(hostports, "taken", lambda ports, **_: {8080: "nginx (pid 7)"})
    monkeypatch.setattr(engine, "_version", lambda argv, seconds: version_of(tuple(argv), seconds))
    with fake_engine() as server:
        server.engine.images = ["api:1"]
        yield Doctor(server.engine)


def checks(ended: Result) -> dict[str, dict[str, object]]:
    return {row["check"]: row for row in json.loads(ended.stdout)["checks"]}


def test_a_stack_is_checked_and_what_would_fail_says_what_to_type(doctor: Doctor) -> None:
    Path("devenv.yaml").write_text(MANIFEST)
    ended = doctor()
    lines = ended.stdout.splitlines()
    assert ended.exit_code == 1
    where = lines.index("fail  ports       8080, which api publishes, is taken by nginx (pid 7)")
    assert lines[where + 1] == "                  try  devenv up --remap-ports"
    assert "fail  secrets     no value for the secret KEY" in lines
    assert lines[-1].endswith(" 2 fail")


def test_json_has_every_check_and_counts(doctor: Doctor) -> None:
    Path("devenv.yaml").write_text(MANIFEST)
    ended = doctor("--json")
    report, found = json.loads(ended.stdout), checks(ended)
    assert ended.exit_code == 1
    assert report["fail"] == 2 == sum(row["level"] == "fail" for row in report["checks"])
    assert found["manifest"] == {
        "check": "manifest", "level": "pass", "text": "shop on compose, 1 unit", "fix": None, "safe": False,
    }  # fmt: skip
    assert found["ports"]["fix"] == "devenv up --remap-ports"


def test_without_a_manifest_the_machine_is_checked(doctor: Doctor) -> None:
    ended = doctor("--json")
    assert (ended.exit_code, checks(ended)["manifest"]["level"]) == (0, "pass")
    assert checks(ended)["engine"]["level"] == "pass"


def test_without_an_engine_and_a_manifest_nothing_fails_as_plain_processes_take_its_place(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setattr("devenv.backends.containers.USUAL", f"unix://{tmp_path}/none.sock")
    ended = doctor("--json")
    assert checks(ended)["engine"]["level"] == "warn"
    assert str(checks(ended)["engine"]["text"]).endswith("stacks run as plain processes")
    assert ended.exit_code == 0


def test_a_docker_context_that_is_not_there_is_a_check_that_fails(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "none")
    without = doctor("--json")
    Path("devenv.yaml").write_text(MANIFEST)
    for ended in (without, doctor("--json")):
        assert (ended.exit_code, checks(ended)["engine"]["text"]) == (1, 'no Docker context "none"')


def test_a_manifest_that_was_named_and_is_not_there_is_refused(doctor: Doctor) -> None:
    assert doctor("-f", "none.yaml").exit_code == 2


@pytest.mark.parametrize("text", ["services: {api: {image: x, uses: [postgers]}}", "\xff"])
def test_a_broken_manifest_is_a_check_that_fails(doctor: Doctor, text: str) -> None:
    Path("devenv.yaml").write_bytes(text.encode("latin-1"))
    ended = doctor("--json")
    assert (ended.exit_code, checks(ended)["manifest"]["level"]) == (1, "fail")
    assert checks(ended)["engine"]["level"] == "pass"


def test_an_engine_that_hangs_keeps_nobody_waiting(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("devenv.yaml").write_text(MANIFEST)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "hangs.sock"))
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/hangs.sock")
        found = checks(doctor("--json", within="0.3"))
    assert "did not answer within 0.3 s" in str(found["engine"]["text"])
    assert found["manifest"]["level"] == "pass"
    assert "ports" not in found, "this checkout's own containers may hold them"


def test_fix_runs_what_is_safe_once_that_is_shown_and_agreed_to(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("devenv.yaml").write_text(MANIFEST)
    Path(".env.example").write_text("KEY=put yours here\n")
    ended = doctor("--fix")
    assert (ended.exit_code, Path(".env").exists()) == (2, False)
    assert "  install -m 600 .env.example .env" in ended.stderr.splitlines()
    ended = doctor("--fix", "--yes", "--json")
    assert Path(".env").read_text() == "KEY=put yours here\n"
    assert checks(ended)["secrets"]["level"] == "pass"
    assert "nothing that --fix could run" in doctor("--fix").stderr


def test_up_says_when_the_units_to_start_do_not_fit_and_what_does_and_starts_them(doctor: Doctor) -> None:
    service = 'image: "busybox:1.37", command: sleep 1000'
    Path("devenv.yaml").write_text(
        f"name: fit\nservices:\n  big: {{{service}, resources: {{memory: 8192Gi}}}}\n  small: {{{service}}}\n"
    )
    doctor.engine.images = ["busybox:1.37"]
    ended = doctor.devenv("up", "-d")
    assert ended.exit_code == 0, ended.output
    (note,) = [line for line in ended.stderr.splitlines() if line.startswith("note")]
    assert "the units to start may take 8192.0 GiB of memory" in note
    assert note.endswith(
        "big is the biggest with 8192.0 GiB, and one has no limit: devenv up small   # a part that fits"
    )
    assert doctor.devenv("up", "-d").stderr.splitlines()[0].startswith("fit is up, nothing to do"), (
        "said once"
    )
    assert doctor.devenv("down", "--volumes", "--yes").exit_code == 0


def test_what_cannot_run_as_a_plain_process_is_known_before_up(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/bin")
    Path("devenv.yaml").write_text(
        "name: shop\nservices: {api: {host: serve, image: x, uses: [memcached, minio]}}\n"
    )
    ended = doctor("-b", "process")
    assert ended.exit_code == 1
    refused = [line for line in ended.output.splitlines() if "cannot run here" in line]
    assert refused == ["fail  processes  memcached cannot run here: no memcached on the PATH"]
    assert "infra: {memcached: {external: URL}}" in ended.output
    Path("devenv.yaml").write_text("name: shop\nservices: {api: {host: serve, image: x, uses: [minio]}}\n")
    assert "every unit can run on this machine; another program plays minio" in doctor("-b", "process").output
