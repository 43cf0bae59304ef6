"""All checks together: begun at once, judged when what the machine is to run is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import TypeVar

from devenv import assets
from devenv.backends import containers, registries
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
    processes,
    processor,
    programs,
    system,
)
from devenv.doctor.gathering import Deadline, begun
from devenv.doctor.verdict import Verdict, Wanted, warned
from devenv.errors import ToolMissing

T = TypeVar("T")


class Examination:
    """Looks at this machine from the moment it is made, for so many seconds."""

    def __init__(self, environment: Mapping[str, str], *, seconds: float) -> None:
        self._environment, self._seconds, self._deadline = environment, seconds, Deadline(seconds)
        self._address, look = engine.where(environment)
        self._system = system.look()
        self._engine = begun(look)
        self._plugins = begun(lambda: engine.plugins(seconds))
        self._programs = programs.looks(seconds)
        self._path = begun(lambda: path.look(environment))
        self._images = begun(lambda: _images(self._address))
        self._unused = begun(lambda: disk.look_for_unused(self._address))

    def verdicts(self, wanted: Wanted) -> list[Verdict]:
        """What the checks say, those first that `up` would meet first."""
        return list(self._verdicts(wanted))

    def _verdicts(self, wanted: Wanted) -> Iterator[Verdict]:
        here, address, answer = self._system, self._address, self._deadline.answer
        local = here.linux and address.startswith("unix://")  # the engine runs on this very kernel
        present = answer(self._images)
        pulled = _pulled(wanted) if present is not None else []  # an engine that hangs may have all of them
        driver = str(assets.profile().get("driver", "")) if wanted.backend == "minikube" else ""
        able = begun(lambda: processes.look(wanted))
        looks = begun(lambda: processor.look(address, pulled))
        walls = begun(lambda: firewall.look(here, self._seconds, wanted, driver=driver))
        missing = set(pulled) - containers.named(present or (), pulled)
        asked = network.ask(sorted(map(registries.host_of, missing)))
        daemon = answer(self._engine)

        yield from manifest.judge(wanted)
        yield from engine.judge(wanted, daemon, here, address=address, seconds=self._seconds)
        yield from self._judged(
            "compose", self._plugins, lambda them: engine.judge_plugins(wanted, them, here)
        )
        yield from self._judged("processes", able, lambda them: processes.judge(wanted, them))
        yield from ports.judge(wanted)
        yield from memory.judge(wanted, memory.free(memory.look(), daemon, address))
        folders = [daemon.root] if local and isinstance(daemon, engine.Engine) else []
        yield from disk.judge(disk.look([".", *folders]), answer(self._unused))
        emulated = processor.emulated() if local else None
        units = wanted.stack.units if wanted.stack and wanted.backend == "compose" else ()
        fixed = processor.fixed(unit for unit in units if not unit.manual)
        yield from self._judged(
            "processor", looks, lambda them: processor.judge({**them, **fixed}, daemon, emulated, fixed)
        )
        answers = {host: answer(look) or network.silent(self._seconds) for host, look in asked.items()}
        yield from network.judge_registries(wanted, answers, daemon)
        yield from network.judge_proxies(self._environment, daemon)
        yield from clock.judge(daemon, network.ahead(answers), here)
        yield from kernel.judge(wanted, kernel.look() if local else {}, here)
        yield from self._judged("firewall", walls, lambda it: firewall.judge(wanted, it, here, driver=driver))
        yield from programs.judge(wanted, programs.found(self._programs, self._deadline), here)
        yield from self._judged("path", self._path, path.judge)

    def _judged(
        self, check: str, look: Future[T], judge: Callable[[T], Iterable[Verdict]]
    ) -> Iterable[Verdict]:
        """The verdicts from what a look found, or that it found nothing in time."""
        facts = self._deadline.answer(look)
        if facts is None:
            text = f"not found out within {self._seconds:g} s"
            return [warned(check, text, f"devenv doctor --within {self._seconds * 10:g}")]
        return judge(facts)


def _images(address: str) -> list[Mapping[str, object]]:
    try:
        return containers.images(address) or []
    except ToolMissing:
        return []


def _pulled(wanted: Wanted) -> list[str]:
    """Images that the engine is to fetch from a registry; those of a cluster it fetches itself."""
    if wanted.stack is None or wanted.backend != "compose":
        return []
    return sorted({unit.image for unit in wanted.stack.units if unit.build is None and not unit.manual})
