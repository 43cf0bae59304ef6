"""Twelve Compose projects of as many styles: what `init --from-compose` writes means what they mean.

Both are given to `docker compose config`: the project itself, and what `render` makes of the manifest. Services,
ports, volumes, commands and variables are the same, but for what the table of the import names.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv.drafting.scene import unit_names
from devenv.drafting.stores import Stores
from tests.conftest import ROOT
from tests.unit.stacks import CATALOGUE

from .conftest import Devenv

pytestmark = pytest.mark.compose

STACKS = sorted(folder.name for folder in (ROOT / "tests" / "imported").iterdir())

KINDS = Stores(CATALOGUE)

Service = Mapping[str, Any]


def config(folder: Path, *options: str) -> dict[str, Service]:
    """The services of a Compose project, as Compose reads it."""
    command = ["docker", "compose", *options, "config", "--format", "json"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    services: dict[str, Service] = json.loads(ended.stdout)["services"]
    return services


def words(value: Any) -> list[str] | None:
    return shlex.split(value) if isinstance(value, str) else value


def published(service: Service) -> set[tuple[int, str, str]]:
    return {
        (port["target"], str(port["published"]), port["protocol"])
        for port in service.get("ports", ())
        if port.get("published")
    }


def targets(service: Service, *kinds: str) -> set[str]:
    mounts = {mount["target"].rstrip("/") for mount in service.get("volumes", ()) if mount["type"] in kinds}
    configs = {item["target"] for item in (*service.get("configs", ()), *service.get("secrets", ()))}
    return mounts | (configs if "bind" in kinds else set())


def differences(
    name: str, theirs: Service, ours: Service, rows: str, names: Mapping[str, str]
) -> Iterator[str]:
    """What Compose would do otherwise for a service, as far as no row of the table says so."""
    store = KINDS.of(str(theirs.get("image", "")))
    is_store = store is not None and f"{name}.image" in rows
    missing = published(theirs) - published(ours)
    if is_store:  # a kind has a port of its own for it
        missing = {port for port in missing if port[1] not in {own[1] for own in published(ours)}}
    if missing:
        yield f"ports {published(theirs)} are {published(ours)}"
    if not published(theirs) and published(ours) and not is_store:
        yield f"ports {published(ours)} are published"
    if is_store:
        return
    if "build" in theirs:
        same = Path(ours["build"]["context"]) == Path(theirs["build"]["context"])
        if not same or ours["build"].get("target") != theirs["build"].get("target"):
            yield f"build {theirs['build']} is {ours['build']}"
    elif theirs["image"] != ours["image"]:
        yield f"image {theirs['image']} is {ours['image']}"
    for key in ("command", "entrypoint"):
        if words(theirs.get(key)) != words(ours.get(key)):
            yield f"{key} {theirs.get(key)} is {ours.get(key)}"
    for variable, value in (theirs.get("environment") or {}).items():
        for old, new in names.items():
            value = (
                value.replace(f"//{old}:", f"//{new}:").replace(f"@{old}:", f"@{new}:") if value else value
            )
        mine = ours["environment"].get(variable)
        if (value or "") != mine and not _renamed(value, mine, names):
            yield f"{variable}={value} is {mine}"
    for target in targets(theirs, "volume", "bind"):
        kept = targets(ours, "volume", "bind") | set(theirs.get("tmpfs", ()))
        if target not in kept and not any(
            f"{name}.volumes" in row and f":{target}" in row for row in rows.split("\n")
        ):
            yield f"nothing is mounted at {target}"
    for key in SAME:
        if theirs.get(key) not in (None, ours.get(key)) and not (
            key == "restart" and {theirs[key], ours.get(key)} == {"unless-stopped", "always"}
        ):
            yield f"{key} {theirs.get(key)} is {ours.get(key)}"


SAME = (
    "restart", "user", "stop_signal", "working_dir", "read_only", "init", "cap_drop", "ulimits", "sysctls",
    "security_opt", "privileged", "platform", "extra_hosts",
)  # fmt: skip
"""Keys whose values are the same before and after."""


def _renamed(value: str | None, mine: str | None, names: Mapping[str, str]) -> bool:
    """Whether a value is a host's name, or one with a port, that is called otherwise now."""
    host, colon, port = (value or "").partition(":")
    return names.get(host, host) + colon + port == mine


@pytest.mark.programs
@pytest.mark.parametrize("stack", STACKS)
def test_a_project_is_the_same_after_the_import(
    devenv: Devenv, project: Path, stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project / "work" / stack
    shutil.copytree(ROOT / "tests" / "imported" / stack, folder)
    monkeypatch.chdir(folder)
    for variable in ("RAILS_MASTER_KEY", "PROFILE"):
        monkeypatch.setenv(variable, "from-the-environment")
    theirs = config(folder, "--profile", "*")
    imported = devenv("init", "--from-compose")
    assert imported.exit_code == 0, imported.output
    assert "by hand" not in imported.stdout
    planned = devenv("plan")
    assert planned.exit_code == 0, planned.output
    rendered = devenv("render", "-o", str(project / "rendered"))
    assert rendered.exit_code == 0, rendered.output
    ours = config(project / "rendered", "--profile", "*")
    names = {**unit_names([*theirs]), "broker": "kafka", "fpm": "php"}
    found = [
        f"{name}: {difference}"
        for name, service in theirs.items()
        if name not in _elsewhere(imported.stdout)
        for difference in differences(name, service, ours[names[name]], imported.stdout, names)
    ]
    assert found == []


def _elsewhere(table: str) -> set[str]:
    """The services in whose place the gateway or a kind stands, or that a kind needs none of."""
    words = ("stands in for", "brings it, as", "needs none")
    rows = [line.split()[1] for line in table.splitlines() if any(word in line for word in words)]
    return {name for name in rows if "." not in name}


def test_each_difference_is_found() -> None:
    service: dict[str, Any] = {
        "image": "a:1",
        "command": ["run", "it"],
        "environment": {"KEY": "1"},
        "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}],
        "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
        "user": "1000",
    }
    changes: dict[str, Any] = {
        "image": "a:2",
        "command": ["run"],
        "environment": {"KEY": "2"},
        "ports": [],
        "volumes": [],
        "user": None,
    }
    assert [*differences("a", service, service, "", {})] == []
    for key, value in changes.items():
        assert len([*differences("a", service, {**service, key: value}, "", {})]) == 1, key
    assert len([*differences("a", {**service, "ports": []}, service, "", {})]) == 1
