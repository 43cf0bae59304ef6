"""What Minikube answers, as recorded from the real one, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.backends.base import Site
from devenv.backends.minikube import (
    MinikubeBackend,
    Status,
    parse_events,
    parse_status,
    start_failed,
    start_flags,
)
from devenv.errors import DevenvError, UsageError
from devenv.stack.model import Stack
from tests import documents
from tests.conftest import ROOT

RECORDED = ROOT / "tests/machine/cluster/recorded"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("status-running", Status(True, "Running", "Running")),
        ("status-stopped", Status(True, "Stopped", "Stopped")),
        ("status-killed", Status(True, "Stopped", "Stopped")),
        ("status-absent", Status(False)),
    ],
)
def test_status(name: str, expected: Status) -> None:
    record = recorded(name)
    assert parse_status(record["exit"], record["stdout"]) == expected
    assert expected.running is (name == "status-running")


def test_status_that_is_none() -> None:
    with pytest.raises(DevenvError, match="minikube status ended with 14"):
        parse_status(14, "flag provided but not defined")


def test_starting_says_its_steps() -> None:
    steps = [
        event["message"] for kind, event in parse_events(recorded("start-new")["stdout"]) if kind == "step"
    ]
    assert "Booting up control plane ..." in steps


def test_a_start_that_fails_says_why_and_not_all_that_minikube_calls_an_error() -> None:
    record = recorded("start-other-driver")
    error = start_failed("shop", record["exit"], list(parse_events(record["stdout"])))
    assert error.what == "Minikube could not start the profile shop (exit 81)"
    assert error.why.startswith('The existing "shop" cluster was created using the "docker" driver')
    assert error.hint.startswith("Delete the existing 'shop' cluster")


def test_the_profile_asks_for_no_more_than_the_machine_has() -> None:
    profile = documents.load((ROOT / "minikube/profile.yaml").read_text())
    assert start_flags(profile, cpus=8, memory=16000) == [
        "--driver=docker",
        "--container-runtime=containerd",
        f"--kubernetes-version={profile['kubernetes-version']}",
        "--cpus=4",
        "--memory=6144m",
        "--disk-size=30g",
        "--addons=default-storageclass,storage-provisioner",
        "--wait=apiserver,system_pods",
    ]
    assert {"--cpus=2", "--memory=3000m"} <= set(start_flags(profile, cpus=1, memory=3000))


def test_memory_that_is_none() -> None:
    with pytest.raises(UsageError, match="memory"):
        start_flags({"memory": "lots"}, cpus=2, memory=1000)


def kubeconfig(file: Path, provider: str) -> None:
    extensions = [{"name": "cluster_info", "extension": {"provider": provider}}]
    cluster = {"server": "https://127.0.0.1:9", "extensions": extensions}
    file.write_text(
        yaml.safe_dump(
            {
                "contexts": [{"name": "shop", "context": {"cluster": "shop", "user": "shop"}}],
                "clusters": [{"name": "shop", "cluster": cluster}],
                "users": [{"name": "shop", "user": {}}],
            }
        )
    )


def test_a_context_that_is_not_minikubes_is_never_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(tmp_path / "config", "somebody.else")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    backend = MinikubeBackend(Site(tmp_path, tmp_path, "shop"))
    with pytest.raises(UsageError, match="is not Minikube's"):
        backend.observe("c")


def test_on_a_cluster_that_is_down_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig(tmp_path / "config", "minikube.sigs.k8s.io")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    backend = MinikubeBackend(Site(tmp_path, tmp_path, "shop"))
    assert backend.observe("c").units == {}
    assert backend.images(Stack("shop", "shop", "c", ()), ["a"]) == frozenset()
    assert backend.remove("c", volumes=False, say=lambda line: None).units == ()
    backend.close()


def test_before_the_first_up_there_is_no_profile(tmp_path: Path) -> None:
    backend = MinikubeBackend(Site(tmp_path, tmp_path))
    assert (backend.profile, backend.observe("c").units) == ("", {})
