"""Where Python is told of no changed files, they are compared: what is reported is the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.watching import polling
from tests.unit.watched import OFTEN, Watch, change_everything, project, starting


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path)


@pytest.fixture
def watch() -> Iterator[Watch]:
    with starting(tree=polling.Tree, pulse=OFTEN) as start:
        yield start


def test_it_is_said_and_what_would_help(root: Path, watch: Watch) -> None:
    assert [line for line in watch(root).notes if "watchdog" in line]


def test_every_way_to_save_and_to_move_is_reported(root: Path, watch: Watch) -> None:
    watched = watch(root, files=[root.parent / "devenv.yaml"])
    change_everything(root, watched, gone=("src/main.py",))
    (root / "lib/deep/util.py").chmod(0o700)
    watched.until(root / "lib/deep/util.py")


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
