"""What the checks of this machine say: verdicts from facts, as tables; and looks that hang."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from devenv import proc
from devenv.doctor import engine, manifest, path, ports, system
from devenv.doctor.engine import Engine, Plugins, Silence
from devenv.doctor.gathering import Deadline, begun
from devenv.doctor.path import Found, Program
from devenv.doctor.system import System
from devenv.doctor.verdict import Verdict, Wanted
from devenv.errors import ManifestInvalid, Problem, ToolMissing, UsageError
from devenv.stack.model import Build, Identity, Port, Stack, Unit
from devenv.stack.ports import Claim, Conflict
from tests.table import each_row

USUAL = "unix:///var/run/docker.sock"
DEBIAN = System(("debian",), release=13, systemd=True)
OLD_DEBIAN = System(("debian",), release=12, root=True)
API = Unit("api", "service", "api:1", ports=(Port("http", 80),))
BUILT = Unit("web", "service", "web:1", build=Build("web"))


def stack(*units: Unit) -> Stack:
    return Stack("shop", "shop", Identity("shop"), units)


STACK = stack(API)
APT = "sudo apt-get update && sudo apt-get install -y docker.io docker-cli docker-compose docker-buildx"


def shown(verdicts: Iterable[Verdict]) -> list[str]:
    """Each verdict on a line; `*` before a command that --fix may run."""
    return [
        f"{verdict.level} {verdict.check}: {verdict.text}"
        + (f" | {'*' * verdict.fixable}{verdict.fix.command}" if verdict.fix else "")
        for verdict in verdicts
    ]


@each_row(
    {
        "new enough": (Wanted(), Engine("28.5.2"), DEBIAN, "pass engine: Docker 28.5.2"),
        "too old": (
            Wanted(), Engine("24.0.7"), DEBIAN,
            f"fail engine: the Docker engine is 24.0.7; devenv needs 25 or newer | {APT}",
        ),
        "hangs": (
            Wanted(), None, DEBIAN,
            f"fail engine: the Docker engine at {USUAL} did not answer within 1 s | sudo systemctl restart docker",
        ),
        "denied": (
            Wanted(), Silence("no right", denied=True), DEBIAN,
            "fail engine: no right | sudo usermod -aG docker $USER   # then log in again",
        ),
        "stopped": (
            Wanted(), Silence("no engine"), System(("debian",), installed=True),
            "fail engine: no engine | sudo service docker start",
        ),
        "not installed, where packages have it": (
            Wanted(), Silence("no engine"), DEBIAN,
            f"fail engine: no engine, and none is installed | *{APT}",
        ),
        "not installed, where packages are too old": (
            Wanted(), Silence("no engine"), OLD_DEBIAN,
            "fail engine: no engine, and none is installed | curl -fsSL https://get.docker.com | sh",
        ),
        "not needed": (
            Wanted("kube"), Silence("no engine"), System(("macos",), installed=True),
            "warn engine: no engine | open -a Docker",
        ),
    }
)  # fmt: skip
def test_an_engine(wanted: Wanted, found: Engine | Silence | None, here: System, verdict: str) -> None:
    assert shown(engine.judge(wanted, found, here, address=USUAL, seconds=1.0)) == [verdict]


def test_an_engine_elsewhere_is_not_started_here() -> None:
    (verdict,) = engine.judge(Wanted(), Silence("no engine"), DEBIAN, address="tcp://build:2376", seconds=1.0)
    assert shown([verdict]) == ["fail engine: no engine | docker context ls"]


@each_row(
    {
        "both": (Wanted(), Plugins("5.0.1", "0.29.1"), ["pass compose: Docker Compose 5.0.1", "pass buildx: Docker Buildx 0.29.1"]),
        "no docker": (Wanted(), Plugins(None, None), [f"fail compose: the docker command is missing | *{APT}"]),
        "too old, and nothing to build": (
            Wanted(), Plugins("2.20.1", ""),
            [f"fail compose: Docker Compose is 2.20.1; devenv needs 2.20.2 or newer | {APT}",
             f"warn buildx: the docker command has no Buildx plugin | *{APT}"],
        ),
        "something to build, on a cluster": (
            Wanted("kube", stack(BUILT)), Plugins("", ""),
            [f"warn compose: the docker command has no Compose plugin | *{APT}",
             f"fail buildx: the docker command has no Buildx plugin | *{APT}"],
        ),
    }
)  # fmt: skip
def test_plugins(wanted: Wanted, found: Plugins, verdicts: list[str]) -> None:
    assert shown(engine.judge_plugins(wanted, found, DEBIAN)) == verdicts


def test_what_an_engine_says_of_itself() -> None:
    info = {
        "ServerVersion": "28.5.2", "MemTotal": 1 << 30, "Architecture": "aarch64", "DockerRootDir": "/data",
        "SystemTime": "1970-01-01T00:00:42.123456789Z", "HttpsProxy": "http://p:1", "RegistryConfig": {"Mirrors": None},
    }  # fmt: skip
    found = engine.described(info, 12.123456)
    assert found == Engine("28.5.2", 1 << 30, "arm64", "/data", ahead=30.0, proxied=True)
    assert engine.described({}, 0.0) == Engine("")


@each_row(
    [
        (("/opt/bin", "ours"), "pass path: /opt/bin/devenv"),
        (
            ("/nix/bin", "nix"),
            "warn path: /nix/bin/devenv comes first, the Nix tool of the same name (cachix)",
        ),
        (("/usr/bin", "other"), "warn path: /usr/bin/devenv comes first, and is another program"),
        (("", ""), "warn path: no devenv is on the PATH; this one is in /opt/bin"),
    ]
)
def test_which_devenv(first: tuple[str, str], verdict: str) -> None:
    folder, owner = first
    programs = (Program(f"{folder}/devenv", owner),) if folder else ()
    last = shown(path.judge(Found(programs, "/opt/bin", "3.13.1")))[-1]
    assert last == verdict + (' | export PATH=/opt/bin:"$PATH"' if verdict.startswith("warn") else "")


def test_an_older_one_of_ours_that_hides_this_one() -> None:
    programs = (Program("/old/devenv", "ours"), Program("/opt/bin/devenv", "ours"))
    assert shown(path.judge(Found(programs, "/opt/bin", "3.13.1")))[1].startswith(
        "warn path: /old/devenv comes first"
    )


def test_the_path_is_read_in_its_order(tmp_path: Path) -> None:
    texts = {
        "broken": "#!/bin/sh\n",
        "ours": "#!/usr/bin/python\nfrom devenv.__main__ import main\n",
        "no": "",
    }
    for name, text in texts.items():
        file = tmp_path / name / "devenv"
        file.parent.mkdir()
        file.write_text(text)
        file.chmod(0o644 if name == "no" else 0o755)
    found = path.look(
        {"PATH": os.pathsep.join(str(tmp_path / name) for name in ("no", "gone", "ours", "broken"))}
    )
    assert [(Path(program.path).parent.name, program.owner) for program in found.programs] == [
        ("ours", "ours"), ("broken", "other"),
    ]  # fmt: skip


def test_ports_name_who_holds_them() -> None:
    conflict = Conflict(Claim("api", 80, 8080, explicit=True), "nginx (pid 7)")
    assert shown(ports.judge(Wanted(stack=STACK, conflicts=(conflict,)))) == [
        "fail ports: 8080, which api publishes, is taken by nginx (pid 7) | devenv up --remap-ports"
    ]
    assert shown(ports.judge(Wanted(stack=STACK))) == ["pass ports: all 1 are free or ours"]
    assert shown(ports.judge(Wanted())) == []


@each_row(
    [
        (Wanted(), ["pass manifest: none here: only the machine is checked"]),
        (Wanted(stack=STACK), ["pass manifest: shop on compose, 1 unit"]),
        (
            Wanted(invalid=ManifestInvalid([Problem(3, 5, "services", "no"), Problem(9, 1, "x", "no")])),
            ["fail manifest: : services: no; and 1 more | devenv plan   # shows every problem"],
        ),
        (Wanted(invalid=UsageError("cannot read it")), ["fail manifest: cannot read it | devenv plan"]),
        (
            Wanted(stack=STACK, secretless=UsageError("no value for KEY", hint="echo 'KEY=...' >> .env")),
            [
                "pass manifest: shop on compose, 1 unit",
                "fail secrets: no value for KEY | echo 'KEY=...' >> .env",
            ],
        ),
    ]
)
def test_a_manifest(wanted: Wanted, verdicts: list[str]) -> None:
    assert [line.replace(":3:5", "") for line in shown(manifest.judge(wanted))] == verdicts


@each_row(
    [
        ('ID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian\n', ("ubuntu", "debian"), 24, True),
        ('ID="opensuse-tumbleweed"\nVERSION_ID="20261101"\n', ("opensuse",), 20261101, True),
        ("ID=debian\nVERSION_ID=12\n", ("debian",), 12, False),
        ("ID=rocky\nID_LIKE='rhel fedora'\n", ("rocky", "rhel", "fedora"), 0, False),
        ("no such thing", (), 0, False),
    ]
)
def test_a_linux_by_its_own_words(text: str, names: tuple[str, ...], release: int, packaged: bool) -> None:
    found = system.read(text)
    assert (found.names, found.release, found.packaged) == (names, release, packaged)


def test_a_look_that_hangs_is_left_behind_and_one_that_fails_says_so() -> None:
    never = threading.Event()
    begin = time.monotonic()
    deadline, hanging = Deadline(0.2), begun(never.wait)
    assert deadline.answer(begun(lambda: "fine")) == "fine"
    assert deadline.answer(hanging) is None
    assert deadline.answer(hanging) is None, "all looks share the deadline"
    assert time.monotonic() - begin < 5
    never.set()

    def refuse() -> None:
        raise ToolMissing("no")

    with pytest.raises(ToolMissing):
        Deadline(5).answer(begun(refuse))


def test_a_program_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(ToolMissing, match="sh does not answer"):
        proc.run_within(["sh", "-c", script], 0.5)
    pid = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
