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
    text = "\0".join(paths)
    command = ["git", "check-ignore", "--no-index", "--stdin", "-z"]
    printed = subprocess.run(command, cwd=folder, input=text, text=True, capture_output=True).stdout
    return set(printed.rstrip("\0").split("\0")) - {""}


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
    "pattern",
    ["[z-a]", "[!z-a]", "[]a]", "[!]a]", "[a-]", "[\\-a]", "[a&&b]", "[[a]", "[z-ab]", "[\\]a]", "[a\\]z]"],
)
def test_brackets_are_those_of_git(tmp_path: Path, pattern: str) -> None:
    repository(tmp_path, {"": pattern})
    paths = [*"abz-]&[", "ab", "a]"]
    assert GitIgnored(tmp_path)(paths) == by_git(tmp_path, paths)


@pytest.mark.programs
def test_names_of_classes_in_brackets_are_those_of_git(tmp_path: Path) -> None:
    names = (
        "alnum",
        "alpha",
        "blank",
        "cntrl",
        "digit",
        "graph",
        "lower",
        "print",
        "punct",
        "space",
        "upper",
    )
    classes = [f"[:{name}:]" for name in (*names, "xdigit", "none")]
    patterns = [*(f"{index}[{name}]" for index, name in enumerate(classes))]
    patterns += ["n[![:digit:]]", "r[[:alpha:]-z]", "m[a[:digit:]_]", "o[[:digit]", "u[[:]a]"]
    repository(tmp_path, {"": "\n".join(patterns)})
    starts = [*map(str, range(len(classes))), *"nrmou"]
    paths = [
        f"{start}{chr(code)}" for start in starts for code in range(1, 127) if chr(code) not in '\n\r/"\\'
    ]
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


@pytest.mark.programs
def test_what_the_user_ignores_everywhere_and_a_worktree_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (tmp_path / "settings/git").mkdir(parents=True)
    (tmp_path / "settings/git/ignore").write_text("usual\n.DS_Store\n")
    repository(tmp_path / "main", {})
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (
        (*author, "commit", "-q", "--allow-empty", "-m", "first"),
        ("worktree", "add", "-q", "../tree"),
    ):
        subprocess.run(["git", *words], cwd=tmp_path / "main", check=True)
    (tmp_path / "main/.git/info/exclude").write_text("mine\n!.DS_Store\n")
    paths = ["mine", "usual", "chosen", ".DS_Store", "a/mine"]
    for folder in (tmp_path / "main", tmp_path / "tree"):
        assert GitIgnored(folder)(paths) == by_git(folder, paths) == {"mine", "a/mine", "usual"}
    (tmp_path / "chosen").write_text("chosen\n")
    (tmp_path / "gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path}/chosen\n")
    for folder in (tmp_path / "main", tmp_path / "tree"):
        assert GitIgnored(folder)(paths) == by_git(folder, paths) == {"mine", "a/mine", "chosen"}


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
