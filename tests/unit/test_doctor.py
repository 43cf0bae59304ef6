"""What the checks of this machine say: verdicts from facts, as tables; and looks that hang."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import proc
from devenv.doctor import (
    clock,
    disk,
    engine,
    firewall,
    kernel,
    manifest,
    memory,
    network,
    path,
    ports,
    processor,
    programs,
    system,
)  # fmt: skip
from devenv.doctor.engine import Engine, Plugins, Silence
from devenv.doctor.examination import Examination
from devenv.doctor.gathering import Deadline, begun
from devenv.doctor.network import Answer
from devenv.doctor.path import Program, Programs
from devenv.doctor.system import System
from devenv.doctor.verdict import Verdict, Wanted
from devenv.errors import ManifestInvalid, Problem, ToolMissing, UsageError
from devenv.stack.model import Build, Identity, Port, Stack, Unit
from devenv.stack.ports import Claim, Conflict
from tests.serving import Handler, listening
from tests.table import each_row
from tests.unit import stacks

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
        "hangs, on a system without systemd": (
            Wanted(),
            None,
            OLD_DEBIAN,
            f"fail engine: the Docker engine at {USUAL} did not answer within 1 s | service docker restart",
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
        "not needed, as plain processes take its place": (
            Wanted("process"),
            Silence("no engine"),
            DEBIAN,
            f"warn engine: no engine, and none is installed; stacks run as plain processes | *{APT}",
        ),
        "not needed": (
            Wanted("kube"), Silence("no engine"), System(("macos",), installed=True),
            "warn engine: no engine | open -a Docker",
        ),
    }
)  # fmt: skip
def test_an_engine(wanted: Wanted, found: Engine | Silence | None, here: System, verdict: str) -> None:
    assert shown(engine.judge(wanted, found, here, address=USUAL, seconds=1.0)) == [verdict]


def test_an_engine_elsewhere_is_not_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    found = engine.look("tcp://127.0.0.1:1")
    (verdict,) = engine.judge(Wanted(), found, DEBIAN, address="tcp://127.0.0.1:1", seconds=1.0)
    assert shown([verdict]) == [
        "fail engine: no Docker engine answers at tcp://127.0.0.1:1"
        " | start that engine, or: unset DOCKER_HOST   # it names that address"
    ]


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
    found = engine.described(info, 2.0, 12.123456)
    assert found == Engine("28.5.2", 1 << 30, "arm64", "/data", ahead=30.0, proxied=True)
    assert engine.described(info, 43.123456, 50.0).ahead == -1.0
    assert engine.described(info, 40.0, 50.0).ahead == 0.0, "an engine that takes its time is not late"
    assert engine.described({}, 0.0, 0.0) == Engine("")


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
    last = shown(path.judge(Programs(programs, "/opt/bin", "3.13.1")))[-1]
    assert last == verdict + (' | export PATH=/opt/bin:"$PATH"' if verdict.startswith("warn") else "")


def test_an_older_one_of_ours_that_hides_this_one() -> None:
    programs = (Program("/old/devenv", "ours"), Program("/opt/bin/devenv", "ours"))
    assert shown(path.judge(Programs(programs, "/opt/bin", "3.13.1")))[1].startswith(
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
            Wanted(invalid=UsageError("the disk is full", hint="devenv doctor   says how full")),
            ["fail manifest: the disk is full | df -h ."],
        ),
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


@pytest.mark.programs
def test_a_program_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    end = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(TimeoutError, match="sh took longer than 1 s"):
            proc.run_within(["sh", "-c", f"sleep 1000 > {tmp_path}/fifo & wait"], 1)
        assert select.select([end], [], [], 60)[0], "whoever holds the other end is still there"
        assert os.read(end, 1) == b""
    finally:
        os.close(end)


@pytest.mark.programs
def test_a_program_that_answers_or_is_missing() -> None:
    assert proc.run_within(["sh", "-c", "echo out; echo err >&2; exit 3"], 60) == proc.Output(
        3, "out\n", "err\n"
    )
    with pytest.raises(ToolMissing):
        proc.run_within(["no-such-program"], 60)


ES = Unit("search", "service", "docker.elastic.co/elasticsearch/elasticsearch:9.1.0")
BIG = Unit("big", "service", "big:1", memory=8 << 30)
ENGINE = Engine("28.5.2", memory=4 << 30, processor="amd64")


@each_row(
    [
        (Wanted(), 3 << 30, ["pass memory: 3.0 GiB are free"]),
        (Wanted(stack=stack(BIG), starting=(BIG,)), 8 << 30, ["pass memory: 8.0 GiB are free, enough for all units"]),
        (Wanted(stack=stack(BIG), starting=()), 1, ["pass memory: 0 MiB are free, enough for all units"]),
        (Wanted("minikube", stack=stack(BIG)), 1, []),
        (
            Wanted(stack=stack(BIG, API), starting=(BIG, API), profiles={"lite": ("api",)}), 3 << 30,
            ["warn memory: the units to start may take 8.0 GiB of memory, and 3.0 GiB are free; big is the biggest "
             "with 8.0 GiB, and one has no limit | devenv up --profile lite   # a part that fits"],
        ),
    ]
)  # fmt: skip
def test_memory(wanted: Wanted, free: int, verdicts: list[str]) -> None:
    assert shown(memory.judge(wanted, free)) == verdicts


@each_row(
    [
        ((8 << 30, ENGINE, USUAL), 4 << 30),
        ((2 << 30, ENGINE, USUAL), 2 << 30),
        ((2 << 30, ENGINE, "ssh://build"), 4 << 30),
        ((2 << 30, Silence("no"), USUAL), 2 << 30),
    ]
)
def test_memory_is_that_of_the_machine_with_the_engine(facts: tuple[int, Engine, str], free: int) -> None:
    assert memory.free(*facts) == free


def test_memory_as_the_kernel_says_it(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:      7 kB\n")
    assert memory.look(tmp_path / "meminfo") == 7 * 1024


@each_row(
    [
        ((20 << 30, 0), "pass disk: 20.0 GiB of disk are free"),
        ((5 << 30, None), "warn disk: 5.0 GiB of disk are free | docker builder prune"),
        (
            (1 << 29, 3 << 30),
            "fail disk: 0.5 GiB of disk are free; images that devenv built and nothing uses take 3.0 GiB"
            " | docker image prune --all --filter label=devenv.dev/built-as",
        ),
    ]
)
def test_disk(facts: tuple[int, int | None], verdict: str) -> None:
    assert shown(disk.judge(*facts)) == [verdict]


def test_only_images_that_devenv_built_and_nothing_uses_could_be_given_back() -> None:
    ours = {"devenv.dev/built-as": "x"}
    images = [
        {"Id": "used", "Size": 1, "SharedSize": 0, "Labels": ours},
        {"Id": "unused", "Size": 10, "SharedSize": 3, "Labels": ours},
        {"Id": "unknown", "Size": 20, "SharedSize": -1, "Labels": ours},
        {"Id": "theirs", "Size": 100, "Labels": None},
    ]
    assert disk.unused(images, [{"ImageID": "used"}]) == 27


@each_row(
    [
        ({}, ENGINE, frozenset(), []),
        ({"a:1": "arm64"}, Silence("no"), frozenset(), []),
        ({"a:1": "amd64", "b:1": ""}, ENGINE, frozenset(), ["pass processor: amd64, as all images that are here"]),
        (
            {"a:1": "arm64", "b:1": "arm64"}, ENGINE, frozenset(),
            ["fail processor: a:1, b:1 are for arm64, and the engine is amd64: no program of it starts"
             " | docker run --privileged --rm tonistiigi/binfmt --install arm64"],
        ),
        *[
            ({"a:1": "arm64"}, ENGINE, emulated,
             ["warn processor: a:1 is for arm64, and the engine is amd64: emulated, and slow"
              " | docker pull --platform linux/amd64 a:1"])
            for emulated in (frozenset({"arm64"}), None)
        ],
    ]
)  # fmt: skip
def test_images_for_another_processor(
    images: dict[str, str], found: Engine | Silence, emulated: frozenset[str] | None, verdicts: list[str]
) -> None:
    assert shown(processor.judge(images, found, emulated)) == verdicts


ARM = replace(ENGINE, processor="arm64")
SERVER = stacks.stack("name: a\nservices: {web: {image: x, uses: [mssql]}}\n")


@each_row(
    [
        (ENGINE, frozenset(), "pass processor: amd64, as all images that are here"),
        (ARM, frozenset(), "fail processor: {image} is for amd64, and the engine is arm64: no program of it starts"
         " | docker run --privileged --rm tonistiigi/binfmt --install amd64"),
        (ARM, None, "warn processor: {image} is for amd64, and the engine is arm64: emulated, and slow"
         " | external: {{url: ...}}   uses one that runs elsewhere"),
    ]
)  # fmt: skip
def test_what_there_is_for_one_processor_alone_is_known_before_it_is_pulled(
    found: Engine, emulated: frozenset[str] | None, verdict: str
) -> None:
    fixed = processor.fixed(SERVER.units)
    image = SERVER.unit("mssql").image
    assert fixed == {image: "amd64"}
    assert shown(processor.judge(fixed, found, emulated, fixed)) == [verdict.format(image=image)]


FINE = {"fs.inotify.max_user_watches": 65536, "fs.inotify.max_user_instances": 128, "vm.max_map_count": 65530}


@each_row(
    {
        "compose": (Wanted(), FINE, ["pass inotify: fs.inotify.max_user_watches is 65536, fs.inotify.max_user_instances is 128"]),
        "no such kernel": (Wanted(), {}, []),
        "few watches": (
            Wanted(), FINE | {"fs.inotify.max_user_watches": 8192},
            ["warn inotify: fs.inotify.max_user_watches is 8192, 65536 is the least that will do: watching files for hot "
             "reload takes one for each folder, here and in containers | *sudo sh -c 'echo "
             "fs.inotify.max_user_watches=524288 > /etc/sysctl.d/60-devenv-max_user_watches.conf && sysctl -q -p "
             "/etc/sysctl.d/60-devenv-max_user_watches.conf'"],
        ),
        "nodes need more instances": (
            Wanted("minikube"), {"fs.inotify.max_user_instances": 128},
            ["warn inotify: fs.inotify.max_user_instances is 128, 512 is the least that will do: the nodes of a cluster "
             "share them | *sudo sh -c 'echo fs.inotify.max_user_instances=1024 > "
             "/etc/sysctl.d/60-devenv-max_user_instances.conf && sysctl -q -p "
             "/etc/sysctl.d/60-devenv-max_user_instances.conf'"],
        ),
        "a store that needs maps": (
            Wanted(stack=stack(ES)), {"vm.max_map_count": 65530},
            ["fail max_map_count: vm.max_map_count is 65530, 262144 is the least that will do: Elasticsearch ends at "
             "once with less | *sudo sh -c 'echo vm.max_map_count=262144 > /etc/sysctl.d/60-devenv-max_map_count.conf"
             " && sysctl -q -p /etc/sysctl.d/60-devenv-max_map_count.conf'"],
        ),
    }
)  # fmt: skip
def test_limits_of_the_kernel(wanted: Wanted, values: dict[str, int], verdicts: list[str]) -> None:
    assert shown(kernel.judge(wanted, values, DEBIAN)) == verdicts


def test_limits_are_read_where_the_kernel_has_them(tmp_path: Path) -> None:
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm" / "max_map_count").write_text("65530\n")
    assert kernel.look(tmp_path) == {"vm.max_map_count": 65530}
    assert kernel.raising(kernel.LIMITS[-1], OLD_DEBIAN).startswith(
        "echo vm.max_map_count=262144 > /etc/sysctl.d/"
    )


@each_row(
    [
        ((Engine("28", ahead=4.9), None), "pass clock: the engine's agrees with this machine's"),
        (
            (Engine("28", ahead=-700.0), None),
            "warn clock: the engine's clock is 12 min behind this machine's, as after a sleep"
            " | sudo timedatectl set-ntp true",
        ),
        (
            (Engine("28"), -130.0),
            "warn clock: this machine's clock is 130 s ahead of a registry's | sudo timedatectl set-ntp true",
        ),
    ]
)
def test_clocks(facts: tuple[Engine, float | None], verdict: str) -> None:
    assert shown(clock.judge(*facts, DEBIAN)) == [verdict]


@each_row(
    {
        "none": ({}, ENGINE, []),
        "fine": (
            {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "localhost, .acme.io"}, Engine("28", proxied=True),
            ["pass proxies: http://proxy:3128"],
        ),
        "asked for everything, and its password stays out": (
            {"https_proxy": "http://me:pass@proxy:3128"}, ENGINE,
            ["warn proxies: http://proxy:3128 is asked for this machine's own addresses as well"
             ' | export NO_PROXY="localhost,127.0.0.1,::1,$NO_PROXY"'],
        ),
        "not the engine's": (
            {"http_proxy": "proxy:3128", "NO_PROXY": "127.0.0.1"}, ENGINE,
            ["warn proxies: this shell goes through http://proxy:3128, and the engine that pulls images does not"
             " | sudo systemctl edit docker   # [Service] Environment=HTTPS_PROXY=http://proxy:3128"],
        ),
    }
)  # fmt: skip
def test_proxies(environment: dict[str, str], found: Engine, verdicts: list[str]) -> None:
    assert shown(network.judge_proxies(environment, found)) == verdicts


@pytest.mark.parametrize("login", ["", "ann:sesame@", "ann:p/w@", "ann:[p@", "ann:p@w#?@"])
def test_the_login_of_a_proxy_is_never_shown(login: str) -> None:
    assert network.without_login(f"http://{login}proxy:3128/") == "http://proxy:3128"
    assert network.without_login(f"{login}proxy:3128") == "http://proxy:3128"


@each_row(
    [
        ({}, ENGINE, ["pass registries: every image is here, so none has to be asked"]),
        ({"ghcr.io": Answer(ahead=1.0)}, ENGINE, ["pass registries: ghcr.io answers"]),
        (
            {"docker.io": Answer("Name or service not known")}, ENGINE,
            ["fail registries: docker.io does not answer: Name or service not known; images are still to come from it"
             " | curl -sv https://registry-1.docker.io/v2/"],
        ),
        (
            {"reg.acme.io": Answer("x509: certificate signed by unknown authority")}, ENGINE,
            ["fail registries: reg.acme.io does not answer: x509: certificate signed by unknown authority; images are "
             "still to come from it | put the certificate of its authority into /etc/docker/certs.d/reg.acme.io/ca.crt;"
             " the nodes of a cluster that pull from it need it as well"],
        ),
        *[
            ({"docker.io": answer}, found,
             [f"warn registries: docker.io does not answer: {answer.trouble}; images are still to come from it"
              " | curl -sv https://registry-1.docker.io/v2/"])
            for answer, found in (
                (network.silent(1.0), ENGINE), (Answer("refused"), Engine("28", mirrored=True)),
                (Answer("refused"), Engine("28", proxied=True)),
            )
        ],
    ]
)  # fmt: skip
def test_registries(answers: dict[str, Answer], found: Engine, verdicts: list[str]) -> None:
    assert shown(network.judge_registries(Wanted(stack=STACK), answers, found)) == verdicts


class Registry(Handler):
    """Wants a login, as most do."""

    def do_GET(self) -> None:
        self.send_json({}, 401)


def test_a_registry_that_wants_a_login_answers_and_a_closed_port_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with listening(Registry) as server:
        host = server.address.removeprefix("http://")
        answer = network.ask([host])[host].result()
        assert (answer.trouble, answer.late) == ("", False)
        assert answer.ahead is not None
        assert abs(answer.ahead) < 60
    answer = network.ask([host])[host].result()
    assert (answer.trouble, answer.late) == ("connection refused", False)


NONE = "pass {0}: not installed, and nothing here needs it"


@each_row(
    {
        "nothing needs them": (Wanted(), {}, DEBIAN, [NONE.format(name) for name in ("minikube", "helm", "kubectl")]),
        "all there": (
            Wanted("minikube", promotes=True), {"minikube": "1.36.0", "helm": "4.3.1", "kubectl": ""}, DEBIAN,
            ["pass minikube: 1.36.0", "pass helm: 4.3.1", "pass kubectl: of an unknown version"],
        ),
        "needed and useful": (
            Wanted("minikube", promotes=True), {"kubectl": "1.33.1"}, System(("macos",)),
            ["fail minikube: not installed, and -b minikube needs it | brew install minikube",
             "warn helm: not installed, and devenv promote needs it | brew install helm", "pass kubectl: 1.33.1"],
        ),
        "too old": (
            Wanted(), {"minikube": "1.32.0", "helm": "3.14.0"}, DEBIAN,
            ["warn minikube: 1.32.0 is too old; devenv needs 1.33 or newer | curl -fsSLo /tmp/minikube "
             "https://github.com/kubernetes/minikube/releases/latest/download/minikube-linux-amd64"
             " && sudo install /tmp/minikube /usr/local/bin", "pass helm: 3.14.0", NONE.format("kubectl")],
        ),
    }
)  # fmt: skip
def test_programs(wanted: Wanted, versions: dict[str, str], here: System, verdicts: list[str]) -> None:
    assert shown(programs.judge(wanted, versions, here)) == verdicts


@pytest.mark.programs
def test_a_program_that_does_not_say_its_version_in_time_hides_no_other() -> None:
    slow, gone = (
        programs.Program(name, argv, (0, 0), "")
        for name, argv in (("slow", ("sleep", "1000")), ("gone", ("no-such-program",)))
    )
    assert programs.found(programs.looks(0.1, (slow, gone)), Deadline(5)) == {"slow": ""}


DROPS, KUBE = "-P FORWARD DROP\n", "-A FORWARD -m comment -j KUBE-FORWARD\n"
TOLD = '{"ip-forward-no-drop": true}'
INFO = "pass firewall: iptables drops what is forwarded, which the nodes in containers do not need"
LETS = "pass firewall: iptables drops what is forwarded, but accepts what pods send"
UNREAD = "pass firewall: iptables' policy for FORWARD was not read: that takes root"
NO_PODS = (
    "fail firewall: iptables drops what is forwarded, so pods of the driver {0} reach no names and no hosts"
)


@each_row(
    {
        "accepted": ("minikube", "none", ("1", "-P FORWARD ACCEPT", ""), "pass firewall: iptables forwards"),
        "dropped, nodes in containers": ("minikube", "docker", ("1", DROPS, ""), INFO),
        "dropped, pods on this machine": (
            "minikube", "none", ("1", DROPS, ""),
            NO_PODS.format("none") + f" | echo '{TOLD}' | sudo tee /etc/docker/daemon.json && sudo systemctl restart docker",
        ),
        "the same, with a configuration that is not replaced": (
            "minikube", "kvm2", ("1", DROPS, '{"debug": true}'),
            NO_PODS.format("kvm2") + " | sudoedit /etc/docker/daemon.json && sudo systemctl restart docker"
            '   # add "ip-forward-no-drop": true',
        ),
        "rules of the cluster come first": ("minikube", "none", ("1", DROPS + KUBE, ""), LETS),
        "rules of the user come first": ("minikube", "kvm2", ("1", DROPS + "-A DOCKER-USER -i virbr0 -j ACCEPT\n", ""), LETS),
        "told not to": ("minikube", "none", ("1", DROPS, TOLD), LETS),
        "not read": ("kube", "", ("1", "", "no json"), UNREAD),
        "nothing is forwarded": (
            "kube", "", ("0\n", "", ""),
            "fail firewall: this machine forwards nothing between networks: pods and containers reach no other"
            " | sudo sysctl -w net.ipv4.ip_forward=1",
        ),
    }
)  # fmt: skip
def test_the_firewall(backend: str, driver: str, texts: tuple[str, str, str], verdict: str) -> None:
    wall = firewall.described(*texts)
    verdicts = shown(firewall.judge(Wanted(backend), wall, DEBIAN, driver=driver))
    assert verdicts == [verdict]
    assert "*" not in verdict, "a firewall is its owner's to change"
    assert not shown(firewall.judge(Wanted("compose"), wall, DEBIAN, driver=driver))


@pytest.mark.programs
def test_what_is_not_found_out_in_time_says_how_to_wait_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(tmp_path / "docker.sock"))
        hangs.listen()
        for name, script in (
            ("docker", "exec sleep 1000"),
            ("helm", "exec sleep 1000"),
            ("minikube", "echo v9.9.9"),
        ):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        environment = {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock", "PATH": str(tmp_path)}
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        found = {
            verdict.check: verdict for verdict in Examination(environment, seconds=0.3).verdicts(Wanted())
        }
    assert found["engine"].level == "fail"
    assert "did not answer within 0.3 s" in found["engine"].text
    assert shown([found["compose"]]) == [
        "warn compose: not found out within 0.3 s | devenv doctor --within 3"
    ]
    assert shown([found["minikube"], found["helm"]]) == [
        "pass minikube: 9.9.9",
        "pass helm: of an unknown version",
    ]
