"""An engine that goes away while docker is at work: what is said is not of the image."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from devenv.backends.images import Images
from devenv.errors import ToolMissing, UnitFailed

from .stacks import stack

DOCKER = """#!/bin/sh
case "$*" in
*"$(cat {folder}/when)"*) echo "ERROR: {said}" >&2; exit 1;;
*inspect*) echo '[{{"Id": "sha256:0", "RepoTags": []}}]';;
esac
"""
EOF = "failed to build: failed to solve: Unavailable: error reading from server: EOF"
AWAY = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


class Alone(Images):
    """Images of an engine that has none."""

    def have(self, images: Collection[str]) -> frozenset[str]:
        return frozenset()

    def digest_in_registry(self, image: str, platform: str = "") -> str:
        return "sha256:0"


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, *, when: str, said: str, address: str) -> str:
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(folder=folder, said=said))
    program.chmod(0o755)
    (folder / "when").write_text(when)
    (folder / "web").mkdir()
    (folder / "web" / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    images, unit = (
        Alone(address, pytest.fail),
        stack("name: a\nservices: {web: {build: ./web}}\n").unit("web"),
    )
    how = {"tags": ["r.example/web:1"], "platform": "linux/amd64", "labels": {"a": "b"}}
    return images.publish(unit, folder, {}, lambda line: None, **how)  # type: ignore[arg-type]


@pytest.mark.programs
@pytest.mark.parametrize(("when", "said"), [("build", EOF), ("image push", AWAY)])
def test_an_engine_that_is_away_is_no_failed_build_and_no_registry_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, said: str
) -> None:
    how = {"when": when, "said": said}
    with pytest.raises(ToolMissing, match=f"no Docker engine answers at unix://{tmp_path}"):
        publish(tmp_path, monkeypatch, **how, address=f"unix://{tmp_path}/docker.sock")


@pytest.mark.programs
def test_an_engine_that_is_back_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolMissing, match="ended while it was at work"):
        publish(tmp_path, monkeypatch, when="build", said=EOF, address="tcp://engine.example")


@pytest.mark.programs
def test_a_name_that_cannot_be_taken_off_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"when": "image rm", "said": AWAY, "address": "tcp://engine.example"}
    assert publish(tmp_path, monkeypatch, **how) == "sha256:0"


@pytest.mark.programs
def test_a_build_that_fails_by_itself_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnitFailed):
        publish(tmp_path, monkeypatch, when="build", said="exit code: 2", address="tcp://engine.example")
