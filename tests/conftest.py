"""Which tests can run on this machine, and what the engine's images really were."""

from __future__ import annotations

import errno
import faulthandler
import fcntl
import gc
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.helm import MAJORS, Helm
from tests.serving import free_port

gc.set_threshold(100_000)  # as the command does: thousands of tests leave much, and little of it is garbage

# As on most machines. A run starts thousands of processes, and each would compile devenv for itself.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-examples", action="store_true", help="rewrite the expected files; git diff reviews"
    )


MACHINE = dict(os.environ)
"""The environment before any fixture points DOCKER_HOST to a fake engine."""


@cache
def no_engine() -> str:
    """Why the engine cannot be used; empty when it can."""
    try:
        output = subprocess.run(
            ["docker", "info"], env=MACHINE, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no Docker engine: {error}"
    return "" if output.returncode == 0 else "no Docker engine answers; `make machine` installs one on Debian"


@cache
def no_compose() -> str:
    """Why Docker Compose cannot be asked; empty when it can. It needs no engine to read files."""
    try:
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"no Docker Compose: {error}"
    return asked.stderr.strip() if asked.returncode else ""


@cache
def no_cluster() -> str:
    """Why a cluster cannot be used; empty when it can."""
    if not os.environ.get("KUBECONFIG"):
        return "no cluster: KUBECONFIG is not set; see tests/machine/cluster.sh"
    try:
        asked = subprocess.run(
            ["kubectl", "version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no cluster: {error}"
    return "" if asked.returncode == 0 else "no cluster answers; see tests/machine/cluster.sh"


def no_registry() -> str:
    """Why nothing is installed from a package registry; empty where that is wanted."""
    wanted = os.environ.get("DEVENV_TEST_REQUIRE_REGISTRY")
    return "" if wanted else "installs packages; with DEVENV_TEST_REQUIRE_REGISTRY=1 it does"


def no_kinds() -> str:
    """Why servers that take long to start are not run; empty where that is wanted."""
    wanted = os.environ.get("DEVENV_TEST_REQUIRE_KINDS")
    return "" if wanted else "starts servers that take their time; `make test-kinds` runs it"


def no_long() -> str:
    """Why tests of a minute and more are not run; empty where that is wanted."""
    wanted = os.environ.get("DEVENV_TEST_REQUIRE_LONG")
    return "" if wanted else "takes a minute and more; `make test-long` runs it"


NEEDS = {
    "compose": (no_compose, "DEVENV_TEST_REQUIRE_ENGINE"),
    "long": (no_long, "DEVENV_TEST_REQUIRE_LONG"),
    "kinds": (no_kinds, "DEVENV_TEST_REQUIRE_KINDS"),
    "registry": (no_registry, "DEVENV_TEST_REQUIRE_REGISTRY"),
    "engine": (no_engine, "DEVENV_TEST_REQUIRE_ENGINE"),
    "cluster": (no_cluster, "DEVENV_TEST_REQUIRE_CLUSTER"),
}


FAST = ("unit", "examples", "cli")
"""The folders with tests that start no program. All others are about programs."""


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait for a cluster or an engine go first, so that no long one is left for the end."""
    slowness: dict[Path, int] = defaultdict(int)
    for item in items:
        needs = [number for number, marker in enumerate(NEEDS, 1) if item.get_closest_marker(marker)]
        elsewhere = item.path.relative_to(ROOT / "tests").parts[0] not in FAST
        if needs or elsewhere or "helm" in getattr(item, "fixturenames", ()):
            item.add_marker("programs")
        slowness[item.path] = max([slowness[item.path], *needs])
    items.sort(key=lambda item: -slowness[item.path])


def pytest_collection_finish() -> None:
    """Modules and tests live to the end: nobody looks for garbage among them."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Look for garbage once: at its end pytest looks five times through all that is still there."""
    gc.collect()
    gc.freeze()


LAB = ("tests/e2e/kube/test_delivery.py", "tests/e2e/kube/test_faults.py")
"""They break a cluster of their own, which each worker that runs one of them has to set up."""


class FilesInOrder(LoadFileScheduling):
    """Hands each worker whole files, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "lab" if file in LAB else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesInOrder:
    """Module-scoped stacks stay with one worker, whatever `--dist` says."""
    return FilesInOrder(config, log)


@pytest.hookimpl(tryfirst=True)  # before any fixture is made, of whatever scope
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what this machine cannot run; in CI that is a failure."""
    for marker, (missing, required) in NEEDS.items():
        if item.get_closest_marker(marker) and (why := missing()):
            if os.environ.get(required):
                pytest.fail(why)
            pytest.skip(why)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A test run started in the background ignores SIGINT, and its children would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is on a share without locks."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


PATIENCE = 50.0
"""Seconds: a test without a program that takes longer waits for what does not come, for 60 s mostly."""

PROGRAMS: list[str] = []
"""What this process has started, since it was last looked at."""


def _started(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen":
        PROGRAMS.append(str(arguments[0]))


sys.addaudithook(_started)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """A test that starts a program says so: `make test-fast` leaves it out.

    One that starts none and waits for long says what each of its threads waits for.
    """
    PROGRAMS.clear()
    alone = not item.get_closest_marker("programs")
    if alone:
        faulthandler.dump_traceback_later(PATIENCE, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    if PROGRAMS and alone:
        pytest.fail(f"it starts {', '.join(PROGRAMS)}: mark it with pytest.mark.programs")


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder each time: the one before, until something is in it."""

    def homes() -> Iterator[Path]:
        folder = tmp_path_factory.mktemp("homes")
        for number in count():
            home = folder / str(number)
            home.mkdir()
            while not os.listdir(home):
                yield home

    return homes()


@pytest.fixture(autouse=True)
def _own_home(
    request: pytest.FixtureRequest, _homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the person who runs the tests reaches them, and nothing of them the person."""
    real = any(request.node.get_closest_marker(marker) for marker in NEEDS if marker != "compose")
    ours = ("DEVENV_", "COMPOSE_") if real else ("DEVENV_", "COMPOSE_", "DOCKER_", "XDG_", "KUBECONFIG")
    for name in list(os.environ):
        if name.startswith(ours) and not name.startswith(("DEVENV_TEST_", "DEVENV_MACHINE_")):
            monkeypatch.delenv(name)
    if not real:
        home = next(_homes)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/no-engine.sock")


@pytest.fixture
def unused_port() -> int:
    """A port on which no program listens, at either address of this machine's own."""
    return free_port()


@pytest.fixture(scope="session", params=MAJORS, ids=[f"helm{major}" for major in MAJORS])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm of each major; skipped, in CI failed, where there is none."""
    ended = subprocess.run(
        ["bash", str(ROOT / "tests/machine/helm.sh"), "--find", str(request.param)],
        env=MACHINE,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        (pytest.fail if os.environ.get("DEVENV_TEST_REQUIRE_HELM") else pytest.skip)(ended.stderr.strip())
    return Helm(request.param, Path(ended.stdout.strip()), tmp_path_factory.mktemp("helm"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which images the engine's tests ran on."""
    passed = [report for report in terminalreporter.stats.get("passed", []) if "engine" in report.keywords]
    if not passed:
        return
    terminalreporter.section("images")
    listed = subprocess.run(
        ["bash", str(ROOT / "tests/machine/machine.sh"), "--list"],
        capture_output=True,
        text=True,
        check=False,
    )
    terminalreporter.write_line(listed.stdout.strip() or listed.stderr.strip())
