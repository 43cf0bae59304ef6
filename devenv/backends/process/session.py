"""A stack as plain processes, brought up: its supervisor is asked to start what the plan says."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Event

from devenv import proc
from devenv.backends.base import Say, Work
from devenv.backends.causes import READ, failed
from devenv.backends.process import spec as specs
from devenv.backends.process.control import Control
from devenv.backends.process.launch import own, words
from devenv.backends.process.leftovers import left
from devenv.backends.process.records import MAKING, Folder
from devenv.backends.process.spec import Spec
from devenv.backends.process.waiting import Waiting
from devenv.errors import DevenvError
from devenv.hostports import taken
from devenv.stack.model import Unit


class ProcessSession:
    """One stack of one checkout."""

    def __init__(self, folder: Folder, control: Control, root: Path, work: Work) -> None:
        self._folder, self._control, self._root, self._work = folder, control, root, work

    @cached_property
    def _specs(self) -> dict[str, Spec]:
        return specs.read(self._folder.path, self._root, self._control.short)

    def pull(self, image: str, say: Say) -> None:
        """Install the packages that stand in for an image; other programs are on this machine."""
        for unit in self._work.stack.units:
            if unit.image == image and unit.build is None:
                self._install(unit, say)

    def build(self, unit: Unit, say: Say) -> None:
        """Install what the lock file of the unit's project asks for."""
        self._install(unit, say)

    def _install(self, unit: Unit, say: Say) -> None:
        installed = self._specs[unit.name].installed
        if installed.ready:
            return
        say(f"installing {installed.asks} of {unit.name}")
        shutil.rmtree(installed.folder, ignore_errors=True)
        installed.folder.parent.mkdir(parents=True, exist_ok=True)
        for step in installed.steps:
            done = proc.run_merged(step, folder=str(installed.source), environment=_over(installed.variables))
            if done.code:
                what, again = f"{installed.asks} could not be installed", f"try it: {' '.join(step)}"
                raise failed(_told_apart(unit), what, _last_lines(done), otherwise=again)
        installed.folder.mkdir(parents=True, exist_ok=True)  # npm makes none where nothing is asked for
        (installed.folder / installed.mark).touch()

    def prepare(self, units: Sequence[str], say: Say) -> None:
        self._control.start()
        for unit in units:
            if note := self._specs[unit].way.note:
                say(f"{unit}: {note}")

    def apply(self, unit: Unit, *, recreate: bool) -> None:
        self._control.start()
        record, spec = self._folder.record(unit.name), self._specs[unit.name]
        if record is not None and left(record) and not recreate:
            return
        self._place_files(spec)
        variables = spec.environment()
        _place_clients(spec, variables)
        self._make_data(unit, spec, variables)
        _require_program(spec, variables)
        if record is None or not left(record):  # its own program leaves them for the next one
            require_ports(unit)
        if spec.way.build:
            done = proc.run_merged(
                ("sh", "-ec", spec.way.build), environment=variables, folder=str(spec.folder)
            )
            if done.code:
                again = "devenv up   builds it again once that is mended"
                raise failed(_told_apart(unit), "could not be built", _last_lines(done), otherwise=again)
        self._control.ask(
            "start",
            unit=unit.name,
            id=secrets.token_hex(6),
            argv=words(spec, spec.way.argv),
            environment=variables,
            folder=str(spec.folder),
            labels=spec.labels,
            mark=f"{self._work.stack.id}/{unit.name}",
            grace=spec.grace,
            stop=f"SIG{spec.way.stop}",
            store=unit.role == "infra",
        )

    def _place_files(self, spec: Spec) -> None:
        """Put files of the project where its other files were rendered to, and take away those of before."""
        files = self._folder.files(spec.unit)
        asked = [files / target.lstrip("/") for target in (*spec.sources, *spec.rendered)]
        for file in files.rglob("*"):
            if not file.is_dir() and not any(map(file.is_relative_to, asked)):
                file.unlink()
        for target, source in spec.sources.items():
            file = files / target.lstrip("/")
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (self._root / source).is_dir():
                shutil.rmtree(file, ignore_errors=True)
                shutil.copytree(self._root / source, file)
            else:
                shutil.copyfile(self._root / source, file)
        for name in spec.volumes:
            (self._folder.data / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _make_data(self, unit: Unit, spec: Spec, variables: dict[str, str]) -> None:
        """Make a store's data, all of it or nothing."""
        if not spec.volumes:
            return
        if spec.data.exists():
            own(spec, spec.data)
            return
        making = spec.data.with_name(spec.data.name + MAKING)
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700, parents=True)
        own(spec, making)
        self._control.own_short_folder()
        if spec.way.new:
            script = words(spec, ("sh", "-ec", spec.way.new))
            done = proc.run_merged(script, environment={**variables, "DATA": str(making)}, folder=str(making))
            if done.code:
                raise failed(_told_apart(unit), "could not make its data", _last_lines(done))
        making.rename(spec.data)

    def wait(self, unit: Unit, stop: Event) -> bool:
        spec = self._specs[unit.name]
        Waiting(self._folder, unit, spec, spec.environment()).until_ready(stop)
        return unit.probe is not None

    def forward(self) -> None:
        """No-op: a process listens on this machine itself."""

    def restart(self, unit: str, id: str) -> None:
        self._control.ask("restart", unit=unit)

    def remove(self, unit: str, id: str) -> None:
        record = self._folder.record(unit)
        if record is not None and id in ("", record.id):
            self._control.ask("remove", unit=unit)

    def clear(self, unit: Unit, id: str) -> None:
        """Nothing is half made here: data takes its name when it is complete."""
        raise DevenvError(f"the data of {unit.name} is complete", hint="devenv up")

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        spec = self._specs[unit.name]
        self._place_files(spec)
        command = words(spec, argv or spec.way.argv)
        return proc.run_attached(command, environment=spec.environment(), folder=str(spec.folder))

    def close(self) -> None:
        """Nothing is open."""


def _place_clients(spec: Spec, variables: Mapping[str, str]) -> None:
    """Put the clients of a unit first on its PATH: others go to the system's own server."""
    others = variables["PATH"].replace(f"{spec.clients}{os.pathsep}", "")
    for name, script in spec.way.clients.items():
        if program := shutil.which(name, path=others):
            spec.clients.mkdir(mode=0o700, parents=True, exist_ok=True)
            client = spec.clients / name
            client.write_text(
                f'#!/bin/sh\n{script.rstrip()}\nexec {shlex.quote(program)} "$@"\n', encoding="utf-8"
            )
            client.chmod(0o700)


HOSTS = {
    "pom.xml": "mvn -q spring-boot:run",
    "build.gradle": "./gradlew bootRun",
    "build.gradle.kts": "./gradlew bootRun",
    "Gemfile": "bundle exec rails server --port $PORT",
    "composer.json": "php -S 127.0.0.1:$PORT -t public",
    "Cargo.toml": "cargo run",
    "go.mod": "go run .",
    "package.json": "npm start",
    "mix.exs": "mix phx.server",
}
"""File of a project -> how its program is mostly run where it is written."""


def usual_host(folder: Path) -> str:
    """How the program of a project's folder is mostly started, or a word for that."""
    return next((command for file, command in HOSTS.items() if (folder / file).exists()), "COMMAND")


def _require_program(spec: Spec, variables: Mapping[str, str]) -> None:
    """Raises `DevenvError` where nothing says how a unit runs, or what is said is only in its image."""
    program = next(iter(spec.way.argv), "")
    place = spec.folder / program if "/" in program else shutil.which(program, path=variables["PATH"])
    if program and place and Path(place).exists():
        return
    raise DevenvError(
        f"{spec.unit} runs {program}, which is not on this machine"
        if program
        else f"nothing says how {spec.unit} runs",
        why="its image has it, and processes have no image" if program else "",
        hint=f'services.{spec.unit}: {{host: "{usual_host(spec.folder)}"}}   says how it runs here',
    )


def require_ports(unit: Unit) -> None:
    """Raises `UnitFailed` where another program listens by now: its answers would be taken for the unit's."""
    ports = [port.host for port in unit.ports if port.host and not port.udp]
    for port, program in taken(ports).items():
        again = "devenv up --remap-ports   takes another port"
        raise failed(
            _told_apart(unit), f"lost port {port} to {program} before it started", (), otherwise=again
        )


def _last_lines(done: proc.Output) -> tuple[str, ...]:
    return tuple(done.stdout.strip().splitlines()[-READ:])


def _told_apart(unit: Unit) -> Unit:
    """The unit without its command: something else failed."""
    return replace(unit, command=None)


def _over(variables: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **variables}
