"""A stack on Docker Compose, brought up: Compose creates what the engine is then asked to start."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from devenv import proc
from devenv.backends import containers
from devenv.backends.base import Say, Work
from devenv.backends.causes import likely
from devenv.backends.compose.halfmade import discard_half_made
from devenv.backends.compose.tools import create_failed, require_docker
from devenv.backends.compose.waiting import Waiting
from devenv.errors import Card, DevenvError, UnitFailed
from devenv.stack.imaged import with_image
from devenv.writing import write_whole

if TYPE_CHECKING:
    from devenv.backends.compose.connection import Connection
    from devenv.backends.docker import Engine
    from devenv.stack.model import Unit


class ComposeSession:
    """One stack; its containers' events are listened to from the beginning."""

    def __init__(self, connection: Connection, root: Path, work: Work) -> None:
        require_docker()
        self._connection, self._root, self._work = connection, root, work
        # The container of each unit that was applied, and the seconds that the engine took to start it.
        self._started: dict[str, tuple[str, float]] = {}
        # In the background: importing the SDK takes a tenth of a second, and Compose can create meanwhile.
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        with suppress(DevenvError):  # the next request to the engine raises the same error
            self._connection.engine.events.listen(self._work.stack.id)

    @property
    def _engine(self) -> Engine:
        return self._connection.engine

    def pull(self, image: str, say: Say) -> None:
        asked = (unit for unit in self._work.stack.units if unit.image == image)
        platforms = (unit.compose.get("platform") or unit.platform for unit in asked)
        self._connection.images.pull(image, say, next(filter(None, platforms), None))

    def build(self, unit: Unit, say: Say) -> None:
        self._connection.images.build(self._work.stack, unit, self._root, self._work.secrets, say)

    def prepare(self, units: Sequence[str], say: Say) -> None:
        if units:
            self._create(units)

    def apply(self, unit: Unit, *, recreate: bool) -> None:
        container = self._container(unit.name)
        if container is None or recreate:
            self._create([unit.name], *(["--force-recreate"] if recreate else []))
            container = self._container(unit.name)
        if container is None:
            raise DevenvError(f"{unit.name} was not created", hint="devenv up")
        from devenv.backends.docker.connection import Refused

        began = time.monotonic()
        try:
            if container["State"] == "paused":
                self._engine.unpause(container["Id"])
            else:
                self._engine.start(container["Id"])
        except Refused as error:
            raise _not_started(unit, error.what) from error
        self._started[unit.name] = container["Id"], time.monotonic() - began

    def _container(self, unit: str) -> containers.Container | None:
        self._listening.join()  # listen before anything starts, so that no event is missed
        rows = self._engine.labelled(stack=self._work.stack.id, unit=unit)
        return next((container for container in rows if not containers.one_off(container)), None)

    def _create(self, units: Sequence[str], *flags: str) -> None:
        # Not through python-on-whales: importing it takes as long as creating five containers does.
        create = ["up", "--no-start", "--no-deps", "--no-build", "--pull", "never", *flags]
        files = [flag for unit in units for flag in self._overlay(self._work.stack.unit(unit))]
        output = proc.run_merged([*self._compose, *files, *create, *units])
        if output.code:
            raise create_failed(output.stdout)

    def _overlay(self, unit: Unit) -> list[str]:
        """The flag for a file beside the rendered ones: what the unit's image, and hot reload, ask of it."""
        images = self._connection.images
        rendered, spec = self._rendered["services"][unit.name], dict[str, Any]()
        if (imaged := self._imaged(unit)) != unit:
            from devenv.render.compose import as_image

            spec = as_image(unit, rendered, imaged)
        if unit.reloads and images.has_shell(unit.image, self._work.stack.checkout):
            from devenv.backends import supervised

            spec |= supervised.on_compose(unit, {**rendered, **spec}, images.configuration(unit.image))
        if not spec:
            return []
        file = self._work.folder / f"reload.{unit.name}.yaml"
        write_whole(file, json.dumps({"services": {unit.name: spec}}), mode=0o600)
        return ["-f", str(file)]

    def _imaged(self, unit: Unit) -> Unit:
        """The unit as its image wants it, where that matters to it."""
        if not (unit.shell_line or unit.implied_check):
            return unit
        return with_image(unit, self._connection.images.declared([unit.image]).get(unit.image))

    @cached_property
    def _rendered(self) -> dict[str, Any]:
        from devenv import documents

        text = (self._work.folder / "compose.yaml").read_text(encoding="utf-8")
        return dict(documents.load(text))

    @property
    def _compose(self) -> list[str]:
        return ["docker", "compose", "-f", str(self._work.folder / "compose.yaml")]

    def wait(self, unit: Unit, stop: Event) -> bool:
        id, starting = self._started.get(unit.name) or (self._present(unit.name), 0.0)
        waiting = Waiting(self._engine, self._imaged(unit), id, starting)
        waiting.until_ready(stop)
        return waiting.checked

    def _present(self, unit: str) -> str:
        container = self._container(unit)
        if container is None:
            raise UnitFailed(Card(unit, "does not exist any more", hint=f"devenv up {unit}"))
        return str(container["Id"])

    def forward(self) -> None:
        """No-op: the engine publishes ports itself."""

    def restart(self, unit: str, id: str) -> None:
        self._engine.restart(id)

    def remove(self, unit: str, id: str) -> None:
        container = None if id else self._container(unit)
        if id or container is not None:
            self._engine.remove(id or container["Id"])  # type: ignore[index]

    def clear(self, unit: Unit, id: str) -> None:
        if not discard_half_made(self._engine, id):
            raise DevenvError(f"the data of {unit.name} is complete meanwhile", hint="devenv up")

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        name = f"{self._work.stack.id}-{unit.name}-run-{secrets.token_hex(6)}"
        flags = ["--rm", "--no-deps", "--name", name, *([] if tty else ["-T"])]
        try:
            return proc.run_attached([*self._compose, "run", *flags, unit.name, *argv])
        finally:  # Compose leaves it when it is told to end, and the program does not
            self._engine.remove(name)

    def close(self) -> None:
        """The backend closes the engine, and with it the stream of events."""


def _not_started(unit: Unit, why: str) -> DevenvError:
    return UnitFailed(
        Card(
            unit.name, "could not be started", output=(why,), hint=likely([why]) or "devenv logs " + unit.name
        )
    )
