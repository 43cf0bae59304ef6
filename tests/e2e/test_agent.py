"""The agent and the supervisor in real containers, of busybox and of Debian."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from devenv.backends.agent import Agent, ReadOnly, Sending, supervised
from devenv.backends.base import StreamEnded
from devenv.backends.dialogue import NoShell, Paused
from devenv.backends.docker import Engine
from devenv.backends.streams import Privileged, attach

from .checkout import eventually

pytestmark = pytest.mark.engine

IMAGES = ("busybox:1.37", "debian:trixie-slim")
SERVER = 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.02; done'


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Container:
    """One container whose program is supervised."""

    def __init__(
        self, image: str, program: Sequence[str], options: Sequence[str], *, hold: bool = False
    ) -> None:
        self.image = image
        self.name = f"agent-{uuid.uuid4().hex[:8]}"
        argv = supervised(program, grace=5, hold=hold)
        docker("run", "-d", "--name", self.name, "--entrypoint", argv[0], *options, image, *argv[1:])
        self.engine = Engine(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")

    def agent(self, *roots: str, privileged: bool = True) -> Agent:
        stream = partial(attach, self.engine.address, lambda: self.engine, self.name)
        access = Privileged(self.engine.address, lambda: self.engine, self.name) if privileged else None
        return Agent.start(stream, access, roots=roots)

    def output(self) -> list[str]:
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=True)
        return [*done.stdout.splitlines(), *done.stderr.splitlines()]

    def lines_of_program(self) -> list[str]:
        """Without what the program's own shell says of a child that was ended with it."""
        return [line for line in self.output() if line != "Terminated"]

    def ended_with(self) -> int:
        return int(docker("wait", self.name))

    def exec(self, script: str) -> str:
        return docker("exec", self.name, "sh", "-c", script)

    def await_output(self, line: str, count: int = 1) -> None:
        eventually(lambda: self.output().count(line) >= count, repr(line), within=20)


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(image: str) -> Iterator[object]:
    containers: list[Container] = []

    def start(*program: str, options: Sequence[str] = (), hold: bool = False) -> Container:
        containers.append(Container(image, program, options, hold=hold))
        return containers[-1]

    yield start
    for container in containers:
        subprocess.run(["docker", "rm", "-fv", container.name], capture_output=True, check=False)
        container.engine.close()


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--user", "1000:1000"),
        ("--read-only",),
        ("--read-only", "--user", "1000:1000", "--cap-drop", "ALL"),
    ],
    ids=["root", "user", "read-only", "both"],
)
def test_a_program_is_restarted_in_place(run, options) -> None:
    container = run("sh", "-c", SERVER, options=options)
    container.await_output("up")
    agent = container.agent()
    assert agent.hello.supervised
    first = agent.program()
    assert (first.state, first.starts) == ("running", 1)
    second = agent.restart(5)
    assert (second.state, second.starts, second.code) == ("running", 2, 7)
    assert second.pid != first.pid
    container.await_output("up", 2)
    agent.close()
    docker("stop", container.name)
    assert container.ended_with() == 7
    assert container.lines_of_program() == ["up", "bye", "up", "bye"]


def test_a_restart_says_nothing_in_the_programs_log(run) -> None:
    container = run("sleep", "1000")
    agent = container.agent()
    for _ in range(2):
        agent.restart(5)
    docker("stop", container.name)
    assert container.output() == []


def test_many_restarts_in_a_row_lose_none(run) -> None:
    container = run("sh", "-c", SERVER)
    agent = container.agent()
    for number in range(100):
        assert agent.restart(5).starts == number + 2


def test_a_program_that_ends_by_itself_ends_its_container_with_its_code(run) -> None:
    container = run("sh", "-c", "exit 9")
    assert container.ended_with() == 9
    assert container.output() == []


def test_after_a_restart_its_end_is_said_and_it_waits(run) -> None:
    container = run("sh", "-c", "[ -e /tmp/broken ] && exit 4; echo up; exec sleep 1000")
    container.await_output("up")
    agent = container.agent()
    container.exec("touch /tmp/broken")
    agent.restart(5)
    container.await_output("devenv: exited with 4; waiting for a change")
    ended = agent.program()
    assert (ended.state, ended.code) == ("ended", 4)
    container.exec("rm /tmp/broken")
    assert agent.restart(5).state == "running"
    container.await_output("up", 2)
    container.exec("touch /tmp/broken")
    agent.restart(5)
    container.await_output("devenv: exited with 4; waiting for a change", 2)
    began = time.monotonic()
    docker("stop", container.name)
    assert time.monotonic() - began < 5
    assert container.ended_with() == 4


def test_a_held_program_starts_when_it_is_released(run) -> None:
    container = run("sh", "-c", "cat /tmp/file; exec sleep 1000", hold=True)
    agent = container.agent()
    assert agent.program().state == "held"
    container.exec("echo there > /tmp/file")
    assert agent.release().state == "running"
    container.await_output("there")
    assert agent.release().starts == 1


def test_a_program_is_released_while_its_supervisor_still_begins(run, tmp_path: Path) -> None:
    slow = tmp_path / "env"
    slow.write_text("#!/bin/sh\nsleep 1\nexit 1\n")
    slow.chmod(0o755)
    options = ("-v", f"{slow}:/usr/local/bin/env:ro")
    container = run("sh", "-c", "echo up; exec sleep 1000", options=options, hold=True)
    assert container.agent().release().state == "running"
    container.await_output("up")


@pytest.mark.parametrize("options", [("--read-only",), ("--user", "1000:1000", "--tmpfs", "/tmp:mode=755")])
def test_a_held_program_starts_where_that_cannot_be_remembered(run, options) -> None:
    container = run("sleep", "1000", options=options, hold=True)
    assert container.agent().release().state == "running"
    assert container.exec("echo there") == "there"


def test_a_held_container_stops_at_once(run) -> None:
    container = run("sleep", "1000", hold=True)
    container.agent().close()
    began = time.monotonic()
    docker("stop", container.name)
    assert time.monotonic() - began < 5


def test_what_does_not_end_in_time_is_killed_with_all_it_started(run) -> None:
    child = 'trap "" TERM; setsid sh -c "trap \\"\\" TERM; exec sleep 7777" & exec sleep 8888'
    container = run("sh", "-c", child)

    def sleeping() -> list[str]:
        processes = container.exec('for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; echo; done')
        return sorted(line.strip() for line in processes.splitlines() if line.startswith("sleep"))

    both = ["sleep 7777", "sleep 8888"]
    eventually(lambda: sleeping() == both, "both of them")
    agent = container.agent()
    began = time.monotonic()
    agent.restart(0.5)
    assert 0.4 < time.monotonic() - began < 5
    eventually(lambda: sleeping() == both, "both of them, and once each")
    zombies = 'grep -l "State:.Z" /proc/[0-9]*/status || true'
    eventually(lambda: container.exec(zombies) == "", "the end of those before")


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "TERM"])
def test_signals_are_passed_on(run, name: str) -> None:
    container = run("sh", "-c", f'trap "echo got; exit 5" {name}; echo up; while :; do sleep 0.02; done')
    container.await_output("up")
    docker("kill", "-s", name, container.name)
    code = container.ended_with()
    ignored_by_shell = name in ("INT", "QUIT") and code == 143  # busybox cannot undo it: TERM comes instead
    assert ignored_by_shell or (code == 5 and "got" in container.output())


def test_programs_read_the_containers_stdin(image: str) -> None:
    argv = supervised(["cat"], grace=5)
    done = subprocess.run(
        ["docker", "run", "-i", "--rm", "--entrypoint", argv[0], image, *argv[1:]],
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "hello\n"


def test_files_arrive_and_survive_a_restart(run, tmp_path: Path) -> None:
    container = run("sh", "-c", "cat /app/file; exec sleep 1000", options=["--workdir", "/app"])
    (tmp_path / "file").write_text("new\n")
    agent = container.agent("/app")
    sent = agent.send([Sending("/app/file", tmp_path / "file", root="/app")])
    assert sent.failed == {}
    agent.restart(5)
    container.await_output("new")
    lines: list[str] = []
    assert agent.run(["pwd"], output=lines.append) == 0
    assert lines == ["/app"]
    docker("restart", "-t", "5", container.name)
    with pytest.raises(StreamEnded):
        agent.run(["true"], output=print)
    again = container.agent("/app")
    assert again.hello.record == {"/app/file": sent.digests["/app/file"]}


MOUNTS = {
    "plain": (),
    "user": ("--user", "1000:1000"),
    "tmpfs": ("--tmpfs", "/app"),
    "read-only": ("--read-only", "--tmpfs", "/app"),
    "tmpfs for the stage": ("--tmpfs", "/tmp"),
}


@pytest.mark.parametrize(
    ("image", "options"),
    # A mount is the engine's, whatever shell is in the image.
    [(IMAGES[0], options) for options in MOUNTS.values()] + [(IMAGES[1], MOUNTS["plain"])],
    ids=[*MOUNTS, "plain on Debian"],
    indirect=["image"],
)
def test_large_and_many_files_arrive_on_any_mount(run, options, tmp_path: Path) -> None:
    root = "/tmp/app" if "--user" in options else "/app"
    container = run("sleep", "1000", options=options)
    agent = container.agent(root)
    contents = {f"d{number % 7}/-f {number}": os.urandom(3000) for number in range(2500)}
    contents["large"] = os.urandom(20 << 20)
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    changes = [Sending(f"{root}/{name}", tmp_path / name, root=root) for name in contents]
    sent = agent.send(changes)
    assert sent.failed == {}
    assert sent.files == 2501
    sums = container.exec(f"cd {root} && find . -path ./.devenv -prune -o -type f -exec sha256sum {{}} +")
    arrived = dict(reversed(line.split("  ./", 1)) for line in sums.splitlines())
    assert arrived == {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    assert container.agent(root).hello.record == sent.digests
    assert agent.send([Sending(change.target, None, root=root) for change in changes]).failed == {}
    assert container.exec(f"cd {root} && find . -path ./.devenv -prune -o -type f -print") == ""


@pytest.mark.parametrize("image", IMAGES[:1], indirect=True)
def test_a_single_file_arrives_where_tmp_is_on_another_mount(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new\n")
    change = Sending("/etc/own.conf", tmp_path / "file", root="/etc")
    container = run("sleep", "1000", options=["--tmpfs", "/tmp"])
    container.exec("echo old > /etc/own.conf")
    assert container.agent("/etc/own.conf").send([change]).failed == {}
    assert container.exec("cat /etc/own.conf") == "new"
    container = run("sleep", "1000", options=["--tmpfs", "/tmp", "--read-only"])
    with pytest.raises(ReadOnly):
        container.agent("/etc/passwd")


@pytest.mark.parametrize("image", IMAGES[:1], indirect=True)
def test_containers_that_share_a_volume_leave_each_others_files_in_the_making(run, tmp_path: Path) -> None:
    volume = f"agent-{uuid.uuid4().hex[:8]}"
    both = [run("sleep", "1000", options=["-v", f"{volume}:/app"]) for _ in range(2)]
    both[0].exec("for i in 1 2 3 4 5 6 7 8 9; do (:); done")  # so that its agent has a number of its own
    agents = [container.agent("/app") for container in both]
    (tmp_path / "file").write_text("new\n")
    for number, agent in enumerate(agents):
        assert agent.send([Sending(f"/app/{number}", tmp_path / "file", root="/app")]).failed == {}
    assert both[0].exec("ls /app") == "0\n1"
    both[0].exec("touch -d '2020-01-01' /app/.devenv/[0-9]*")  # it idled for days
    both[1].agent("/app")
    assert agents[0].send([Sending("/app/2", tmp_path / "file", root="/app")]).failed == {}
    docker("rm", "-f", *(container.name for container in both))
    docker("volume", "rm", volume)


def test_a_full_disk_leaves_the_old_file_and_says_why(run, tmp_path: Path) -> None:
    container = run("sleep", "1000", options=["--tmpfs", "/app:size=2m"])
    agent = container.agent("/app")
    names = [tmp_path / name for name in ("small", "other", "third", "big")]
    for file in names:
        file.write_text("old")
    changes = [Sending(f"/app/{file.name}", file, root="/app") for file in names]
    assert agent.send(changes).failed == {}
    names[-1].write_bytes(os.urandom(3 << 20))
    names[0].write_text("new")
    failed = agent.send(changes).failed
    assert failed == {"/app/big": "no space left on device"}
    assert container.exec("cat /app/small /app/big") == "newold"
    names[-1].write_text("fits")
    assert agent.send(changes[-1:]).failed == {}


ROOTS_FOLDER = "mkdir -p /srv/d && cd /srv && echo old >d/roots && echo old >mine && chown 1000:1000 mine"


def test_what_the_user_may_not_write_is_written_as_root_and_keeps_its_owner(run, tmp_path: Path) -> None:
    container = run("sleep", "1000", options=["--user", "1000:1000"])
    docker("exec", "-u", "0", container.name, "sh", "-c", ROOTS_FOLDER)
    names = ["d/roots", "mine", "new/file", "other"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("new")
    agent = container.agent("/srv")
    assert agent.hello.uid == 1000
    for changed in (names, names[:1], names[1:2]):  # together and one by one
        sent = agent.send([Sending(f"/srv/{name}", tmp_path / name, root="/srv") for name in changed])
        assert sent.failed == {}
        assert set(sent.digests) == {f"/srv/{name}" for name in changed}
        assert ("written as root" in sent.note) == (changed is names)
    assert container.exec("cd /srv && cat d/roots mine new/file other") == "newnewnewnew"
    owners = container.exec("cd /srv && stat -c %u:%g d/roots mine new/file other").split()
    assert owners == ["0:0", "1000:1000", "0:0", "0:0"]
    (tmp_path / "own").write_text("x")
    agent.send([Sending("/tmp/app/own", tmp_path / "own", root="/tmp/app")])
    assert container.exec("stat -c %u:%g /tmp/app/own") == "1000:1000"
    again = container.agent("/srv")
    assert again.hello.record == agent.record
    gone = [Sending(f"/srv/{name}", None, root="/srv") for name in names]
    assert again.send(gone).failed == {}
    assert container.exec("ls -A /srv/d /srv/mine /srv/other 2>/dev/null || true").split() == ["/srv/d:"]


def test_where_nobody_may_be_root_the_reason_says_what_allows_it(run, tmp_path: Path) -> None:
    container = run("sleep", "1000", options=["--user", "1000:1000", "-v", "/vol"])
    agent = container.agent("/srv", "/vol", privileged=False)
    (tmp_path / "file").write_text("x")
    reason = "permission denied to user 1000; the Dockerfile allows it: COPY --chown=1000:1000"
    targets = ["/srv/file", "/vol/file", "/vol/d/file"]
    sendings = [Sending(target, tmp_path / "file", root=target[:4]) for target in targets]
    assert agent.send(sendings).failed == dict.fromkeys(targets, reason)
    docker("exec", "-u", "0", container.name, "sh", "-c", "mkdir -p /srv && chown 1000 /srv")
    assert agent.send(sendings[:1]).failed == {}


def test_a_paused_container_is_said_to_be_paused(run) -> None:
    container = run("sleep", "1000")
    agent = container.agent()
    docker("pause", container.name)
    try:
        with pytest.raises(Paused):
            agent.run(["true"], output=print)
        with pytest.raises(Paused):
            container.agent()
    finally:
        docker("unpause", container.name)
    assert container.agent().run(["true"], output=print) == 0


def test_a_container_whose_files_are_read_only_says_so(run, tmp_path: Path) -> None:
    container = run("sleep", "1000", options=("--read-only", "--tmpfs", "/vol"))
    for root in ("/srv", "/srv/page.txt"):
        with pytest.raises(ReadOnly):
            container.agent(root)
    (tmp_path / "file").write_text("x")
    sendings = [Sending(f"{root}/file", tmp_path / "file", root=root) for root in ("/srv", "/vol")]
    sent = container.agent("/srv", "/vol").send(sendings)
    assert (sent.failed, list(sent.digests)) == ({"/srv/file": "read-only file system"}, ["/vol/file"])


def test_an_image_without_a_shell_says_so(run) -> None:
    container = run("sleep", "1000")
    container.exec("rm /bin/sh" if container.image.startswith("busybox") else "rm /usr/bin/sh")
    with pytest.raises(NoShell):
        container.agent()
    assert container.engine.inspect(container.name)["State"]["Running"]
