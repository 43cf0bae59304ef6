"""What goes into an image: content decides, and what .dockerignore leaves out does not count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from devenv import sources
from devenv.sources import Sources
from devenv.sources.digests import Digests
from devenv.sources.folder import Folder
from devenv.sources.ignored import recipe
from devenv.stack.world import Recipe, Want

BUILD = Want("build", "app", ("services", "api", "build"), "Dockerfile")


@pytest.fixture
def app() -> Iterator[Path]:
    with TemporaryDirectory() as folder:  # not pytest's, into which nobody else may look
        root = Path(folder).resolve()
        root.chmod(0o755)
        write(
            root,
            {"app/Dockerfile": "FROM x", "app/main.py": "1", "app/lib/a.py": "2", "app/lib/deep/b.py": "3"},
        )
        yield root / "app"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """A folder that nobody may read; not even the tests, should they run as root."""
    folder.mkdir(mode=0o000)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


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
    digests = {digest(app)}
    (app / "main.py").chmod(0o755)
    digests.add(digest(app))
    (app / "main.py").rename(app / "other.py")
    digests.add(digest(app))
    (app / "link").symlink_to("other.py")
    digests.add(digest(app))
    (app / "link").unlink()
    (app / "link").symlink_to("lib/a.py")
    digests.add(digest(app))
    (app / "link").unlink()
    os.symlink("./lib/a.py", app / "link")  # as a Path, its text would be that of the last one
    digests.add(digest(app))
    assert len(digests) == 6


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
    "a leading dot": ("./lib", {"main.py"}),
    "a trailing slash": ("lib/\nmain.py/", set()),
    "a detour": ("x/../lib/./deep", {"main.py", "lib/a.py"}),
    "spaces around it": ("  lib  ", {"main.py"}),
    "everything but": ("*\n!lib/a.py", {"lib/a.py"}),
    "everything but a folder": ("**\n!lib", {"lib/a.py", "lib/deep/b.py"}),
    "what is below, not itself": ("lib/**\n!lib/deep/**", {"main.py", "lib/deep/b.py"}),
    "one character": ("lib/?.py", {"main.py", "lib/deep/b.py"}),
    "one of some": ("**/[ab].py\n!**/[^a].py", {"main.py", "lib/deep/b.py"}),
    "a star stays on its level": ("lib/*.py", {"main.py", "lib/deep/b.py"}),
    "folders between": ("lib/**/b.py", {"main.py", "lib/a.py"}),
    "a name in full": ("lib/a", {"main.py", "lib/a.py", "lib/deep/b.py"}),
    "itself and the root": (".\n/\n!", {"main.py", "lib/a.py", "lib/deep/b.py"}),
    "a mark of its encoding": ("\ufefflib", {"main.py"}),
    "a range that runs backwards": ("[z-a]*\nmain.py", {"lib/a.py", "lib/deep/b.py"}),
    "a class within brackets": ("**/[[:alpha:]].py", {"main.py"}),
    "a backslash at its end": ("lib\\\nmain.py", {"lib/a.py", "lib/deep/b.py"}),
    "lines from Windows": ("lib\r\nmain.py\r\n", set()),
}


@pytest.mark.parametrize(("ignore", "expected"), IGNORES.values(), ids=IGNORES)
def test_dockerignore_means_what_docker_means(app: Path, ignore: str, expected: set[str]) -> None:
    (app / ".dockerignore").write_text(ignore)
    assert sent(app) - {"Dockerfile", ".dockerignore"} == expected


def test_a_dockerfile_may_have_an_ignore_file_of_its_own(app: Path) -> None:
    write(app, {".dockerignore": "lib", "Dockerfile.dockerignore": "main.py"})
    assert {"main.py", "lib/a.py"} & sent(app) == {"lib/a.py"}


@pytest.mark.parametrize(
    "exceptions",
    ["", "!README.md", "!*.md", "!lib/**", "!lib/locked", "!other/**/x", "!*.d/x", "!lock", "!locked/../lib"],
)
def test_an_ignored_folder_is_not_even_entered(app: Path, exceptions: str) -> None:
    write(app, {".dockerignore": f"locked\n*.md\n{exceptions}\n"})
    with closed(app / "locked"):
        assert "main.py" in sent(app)


@pytest.mark.parametrize(
    ("ignore", "back"),
    [
        ("lib\n!lib/deep/b.py", {"lib/deep/b.py"}),
        ("lib\n!l*/d??p/[^a].py", {"lib/deep/b.py"}),
        ("lib\n!**/b.py", {"lib/deep/b.py"}),
        ("lib\n!lib/**/b.py", {"lib/deep/b.py"}),
        ("lib/deep\n!lib", {"lib/a.py", "lib/deep/b.py"}),
        ("*\n!l\\ib/deep", {"lib/deep/b.py"}),
    ],
)
def test_an_ignored_folder_is_entered_where_an_exception_reaches_into_it(
    app: Path, ignore: str, back: set[str]
) -> None:
    write(app, {".dockerignore": ignore})
    assert {path for path in sent(app) if path.startswith("lib/")} == back


def test_the_dockerfile_counts_even_when_it_is_ignored(app: Path) -> None:
    (app / ".dockerignore").write_text("Dockerfile\n")
    before = digest(app)
    (app / "Dockerfile").write_text("FROM y")
    assert digest(app) != before


def test_a_remembered_digest_is_used_only_for_the_very_same_file(app: Path) -> None:
    for file in app.rglob("*.py"):
        os.utime(file, (0, 1_000_000_000))
    first = Digests({})
    builds = read(app, cache=first).builds
    (app / "main.py").write_text("9")
    os.utime(app / "main.py", (0, 1_000_000_001))
    assert read(app, cache=Digests(first.current)).builds != builds


def test_a_file_that_may_still_change_is_not_remembered(app: Path) -> None:
    cache = Digests({})
    read(app, cache=cache)
    assert cache.current == {}


MISSING = {
    "a folder": (Want("build", "no", ("x",), "Dockerfile"), 'no folder "no"'),
    "a Dockerfile": (Want("build", "app", ("x",), "Other"), 'no Other in "app"'),
    "a file": (Want("file", "no.ini", ("x",)), 'no file "no.ini"'),
    "anything that matches": (Want("pattern", "db/*.sql", ("x",)), 'nothing matches "db/*.sql"'),
    "a kong.yml": (Want("text", "kong.yml", ("x",)), 'no file "kong.yml"'),
}


@pytest.mark.parametrize(("want", "expected"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_said_at_the_place_that_wants_it(app: Path, want: Want, expected: str) -> None:
    assert [(path, message) for path, message, _ in read(app, want).findings] == [(("x",), expected)]


UNREADABLE = {
    "a name no file can have": (
        Want("file", "x" * 300, ("x",)),
        f'cannot read "{"x" * 300}"',
        "file name too long",
    ),
    "a seed that is no pattern": (Want("pattern", "db/**x", ("x",)), 'nothing matches "db/**x"', ""),
    "nothing": (Want("pattern", "", ("x",)), 'no file ""', ""),
    "a folder for a file": (
        Want("file", "./app", ("x",)),
        'no file "./app"',
        "that is a folder; name each file in it",
    ),
    "a kong.yml that is a list": (
        Want("text", "list.yml", ("x",)),
        '"list.yml" is not a mapping',
        "as Kong reads it",
    ),
    "a kong.yml that is no text": (
        Want("text", "bytes", ("x",)),
        '"bytes" is not text',
        "save it as UTF-8",
    ),
    "a kong.yml that is a folder": (Want("text", "app", ("x",)), 'cannot read "app"', "is a directory"),
    "a seed that is a link out": (
        Want("pattern", "out*", ("x",)),
        '"outside" is outside the project',
        "a link?",
    ),
}


@pytest.mark.parametrize(("want", "message", "hint"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_a_problem_and_no_traceback(
    app: Path, want: Want, message: str, hint: str
) -> None:
    write(app.parent, {"list.yml": "- a\n"})
    (app.parent / "bytes").write_bytes(b"\xff\xfe")
    (app.parent / "outside").symlink_to("/etc/hostname")
    assert read(app, want).findings == [(("x",), message, hint)]


def test_a_folder_that_may_not_be_read_is_named(app: Path) -> None:
    with closed(app / "locked"):
        assert read(app).findings == [(BUILD.path, 'cannot read "app/locked"', "permission denied")]


def test_a_pipe_is_there_and_nobody_waits_for_its_content(app: Path) -> None:
    os.mkfifo(app / "pipe")
    assert read(app).contents["app", "Dockerfile"]["pipe"] == "special"


def test_kong_configuration_of_the_users_own_is_read(app: Path) -> None:
    write(app.parent, {"kong.yml": "plugins: [{name: cors}]\n", "empty.yml": ""})
    assert read(app, Want("text", "kong.yml", ("x",))).extra == {"plugins": [{"name": "cors"}]}
    assert read(app, Want("text", "empty.yml", ("x",))).extra == {}


def test_a_link_that_leaves_the_project_is_refused(
    app: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (app.parent / "out").symlink_to(elsewhere)
    findings = read(app, Want("build", "out", ("x",), "Dockerfile")).findings
    assert findings == [(("x",), '"out" is outside the project', "a link?")]


STATE_IN = {
    "no ignore file": "",
    "one that has everything back": "*\n!**\n!.devenv\n!**/.devenv/**\n!sub/.devenv/secrets.env\n",
}


@pytest.mark.parametrize("ignore", STATE_IN.values(), ids=STATE_IN)
def test_what_this_tool_writes_is_no_source_of_anything(app: Path, ignore: str) -> None:
    (app / ".dockerignore").write_text(ignore)
    (app / "link").symlink_to(".devenv")
    before = digest(app)
    write(app, {".devenv/secrets.env": "A=b", "lib/.devenv/compose/.env": "A=b"})
    assert digest(app) == before


def test_a_commit_makes_another_image_only_where_the_build_may_read_it(app: Path) -> None:
    for steps, reads in {
        "FROM x\nCOPY src /src": False,
        "FROM x AS a\nCOPY ./.git /git\nFROM a": True,
        "FROM x\nCOPY . /app": True,
        "FROM x\nCOPY ./ .* /app/": True,
        'FROM x\nADD ["*", "/app/"]': True,
        "FROM x\nCOPY $SOURCE /app": True,
        "FROM x\nCOPY src/$NAME /app": False,
        "FROM x\nCOPY --from=a . /app": False,
        "FROM x\nRUN --mount=type=bind,target=/src make": True,
        "FROM x\nRUN --mount=type=cache,target=/src make": False,
        "FROM x\nONBUILD COPY . /app": True,
        "FROM node:onbuild": True,
        "# syntax=acme/own\nFROM x": True,
        "": True,
    }.items():
        (app / "Dockerfile").write_text(steps)
        before = digest(app)
        write(app, {".git/HEAD": steps})
        assert (digest(app) != before) is reads, steps
        assert (".git" in recipe(app, "Dockerfile").ignore) is not reads, steps


def test_an_edited_manifest_makes_another_image_only_where_the_build_names_it(app: Path) -> None:
    """Else an edit for one service would build all that are built in the project's folder."""
    for steps, ignore, reads in (
        ("FROM x\nCOPY . /app", "", False),
        ("FROM x\nCOPY . /app", "\ufefflib", False),
        ("FROM x\nCOPY . /app", "*\n!devenv.yaml", True),
        ("FROM x\nCOPY devenv.yaml /app/", "", True),
    ):
        (app / "Dockerfile").write_text(steps)
        write(app, {"devenv.yaml": "a", "lib/devenv.yaml": "b", ".dockerignore": ignore})
        before, files = digest(app), sent(app)
        write(app, {"devenv.yaml": "b"})
        assert ((digest(app) != before), "devenv.yaml" in files) == (reads, reads)
        assert ("lib/devenv.yaml" in files) is (ignore == "")


def test_the_builder_is_told_to_leave_the_state_alone_after_all_that_the_user_says(app: Path) -> None:
    assert recipe(app, "Dockerfile") == Recipe("FROM x", ".git\n**/.devenv\n")
    (app / ".dockerignore").write_bytes(b"lib\r\n!.devenv")
    (app / "Dockerfile").write_bytes(b"FROM x\r\n")
    assert recipe(app, "Dockerfile") == Recipe("FROM x\r\n", "lib\r\n!.devenv\n.git\n**/.devenv\n")
    (app / "Dockerfile.dockerignore").write_text("# its own\n")
    assert recipe(app, "Dockerfile").ignore == "# its own\n.git\n**/.devenv\n"


@pytest.mark.parametrize("name", [".devenv", ".devenv/compose", "linked", "app/.devenv"])
def test_the_state_is_no_context(app: Path, name: str) -> None:
    write(app.parent, {".devenv/compose/Dockerfile": "FROM x", ".devenv/Dockerfile": "FROM x"})
    write(app, {".devenv/Dockerfile": "FROM x"})
    (app.parent / "linked").symlink_to(".devenv")
    ((path, message, _),) = read(app, Want("build", name, ("x",), "Dockerfile")).findings
    assert (path, message) == (("x",), f'"{name}" is devenv\'s own state')


def test_one_file_is_read_as_all_of_them_are(app: Path) -> None:
    write(app, {"lib/b.py": "2", ".dockerignore": "lib/a.py", ".devenv/x": "1"})
    (app / "link").symlink_to("lib")
    folder, cache = Folder(app, "lib/a.py\n"), Digests({})
    everything = folder.contents(cache)
    for name in (*everything, "lib", "lib/a.py", "link/b.py", ".devenv/x", "lib/b.py/c", "nothing"):
        assert folder.digest(name, cache) == everything.get(name, ""), name


def test_files_have_digests_outside_a_build_too(app: Path) -> None:
    write(app, {"lib/.devenv/cache/x": "1", ".dockerignore": "main.py"})
    (app / "link").symlink_to("lib")
    before = Folder(app, "lib/deep\n.dockerignore\n").contents(Digests({}))
    assert set(before) == {"Dockerfile", "main.py", "lib/a.py", "link"}

    (app / "main.py").write_text("9")
    (app / "lib/a.py").unlink()
    after = Folder(app, "lib/deep\n.dockerignore\n").contents(Digests({}))
    assert {path for path in before.keys() | after if before.get(path) != after.get(path)} == {
        "main.py",
        "lib/a.py",
    }


def test_the_scripts_of_a_workspace_are_those_of_the_dockerfiles_own_folder(app: Path) -> None:
    write(
        app,
        {
            "package.json": '{"scripts": {"dev": "turbo dev", "lint": "eslint"}}',
            "apps/web/package.json": '{"scripts": {"dev": "node main.js"}}',
            "apps/web/Dockerfile": "FROM x",
        },
    )
    web = Want("build", "app", ("services", "web", "build"), "apps/web/Dockerfile")
    assert read(app, web).scripts["app", "apps/web/Dockerfile"] == {"dev": "node main.js", "lint": "eslint"}
