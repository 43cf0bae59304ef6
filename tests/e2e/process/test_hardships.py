"""A machine that does not do as it should: no room, no right to write, no home, no terminal, and asleep."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.checkout import eventually
from tests.e2e.process.conftest import API, Processes, processes

MANIFEST = "services: {web: {build: ./web, host: exec python server.py, port: 8000}}\n"


def project(checkout: Processes) -> Processes:
    checkout.manifest(MANIFEST)
    checkout.write("web/server.py", API)
    checkout.write("web/Dockerfile", "FROM python:3.13\nCOPY . .\n")
    return checkout


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]) -> Iterator[Processes]:
    """A stack of one service, which all tests here leave as they find it."""
    with processes(tmp_path_factory.mktemp("hardships"), environment) as checkout:
        project(checkout).on("up", "-d")
        yield checkout


def with_mount(checkout: Processes, folder: Path, mount: str) -> tuple[str, ...]:
    """Words before a command that make it see a folder in another way than everybody else."""
    own = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    room = subprocess.Popen(
        ["unshare", "--mount", *own, "sh", "-ec", f"{mount}; echo mounted; exec sleep 600", "sh", folder],
        stdout=subprocess.PIPE,
    )
    assert room.stdout is not None
    mounted = room.stdout.readline()
    room.stdout.close()

    class Ends:
        def leave_nothing(self) -> None:
            room.kill()
            room.wait()

    checkout.ends_with_the_test(Ends())
    if not mounted:
        pytest.skip("nothing can be mounted here")
    user = ("--user", "--preserve-credentials") if own else ()
    inside = ("sh", "-c", 'cd "$0" && exec "$@"', str(checkout.root))
    return ("nsenter", "--mount", *user, "--target", str(room.pid), *inside)


def test_a_full_disk_is_said_and_down_works_all_the_same(plain: Processes) -> None:
    state = project(plain).root / ".devenv"
    state.mkdir()
    small = with_mount(plain, state, 'mount -t tmpfs -o size=256k none "$1"')
    fill = (
        *small,
        "sh",
        "-c",
        "head -c 256K /dev/zero 2>&- >>.devenv/rest || :",
    )  # more than there is room for
    plain.on("up", "-d", under=small)
    alive = plain.alive()
    subprocess.run(fill, check=True)
    assert "No space left on device" in plain.devenv("restart", "web", under=small, exits=1).stderr
    plain.devenv("down", under=small)
    assert plain.gone(alive)
    subprocess.run(fill, check=True)
    assert "No space left on device" in plain.on("up", "-d", under=small, exits=1).stderr


def test_a_checkout_that_only_can_be_read_is_looked_at_and_not_changed(web: Processes) -> None:
    only_read = with_mount(web, web.root, 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"')
    before = web.records()
    assert "healthy" in web.devenv("status", under=only_read).stdout
    assert "begins" in web.devenv("logs", "web", under=only_read).stdout
    assert "nothing to do" in web.devenv("up", "-d", under=only_read).stderr
    web.manifest(MANIFEST.replace("port: 8000", "port: 8000, env: {MORE: '1'}"))
    refused = web.devenv("up", "-d", under=only_read, exits=1)
    web.manifest(MANIFEST)
    assert "Read-only file system" in refused.stderr
    assert f"mount {web.root} writable" in refused.stderr
    assert web.records() == before


def test_neither_a_home_nor_open_streams_are_needed(web: Processes) -> None:
    bare = ("env", "-u", "HOME", "-u", "XDG_STATE_HOME", "sh", "-c", 'exec "$0" "$@" <&- >&-')
    assert "nothing to do" in web.devenv("up", "-d", under=bare).stderr
    web.devenv("restart", "web", under=bare)
    web.devenv("exec", "web", "--", "sh", "-c", "cat; echo answered >../answer", under=bare)
    assert (web.root / "answer").read_text() == "answered\n"


def test_two_checkouts_run_side_by_side(web: Processes, plain: Processes) -> None:
    before = web.records()
    project(plain).on("up", "-d")
    alive, other = plain.alive(), plain.records()
    assert other["web"].labels["devenv.dev/ports"] != before["web"].labels["devenv.dev/ports"]
    plain.devenv("down")
    assert plain.gone(alive)
    assert web.records() == before
    assert web.states() == {"web": "healthy"}


def test_a_machine_that_slept_goes_on(web: Processes) -> None:
    """As of sleep, no process hears of a pause in which all of them stood still."""
    going = web.begin("up")
    going.wait_for("every save restarts web")
    pids = [going.process.pid, web.folder.supervisor(), *web.alive()]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            os.kill(pid, number)
        if number == signal.SIGSTOP:
            eventually(lambda: all(map(stopped, pids)), "the pause")
            web.write("web/server.py", API.replace("begins", "slept well"))
    going.wait_for("slept well")
    going.interrupt()
    web.write("web/server.py", API)
    assert web.states() == {"web": "healthy"}


def stopped(pid: int) -> bool:
    """Whether a process stands still."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_who_hangs_up_while_others_are_served_ends_nothing(web: Processes) -> None:
    """A supervisor that finds both in one round tells a watcher that is no longer there of what it starts."""
    request = {"verb": "start", "unit": "extra", "id": "1", "argv": ["true"], "environment": {}, "labels": {}}
    request |= {"folder": str(web.root), "mark": "extra", "grace": 1, "stop": "SIGTERM", "store": False}
    with socket.socket(socket.AF_UNIX) as asks, socket.socket(socket.AF_UNIX) as watches:
        for connection in (asks, watches):
            connection.connect(str(web.folder.short() / "supervisor"))  # type: ignore[operator]
            connection.sendall(b'{"verb": "changes"}\n')
            assert connection.recv(100) == b"{}\n"
        os.kill(web.folder.supervisor(), signal.SIGSTOP)
        asks.sendall(json.dumps(request).encode() + b"\n")
        watches.close()
        os.kill(web.folder.supervisor(), signal.SIGCONT)
        assert asks.recv(1000)
        asks.sendall(b'{"verb": "remove", "unit": "extra"}\n')
        eventually(lambda: "extra" not in web.records(), "the program to be forgotten")
    assert web.states()["web"] == "healthy"
