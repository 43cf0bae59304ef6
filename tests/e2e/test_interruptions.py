"""Ctrl-C and `kill -9` at every moment of `up`: nothing is lost, and the next `up` goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from .checkout import Checkout, Ended, Going, eventually
from .screen import Screen, hung_up, needs_a_terminal

pytestmark = pytest.mark.engine

SOON = 1.5  # seconds between Ctrl-C and the prompt

GATED = """
    services:
      base: {image: "busybox:1.37", command: sleep 900}
      web:
        image: busybox:1.37
        command: sleep 900
        uses: [base]
        health: {exec: test -f /open, every: 100ms}
"""
"""`web` gets healthy when somebody opens the gate."""

BUILT = "services: {web: {build: ./web, command: sleep 900}}"
SLOW_BUILD = "FROM busybox:1.37\nCOPY . /srv\nRUN echo begun building && sleep 60\n"

group = pytest.mark.parametrize("group", [False, True], ids=["process", "group"])


def has_container(checkout: Checkout) -> list[str]:
    """What has been created so far, as the engine lists it."""
    return [
        container["Id"]
        for container in checkout.engine.api.containers(all=True, filters={"label": checkout.label})
    ]


def begin_building(checkout: Checkout) -> Going:
    """An `up` in the middle of a RUN, with the service of an earlier build still up."""
    checkout.sources("web")
    checkout.manifest(BUILT)
    checkout.devenv("up", "-d")
    checkout.sources("web", dockerfile=SLOW_BUILD)
    going = checkout.begin("up", "-d", "-v")
    going.wait_for("begun building\n")
    return going


def begin_waiting(checkout: Checkout) -> Going:
    """An `up` that waits until the gate is open."""
    checkout.manifest(GATED)
    going = checkout.begin("up", "-d")
    eventually(lambda: len(has_container(checkout)) == 2 and "web" in checkout.running(), "web")
    return going


def begin_creating(checkout: Checkout) -> Going:
    """An `up` of many services, the first of which is just there."""
    services = "\n".join(f'      s{n}: {{image: "busybox:1.37", command: sleep 900}}' for n in range(8))
    checkout.manifest(f"    services:\n{services}\n")
    going = checkout.begin("up", "-d")
    eventually(lambda: has_container(checkout), "a container")
    return going


def check_interrupted(ended: Ended) -> None:
    assert ended.code == 130, ended.output
    assert ended.seconds < SOON
    assert "Traceback" not in ended.output


def half_written(checkout: Checkout) -> list[Path]:
    return list((checkout.root / ".devenv").rglob(".*.*"))


def test_ctrl_c_while_it_is_still_loading_is_quiet(checkout: Checkout) -> None:
    checkout.manifest(GATED)
    going = checkout.begin("up", "-d", env={"PYTHONPROFILEIMPORTTIME": "1"})
    going.wait_for("| typer")

    check_interrupted(going.interrupt())


@group
def test_ctrl_c_while_parsing_leaves_everything_as_it_was(checkout: Checkout, group: bool) -> None:
    services = "\n".join(f'      s{n}: {{image: "busybox:1.37", uses: [s{n + 1}]}}' for n in range(1500))
    checkout.manifest(f'    services:\n{services}\n      s1500: {{image: "busybox:1.37"}}\n')
    going = checkout.begin("up", "-d")
    lock = checkout.root / ".devenv" / "lock"
    eventually(lambda: lock.is_file() and lock.read_text(), "the lock")

    check_interrupted(going.interrupt(group=group))

    assert (checkout.containers(), checkout.networks(), half_written(checkout)) == ([], [], [])


@group
def test_ctrl_c_while_building_keeps_what_runs_and_its_image(checkout: Checkout, group: bool) -> None:
    going = begin_building(checkout)
    lives, tags = checkout.lives(), checkout.tags("web")

    ended = going.interrupt(group=group)

    check_interrupted(ended)
    assert "interrupted" in ended.stderr
    assert (checkout.lives(), checkout.tags("web")) == (lives, tags)
    assert checkout.running() == {"web"}
    eventually(lambda: not alive(going), "the end of the builder's client")


@group
def test_ctrl_c_while_creating_and_starting_can_be_taken_up_again(checkout: Checkout, group: bool) -> None:
    going = begin_creating(checkout)

    ended = going.interrupt(group=group)

    check_interrupted(ended)
    assert "`devenv status` shows what runs, `devenv up` resumes, `devenv down` stops it" in ended.stderr
    checkout.devenv("up", "-d")
    assert checkout.running() == {f"s{n}" for n in range(8)}


@group
def test_ctrl_c_while_waiting_keeps_what_is_up_and_says_what_is_not(checkout: Checkout, group: bool) -> None:
    going = begin_waiting(checkout)
    lives = checkout.lives()

    ended = going.interrupt(group=group)

    check_interrupted(ended)
    assert "interrupted: web may still be starting" in ended.stderr
    assert checkout.lives() == lives
    assert checkout.running() == {"base", "web"}


@group
def test_ctrl_c_while_following_leaves_the_stack_running(checkout: Checkout, group: bool) -> None:
    checkout.manifest("""
        services:
          web: {image: "busybox:1.37", command: "while true; do echo tick; sleep 0.2; done"}
    """)
    going = checkout.begin("up")
    going.wait_for("tick")

    ended = going.interrupt(group=group)

    check_interrupted(ended)
    assert "still running" in ended.stderr
    assert checkout.running() == {"web"}


@needs_a_terminal
def test_ctrl_c_in_a_terminal_gives_it_back_as_it_was(checkout: Checkout) -> None:
    checkout.manifest(GATED)
    screen = Screen(checkout, "up", "-d")
    screen.shows("running")  # base is up
    eventually(lambda: checkout.running() == {"base", "web"}, "web, which waits")
    began = time.monotonic()
    screen.press(b"\x03")
    assert screen.end() == 130
    assert time.monotonic() - began < SOON
    _, note, after = screen.shown.rpartition("interrupted")
    assert note
    assert "\x1b[1A" not in after, "the table is drawn over the note"
    assert screen.shown.count("\x1b[?25l") == screen.shown.count("\x1b[?25h"), "the cursor stays hidden"
    assert "Traceback" not in screen.shown
    assert screen.left == screen.modes
    assert checkout.running() == {"base", "web"}


@pytest.mark.parametrize("begin", [begin_building, begin_creating, begin_waiting])
def test_up_after_kill_9_converges(checkout: Checkout, begin) -> None:
    begin(checkout).kill()
    open_the_gate(checkout)

    again = checkout.devenv("up", "-d")

    assert "waiting for" not in again.stderr
    assert "nothing to do" in checkout.devenv("up", "-d").stderr
    assert len(checkout.networks()) == 1
    assert half_written(checkout) == []


def open_the_gate(checkout: Checkout) -> None:
    """Let what was begun end quickly: no slow build, no check that fails."""
    if (checkout.root / "web").is_dir():
        checkout.sources("web", page="another")
    elif "web" in checkout.running():
        checkout.inside("web", "touch", "/open")


def alive(going: Going) -> bool:
    """Whether anything is left of a command's process group."""
    try:
        os.killpg(going.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


ends = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
DEAF = ("--", "sh", "-c", "trap '' TERM INT HUP; echo it runs; while :; do sleep 1; done")


@ends
def test_a_run_that_is_ended_from_outside_leaves_no_container(
    checkout: Checkout, number: signal.Signals
) -> None:
    checkout.manifest('services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}')
    going = checkout.begin("run", "web", *DEAF)
    going.wait_for("it runs\n")
    assert len(checkout.containers()) == 1

    ended = going.interrupt(number)

    assert ended.code == 130, ended.output
    assert "Traceback" not in ended.output
    assert checkout.containers() == []


@needs_a_terminal
def test_a_run_whose_terminal_is_closed_leaves_no_container(checkout: Checkout) -> None:
    checkout.manifest('services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}')
    assert hung_up(checkout, "run", "web", *DEAF, after="it runs\r\n") == 130
    assert checkout.containers() == []


@ends
def test_an_up_that_is_ended_from_outside_ends_its_builder(
    checkout: Checkout, number: signal.Signals
) -> None:
    going = begin_building(checkout)

    ended = going.interrupt(number)

    check_interrupted(ended)
    assert "interrupted" in ended.stderr
    assert checkout.running() == {"web"}
    eventually(lambda: not alive(going), "the end of the builder's client")


def test_a_signal_that_is_ignored_stays_ignored(checkout: Checkout) -> None:
    checkout.manifest('services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}')
    script = ("--", "sh", "-c", "echo it runs; until test -e /tmp/go; do sleep 0.1; done; echo to its end")
    going = checkout.begin("run", "web", *script, under=("nohup",))
    going.wait_for("it runs\n")
    os.kill(going.process.pid, signal.SIGHUP)
    (container,) = checkout.containers()
    api = checkout.engine.api  # nobody asks how the command went: its container may be gone by then
    api.exec_start(api.exec_create(container.id, ["touch", "/tmp/go"]), detach=True)

    ended = going.end()

    assert (ended.code, ended.stdout) == (0, "it runs\nto its end\n")
