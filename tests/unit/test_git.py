"""Which commit a folder is at, asked of Git itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devenv.backends.git import Commit, commit

pytestmark = pytest.mark.programs


def git(root: Path, *argv: str) -> str:
    who = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
    return subprocess.run(["git", *who, *argv], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_clean_folder_is_at_its_commit_also_on_a_detached_head(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD").strip()
    assert commit(repository) == Commit(head)
    git(repository, "checkout", "-q", "--detach")
    assert commit(repository / "app") == Commit(head)


def test_files_that_differ_are_named_those_beside_the_project_are_not(repository: Path) -> None:
    (repository / "app/main.py").write_text("2\n")
    (repository / "app/new.py").write_text("")
    (repository / "elsewhere").write_text("")
    found = commit(repository / "app")
    assert found is not None
    assert set(found.changed) == {"app/main.py", "app/new.py"}
    assert found.name == f"{found.id}-changed"


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("https://ci:token@git.example.com:8443/acme/shop.git", "https://git.example.com:8443/acme/shop.git"),
        ("https://git.example.com/acme/shop", "https://git.example.com/acme/shop"),
        ("git@git.example.com:acme/shop.git", "git@git.example.com:acme/shop.git"),
        ("ssh://git:token@git.example.com:acme/shop.git", ""),
        ("https://ci:token@[git.example.com/acme/shop", ""),
    ],
)
def test_a_remote_is_told_without_its_token(repository: Path, remote: str, source: str) -> None:
    git(repository, "remote", "add", "origin", remote)
    found = commit(repository)
    assert found is not None
    assert found.source == source


def test_without_a_repository_or_a_first_commit_there_is_none(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert commit(tmp_path) is None
