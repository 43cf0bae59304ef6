"""A folder under `files:` is mounted as a whole, read-only, by every renderer; what cannot be is refused."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv import sources
from devenv.backends.process.records import Folder
from devenv.backends.process.session import ProcessSession
from devenv.engine.reloading.loop import Reloading
from devenv.errors import UsageError
from devenv.manifest.parse import parse
from devenv.render import compose, swarm
from devenv.render.bundle import Source
from devenv.sources.digests import Digests
from devenv.stack.kinds.catalogue import Facts
from devenv.stack.model import File, Stack
from devenv.stack.outline import outline
from devenv.stack.resolve import resolve
from devenv.stack.world import World
from tests import documents
from tests.helm import Helm

from . import stacks
from .chart.charts import pod, project, rendered, written
from .kubernetes import stacks as kubernetes

MANIFEST = """\
name: shop
services:
  web:
    image: nginx:1
    files:
      /etc/grafana: ./grafana
      /etc/web.ini: ./web.ini
"""
FILES = {
    "grafana/a.yaml": b"a",
    "grafana/boards/b.json": b"{}",
    "grafana/boards/logo.png": b"\xff\x00",
    "web.ini": b"i",
}


def write(root: Path, files: dict[str, bytes] = FILES) -> None:
    for name, raw in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(raw)


def read(root: Path, text: str = MANIFEST) -> sources.Sources:
    manifest, _ = parse(text, file="devenv.yaml", kinds=Facts(stacks.CATALOGUE))
    return sources.read(root, outline(manifest, stacks.CATALOGUE).wants, Digests({}))


def stack(root: Path, text: str = MANIFEST) -> Stack:
    manifest, _ = parse(text, file="devenv.yaml", kinds=Facts(stacks.CATALOGUE))
    found = read(root, text)
    assert not found.findings
    return resolve(manifest, stacks.CATALOGUE, World("", {}, found.files, folders=found.mounts))


def contents(of: Stack, root: Path) -> dict[str, bytes]:
    names = [file.source for unit in of.units for mounted in unit.files for file in mounted.each]
    return {name: (root / name).read_bytes() for name in names}


def test_compose_binds_the_folder_itself_read_only(tmp_path: Path) -> None:
    write(tmp_path)
    document = documents.load(compose.render(stack(tmp_path), Source()).files["compose.yaml"])
    assert document["services"]["web"]["volumes"] == [
        {
            "type": "bind", "source": f"../../{source}", "target": target, "read_only": True,
            "bind": {"create_host_path": False},
        }
        for target, source in (("/etc/grafana", "grafana"), ("/etc/web.ini", "web.ini"))
    ]  # fmt: skip


def test_kubernetes_has_each_file_under_its_path_in_a_volume(tmp_path: Path) -> None:
    write(tmp_path)
    of = stack(tmp_path)
    objects = kubernetes.objects(of, files=contents(of, tmp_path))
    pod = objects["Deployment", "web"]["spec"]["template"]["spec"]
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    mount = mounts["/etc/grafana"]
    assert mount["readOnly"] is True
    assert "subPath" not in mount
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
    keys = {item["path"]: item["key"] for item in volume["configMap"]["items"]}
    data = objects["ConfigMap", volume["configMap"]["name"]]
    assert data["data"][keys["a.yaml"]] == "a"
    assert data["data"][keys["boards/b.json"]] == "{}"
    assert keys["boards/logo.png"] in data["binaryData"]
    assert "subPath" in mounts["/etc/web.ini"]


def test_a_file_that_may_be_executed_may_be_so_on_a_cluster_too(tmp_path: Path) -> None:
    scripts = {"grafana/boards/run.sh": b"#!/bin/sh", "web.ini": b"#!/bin/sh"}
    write(tmp_path, FILES | scripts)
    before = stack(tmp_path)
    for name in scripts:
        (tmp_path / name).chmod(0o755)
    of = stack(tmp_path)
    assert of.units[0].files != before.units[0].files  # so what runs is replaced
    objects = kubernetes.objects(of, files=contents(of, tmp_path))
    spec = objects["Deployment", "web"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume["configMap"] for volume in spec["volumes"]}
    assert volumes["files"]["defaultMode"] == 0o755
    modes = {item["path"]: item.get("mode") for item in volumes["folder-0"]["items"]}
    assert {path for path, mode in modes.items() if mode == 0o755} == {"boards/run.sh"}
    document = documents.load(swarm.render(of, Source()).files["stack.yaml"])
    modes = {entry["target"]: entry.get("mode") for entry in document["services"]["web"]["configs"]}
    assert {path for path, mode in modes.items() if mode == 0o555} == {
        "/etc/grafana/boards/run.sh", "/etc/web.ini",
    }  # fmt: skip


def test_what_is_over_a_mebibyte_is_refused_with_the_sum(tmp_path: Path) -> None:
    write(tmp_path, FILES | {f"grafana/{name}.txt": b"x" * 600_000 for name in "mno"})
    of = stack(tmp_path)
    with pytest.raises(UsageError, match="the files of web are too large for Kubernetes: 1.7 MiB"):
        kubernetes.objects(of, files=contents(of, tmp_path))


def test_a_swarm_has_a_config_for_each_file(tmp_path: Path) -> None:
    write(tmp_path)
    document = documents.load(swarm.render(stack(tmp_path), Source()).files["stack.yaml"])
    configs = {entry["target"]: entry["source"] for entry in document["services"]["web"]["configs"]}
    assert set(configs) == {
        "/etc/grafana/a.yaml", "/etc/grafana/boards/b.json", "/etc/grafana/boards/logo.png", "/etc/web.ini",
    }  # fmt: skip
    assert document["configs"][configs["/etc/grafana/boards/b.json"]]["file"] == "../../grafana/boards/b.json"


def test_a_file_more_or_a_changed_one_makes_the_unit_stale(tmp_path: Path) -> None:
    write(tmp_path)
    first = stacks.fingerprints(stack(tmp_path))
    write(tmp_path, {"grafana/new/c.yaml": b"c"})
    second = stacks.fingerprints(stack(tmp_path))
    write(tmp_path, {"grafana/new/c.yaml": b"d"})
    third = stacks.fingerprints(stack(tmp_path))
    assert len({first["web"], second["web"], third["web"]}) == 3
    assert stacks.fingerprints(stack(tmp_path)) == third


def test_the_chart_mounts_the_same_files(tmp_path: Path, helm: Helm) -> None:
    write(tmp_path, FILES | {"devenv.yaml": MANIFEST.encode()})
    objects = rendered(helm, written(tmp_path / "chart", project(tmp_path)))
    spec = pod(objects["Deployment", "web"])
    (mount,) = [
        mount for mount in spec["containers"][0]["volumeMounts"] if mount["mountPath"] == "/etc/grafana"
    ]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
    data = objects["ConfigMap", volume["configMap"]["name"]]
    keys = {item["path"]: item["key"] for item in volume["configMap"]["items"]}
    assert data["data"][keys["boards/b.json"]] == "{}"
    assert keys["boards/logo.png"] in data["binaryData"]
    (tmp_path / "web.ini").chmod(0o755)
    again = pod(rendered(helm, written(tmp_path / "chart", project(tmp_path)))["Deployment", "web"])
    (mode,) = [volume["configMap"]["defaultMode"] for volume in again["volumes"] if volume["name"] == "files"]
    assert mode == 0o755


def test_hot_reload_plans_anew_for_a_new_file_anywhere_in_the_folder(tmp_path: Path) -> None:
    write(tmp_path)
    stop, applied = threading.Event(), threading.Event()
    site: Any = SimpleNamespace(
        stop=stop, root=tmp_path, report=print, backend=SimpleNamespace(name="x", changes=lambda *_: iter(()))
    )

    def apply() -> None:
        applied.set()

    loop = Reloading(site, apply, lambda loaded: {str(tmp_path / "grafana")})
    loop._note_settings({str(tmp_path / "grafana")})
    threading.Thread(target=loop._apply_asked, daemon=True).start()
    with closing(loop._watcher()) as watcher:
        (tmp_path / "grafana/boards/new.json").write_text("{}")
        for batch in watcher.batches(stop):
            loop._see(batch)
            if applied.wait(60):
                break
    loop.close()
    assert applied.is_set()


def test_a_plain_process_has_the_folder_as_it_is_now(tmp_path: Path) -> None:
    write(tmp_path)
    session = ProcessSession.__new__(ProcessSession)
    session._root, session._folder = tmp_path, Folder(tmp_path / "state")
    spec: Any = SimpleNamespace(
        unit="web", sources={"/etc/grafana": "grafana"}, rendered=["/etc/x"], volumes=[]
    )
    session._place_files(spec)
    (tmp_path / "grafana/a.yaml").rename(tmp_path / "grafana/c.yaml")
    session._place_files(spec)
    placed = session._folder.files("web") / "etc/grafana"
    files = {path.relative_to(placed).as_posix() for path in placed.rglob("*") if path.is_file()}
    assert files == {"c.yaml", "boards/b.json", "boards/logo.png"}


def test_a_plain_process_finds_no_file_that_is_asked_for_no_more(tmp_path: Path) -> None:
    write(tmp_path)
    session = ProcessSession.__new__(ProcessSession)
    session._root, session._folder = tmp_path, Folder(tmp_path / "state")
    rendered = session._folder.files("web") / "etc/x"
    rendered.parent.mkdir(parents=True)
    rendered.touch()
    every: list[dict[str, str]] = [{"/seeds/a.yaml": "grafana/a.yaml"}, {}]
    for placed in every:
        spec: Any = SimpleNamespace(unit="web", sources=placed, rendered=["/etc/x"], volumes=[])
        session._place_files(spec)
    assert [path for path in session._folder.files("web").rglob("*") if path.is_file()] == [rendered]


def refusals(root: Path, files: str) -> list[str]:
    found = read(root, f"name: shop\nservices:\n  web:\n    image: nginx:1\n    files: {files}\n")
    return [": ".join((str(path[-1]), message, hint)) for path, message, hint in found.findings]


def test_what_cannot_be_mounted_is_refused_with_what_to_write(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"empty/deeper/.keep": b""})
    (tmp_path / "empty/deeper/.keep").unlink()
    (tmp_path / "grafana/outside").symlink_to("/etc/hostname")
    assert refusals(tmp_path, "{/e: ./grafana/*, /f: './gra*/a.yaml'}") == [
        '/e: "./grafana/*" is a pattern: a folder is mounted as a whole: ./grafana',
        '/f: "./gra*/a.yaml" is a pattern: name each file',
    ]
    assert refusals(tmp_path, "{/e: ./empty, /f: ./nothing}") == [
        '/e: no file in "./empty": a folder is mounted with its files',
        '/f: no file "./nothing": ',
    ]
    assert refusals(tmp_path, "{/e: .}") == [
        '/e: "." cannot be mounted: its .devenv holds passwords; mount a folder below'
    ]
    assert refusals(tmp_path, "{/e: ./grafana}") == [
        '/e: "./grafana/outside" is outside the project: a link?'
    ]
    assert refusals(tmp_path, "{/e: ./grafana/boards, /e/web.ini: ./web.ini, /f/x: ./web.ini}") == [
        "/e/web.ini: cannot be mounted into /e, which is a read-only folder: "
        "put it into ./grafana/boards, or mount that somewhere else"
    ]


def test_a_file_is_as_it_was(tmp_path: Path) -> None:
    write(tmp_path)
    (_, file) = stack(tmp_path).unit("web").files
    assert file == File("/etc/web.ini", "web.ini", digest=file.digest)
    assert file.each == (file,)
