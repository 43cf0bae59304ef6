"""Docker Compose: it creates what the engine is then asked to start, and listened to."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from devenv import proc, sources
from devenv.backends import containers, loglines
from devenv.backends.base import Interrupted, LogLine, Removed, Say, Site, Stream
from devenv.backends.causes import likely
from devenv.backends.images import TAIL, Images
from devenv.errors import Card, DevenvError, ToolMissing, UnitFailed
from devenv.plan.model import Found, Observed
from devenv.stack import text
from devenv.stack.labels import LABEL

if TYPE_CHECKING:  # each of these is imported where it is used: looking must not pay for doing
    from devenv.backends.docker import Engine, State
    from devenv.render.bundle import Bundle
    from devenv.stack.model import Stack, Unit

SETTLE = 0.5  # seconds a unit without a port has to run before it counts; most bad starts die sooner


class ComposeBackend:
    """A stack as containers of one Docker engine."""

    name = "compose"
    fragment = "compose"

    def __init__(self, site: Site | None = None) -> None:
        self._root = site.root if site else Path()
        self._bundle = Path()
        self._stack: Stack | None = None
        self._stack_id = ""
        self._engine: Engine | None = None
        self._making = Lock()
        self._listening: Thread | None = None

    @property
    def engine(self) -> Engine:
        """The engine through its SDK. Made when it is first needed, by whichever thread that is."""
        with self._making:
            if self._engine is None:
                from devenv.backends.docker import Engine

                containers.reach(self._address)
                self._engine = Engine(self._address)
            return self._engine

    @cached_property
    def _address(self) -> str:
        return containers.address()

    @cached_property
    def _images(self) -> Images:
        return Images(self._address, lambda: self.engine)

    @property
    def home(self) -> str:
        return self._address

    def check(self) -> str:
        version = containers.version(self._address)
        return containers.described(self.engine.version() if version is None else version, self._address)

    def start(self, name: str, say: Say) -> None:
        """An engine is nobody's to start but the user's."""

    idle = ""

    def stop(self) -> None:
        """Nothing of it is ours."""

    def render(
        self, stack: Stack, *, fingerprints: Mapping[str, str], secrets: Mapping[str, str], folder: Path
    ) -> Bundle:
        from devenv.render import compose as renderer

        builds = {unit.build.key for unit in stack.units if unit.build is not None}
        return renderer.render(
            stack,
            fingerprints=fingerprints,
            secrets=secrets,
            root=os.path.relpath(self._root, folder),
            folder=os.path.relpath(folder, self._root),
            recipes={key: sources.recipe(self._root / key[0], key[1]) for key in builds},
        )

    # -- looking

    def observe(self, checkout: str) -> Observed:
        units: dict[str, Found] = {}
        strays: list[str] = []
        taken: dict[int, str] = {}
        stack = ""
        seen_all = containers.every(self._address)
        for container in self.engine.containers() if seen_all is None else seen_all:
            labels = container["Labels"]
            if labels.get(LABEL + "checkout") != checkout:
                taken.update(dict.fromkeys(containers.published(container), containers.owner(container)))
            elif LABEL + "unit" in labels and labels.get("com.docker.compose.oneoff") != "True":
                stack = labels.get(LABEL + "stack", stack)
                seen = containers.found(container)
                if seen.unit in units:  # the engine lists the newest first
                    strays.append(seen.id)
                else:
                    units[seen.unit] = seen
        return Observed(
            units=_probed(units), prepared=bool(units), stack=stack, strays=tuple(strays), taken=taken
        )

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        return self._images.have(wanted)

    def declared(self, images: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        return self._images.declared(images)

    # -- doing

    def follow(self, stack: Stack, bundle: Path) -> None:
        _require_docker()
        self._bundle, self._stack, self._stack_id = bundle, stack, stack.id
        # In the background: importing the SDK takes a tenth of a second, and Compose can create meanwhile.
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        with suppress(DevenvError):  # whoever asks the engine next hears the same
            self.engine.listen(self._stack_id)

    def pull(self, image: str, say: Say) -> None:
        self._images.pull(image, say)

    def build(self, unit: Unit, root: Path, secrets: Mapping[str, str], say: Say) -> None:
        assert self._stack is not None
        self._images.build(self._stack, unit, root, secrets, say)

    def prepare(self, stack: Stack, units: Sequence[str], say: Say) -> None:
        if units:
            self._create(units)

    def apply(self, unit: Unit, fingerprint: str) -> None:
        container = self._container(unit.name)
        if container is None or container["Labels"].get(LABEL + "fingerprint") != fingerprint:
            self._create([unit.name])
            container = self._container(unit.name)
        if container is None:
            raise DevenvError(f"{unit.name} was not created", hint="devenv up")
        from devenv.backends.docker import Refused

        try:
            if container["State"] == "paused":
                self.engine.unpause(container["Id"])
            else:
                self.engine.start(container["Id"])
        except Refused as error:
            raise _not_started(unit, error.what) from error

    def _container(self, unit: str) -> Mapping[str, Any] | None:
        if self._listening is not None:
            self._listening.join()  # before anything is started: no event of it is missed
        found = self.engine.labelled(stack=self._stack_id, unit=unit)
        return next((one for one in found if one["Labels"].get("com.docker.compose.oneoff") != "True"), None)

    def _create(self, units: Sequence[str]) -> None:
        # Not through python-on-whales: importing it takes as long as creating five containers does.
        file = str(self._bundle / "compose.yaml")
        flags = ["--no-start", "--no-deps", "--no-build", "--pull", "never"]
        output = proc.run_merged(["docker", "compose", "-f", file, "up", *flags, *units])
        if output.code:
            raise _create_failed(output.stdout)

    # -- waiting

    def wait(self, unit: Unit, stop: Event) -> None:
        container = self._container(unit.name)
        if container is None:
            raise UnitFailed(Card(unit.name, "is not there any more", hint=f"devenv up {unit.name}"))
        limit = unit.within if unit.one_shot else unit.probe.within if unit.probe else 10.0
        started = time.monotonic()
        said = ""
        while not stop.is_set():
            state = self.engine.state(container["Id"])
            passed = time.monotonic() - started
            if state.status in ("exited", "removed", "dead"):
                if unit.one_shot and state.exit_code == 0 and state.status == "exited":
                    return
                raise self._died(unit, container["Id"], state)
            if state.health == "unhealthy" and unit.probe and unit.probe.kind == "exec":
                raise self._unhealthy(unit, container["Id"], "is unhealthy")
            ready, said, pause = self._ready(unit, state, passed)
            if ready:
                return
            if passed > limit:
                verb = "did not end" if unit.one_shot else "was not ready"
                raise self._unhealthy(unit, container["Id"], f"{verb} within {limit:g} s", said)
            self.engine.pause(min(pause, limit - passed + 0.01))
        raise Interrupted

    def _ready(self, unit: Unit, state: State, passed: float) -> tuple[bool, str, float]:
        """Whether it is ready, what a probe said, and how long to wait for the next event."""
        if unit.one_shot or state.status != "running":
            return False, "", 1.0
        if unit.probe is None:
            return time.monotonic() - state.since >= SETTLE, "", SETTLE
        if unit.probe.kind == "exec":
            return state.health == "healthy", "", 1.0
        from devenv.backends.probe import answers

        port = unit.port(unit.probe.port)
        if port is None or port.host is None:
            return state.health == "healthy", "", 1.0
        ready, said = answers(unit.probe.kind, port.host, unit.probe.path, timeout=unit.probe.timeout)
        return ready, said, min(unit.probe.every, 0.1 + passed / 10)  # often at first, most are quick

    def _died(self, unit: Unit, container: str, state: State) -> UnitFailed:
        said = self.engine.log_tail(container, TAIL)
        memory = state.oom or (state.status == "exited" and self.engine.ran_out_of_memory(container))
        what = "ran out of memory" if memory else f"ended with exit {state.exit_code}"
        return UnitFailed(self._card(unit, what, said))

    def _unhealthy(self, unit: Unit, container: str, what: str, probe: str = "") -> UnitFailed:
        said = self.engine.log_tail(container, TAIL)
        facts = [("probe", _described(unit))] if unit.probe else []
        health = self.engine.inspect(container)["State"].get("Health", {}).get("Log") or []
        output = health[-1]["Output"].strip() if health else ""
        # HTTP says it in its first line, a command in its last.
        answer = probe.partition("\n")[0] or output.rpartition("\n")[2]
        if answer:
            facts.append(("answer", answer))
        return UnitFailed(self._card(unit, what, said, facts))

    def _card(
        self, unit: Unit, what: str, said: Sequence[str], facts: Sequence[tuple[str, str]] = ()
    ) -> Card:
        command = [("command", text.masked(" ".join(unit.command)))] if unit.command else []
        return Card(
            unit.name,
            what,
            facts=(*command, *facts),
            said=tuple(said),
            hint=likely([what, *said]) or f"devenv logs {unit.name}",
        )

    # -- removing

    def remove_unit(self, name: str) -> None:
        found = self._container(name)
        self.engine.remove(found["Id"] if found else name)

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        from concurrent.futures import ThreadPoolExecutor

        ours = self.engine.labelled(checkout=checkout)
        stores = [one for one in ours if one["Labels"].get(LABEL + "role") == "infra"]
        others = [one for one in ours if one not in stores]
        for group in (others, stores):  # what uses a store ends before it
            if group:
                say(f"stopping {', '.join(sorted(map(_unit_of, group)))}")
            with ThreadPoolExecutor(max_workers=16) as pool:
                list(pool.map(lambda one: self.engine.remove(one["Id"]), group))
        self.engine.remove_networks(checkout=checkout)
        names = tuple(self.engine.volumes(checkout=checkout))
        for name in names if volumes else ():
            self.engine.remove_volume(name)
        units = tuple(sorted(map(_unit_of, ours)))
        return Removed(units, names if volumes else (), () if volumes else names)

    # -- using

    def logs(
        self, found: Sequence[Found], *, follow: bool, tail: int | None, since: str | None, stop: Event
    ) -> Iterator[LogLine]:
        sources = [
            loglines.Source(one.unit, one.id, one.stack, one.role not in ("job", "setup")) for one in found
        ]
        return loglines.lines(self.engine, sources, follow=follow, tail=tail, since=since, stop=stop)

    def forward(self, stack: Stack) -> None:
        """The engine publishes ports itself."""

    def attach(self, found: Found, argv: Sequence[str]) -> Stream:
        from devenv.backends import streams

        return streams.attach(self.engine, found.id, argv)

    def exec(self, found: Found, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        _require_docker()
        flags = [*(["-i"] if interactive else []), *(["-t"] if tty else [])]
        return proc.run_attached(["docker", "exec", *flags, found.id, *argv])

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        flags = ["--rm", "--no-deps", *([] if tty else ["-T"])]
        file = str(self._bundle / "compose.yaml")
        return proc.run_attached(["docker", "compose", "-f", file, "run", *flags, unit.name, *argv])

    def restart(self, name: str) -> None:
        container = self._container(name)
        if container is not None:
            self.engine.restart(container["Id"])

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def _unit_of(container: Mapping[str, Any]) -> str:
    return str(container["Labels"].get(LABEL + "unit", container["Id"][:12]))


def _probed(units: dict[str, Found]) -> dict[str, Found]:
    """Where the engine's check is behind or cannot work, as in an image without a shell, ask ourselves."""
    for name, seen in units.items():
        kind, _, rest = seen.probe.partition(":")
        if seen.healthy is not False or not seen.running or kind not in ("http", "tcp", "grpc"):
            continue
        number, slash, path = rest.partition("/")
        host = seen.ports.get(int(number), (0, None))[1]
        from devenv.backends.probe import answers

        if host and answers(kind, host, slash + path)[0]:
            units[name] = replace(seen, healthy=True)
    return units


def _described(unit: Unit) -> str:
    probe = unit.probe
    assert probe is not None
    match probe.kind:
        case "exec":
            return " ".join(probe.command)
        case "http":
            return f"GET {probe.path} on port {probe.port}"
    return f"port {probe.port}"


def _require_docker() -> None:
    if shutil.which("docker") is None:
        raise ToolMissing(
            "the docker command is missing", hint="install the Docker CLI with its Compose and Buildx plugins"
        )


_COMPOSE = {
    r"is not a docker command|unknown shorthand flag": (
        "the docker command has no Compose plugin", "install docker-compose-plugin, 2.20.2 or newer"
    ),
    r"start_interval": ("Docker Compose is too old", "update it to 2.20.2 or newer"),
    r"Cannot connect to the Docker daemon": ("the Docker engine went away", "start it, then: devenv up"),
}  # fmt: skip


def _create_failed(said: str) -> DevenvError:
    for pattern, (what, hint) in _COMPOSE.items():
        if re.search(pattern, said):
            return ToolMissing(what, hint=hint)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    why = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "")
    return DevenvError("Docker Compose did not create the containers", why=why, hint=likely([why]))


def _not_started(unit: Unit, why: str) -> DevenvError:
    return UnitFailed(
        Card(unit.name, "could not be started", said=(why,), hint=likely([why]) or "devenv logs " + unit.name)
    )
