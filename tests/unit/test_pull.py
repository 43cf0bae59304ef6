"""Files that come back from a container. The container is a folder, and its `tar` the machine's own."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends.base import StreamEnded
from devenv.engine.reloading.pull import Difference, Pulled, difference, unit_difference, write
from devenv.errors import DevenvError
from devenv.plan.model import ObservedUnit
from devenv.stack.model import Unit
from devenv.stack.reloading.rules import infer, lies


class Local:
    """A stream of a command that runs here."""

    def __init__(self, argv: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        self.complaints, self.exit_code = b"", None

    def receive(self) -> bytes:
        assert self._process.stdout
        if part := self._process.stdout.read1(7):
            return part
        if self.exit_code is None:
            assert self._process.stderr
            self.complaints = self._process.stderr.read()
            self.exit_code = self._process.wait()
        return b""

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class World:
    """A project and a container's folder, which were the same once: `common`."""

    def __init__(self, folder: Path) -> None:
        self.project, self.container = folder / "project", folder / "container"
        self.common: dict[str, str] = {}

    def put(self, name: str, *, here: str | None, there: str | None, common: str = "") -> None:
        for top, text in ((self.project / "app", here), (self.container, there)):
            if text is not None:
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                (top / name).write_text(text)
        if common:
            self.common[f"app/{name}"] = hashlib.sha256(common.encode()).hexdigest()[:16]

    def difference(self, **paths: str) -> Difference:
        attach: Any = Local
        named = {
            f"app/{name}" if name else "app": f"{self.container}/{place}" for name, place in paths.items()
        }
        return difference(
            attach,
            self.project,
            named or {"app": str(self.container)},
            lambda path, _: self.common.get(path, ""),
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for folder in ("project/app", "container"):
        (tmp_path / folder).mkdir(parents=True)
    return made


CASES: Mapping[str, tuple[str | None, str, str, tuple[bool, bool] | None]] = {
    "only there": (None, "x", "", (True, False)),
    "changed there": ("old", "x", "old", (False, False)),
    "changed in both": ("mine", "x", "old", (False, True)),
    "nobody knows what was common": ("mine", "x", "", (False, True)),
    "changed there, deleted here": (None, "x", "old", (True, True)),
    "changed here": ("mine", "old", "old", None),
    "deleted here": (None, "old", "old", None),
    "the same": ("x", "x", "", None),
}


@pytest.mark.programs
@pytest.mark.parametrize(("here", "there", "common", "expected"), CASES.values(), ids=CASES)
def test_what_differs(
    world: World, here: str | None, there: str, common: str, expected: tuple[bool, bool] | None
) -> None:
    world.put("lib/a b.txt", here=here, there=there, common=common)
    files = world.difference().files
    assert [(file.path, file.new, file.both) for file in files] == (
        [("app/lib/a b.txt", *expected)] if expected else []
    )


@pytest.mark.programs
def test_what_comes_back_is_written_whole_with_its_mode_and_nothing_is_deleted(world: World) -> None:
    world.put("run.sh", here=None, there="echo")
    (world.container / "run.sh").chmod(0o755)
    world.put("odd\nname", here=None, there="x" * 100_000)
    world.put("mine.txt", here="mine", there=None)
    write(world.project, world.difference().files)
    assert (world.project / "app/run.sh").stat().st_mode & 0o777 == 0o755
    assert (world.project / "app/odd\nname").read_text() == "x" * 100_000
    assert (world.project / "app/mine.txt").read_text() == "mine"
    assert world.difference().files == []


@pytest.mark.programs
def test_nothing_is_written_out_of_the_project_and_links_stay(world: World, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    world.put("out/a", here=None, there="x")
    world.put("link", here=None, there="x")
    world.put("folder", here=None, there="x")
    world.put(".devenv/state.json", here=None, there="x")
    (world.container / "there").symlink_to("/etc/passwd")
    (world.project / "app/out").symlink_to(outside)
    (world.project / "app/link").symlink_to(outside / "b")
    (world.project / "app/folder").mkdir()
    found = world.difference()
    assert found.files == []
    assert found.refused == {
        "app/out/a": "a link leads out of the project",
        "app/link": "a link is in its place",
        "app/folder": "a folder is in its place",
        "app/.devenv/state.json": "it is not in the project",
    }


def test_what_cannot_be_written_is_an_error_that_says_why(tmp_path: Path) -> None:
    """The project may have changed since it was compared, as while somebody was asked."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for path, why in {"file/new": "File exists", "link": "a link is in its place"}.items():
        with pytest.raises(DevenvError) as refused:
            write(tmp_path, [Pulled(path, b"", executable=False, new=True, both=False)])
        assert why in refused.value.why


@pytest.mark.programs
def test_a_single_file_and_one_that_is_not_there(world: World) -> None:
    world.put("uv.lock", here="old", there="new", common="old")
    assert [file.path for file in world.difference(**{"uv.lock": "uv.lock"}).files] == ["app/uv.lock"]
    with pytest.raises(DevenvError, match="cannot read .*/nowhere") as raised:
        world.difference(nowhere="nowhere")
    assert "No such file" in str(raised.value.why)


def test_where_files_are_in_the_container() -> None:
    text = "FROM python\nWORKDIR /app\nCOPY uv.lock .\nRUN uv sync\nCOPY . .\nCOPY made/ /srv/made/\n"
    rules = infer(text, context="api")
    places = {
        path: lies(rules, path, folder=folder)
        for path, folder in (
            ("api/uv.lock", False),
            ("api/src/migrations", True),
            ("api/made", True),
            ("api/made/x", False),
            ("api", True),
            ("web/x", False),
        )
    }
    assert places == {
        "api/uv.lock": "/app/uv.lock",
        "api/src/migrations": "/app/src/migrations",
        "api/made": "/srv/made",
        "api/made/x": "/srv/made/x",
        "api": "/app",
        "web/x": "",
    }


class Gone:
    """A backend whose container ends in the middle, or before anybody asks."""

    def __init__(self, *instances: str) -> None:
        self._instances = instances

    def instances(self, unit: ObservedUnit) -> tuple[str, ...]:
        return self._instances

    def privileged(self, unit: ObservedUnit, instance: str) -> None: ...

    def attach(self, unit: ObservedUnit, argv: object, *, instance: str) -> None:
        raise StreamEnded


@pytest.mark.parametrize(
    ("instances", "error"),
    [((), "web is not running"), (("1",), "a container of web ended while its files were read")],
)
def test_a_container_that_is_gone_is_no_mistake_of_ours(
    tmp_path: Path, instances: tuple[str, ...], error: str
) -> None:
    unit = Unit("web", "service", "web:1")
    rules = infer("FROM busybox\nCOPY src /app/src\n", context=".", name="Dockerfile")
    synced = SimpleNamespace(rules={"web": rules}, held=lambda *_: {}, recorded=lambda *_: {})
    loaded: Any = SimpleNamespace(stack=SimpleNamespace(unit=lambda name: unit), synced=synced)
    observed, backend = ObservedUnit("web", "1", "running", image="web:1"), Gone(*instances)
    with pytest.raises(DevenvError, match=error):
        unit_difference(backend, loaded, observed, tmp_path, {"src": "/app/src"})  # type: ignore[arg-type]
