"""The files of a folder, kept current path by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.engine.reloading.trees import Tree
from devenv.sources.digests import Digests
from devenv.sources.folder import Folder


@pytest.fixture
def cache() -> Digests:
    """An empty cache of digests."""
    return Digests({})


@pytest.fixture
def api(tmp_path: Path, cache: Digests) -> Tree:
    """The folder `api` of a project, as it was read a moment ago."""
    folder = tmp_path / "project" / "api"
    (folder / "lib").mkdir(parents=True)
    for name in ("main.py", "lib/a.py", "lib/b.py", "secret.log"):
        (folder / name).write_text(name)
    source = Folder(folder, "*.log\nbuild/\n")
    return Tree("./api", source, cache, source.contents(cache))


def test_paths_are_those_of_the_project(api: Tree) -> None:
    assert sorted(api.digests) == ["api/lib/a.py", "api/lib/b.py", "api/main.py"]


def test_only_what_differs_counts_as_changed(api: Tree) -> None:
    (api.folder.path / "main.py").write_text("other text")
    (api.folder.path / "new.py").write_text("new")
    paths = ["api/main.py", "api/new.py", "api/lib/a.py", "api/secret.log", "web/main.py", "apis/main.py"]
    assert api.update(paths) == ({"api/main.py", "api/new.py"}, {})
    assert api.update(paths) == (set(), {})


def test_a_folder_that_vanished_takes_its_files_along(api: Tree) -> None:
    (api.folder.path / "lib").rename(api.folder.path / "build")
    assert api.update(["api/lib", "api/build"]) == ({"api/lib/a.py", "api/lib/b.py"}, {})
    assert sorted(api.digests) == ["api/main.py"]


def test_no_file_is_found_behind_a_link_on_the_way(api: Tree) -> None:
    folder = api.folder.path
    (folder / "lib").rename(folder / "other")
    (folder / "lib").symlink_to("other")
    paths = ["api/lib", "api/lib/a.py", "api/lib/new/c.py", "api/other/a.py"]
    changed, _ = api.update(paths)
    assert changed == {"api/lib", "api/lib/a.py", "api/lib/b.py", "api/other/a.py"}
    assert sorted(api.digests) == ["api/lib", "api/main.py", "api/other/a.py"]


class Folding(Folder):
    """A folder on a disk that finds files by their names in any case of the letters, as that of a Mac."""

    folds = True

    def _joined(self, name: str) -> str:
        path = self.path
        for part in name.split("/") if name else ():
            spellings = (entry for entry in path.iterdir() if entry.name.casefold() == part.casefold())
            path = next(spellings, path / part)
        return str(path)


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ("main.py", "Main.py", ["api/main.py", "api/Main.py"]),
        ("main.py", "Main.py", ["api/Main.py"]),
        ("lib", "Lib", ["api/lib/a.py", "api/lib/b.py", "api/Lib/a.py", "api/Lib/b.py"]),
    ],
    ids=["both names", "the new name", "a folder"],
)
def test_the_old_name_is_gone_after_its_letters_changed_case(
    api: Tree, old: str, new: str, paths: list[str]
) -> None:
    (api.folder.path / old).rename(api.folder.path / new)
    folding = Tree("./api", Folding(api.folder.path), Digests({}), api.folder.contents(Digests({})))
    folding.digests = dict(api.digests)
    before = {path for path in api.digests if path.startswith(f"api/{old}")}
    after = {path.replace(old, new) for path in before}
    assert folding.update(paths) == (before | after, {})
    assert folding.digests.keys() & (before | after) == after


class Denied(Folder):
    """A folder whose files nobody may read: for root there is none."""

    def digest(self, *_: object) -> str:
        raise PermissionError(13, "Permission denied")


def test_what_cannot_be_read_counts_as_unchanged(api: Tree) -> None:
    denied = Tree("./api", Denied(api.folder.path), Digests({}), api.folder.contents(Digests({})))
    assert denied.update(["api/main.py"]) == (set(), {"api/main.py": "permission denied"})
    assert denied.digests == api.digests


def test_a_look_at_the_whole_folder_finds_what_no_event_told(api: Tree) -> None:
    (api.folder.path / "main.py").unlink()
    (api.folder.path / "lib" / "c.py").write_text("c")
    assert api.look() == ({"api/main.py", "api/lib/c.py"}, {})
    assert api.look() == (set(), {})


def test_only_folders_that_may_hold_its_files_are_entered(api: Tree) -> None:
    paths = (".", "api", "api/lib", "api/build", "api/.devenv", "web", "apis")
    assert [path for path in paths if api.enters(path)] == [".", "api", "api/lib"]


def test_a_single_file_is_a_tree_of_its_own(tmp_path: Path, cache: Digests) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("a")
    folder = Folder(file)
    tree = Tree("settings.toml", folder, cache, folder.contents(cache))
    file.write_text("another")
    assert tree.update(["settings.toml", "other"]) == ({"settings.toml"}, {})
