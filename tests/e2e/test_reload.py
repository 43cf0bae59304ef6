"""Hot reload on a real engine: what is saved arrives, and nothing else changes.

One stack serves them all: a server that answers with what its module says, and a neighbour that nothing touches.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import docker
import pytest

from .checkout import Checkout, Going, eventually
from .conftest import MakeCheckout
from .screen import Screen, needs_a_terminal

pytestmark = pytest.mark.engine

SERVER = """\
import http.server, os, page, time
if os.path.exists("/src/echo"):
    open("/src/started.json", "w").write(str(time.time()))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(page.TEXT.encode())
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
DOCKERFILE = """\
FROM python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN cat requirements.txt
COPY src src
COPY extra extra
CMD ["python", "-B", "src/server.py"]
"""


def page(text: str) -> str:
    return f"TEXT = {text!r}\n"


@pytest.fixture(scope="module")
def app(shared: Checkout) -> Checkout:
    shared.write("app/Dockerfile", DOCKERFILE)
    shared.write("app/requirements.txt", "none\n")
    shared.write("app/src/server.py", SERVER)
    shared.write("app/src/page.py", page("first"))
    shared.write("app/extra/note.txt", "first")
    shared.manifest(
        """
        services:
          web: {build: ./app, port: 8000, health: /, compose: {volumes: ["./app/src:/src"]}}
          neighbour: {image: "busybox:1.37", command: sleep 1000000}
        """
    )
    shared.devenv("up", "-d", within=200)
    return shared


@pytest.fixture
def watch(app: Checkout) -> Iterator[Going]:
    """A watcher, and whatever it was told before its test has arrived."""
    going = watching(app)
    yield going
    if going.process.poll() is None:
        going.interrupt()


def watching(app: Checkout) -> Going:
    going = app.begin("watch", "--json")
    probe = app.root / "app/src/probe.txt"

    def arrives() -> bool:
        probe.write_text(os.urandom(8).hex())
        return eventually(lambda: inside(app, "src/probe.txt") == probe.read_text(), within=1)

    def stands() -> bool:
        try:
            return arrives()
        except AssertionError:
            assert going.process.poll() is None, going.output
            return False

    eventually(stands, "the watch", within=20)
    return going


def inside(app: Checkout, name: str) -> str | None:
    """A file of the container as the engine sees it, without asking a program in it."""
    pid = app.units()["web"].raw["State"]["Pid"]
    try:
        return Path(f"/proc/{pid}/root/app/{name}").read_text(errors="surrogateescape")
    except OSError:
        return None


@cache
def port(app: Checkout) -> int:
    """The port of this machine that leads to the server, as the engine says."""
    return int(app.units()["web"].raw["HostConfig"]["PortBindings"]["8000/tcp"][0]["HostPort"])


def answer(app: Checkout) -> str:
    """What the server says; nothing while it is not there."""
    try:
        with socket.create_connection(("127.0.0.1", port(app)), timeout=2) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            parts = b""
            while part := connection.recv(4096):
                parts += part
    except OSError:
        return ""
    return parts.partition(b"\r\n\r\n")[2].decode()


def events(going: Going, kind: str = "reload") -> list[dict[str, Any]]:
    every = [json.loads(line) for line in going.output.splitlines() if line.startswith("{")]
    return [event for event in every if event["event"] == kind]


def settled(app: Checkout, watch: Going) -> None:
    """Return once everything that was saved so far has been reported."""
    mark = app.write(f"app/src/{os.urandom(4).hex()}.mark", "")
    eventually(lambda: any(f"app/src/{mark.name}" in event["files"] for event in events(watch)))


def test_a_save_is_live_and_nothing_is_recreated(app: Checkout, watch: Going) -> None:
    before = app.lives()
    app.write("app/src/page.py", page("second"))
    eventually(lambda: answer(app) == "second")
    assert app.lives() == before
    last = eventually(lambda: [event for event in events(watch) if "app/src/page.py" in event["files"]])[-1]
    assert (last["action"], last["error"]) == ("restart", None)


def test_a_mistake_is_shown_and_the_next_save_mends_it(app: Checkout, watch: Going) -> None:
    app.write("app/src/page.py", "TEXT = (\n")
    eventually(lambda: any(event["error"] for event in events(watch)))
    app.write("app/src/page.py", page("mended"))
    eventually(lambda: answer(app) == "mended")


def test_what_is_deleted_is_gone_and_a_folder_may_take_the_place_of_a_file(
    app: Checkout, watch: Going
) -> None:
    thing = app.write("app/src/thing", "a file")
    eventually(lambda: inside(app, "src/thing") == "a file")
    thing.unlink()
    eventually(lambda: inside(app, "src/thing") is None)
    app.write("app/src/thing/below.txt", "in a folder")
    eventually(lambda: inside(app, "src/thing/below.txt") == "in a folder")
    (thing / "below.txt").unlink()
    thing.rmdir()
    thing.write_text("a file again")
    eventually(lambda: inside(app, "src/thing") == "a file again")


@pytest.mark.parametrize(
    "name", ["with space", 'quote"s', "line\nbreak", "-n", "ünï", os.fsdecode(b"\xff\xfe")]
)
def test_every_name_arrives(app: Checkout, watch: Going, name: str) -> None:
    file = app.root / "app/src" / name
    file.write_text("odd")
    eventually(lambda: inside(app, f"src/{name}") == "odd")
    file.unlink()
    eventually(lambda: inside(app, f"src/{name}") is None)


def test_editors_that_rename_and_files_of_no_bytes(app: Checkout, watch: Going) -> None:
    source = app.root / "app/src"
    (source / "empty.txt").write_text("")
    (source / "note.txt~").write_text("new")
    (source / "note.txt~").replace(source / "note.txt")
    eventually(lambda: (inside(app, "src/empty.txt"), inside(app, "src/note.txt")) == ("", "new"))
    assert inside(app, "src/note.txt~") is None


def test_a_branch_switch_loses_nothing(app: Checkout, watch: Going) -> None:
    names = [f"src/many/d{number % 20}/f{number}.txt" for number in range(600)]
    for number, name in enumerate(names):
        app.write(f"app/{name}", f"{number}\n")
    eventually(lambda: all(inside(app, name) for name in names), within=30)
    for name in names[:300]:
        (app.root / "app" / name).unlink()
    eventually(lambda: not any(inside(app, name) for name in names[:300]), within=30)
    assert all(inside(app, name) for name in names[300:])


def test_the_same_content_sends_nothing(app: Checkout, watch: Going) -> None:
    settled(app, watch)
    count = len(events(watch))
    file = app.root / "app/src/page.py"
    file.write_text(file.read_text())
    app.write("app/src/later.txt", os.urandom(4).hex())  # what comes after it tells that it was looked at
    eventually(lambda: len(events(watch)) > count)
    assert [event["files"] for event in events(watch)[count:]] == [["app/src/later.txt"]]


def test_links_stay_links_and_none_leads_out(app: Checkout, watch: Going) -> None:
    source = app.root / "app/src"
    (source / "inner").symlink_to("page.py")
    (source / "outer").symlink_to("/etc/passwd")
    (source / "loop").symlink_to(".")
    eventually(lambda: inside(app, "src/inner") == (source / "page.py").read_text())
    eventually(lambda: "outside of" in watch.output)
    assert inside(app, "src/outer") is None
    for name in ("inner", "outer", "loop"):
        (source / name).unlink()
    eventually(lambda: inside(app, "src/inner") is None)


def test_what_changed_while_the_container_was_down_is_there_when_it_runs_again(
    app: Checkout, watch: Going, engine: docker.DockerClient
) -> None:
    gone = app.write("app/src/gone.txt", "here")
    eventually(lambda: inside(app, "src/gone.txt") == "here")
    container = engine.containers.get(app.units()["web"].id)
    container.stop(timeout=1)
    app.write("app/src/page.py", page("while it was down"))
    gone.unlink()
    container.start()
    eventually(lambda: answer(app) == "while it was down", within=20)
    eventually(lambda: inside(app, "src/gone.txt") is None)


def test_a_paused_container_gets_its_files_once_it_goes_on(
    app: Checkout, watch: Going, engine: docker.DockerClient
) -> None:
    container = engine.containers.get(app.units()["web"].id)
    container.pause()
    app.write("app/src/paused.txt", "waits")
    assert inside(app, "src/paused.txt") is None
    container.unpause()
    eventually(lambda: inside(app, "src/paused.txt") == "waits", within=20)


def test_a_second_watcher_names_the_first(app: Checkout, watch: Going) -> None:
    refused = app.devenv("watch", exits=2)
    assert f"(pid {watch.process.pid}) already watches this stack" in refused.stderr


def test_a_killed_watcher_leaves_nothing_behind_and_the_next_one_catches_up(app: Checkout) -> None:
    watching(app).kill()
    app.write("app/src/page.py", page("nobody saw it"))
    again = watching(app)
    eventually(lambda: answer(app) == "nobody saw it")
    again.interrupt()
    pid = app.units()["web"].raw["State"]["Pid"]
    eventually(lambda: not list(Path(f"/proc/{pid}/root/tmp/.devenv").glob("[0-9]*")))


def test_up_sends_what_nobody_watched_and_builds_nothing(app: Checkout) -> None:
    before, images = app.lives(), app.tags("web")
    app.write("app/src/page.py", page("by up"))
    assert app.devenv("plan").stdout.splitlines()[0] == "[] -> #1 sync web (app/src/page.py)"
    app.devenv("up", "-d")
    assert answer(app) == "by up"
    assert (app.lives(), app.tags("web")) == (before, images)
    assert app.devenv("plan").stdout == ""


def test_files_that_a_program_made_come_back_on_request(app: Checkout) -> None:
    app.inside("web", "sh", "-c", "mkdir -p /app/src/made && echo one >/app/src/made/1.txt")
    pulled = app.devenv("pull", "web", "app/src/made")
    assert "app/src/made/1.txt  new" in pulled.stderr
    made = app.root / "app/src/made/1.txt"
    assert made.read_text() == "one\n"
    app.inside("web", "sh", "-c", "echo two >/app/src/made/1.txt")
    made.write_text("mine\n")
    assert "add --yes" in app.devenv("pull", "web", "app/src/made", exits=2).stderr
    assert made.read_text() == "mine\n"
    app.devenv("pull", "web", "app/src/made", "--yes")
    assert made.read_text() == "two\n"
    assert "nothing new" in app.devenv("pull", "web", "app/src/made").stderr


def test_a_broken_manifest_is_shown_and_the_stack_stays(app: Checkout, watch: Going) -> None:
    before, manifest = app.lives(), (app.root / "devenv.yaml").read_text()
    app.write("devenv.yaml", manifest + "services: twice\n")
    eventually(lambda: [event["error"] for event in events(watch, "applied") if event["error"]])
    app.write("devenv.yaml", manifest)
    app.write("app/src/page.py", page("still here"))
    eventually(lambda: answer(app) == "still here", within=20)
    assert app.lives() == before


@pytest.mark.parametrize("soon", [True, False])
def test_files_that_come_with_an_edited_manifest_go_when_they_are_deleted(
    app: Checkout, watch: Going, soon: bool
) -> None:
    """What applies the manifest sends them; `soon`: they are deleted before it is over."""
    manifest = app.root / "devenv.yaml"
    names = [f"src/with{number}.txt" for number in range(20)]
    manifest.write_text(f"{manifest.read_text()}# edited\n")
    for name in names:
        app.write(f"app/{name}", "new")
    eventually(lambda: all(inside(app, name) for name in names) and (soon or events(watch, "applied")))
    for name in names:
        (app.root / "app" / name).unlink()
    eventually(lambda: not any(inside(app, name) is not None for name in names))


def test_a_file_that_only_a_build_brings_builds_its_service_alone(app: Checkout, watch: Going) -> None:
    before = app.lives()
    app.write("app/requirements.txt", f"{os.urandom(4).hex()}\n")
    eventually(lambda: any(event["action"] == "rebuild" for event in events(watch)))

    def applied() -> list[dict[str, Any]]:
        app.write("app/src/page.py", page(os.urandom(4).hex()))  # the image holds any of these
        return events(watch, "applied")

    (end,) = eventually(applied, within=60)
    app.write("app/src/page.py", page("after the build"))
    eventually(lambda: answer(app) == "after the build", within=60)
    eventually(lambda: len(app.containers()) == 2)  # Compose keeps the old one until the new one is made
    assert app.lives()["neighbour"] == before["neighbour"]
    assert app.lives()["web"] != before["web"]
    assert [step["op"] for step in end["steps"] if step["target"] == "web"][:2] == ["build", "apply"]
    assert app.devenv("plan").stdout == ""


def test_a_file_that_the_program_writes_at_each_start_does_not_restart_it_for_ever(
    app: Checkout, watch: Going
) -> None:
    app.write("app/src/echo", "")

    def alone() -> list[dict[str, Any]]:
        return [event for event in events(watch) if event["action"] == "none" and event["files"]]

    assert eventually(alone, within=60)[0]["files"] == ["app/src/started.json"]
    (app.root / "app/src/echo").unlink()
    app.write("app/src/page.py", page("no echo"))
    eventually(lambda: answer(app) == "no echo")
    assert len(alone()) == 1


def test_a_folder_that_vanishes_stays_in_the_container_and_others_go_on(app: Checkout, watch: Going) -> None:
    source = app.root / "app/src"
    source.rename(app.root / "away")
    eventually(lambda: "nothing is left of app/src" in watch.output)
    app.write("app/extra/note.txt", "goes on")
    eventually(lambda: inside(app, "extra/note.txt") == "goes on")
    assert inside(app, "src/page.py") is not None
    (app.root / "away").rename(source)
    app.write("app/src/page.py", page("back"))
    eventually(lambda: answer(app) == "back", within=20)


@needs_a_terminal
def test_keys_name_a_service_by_number_or_name(app: Checkout) -> None:
    screen = Screen(app, "watch", columns=60)
    screen.shows("q leave")
    screen.type("r")
    screen.shows("  1 web        2 neighbour")
    screen.type("w")
    screen.shows("(asked for)")
    screen.type("l2")
    screen.shows("logs of neighbour; l shows all")
    screen.type("q")
    assert screen.end() == 0


def test_ctrl_c_says_how_quick_it_was_and_leaves_everything_running(app: Checkout) -> None:
    going = app.begin("up")
    going.wait_for("stop: devenv down")
    probe = app.root / "app/src/probe.txt"

    def seen() -> bool:
        probe.write_text(os.urandom(8).hex())
        return "synced" in going.output

    eventually(seen, within=20)
    ended = going.interrupt(signal.SIGINT)
    assert ended.code == 130
    assert "synced p50" in ended.stderr
    assert app.units()["web"].status == "running"


def test_without_reload_nothing_is_added_to_the_program(checkouts: MakeCheckout) -> None:
    plain = checkouts("plain")
    plain.write("app/Dockerfile", 'FROM busybox:1.37\nCOPY src /src\nCMD ["sleep", "1000000"]\n')
    plain.write("app/src/a.txt", "a")
    plain.manifest("services: {web: {build: ./app}}")
    plain.devenv("up", "-d", "--no-reload")
    assert plain.units()["web"].raw["Config"]["Entrypoint"] in (None, [])


def test_a_service_whose_image_holds_no_sources_starts_once_they_are_there(
    checkouts: MakeCheckout,
) -> None:
    mounted = checkouts("mounted")
    mounted.write("src/say.sh", "echo one >/tmp/said\nexec sleep 1000000\n")
    mounted.manifest(
        """
        services:
          web: {image: "busybox:1.37", command: [sh, /code/say.sh], reload: {sync: {src: /code}}}
        """
    )
    mounted.devenv("up", "-d")

    def output() -> str:
        return mounted.inside("web", "sh", "-c", "cat /tmp/said || true").strip()

    eventually(lambda: output() == "one")
    mounted.write("src/say.sh", "echo two >/tmp/said\nexec sleep 1000000\n")
    mounted.devenv("up", "-d")
    eventually(lambda: output() == "two")

    container = mounted.engine.containers.get(mounted.units()["web"].id)
    for forgotten in ([], ["/tmp/.devenv/released"]):  # as an engine that was started again leaves it, or not
        container.exec_run(["rm", "-f", "/tmp/said", *forgotten])
        container.restart(timeout=1)
        if forgotten:
            assert "sync web (its program waits for its files)" in mounted.devenv("plan").stdout
            mounted.devenv("up", "-d")
        eventually(lambda: container.exec_run(["cat", "/tmp/said"]).output == b"two\n")
    assert mounted.devenv("plan").stdout == ""


def test_an_image_whose_base_nobody_knows_to_lack_a_shell_comes_up_and_a_change_builds_it(
    checkouts: MakeCheckout,
) -> None:
    bare = checkouts("bare")
    base = f"{bare.name}-base:1"
    bare.write(
        "base/Dockerfile", "FROM busybox:1.37 AS made\nFROM scratch\nCOPY --from=made /bin/busybox /busybox\n"
    )
    bare.host("docker", "build", "-q", "-t", base, "base")
    try:
        bare.write(
            "web/Dockerfile", f'FROM {base}\nCOPY page.txt /srv/\nCMD ["/busybox", "sleep", "1000000"]\n'
        )
        bare.write("web/page.txt", "one")
        bare.manifest("services: {web: {build: ./web}}")
        bare.devenv("up", "-d")
        assert bare.units()["web"].raw["Config"]["Cmd"] == ["/busybox", "sleep", "1000000"]
        assert [container.status for container in bare.containers()] == ["running"]
        assert bare.devenv("plan").stdout == ""
        bare.write("web/page.txt", "two")
        assert "build web (sources changed: page.txt)" in bare.devenv("plan").stdout
        bare.devenv("up", "-d")
        assert bare.inside("web", "/busybox", "cat", "/srv/page.txt") == "two"
        assert bare.devenv("plan").stdout == ""
    finally:
        bare.host("docker", "rmi", "-f", base)


def test_what_the_programs_user_may_not_write_arrives_and_that_is_said(checkouts: MakeCheckout) -> None:
    plain = checkouts("plain")
    plain.write(
        "web/Dockerfile", "FROM busybox:1.37\nWORKDIR /app\nCOPY src src\nUSER 1000:1000\nCMD sleep 1000000\n"
    )
    plain.write("web/src/page.txt", "one")
    plain.manifest("services: {web: {build: ./web}}")
    plain.devenv("up", "-d")
    plain.write("web/src/page.txt", "two")
    ended = plain.devenv("up", "-d")
    assert "are written as root, as user 1000 may not" in ended.stdout + ended.stderr
    assert "COPY --chown=1000:1000" in ended.stdout + ended.stderr
    assert plain.inside("web", "cat", "/app/src/page.txt") == "two"
    assert plain.devenv("plan").stdout == ""


def test_watch_starts_nothing_that_was_left_out(checkouts: MakeCheckout) -> None:
    part = checkouts("part")
    for name in ("web", "other"):
        part.write(f"{name}/Dockerfile", "FROM busybox:1.37\nCOPY page.txt /srv/\nCMD sleep 1000000\n")
        part.write(f"{name}/page.txt", "one")
    manifest = "services: {web: {build: ./web}, other: {build: ./other}}"
    part.manifest(manifest)
    part.devenv("up", "-d", "web")
    going = part.begin("watch")
    part.write("web/page.txt", "two")
    eventually(lambda: part.inside("web", "cat", "/srv/page.txt") == "two")
    part.write("other/Dockerfile", "FROM busybox:1.37\nCOPY page.txt /srv/\nCMD sleep 2000000\n")
    part.write("other/page.txt", "two")
    part.manifest(manifest.replace("{web: {", "{web: {env: {A: b}, "))
    going.wait_for("web  running")
    ended = going.interrupt()
    assert part.running() == {"web"}
    assert "other" not in ended.stdout + ended.stderr
