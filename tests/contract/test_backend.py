"""What every backend promises, over the fake one and over every real one that this machine has."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from threading import Event, Timer

import pytest

from devenv.backends.absent import NoProgram
from devenv.backends.base import Backend, Interrupted, Session
from devenv.backends.loglines import READING, Resumed
from devenv.errors import UnitFailed
from devenv.render.aspects import ASPECTS
from devenv.stack.fingerprints import fingerprint
from devenv.stack.model import Identity, Probe, Stack, Unit, Volume
from devenv.workspace import Workspace
from tests.contract.real import EVERY, RUNNING, WANTS, connected, opened
from tests.fakes import FakeBackend, Machine

IMAGE = "busybox:1.37"
COUNTING = ("sh", "-c", "trap exit TERM; n=0; while :; do echo n $n; n=$((n+1)); sleep 0.02; done")
FOREVER = ("sh", "-c", "trap exit TERM; echo hello; sleep 900 & wait")


def quiet(line: str) -> None:
    """Progress that nobody looks at."""


class Runtime:
    """One backend with one stack on it."""

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend, self.space = backend, Workspace(root / "devenv.yaml")
        name = f"c{uuid.uuid4().hex[:8]}"
        self.stack = Stack(
            name=name,
            namespace=name,
            identity=Identity.of_checkout(name, self.space.checkout),
            units=(
                Unit(
                    "store",
                    "infra",
                    IMAGE,
                    command=FOREVER,
                    volumes=(Volume("store-data", "/data"),),
                    grace=1.0,
                ),
                Unit(
                    "web",
                    "service",
                    IMAGE,
                    command=FOREVER,
                    probe=Probe("exec", command=("true",)),
                    grace=1.0,
                ),
                Unit("counter", "service", IMAGE, command=COUNTING, grace=1.0),
                Unit("job", "job", IMAGE, command=("sh", "-c", "echo done")),
                Unit("broken", "job", IMAGE, command=("sh", "-c", "echo why; exit 3")),
            ),
        )
        self.session = self.open()
        self.session.prepare(["store"], say=quiet)

    def open(self) -> Session:
        """A session that has done nothing yet."""
        return opened(self.backend, self.space, self.stack)

    def up(self, *names: str) -> None:
        for name in names:
            self.session.apply(self.stack.unit(name), recreate=False)
            self.session.wait(self.stack.unit(name), Event())

    @property
    def states(self) -> dict[str, tuple[str, int]]:
        units = self.backend.observe(self.stack.checkout).units
        return {name: (unit.state, unit.exit_code) for name, unit in units.items()}

    def close(self) -> None:
        self.session.close()
        self.backend.remove(self.stack.checkout, volumes=True, say=quiet)
        self.backend.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Runtime]]:
    """The one stack of each real backend: every test has it run what it needs, and one removes it all, at last."""
    with ExitStack() as stack:

        @cache
        def of(name: str) -> Runtime:
            root = tmp_path_factory.mktemp(name)
            return stack.enter_context(closing(Runtime(stack.enter_context(connected(name, root)), root)))

        yield of


on_every_backend = pytest.mark.parametrize("runtime", ["fake", *EVERY], indirect=True)
"""Also on Minikube's own: what it does not do itself, it does as the backend of any cluster, whose class it is."""


@pytest.fixture(params=["fake", *RUNNING])
def runtime(
    request: pytest.FixtureRequest, tmp_path: Path, real: Callable[[str], Runtime]
) -> Iterator[Runtime]:
    FakeBackend.machine = Machine(failing={"broken"})
    if request.param in WANTS:
        yield real(request.param)
        return
    with ExitStack() as stack:
        if request.param == "fake":
            backend: Backend = FakeBackend()
        else:
            backend = stack.enter_context(connected(request.param, tmp_path))
        yield stack.enter_context(closing(Runtime(backend, tmp_path)))


@on_every_backend
def test_what_was_applied_is_observed_with_the_fingerprint_it_was_given(runtime: Runtime) -> None:
    runtime.up("store", "web", "job")
    observed = runtime.backend.observe(runtime.stack.checkout)
    assert runtime.states == {"store": ("running", 0), "web": ("running", 0), "job": ("exited", 0)}
    aspects = ASPECTS[runtime.backend.renderer]
    assert {name: observed_unit.fingerprint for name, observed_unit in observed.units.items()} == {
        unit.name: fingerprint(unit, {}, own=aspects(runtime.stack, unit))
        for unit in runtime.stack.units
        if unit.name in observed.units
    }
    assert observed.stack == runtime.stack.id
    assert runtime.backend.observe("another-checkout").units == {}


def test_applying_again_leaves_the_same_thing_running(runtime: Runtime) -> None:
    runtime.up("web")
    before = runtime.backend.observe(runtime.stack.checkout).units["web"].id
    runtime.up("web")
    assert runtime.backend.observe(runtime.stack.checkout).units["web"].id == before


def test_a_one_shot_that_fails_is_a_card_with_what_it_said(runtime: Runtime) -> None:
    with pytest.raises(UnitFailed) as failed:
        runtime.up("broken")
    assert failed.value.card.unit == "broken"
    assert failed.value.card.what == "ended with exit 3"
    assert failed.value.card.output
    assert runtime.states["broken"] == ("exited", 3)


def test_waiting_ends_when_it_is_told_to(runtime: Runtime) -> None:
    runtime.up("store")
    stop = Event()
    Timer(0.2, stop.set).start()
    with pytest.raises(Interrupted):
        runtime.session.wait(Unit("store", "job", IMAGE), stop)  # waits for an end that does not come


@on_every_backend
def test_images_are_those_it_has(runtime: Runtime) -> None:
    FakeBackend.machine.images.add(IMAGE)
    assert runtime.backend.images(runtime.stack, [IMAGE, "no/such:image"]) == {IMAGE}


def test_logs_are_lines_with_the_unit_that_said_them(runtime: Runtime) -> None:
    runtime.up("store", "web")
    units = list(runtime.backend.observe(runtime.stack.checkout).units.values())

    def speakers() -> set[str]:
        batches = runtime.backend.logs(units, follow=False, tail=None, since=None, stop=Event())
        return {line.unit for batch in batches for line in batch if "hello" in line.text}

    # A unit may be ready before it has printed anything.
    for _ in range(100):
        if speakers() == {"store", "web"}:
            break
        Event().wait(0.1)
    assert speakers() == {"store", "web"}


def test_logs_that_are_followed_again_go_on_where_they_ended(runtime: Runtime) -> None:
    if isinstance(runtime.backend, FakeBackend):
        pytest.skip("prints no lines of its own")
    runtime.up("counter")
    counter = runtime.backend.observe(runtime.stack.checkout).units["counter"]
    lines, numbers, stop = Resumed(), list[int](), Event()
    for _ in range(3):
        enough = len(numbers) + 20
        for batch in lines.follow(runtime.backend, [counter], stop):
            numbers += [int(line.text.removeprefix("n ")) for line in batch]
            if len(numbers) >= enough:
                stop.set()
        Event().wait(0.3)  # some fifteen lines that nobody follows
        stop.clear()
    reading = [thread for thread in threading.enumerate() if thread.name == READING]
    for thread in reading:
        thread.join(10)
    assert not any(thread.is_alive() for thread in reading)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    runtime.session.remove("counter", "")  # it would count for as long as the other tests take


def test_restarting_keeps_the_thing(runtime: Runtime) -> None:
    runtime.up("web")
    before = runtime.backend.observe(runtime.stack.checkout).units["web"].id
    runtime.session.restart("web", before)
    assert runtime.backend.observe(runtime.stack.checkout).units["web"].id == before
    assert runtime.states["web"] == ("running", 0)


@pytest.mark.parametrize("program", ["nosuch", "/bin/nosuch"])
def test_a_program_that_is_not_there_is_named(runtime: Runtime, program: str) -> None:
    runtime.up("web")
    web = runtime.backend.observe(runtime.stack.checkout).units["web"]
    with pytest.raises(NoProgram, match=f"web has no program {program}") as refused:
        runtime.backend.exec(web, [program], tty=False, interactive=False)
    assert refused.value.exit_code == 127


def test_exec_returns_the_exit_code(runtime: Runtime) -> None:
    runtime.up("web")
    web = runtime.backend.observe(runtime.stack.checkout).units["web"]
    assert runtime.backend.exec(web, ["true"], tty=False, interactive=False) == 0
    assert runtime.backend.exec(web, ["false"], tty=False, interactive=False) != 0


def test_one_unit_can_be_removed_and_is_not_missed_twice(runtime: Runtime) -> None:
    runtime.up("store", "web")
    before = set(runtime.states)
    runtime.session.remove("web", "")
    assert set(runtime.states) == before - {"web"}
    runtime.session.remove("web", "")


def test_what_has_an_id_is_removed_by_it(runtime: Runtime) -> None:
    runtime.up("store", "web")
    before = set(runtime.states)
    runtime.session.remove("web", runtime.backend.observe(runtime.stack.checkout).units["web"].id)
    assert set(runtime.states) == before - {"web"}


@pytest.mark.parametrize("verb", ["apply", "wait", "restart", "remove", "forward"])
def test_no_verb_needs_another_one_to_have_been_called(runtime: Runtime, verb: str) -> None:
    runtime.up("web")
    web, id = runtime.stack.unit("web"), runtime.backend.observe(runtime.stack.checkout).units["web"].id
    with closing(runtime.open()) as session:
        verbs = {
            "apply": lambda: session.apply(web, recreate=False),
            "wait": lambda: session.wait(web, Event()),
            "restart": lambda: session.restart("web", id),
            "remove": lambda: session.remove("web", ""),
            "forward": session.forward,
        }
        verbs[verb]()
    assert ("web" in runtime.states) == (verb != "remove")


@on_every_backend
def test_removing_keeps_data_until_it_is_asked_away(runtime: Runtime) -> None:
    runtime.up("store", "web")
    present = tuple(sorted(runtime.states))
    removed = runtime.backend.remove(runtime.stack.checkout, volumes=False, say=quiet)
    assert tuple(sorted(removed.units)) == present
    assert {"store", "web"} <= set(present)
    assert len(removed.kept) == 1
    assert runtime.states == {}
    again = runtime.backend.remove(runtime.stack.checkout, volumes=True, say=quiet)
    assert (again.units, len(again.volumes), again.kept) == ((), 1, ())
