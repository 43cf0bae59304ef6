"""What goes into an image: content decides, and what .dockerignore leaves out does not count."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devenv import sources
from devenv.sources import Digests, Sources
from devenv.stack.world import Want

BUILD = Want("build", "app", ("services", "api", "build"), "Dockerfile")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {"app/Dockerfile": "FROM x", "app/main.py": "1", "app/lib/a.py": "2", "app/lib/deep/b.py": "3"},
    )
    return tmp_path / "app"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def read(app: Path, *wants: Want, cache: Digests | None = None) -> Sources:
    return sources.read(app.parent, wants or [BUILD], cache or Digests({}))


def sent(app: Path) -> set[str]:
    return set(read(app).contents["app", "Dockerfile"])


def digest(app: Path) -> str:
    return read(app).builds["app", "Dockerfile"]


def test_another_content_is_another_digest_and_another_time_is_not(app: Path) -> None:
    before = digest(app)
    os.utime(app / "main.py", (0, 2_000_000_000))
    assert digest(app) == before
    (app / "main.py").write_text("2")
    assert digest(app) != before


def test_names_modes_and_links_count(app: Path) -> None:
    seen = {digest(app)}
    (app / "main.py").chmod(0o755)
    seen.add(digest(app))
    (app / "main.py").rename(app / "other.py")
    seen.add(digest(app))
    (app / "link").symlink_to("other.py")
    seen.add(digest(app))
    (app / "link").unlink()
    (app / "link").symlink_to("lib/a.py")
    seen.add(digest(app))
    assert len(seen) == 5


IGNORES = {
    "nothing": ("", {"main.py", "lib/a.py", "lib/deep/b.py"}),
    "a folder": ("lib", {"main.py"}),
    "only at the root": ("a.py\nmain.py", {"lib/a.py", "lib/deep/b.py"}),
    "anywhere": ("**/a.py", {"main.py", "lib/deep/b.py"}),
    "one level down": ("*/*.py", {"main.py", "lib/deep/b.py"}),
    "with an exception": ("lib\n!lib/deep/b.py", {"main.py", "lib/deep/b.py"}),
    "the last one decides": ("!main.py\n*.py", {"lib/a.py", "lib/deep/b.py"}),
    "a comment": ("# lib\n\nmain.py", {"lib/a.py", "lib/deep/b.py"}),
    "a leading slash": ("/lib/deep", {"main.py", "lib/a.py"}),
}


@pytest.mark.parametrize(("ignore", "expected"), IGNORES.values(), ids=IGNORES)
def test_dockerignore_means_what_docker_means(app: Path, ignore: str, expected: set[str]) -> None:
    (app / ".dockerignore").write_text(ignore)
    assert sent(app) - {"Dockerfile", ".dockerignore"} == expected


def test_the_dockerfile_counts_even_when_it_is_ignored(app: Path) -> None:
    (app / ".dockerignore").write_text("Dockerfile\n")
    before = digest(app)
    (app / "Dockerfile").write_text("FROM y")
    assert digest(app) != before


def test_a_remembered_digest_is_used_only_for_the_very_same_file(app: Path) -> None:
    for file in app.rglob("*.py"):
        os.utime(file, (0, 1_000_000_000))
    first = Digests({})
    one = read(app, cache=first).builds
    (app / "main.py").write_text("9")
    os.utime(app / "main.py", (0, 1_000_000_001))
    assert read(app, cache=Digests(first.seen)).builds != one


def test_a_file_that_may_still_change_is_not_remembered(app: Path) -> None:
    cache = Digests({})
    read(app, cache=cache)
    assert cache.seen == {}


MISSING = {
    "a folder": (Want("build", "no", ("x",), "Dockerfile"), 'no folder "no"'),
    "a Dockerfile": (Want("build", "app", ("x",), "Other"), 'no Other in "app"'),
    "a file": (Want("file", "no.ini", ("x",)), 'no file "no.ini"'),
    "anything that matches": (Want("pattern", "db/*.sql", ("x",)), 'nothing matches "db/*.sql"'),
    "a kong.yml": (Want("text", "kong.yml", ("x",)), 'no file "kong.yml"'),
}


@pytest.mark.parametrize(("want", "said"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_said_at_the_place_that_wants_it(app: Path, want: Want, said: str) -> None:
    assert [(path, message) for path, message, _ in read(app, want).findings] == [(("x",), said)]


def test_a_link_that_leaves_the_project_is_refused(
    app: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (app.parent / "out").symlink_to(elsewhere)
    found = read(app, Want("build", "out", ("x",), "Dockerfile")).findings
    assert found == [(("x",), '"out" leaves the project', "a link?")]
