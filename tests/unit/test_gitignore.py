"""What Git ignores, compared with what Git itself says."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.gitignore import GitIgnored

SEEDS = 12
NAMES = ("a", "b", "build", "gen", "x.log", "y.py")
PATTERNS = (
    "build/",
    "*.log",
    "!x.log",
    "/a",
    "a/b",
    "gen/*",
    "!gen/y.py",
    "**/gen",
    "!gen",
    "b/**",
    "# b",
    "!/a/",
)


def repository(root: Path, ignore: Mapping[str, str]) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for folder, text in ignore.items():
        file = root / folder / ".gitignore"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def by_git(folder: Path, paths: list[str]) -> set[str]:
    """Those of the paths that Git says it ignores."""
    text = "\n".join(paths)
    command = ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "--stdin"]
    return set(subprocess.run(command, cwd=folder, input=text, text=True, capture_output=True).stdout.split())


@pytest.mark.programs
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_same_as_git(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folders = ["", "a", "gen", "a/gen", "build"]
    repository(
        tmp_path, {folder: "\n".join(chance.sample(PATTERNS, 4)) for folder in chance.sample(folders, 3)}
    )
    paths = sorted({"/".join(chance.choices(NAMES, k=chance.randint(1, 4))) for _ in range(60)})
    paths = [path for path in paths if not (tmp_path / path).is_dir()]
    assert GitIgnored(tmp_path)(paths) == by_git(tmp_path, paths)


@pytest.mark.programs
@pytest.mark.parametrize(
    "pattern", ["[z-a]", "[!z-a]", "[]a]", "[!]a]", "[a-]", "[\\-a]", "[a&&b]", "[[a]", "[z-ab]"]
)
def test_brackets_are_those_of_git(tmp_path: Path, pattern: str) -> None:
    repository(tmp_path, {"": pattern})
    paths = [*"abz-]&[", "ab", "a]"]
    assert GitIgnored(tmp_path)(paths) == by_git(tmp_path, paths)


def test_brackets_with_nothing_in_them_are_themselves(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("[]\n[!]\n")
    assert GitIgnored(tmp_path)(["[]", "[!]", "a"]) == {"[]", "[!]"}


@pytest.mark.programs
def test_a_project_below_the_top_of_its_repository(tmp_path: Path) -> None:
    repository(tmp_path, {"": "*.log\n/project/out\n", "project/api": "!keep.log\n"})
    (tmp_path / ".git/info/exclude").write_text("mine\n")
    paths = ["a.log", "api/keep.log", "api/a.log", "out/x", "api/out/x", "api/mine"]
    project = tmp_path / "project"
    assert GitIgnored(project)(paths) == {"a.log", "api/a.log", "out/x", "api/mine"}
    assert GitIgnored(project)(paths) == by_git(project, paths)


def test_a_changed_file_is_read_again_and_one_outside_a_repository_counts(tmp_path: Path) -> None:
    ignored = GitIgnored(tmp_path)
    assert ignored(["a.log"]) == set()
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert ignored(["a.log"]) == {"a.log"}
    (tmp_path / ".gitignore").write_text("*.log\n!a.log\n")
    assert ignored(["a.log", "b.log"]) == {"b.log"}


@pytest.mark.programs
def test_the_mark_of_an_encoding_is_no_part_of_a_pattern(tmp_path: Path) -> None:
    repository(tmp_path, {"": "\ufeffa\nb\n"})
    assert GitIgnored(tmp_path)(["a", "b", "c"]) == by_git(tmp_path, ["a", "b", "c"]) == {"a", "b"}
