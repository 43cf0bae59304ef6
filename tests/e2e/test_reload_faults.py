"""What goes wrong while hot reload runs, through the whole loop on a real engine: nothing is lost, nothing half-made.

One stack serves most of them. Its `requirements.txt` is what the build of its image runs; its program copies what
it was started with to /tmp/answer.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from devenv.stack.labels import LABEL
from devenv.watching import PULSE, since_boot
from tests import mac

from .checkout import Checkout, Ended, Going, eventually
from .conftest import MakeCheckout
from .ownengine import OwnEngine, needs_own_engine

pytestmark = pytest.mark.engine

DOCKERFILE = """\
FROM busybox:1.37
WORKDIR /app
COPY requirements.txt .
RUN sh requirements.txt
COPY src src
CMD ["sh", "src/run.sh"]
"""
RUN = """\
echo . >>/tmp/starts
cat src/page.txt >/tmp/answer
sh -c 'sleep 0 &'
. src/more.sh
exec sleep 1000000
"""
STUBBORN = """\
trap 'touch /tmp/ending' TERM
touch /tmp/stubborn
until [ -e /tmp/go ]; do sleep 0.05; done
exit 0
"""
CHECKED = """\
cp /code/page.txt /tmp/answer
rm -f /tmp/well
! grep -q well /code/page.txt || touch /tmp/well
exec sleep 1000000
"""
COMPILED = """\
FROM busybox:1.37 AS made
COPY . /src
RUN cp /src/main.go /program
FROM busybox:1.37
COPY --from=made /program /program
CMD ["sleep", "1000000"]
"""
SEALED = """\
FROM busybox:1.37
COPY page.txt /srv/page.txt
CMD ["sleep", "1000000"]
"""
INSTALL = 'cp /code/needs.txt /tmp/installed && [ "$(cat /code/needs.txt)" != bad ]\n'
ends = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
SOON = 2.0  # seconds between Ctrl-C and the prompt


@pytest.fixture(scope="module")
def app(shared: Checkout) -> Checkout:
    shared.write("app/Dockerfile", DOCKERFILE)
    shared.write("app/requirements.txt", "true\n")
    shared.write("app/src/run.sh", RUN)
    shared.write("app/src/more.sh", "")
    shared.write("app/src/page.txt", "first")
    shared.write("small/page.txt", "first")
    shared.write("checked/run.sh", CHECKED)
    shared.write("checked/page.txt", "well")
    shared.write("compiled/Dockerfile", COMPILED)
    shared.write("compiled/main.go", "package main")
    shared.write("sealed/Dockerfile", SEALED)
    shared.write("sealed/page.txt", "first")
    shared.write("steps/install.sh", INSTALL)
    shared.write("steps/needs.txt", "first")
    shared.write("steps.env", "COLOUR=red\n")
    shared.write("mounted.txt", "first")
    shared.manifest(
        """
        services:
          web: {build: ./app}
          twin: {build: ./app, command: sleep 1000000, reload: {restart: false}}
          small:
            image: busybox:1.37
            command: sleep 1000000
            reload: {sync: {small: /code}, restart: false}
            compose: {tmpfs: ["/code:size=100k"]}
          checked:
            image: busybox:1.37
            command: sh /code/run.sh
            health: {exec: test -e /tmp/well, every: 100ms, within: 120s}
            reload: {sync: {checked: /code}, restart: [page.txt]}
          compiled: {build: ./compiled}
          sealed: {build: ./sealed, compose: {read_only: true}}
          steps:
            image: busybox:1.37
            command: sleep 1000000
            env_file: steps.env
            files: {/etc/mounted.txt: mounted.txt}
            reload: {sync: {steps: /code}, restart: false, run: {needs.txt: sh /code/install.sh}}
        """
    )
    shared.devenv("up", "-d", within=200)
    return shared


def inside(app: Checkout, path: str, unit: str = "web") -> str | None:
    """A file of a container as the engine sees it, without asking a program in it."""
    try:
        return (root(app, unit) / path.lstrip("/")).read_text(errors="surrogateescape")
    except OSError:
        return None


def root(app: Checkout, unit: str = "web") -> Path:
    """The root folder of a container that runs, as this machine sees it."""
    filters = {"label": [app.label, f"{LABEL}unit={unit}"], "status": "running"}
    for container in app.engine.api.containers(filters=filters):
        with suppress(docker.errors.NotFound):
            return Path(f"/proc/{app.engine.api.inspect_container(container['Id'])['State']['Pid']}/root")
    return Path("/nowhere")


def variables(app: Checkout, unit: str) -> list[bytes]:
    """The variables of a container's first process."""
    try:
        return (root(app, unit).parent / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def runs(mark: str) -> bool:
    """Whether a process, be it in a container, has this in its command."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in file.read_bytes():
                return True
    return False


def answer(app: Checkout) -> str | None:
    return inside(app, "/tmp/answer")


def events(going: Going) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in going.output.splitlines() if line.startswith("{")]
    return [row for row in rows if row["event"] == "reload"]


def watching(
    app: Checkout,
    *,
    file: str = "app/src/probe.txt",
    path: str = "/app/src/probe.txt",
    env: Mapping[str, str] | None = None,
    under: tuple[str, ...] = (),
) -> Going:
    """A watcher that has taken its first file; what was saved before is there."""
    going = app.begin("watch", "--json", env=env, under=under)
    probe = app.root / file

    def stands() -> bool:
        assert going.process.poll() is None, going.output
        text = os.urandom(8).hex()
        probe.write_text(text)
        try:
            return eventually(lambda: inside(app, path) == text, within=1)
        except AssertionError:
            return False

    eventually(stands, "the watch", within=30)
    return going


@pytest.fixture(scope="module")
def watchers(app: Checkout) -> list[Going]:
    """The watchers of the module; only one goes on at a time."""
    return []


@pytest.fixture
def watch(app: Checkout, watchers: list[Going]) -> Going:
    """The watcher, another one if a test ended the last."""
    if not watchers or watchers[-1].process.poll() is not None:
        watchers.append(watching(app))
    return watchers[-1]


@pytest.fixture
def unwatched(app: Checkout, watchers: list[Going]) -> Iterator[Checkout]:
    """The stack without a watcher; one that the test begins is ended."""
    for going in watchers:
        if going.process.poll() is None:
            going.interrupt()
    yield app
    app.leave_nothing()


def settled(app: Checkout, watch: Going) -> list[dict[str, Any]]:
    """All events so far, once everything that was saved has been reported."""
    mark = app.write(f"app/src/{os.urandom(4).hex()}.mark", "")
    eventually(lambda: any(f"app/src/{mark.name}" in event["files"] for event in events(watch)))
    return events(watch)


def save_as_vim(file: Path, text: str) -> None:
    (file.parent / "4913").touch()
    (file.parent / "4913").unlink()
    backup = file.with_name(f"{file.name}~")
    file.rename(backup)
    file.write_text(text)
    backup.unlink()


def save_as_code(file: Path, text: str) -> None:
    with file.open("r+") as open_file:
        open_file.truncate()
        open_file.write(text)


def save_as_jetbrains(file: Path, text: str) -> None:
    new, old = file.with_name(f"{file.name}___jb_tmp___"), file.with_name(f"{file.name}___jb_old___")
    new.write_text(text)
    file.rename(old)
    new.rename(file)
    old.unlink()


@pytest.mark.parametrize("save", [save_as_vim, save_as_code, save_as_jetbrains])
def test_how_editors_save_is_one_changed_file(
    app: Checkout, watch: Going, save: Callable[[Path, str], None]
) -> None:
    count = len(settled(app, watch))
    save(app.root / "app/src/page.txt", f"by {save.__name__}")
    eventually(lambda: answer(app) == f"by {save.__name__}")
    files = {file for event in settled(app, watch)[count:] for file in event["files"]}
    assert {file for file in files if "probe" not in file and ".mark" not in file} == {"app/src/page.txt"}
    assert not any("4913" in name or "_jb_" in name or "~" in name for name in listed(app, "/app/src"))


def listed(app: Checkout, folder: str) -> list[str]:
    return os.listdir(f"{root(app)}{folder}")


def test_a_save_builds_a_service_that_nothing_can_be_sent_to(app: Checkout, watch: Going) -> None:
    watch.wait_for("every save builds compiled: only a build brings its files into the image")
    web = app.units()["web"].id
    app.write("compiled/main.go", "package edited")
    eventually(lambda: inside(app, "/program", "compiled") == "package edited", within=60)
    assert app.units()["web"].id == web


def test_a_save_builds_a_service_whose_files_are_read_only(app: Checkout, watch: Going) -> None:
    watch.wait_for("sealed: every save builds it: the container's files are read-only")
    app.write("sealed/page.txt", "edited")
    eventually(lambda: inside(app, "/srv/page.txt", "sealed") == "edited", within=60)


def test_a_name_that_changes_its_case_alone(app: Checkout, watch: Going) -> None:
    file = app.write("app/src/Main.txt", "the same")
    eventually(lambda: inside(app, "/app/src/Main.txt") == "the same")
    file.rename(file.with_name("main.txt"))
    eventually(lambda: inside(app, "/app/src/main.txt") == "the same")
    eventually(lambda: inside(app, "/app/src/Main.txt") is None)


def test_of_many_edits_in_one_moment_the_last_wins(app: Checkout, watch: Going) -> None:
    for number in range(50):
        app.write("app/src/page.txt", f"edit {number}")
    eventually(lambda: answer(app) == "edit 49")
    assert inside(app, "/app/src/page.txt") == "edit 49"


def test_a_file_that_grows_while_it_is_read_arrives_whole(app: Checkout, watch: Going) -> None:
    files = [
        app.root / f"app/src/{name}.txt" for name in ("grows", "large")
    ]  # the second is sent while it is read
    with files[0].open("w") as small, files[1].open("w") as large:
        for number in range(8):
            for file, size in ((small, 1000), (large, 1_000_000)):
                file.write(f"{number}" * size)
                file.flush()
            app.write("app/src/other.txt", f"{number}")
            eventually(lambda number=number: inside(app, "/app/src/other.txt", "twin") == f"{number}")  # type: ignore[misc]
    for file in files:
        eventually(lambda file=file: inside(app, f"/app/src/{file.name}") == file.read_text())  # type: ignore[misc]
        file.unlink()


def test_files_that_vanish_before_they_are_read_are_nobodys_trouble(app: Checkout, watch: Going) -> None:
    count = len(settled(app, watch))
    for number in range(300):
        file = app.write(f"app/src/brief{number}.txt", "x")
        if number % 2:
            file.unlink()
    kept = {f"brief{number}.txt" for number in range(0, 300, 2)}
    eventually(lambda: {name for name in listed(app, "/app/src") if name.startswith("brief")} == kept)
    for name in kept:
        (app.root / f"app/src/{name}").unlink()
    eventually(lambda: not [name for name in listed(app, "/app/src") if name.startswith("brief")])
    after = settled(app, watch)[count:]
    assert [event for event in after if event["error"] or event["unsent"]] == []


def test_a_mode_alone_that_changes(app: Checkout, watch: Going) -> None:
    script = app.write("app/src/script.sh", "true")
    eventually(lambda: inside(app, "/app/src/script.sh") == "true")
    for mode in (0o755, 0o644):
        script.chmod(mode)
        eventually(lambda mode=mode: (root(app) / "app/src/script.sh").stat().st_mode & 0o777 == mode)  # type: ignore[misc]


def test_a_changed_env_file_and_a_mounted_one_make_their_service_anew_and_no_other(
    app: Checkout, watch: Going
) -> None:
    def others() -> dict[str, tuple[str, str]]:
        return {name: unit.life for name, unit in app.units().items() if name != "steps"}

    before = others()
    app.write("steps.env", "COLOUR=blue\n")
    eventually(lambda: b"COLOUR=blue" in variables(app, "steps"), within=30)
    app.write("mounted.txt", "second")
    eventually(lambda: inside(app, "/etc/mounted.txt", "steps") == "second", within=30)
    eventually(lambda: len(app.containers()) == len(before) + 1)  # the old one is removed at last
    assert others() == before


def test_services_that_sync_one_folder_all_get_its_files(app: Checkout, watch: Going) -> None:
    app.write("app/src/both.txt", "for all")
    for unit in ("web", "twin"):
        eventually(lambda unit=unit: inside(app, "/app/src/both.txt", unit) == "for all")  # type: ignore[misc]
    (app.root / "app/src/both.txt").unlink()
    for unit in ("web", "twin"):
        eventually(lambda unit=unit: inside(app, "/app/src/both.txt", unit) is None)  # type: ignore[misc]


def test_a_full_disk_keeps_the_old_file_and_the_next_save_that_fits_arrives(
    app: Checkout, watch: Going
) -> None:
    page = app.write("small/page.txt", "fits")
    eventually(lambda: inside(app, "/code/page.txt", "small") == "fits")
    page.write_text("x" * 200_000)
    last = eventually(
        lambda: [event for event in events(watch) if event["unit"] == "small" and event["unsent"]]
    )
    assert "no space left" in last[-1]["unsent"]["/code/page.txt"].lower()
    assert inside(app, "/code/page.txt", "small") == "fits"
    app.write("small/other.txt", "another")
    eventually(lambda: inside(app, "/code/other.txt", "small") == "another")
    page.write_text("fits again")
    eventually(lambda: inside(app, "/code/page.txt", "small") == "fits again")


def test_a_step_that_fails_is_shown_and_the_next_save_runs_it_again(app: Checkout, watch: Going) -> None:
    steps = lambda: [event for event in events(watch) if event["unit"] == "steps"]  # noqa: E731
    count = len(steps())
    app.write("steps/needs.txt", "bad")
    failed = eventually(lambda: steps()[count:])
    assert "sh /code/install.sh" in failed[-1]["error"]
    app.write("steps/needs.txt", "good")
    last = eventually(lambda: steps()[count + 1 :])[-1]
    assert (last["action"], last["error"]) == ("run", None)
    assert inside(app, "/tmp/installed", "steps") == "good"


def test_what_is_saved_while_the_program_does_not_get_ready_is_not_held_up(
    app: Checkout, watch: Going
) -> None:
    def rows() -> list[dict[str, Any]]:
        return [event for event in events(watch) if event["unit"] == "checked"]

    page, count = app.write("checked/page.txt", "ill"), len(rows())
    eventually(lambda: inside(app, "/tmp/answer", "checked") == "ill")
    app.write("checked/other.txt", "no restart")
    eventually(lambda: inside(app, "/code/other.txt", "checked") == "no restart")
    page.write_text("still ill")
    eventually(lambda: inside(app, "/tmp/answer", "checked") == "still ill")
    page.write_text("well")
    ready = eventually(lambda: [event for event in rows()[count:] if event["ready"] is not None])
    assert [event["files"] for event in rows()[count:]] == [
        ["checked/page.txt"],
        ["checked/other.txt"],
        ["checked/page.txt"],
        ["checked/page.txt"],
    ]
    assert ready == rows()[-1:]


def test_restarts_leave_no_zombies(app: Checkout, watch: Going) -> None:
    def starts() -> int:
        return len((inside(app, "/tmp/starts") or "").split())

    before = starts()
    for number in range(20):  # one file that changes after each restart would look like an echo of it
        app.write(f"app/src/restart{number}.txt", "")
        eventually(lambda number=number: starts() > before + number)  # type: ignore[misc]
    processes = app.inside("web", "ps", "-o", "stat,args").splitlines()
    assert [line for line in processes if line.lstrip().startswith("Z")] == []
    assert len([line for line in processes if "sleep 1000000" in line and "devenv" not in line]) == 1


def test_a_container_that_is_removed_gets_its_files_when_it_is_made_again(
    app: Checkout, watch: Going, engine: docker.DockerClient
) -> None:
    engine.containers.get(app.units()["web"].id).remove(force=True)
    app.write("app/src/page.txt", "while there was none")
    app.devenv("up", "-d")
    eventually(lambda: answer(app) == "while there was none")
    app.write("app/src/page.txt", "into the new one")
    eventually(lambda: answer(app) == "into the new one")
    assert watch.process.poll() is None


def test_a_container_that_compose_recreates_gets_its_files(app: Checkout, watch: Going) -> None:
    app.write("app/src/page.txt", "before")
    eventually(lambda: answer(app) == "before")
    container = app.units()["web"]
    files = container.labels["com.docker.compose.project.config_files"].split(",")
    options = [word for file in files for word in ("-f", file)]
    app.host("docker", "compose", *options, "-p", app.id, "up", "-d", "--force-recreate", "--no-deps", "web")
    assert app.units()["web"].id != container.id
    eventually(lambda: answer(app) == "before")
    app.write("app/src/page.txt", "into another one")
    eventually(lambda: answer(app) == "into another one")


def test_a_build_that_fails_keeps_the_old_container_and_the_next_save_mends_it(
    app: Checkout, watch: Going
) -> None:
    before, old = app.lives(), root(app)
    app.write("app/requirements.txt", "exit 7\n")
    watch.wait_for("could not be built")
    assert app.lives() == before
    app.write("app/requirements.txt", f": {os.urandom(4).hex()}\n")
    eventually(lambda: root(app) != old, within=60)
    app.write("app/src/page.txt", "after the mend")
    eventually(lambda: answer(app) == "after the mend")


def test_what_is_saved_during_a_build_arrives_afterwards(app: Checkout, watch: Going) -> None:
    old, mark = root(app), os.urandom(4).hex()
    app.write("app/requirements.txt", f"sh -c 'sleep 1; : {mark}'\n")
    eventually(lambda: runs(mark))
    app.write("app/src/page.txt", f"during {mark}")
    eventually(lambda: answer(app) == f"during {mark}")
    assert root(app) != old


@ends
def test_ending_during_a_build_leaves_the_old_container(
    app: Checkout, watch: Going, number: signal.Signals
) -> None:
    mark, before = os.urandom(4).hex(), app.lives()
    app.write("app/requirements.txt", f"sh -c 'sleep 60; : {mark}'\n")
    eventually(lambda: runs(mark))
    check_ended(watch.interrupt(number))
    assert app.lives() == before
    app.write("app/requirements.txt", "true\n")


@ends
def test_ending_during_a_restart_leaves_the_container_running(
    app: Checkout, watch: Going, number: signal.Signals
) -> None:
    for name in ("stubborn", "ending", "go"):
        (root(app) / f"tmp/{name}").unlink(missing_ok=True)
    app.write("app/src/more.sh", STUBBORN)
    eventually(lambda: inside(app, "/tmp/stubborn") is not None)
    app.write("app/src/page.txt", f"during the restart {number}")
    eventually(lambda: inside(app, "/tmp/ending") is not None)
    check_ended(watch.interrupt(number))
    assert app.units()["web"].status == "running"
    app.write("app/src/more.sh", "")
    (root(app) / "tmp/go").touch()


def check_ended(ended: Ended) -> None:
    assert (ended.code, "Traceback" in ended.output) == (130, False), ended.output
    assert ended.seconds < SOON


# Watchers of another kind.

SHORT_GAP = """
import runpy, sys, devenv.watching
devenv.watching.GAP = 0.5
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_after_a_sleep_everything_is_compared(unwatched: Checkout) -> None:
    """A write through a mapped file whose descriptor is closed has no event."""
    app = unwatched
    file = app.write("app/src/page.txt", "before the sleep")
    watch = watching(app, under=(sys.executable, "-c", SHORT_GAP))
    descriptor = os.open(file, os.O_RDWR)
    with mmap.mmap(descriptor, 0) as content:
        os.close(descriptor)
        app.write("app/src/other.txt", "the descriptor is closed")
        eventually(lambda: inside(app, "/app/src/other.txt") == "the descriptor is closed")
        os.kill(watch.process.pid, signal.SIGSTOP)
        fell_asleep = since_boot()
        content[:6] = b"during"
        content.flush()
        eventually(lambda: since_boot() > fell_asleep + PULSE + 1)
        assert inside(app, "/app/src/page.txt") == "before the sleep"
        os.kill(watch.process.pid, signal.SIGCONT)
        eventually(lambda: answer(app) == "during the sleep")


def test_a_file_that_cannot_be_read_is_named_and_the_others_arrive(unwatched: Checkout) -> None:
    app = unwatched
    plain = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()
    watch = watching(app, under=plain)
    locked = app.write("app/src/locked.txt", "secret")
    eventually(lambda: inside(app, "/app/src/locked.txt") == "secret")
    locked.write_text("more secret")
    locked.chmod(0)
    app.write("app/src/other.txt", "beside it")
    eventually(lambda: inside(app, "/app/src/other.txt") == "beside it")
    watch.wait_for("cannot read app/src/locked.txt: permission denied")
    locked.chmod(0o644)
    eventually(lambda: inside(app, "/app/src/locked.txt") == "more secret")
    locked.unlink()


def limits_watches() -> bool:
    """Whether the kernel's watches can be limited for a child alone."""
    script = "echo 9 >/proc/sys/user/max_inotify_watches"
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", script]
    return shutil.which("unshare") is not None and not subprocess.run(command, capture_output=True).returncode


@pytest.mark.skipif(not limits_watches(), reason="needs user namespaces")
def test_without_watches_left_folders_are_polled_and_the_setting_is_named(unwatched: Checkout) -> None:
    app = unwatched
    script = 'echo 3 >/proc/sys/user/max_inotify_watches; exec "$@"'
    files = [app.write(f"app/src/d{number}/deep/file.txt", "first") for number in range(5)]
    watch = watching(app, under=("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"))
    assert "sudo sysctl fs.inotify.max_user_watches=" in watch.output
    for file in files:
        file.write_text("polled")
    for file in files:
        path = f"/{file.relative_to(app.root)}"
        eventually(lambda path=path: inside(app, path) == "polled")  # type: ignore[misc]


def test_up_in_the_foreground_is_a_watcher_too(unwatched: Checkout) -> None:
    app = unwatched
    up = app.begin("up")
    up.wait_for("stop: devenv down")
    eventually(lambda: "already watches" in refused(app))
    assert f"(pid {up.process.pid})" in refused(app)
    app.write("app/src/page.txt", "to the first")
    eventually(lambda: answer(app) == "to the first")


def refused(app: Checkout) -> str:
    return app.devenv("watch", exits=2).stderr


# Stacks of another kind.


def test_what_is_saved_while_up_starts_arrives(checkouts: MakeCheckout) -> None:
    app = checkouts("early")
    app.write("app/Dockerfile", DOCKERFILE)
    mark = os.urandom(4).hex()  # or the engine remembers the step
    app.write("app/requirements.txt", f"echo begun {mark} && sleep 1\n")
    app.write("app/src/run.sh", RUN)
    app.write("app/src/more.sh", "")
    app.write("app/src/page.txt", "before")
    app.manifest("services: {web: {build: ./app, health: {exec: test -e /tmp/answer, every: 100ms}}}")
    up = app.begin("-v", "up")
    up.wait_for(f"begun {mark}\n")
    app.write("app/src/page.txt", "during the build")
    app.write("app/src/new.txt", "new")
    eventually(lambda: inside(app, "/tmp/answer") is not None)
    app.write("app/src/last.txt", "while it starts")
    eventually(lambda: answer(app) == "during the build")
    eventually(lambda: inside(app, "/app/src/new.txt") == "new")
    eventually(lambda: inside(app, "/app/src/last.txt") == "while it starts")


def test_a_git_worktree_and_a_switch_of_its_branch(checkouts: MakeCheckout) -> None:
    main, tree = checkouts("main"), checkouts("tree")
    main.write("Dockerfile", 'FROM busybox:1.37\nWORKDIR /app\nCOPY . .\nCMD ["sleep", "1000000"]\n')
    main.manifest("services: {web: {build: ., reload: {restart: false}}}")
    main.write("page.txt", "one")
    main.write("only.txt", "here")

    def git(*words: str, at: Checkout = main) -> None:
        at.host("git", "-c", "user.name=x", "-c", "user.email=x@localhost", *words)

    git("init", "-q", "-b", "one")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("checkout", "-q", "-b", "two")
    main.write("page.txt", "two")
    git("rm", "-q", "only.txt")
    git("commit", "-q", "-a", "-m", "two")
    git("worktree", "add", "-q", str(tree.root), "one")
    tree.devenv("up", "-d")
    watch = watching(tree, file="probe.txt", path="/app/probe.txt")
    assert inside(tree, "/app/page.txt") == "one"

    git("checkout", "-q", "-b", "three", at=tree)
    git("reset", "-q", "--hard", "two", at=tree)
    eventually(lambda: (inside(tree, "/app/page.txt"), inside(tree, "/app/only.txt")) == ("two", None))
    git("reset", "-q", "--hard", "one", at=tree)
    eventually(lambda: (inside(tree, "/app/page.txt"), inside(tree, "/app/only.txt")) == ("one", "here"))
    # What arrived is said right after it did.
    named = lambda: {file for event in events(watch) for file in event["files"]}  # noqa: E731
    eventually(lambda: named() == {"page.txt", "only.txt", "probe.txt"})
    assert {event["action"] for event in events(watch)} == {"sync"}


@needs_own_engine
def test_an_engine_that_restarts_is_waited_for(
    engine: docker.DockerClient, environment: Mapping[str, str], tmp_path: Path
) -> None:
    image = b"".join(engine.images.get("busybox:1.37").save(named=True))
    with tempfile.TemporaryDirectory() as folder, OwnEngine(Path(folder)) as own:
        own.client.images.load(image)
        app = Checkout(tmp_path, "restarted", own.client, {**environment, "DOCKER_HOST": own.address})
        app.write("src/page.txt", "first")
        app.manifest(
            """
            services:
              web: {image: "busybox:1.37", command: sleep 1000000, reload: {sync: {src: /code}, restart: false}}
            """
        )
        app.devenv("up", "-d")
        watch = watching(app, file="src/probe.txt", path="/code/probe.txt")
        own.stop()
        watch.wait_for("trying again")
        app.write("src/page.txt", "while it was away")
        own.start()
        own.client.containers.get(app.units()["web"].id).start()
        eventually(lambda: inside(app, "/code/page.txt") == "while it was away")
        app.write("src/page.txt", "and after it")
        eventually(lambda: inside(app, "/code/page.txt") == "and after it")
        watch.wait_for("answers again")
        app.clear()


def test_a_watcher_on_macos(unwatched: Checkout, tmp_path: Path) -> None:
    going = watching(unwatched, env=mac.environment(tmp_path, unwatched.environment))
    unwatched.write("app/src/page.txt", "from a Mac")
    eventually(lambda: answer(unwatched) == "from a Mac")
    ended = going.interrupt()
    assert ended.code == 130
    assert "Traceback" not in ended.stderr


def test_what_only_a_build_brings_arrives_though_nobody_watched(unwatched: Checkout) -> None:
    others = {name: unit.life for name, unit in unwatched.units().items() if name != "compiled"}
    unwatched.write("compiled/main.go", "package unwatched")
    going = unwatched.begin("watch", "--json")
    eventually(lambda: inside(unwatched, "/program", "compiled") == "package unwatched", within=40)
    assert "brought up to date: compiled" in going.output
    assert {name: unit.life for name, unit in unwatched.units().items() if name != "compiled"} == others
