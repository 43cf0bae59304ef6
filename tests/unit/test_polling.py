"""Where Python is told of no changed files, they are compared: what is reported is the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from devenv import watching
from devenv.watching import polling
from tests.unit.test_watching import Watch, Watched, atomic, project


@pytest.fixture(autouse=True)
def polled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "Tree", polling.Tree)
    monkeypatch.setattr(watching, "PULSE", 0.02)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts watchers, which end with the test."""
    watchers = list[Watched]()

    def start(folder: Path, files: Sequence[Path] = ()) -> Watched:
        watchers.append(Watched([folder], list(files)))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.close()


def test_it_is_said_and_what_would_help(root: Path, watch: Watch) -> None:
    assert [line for line in watch(root).notes if "watchdog" in line]


def test_every_way_to_save_and_to_move_is_reported(root: Path, watch: Watch) -> None:
    watched = watch(root, files=[root.parent / "devenv.yaml"])
    (root / "ignored/below/file").write_text("1")
    (root / "src/main.py").write_text("2")
    atomic(root / "src/deep/util.py")
    (root.parent / "devenv.yaml").write_text("1")
    (root / "src/a/b").mkdir(parents=True)
    (root / "src/a/b/file").write_text("1")
    watched.until(
        root / "src/main.py", root / "src/deep/util.py", root / "src/a/b/file", root.parent / "devenv.yaml"
    )
    (root / "src").rename(root / "lib")
    watched.until(root / "src/main.py", root / "lib/deep/util.py")
    (root / "lib/main.py").unlink()
    watched.until(root / "lib/main.py")
    (root / "lib/deep/util.py").chmod(0o700)
    watched.until(root / "lib/deep/util.py")
    assert not [path for path in watched.paths if "ignored" in path]


def test_a_root_that_goes_or_is_another_folder_means_a_rescan(root: Path, watch: Watch) -> None:
    watched = watch(root / "src")
    (root / "src").rename(root / "old")
    watched.rescan()
    (root / "src").mkdir()
    watched.rescan()
    watched.save(root / "src/file")
    shutil.rmtree(root / "src")
    watched.rescan()


def test_a_folder_that_cannot_be_read_and_a_link_that_leads_in_a_circle_hide_nothing(
    root: Path, watch: Watch
) -> None:
    (root / "src/loop").symlink_to(root)
    watched = watch(root)
    (root / "src/deep").chmod(0)
    (root / "src/main.py").write_text("2")
    watched.until(root / "src/main.py")
    (root / "src/deep").chmod(0o700)
    assert not [path for path in watched.paths if "loop/" in path]
