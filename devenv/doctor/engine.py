"""The Docker engine, and the docker command with its two plugins."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from devenv import proc
from devenv.backends import containers, versions
from devenv.doctor.gathering import begun
from devenv.doctor.system import PROCESSORS, System
from devenv.doctor.verdict import Verdict, Wanted, failed, passed, warned
from devenv.errors import DevenvError, ToolMissing

ON_ENGINE = ("compose", "minikube")
"""Backends that need an engine here."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers. `memory` is in bytes; `ahead`: how far its clock is ahead of ours, in seconds.

    `proxied`: it has a proxy of its own. `mirrored`: it asks another registry in place of Docker Hub.
    """

    version: str
    memory: int = 0
    processor: str = ""
    root: str = ""
    ahead: float = 0.0
    proxied: bool = False
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """Why no engine answers; `denied`: there is one, and this user may not talk to it.

    `instead`: what leads to an engine at another address.
    """

    what: str
    denied: bool = False
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Plugins:
    """Versions of the docker command's plugins; "" for one that is missing, None where docker is."""

    compose: str | None
    buildx: str | None


def where(environment: Mapping[str, str]) -> tuple[str, Callable[[], Engine | Silence]]:
    """The engine's address, and the look at it; no address where a Docker context is not there."""
    try:
        address = containers.address(environment)
    except ToolMissing as error:
        silence = Silence(error.what)
        return "", lambda: silence
    return address, lambda: look(address, environment)


def look(address: str, environment: Mapping[str, str] = os.environ) -> Engine | Silence:
    """Ask the engine at an address about itself."""
    asked = time.time()
    try:
        info = containers.info(address)
        if info is None:
            from devenv.backends.docker import Engine as Remote

            info = Remote(address).info()
        engine = described(info, asked, time.time())
        return replace(engine, version=containers.version(address) or engine.version)
    except ToolMissing as error:
        denied = isinstance(error.__cause__, PermissionError)
        # How an engine is started here, `doctor` knows better.
        return Silence(error.what, denied, "" if error.hint == containers.START else error.hint)
    except DevenvError as error:
        return Silence(error.what, instead=containers.another(address, environment))


def described(info: Mapping[str, Any], asked: float, answered: float) -> Engine:
    """An engine from what it says of itself, and when it was asked and had answered."""
    clock = re.sub(r"(\.\d{6})\d+", r"\1", str(info.get("SystemTime") or ""))
    try:
        moment = datetime.fromisoformat(clock).timestamp()
    except ValueError:
        moment = asked
    machine = str(info.get("Architecture") or "")
    return Engine(
        version=str(info.get("ServerVersion") or ""),
        memory=int(info.get("MemTotal") or 0),
        processor=PROCESSORS.get(machine, machine),
        root=str(info.get("DockerRootDir") or ""),
        ahead=max(0.0, moment - answered) + min(0.0, moment - asked),
        proxied=bool(info.get("HttpProxy") or info.get("HttpsProxy")),
        mirrored=bool((info.get("RegistryConfig") or {}).get("Mirrors")),
    )


def plugins(seconds: float) -> Plugins:
    """Ask the docker command for the versions of its plugins."""
    compose = begun(lambda: _version(["docker", "compose", "version", "--short"], seconds))
    buildx = begun(lambda: _version(["docker", "buildx", "version"], seconds))
    return Plugins(compose.result(), buildx.result())


def _version(argv: list[str], seconds: float) -> str | None:
    try:
        output = proc.run_within(argv, seconds)
    except ToolMissing:
        return None
    number = re.search(r"\d+(\.\d+)+", output.stdout)
    return number[0] if number and not output.code else ""


def judge(
    wanted: Wanted, engine: Engine | Silence | None, system: System, *, address: str, seconds: float
) -> Iterator[Verdict]:
    """Whether an engine answers that is new enough; None is one that accepts requests and answers none."""
    bad = failed if wanted.backend in ON_ENGINE else warned
    instead = "; stacks run as plain processes" if wanted.backend == "process" else ""
    match engine:
        case None:
            text = f"the Docker engine at {address} did not answer within {seconds:g} s"
            yield bad("engine", text, system.restart_engine)
        case Silence(denied=True):
            yield bad("engine", engine.what, "sudo usermod -aG docker $USER   # then log in again")
        case Silence() if engine.instead:
            yield bad("engine", engine.what, engine.instead)
        case Silence() if system.installed:
            yield bad("engine", f"{engine.what}{instead}", system.start_engine)
        case Silence():
            what = f"{engine.what}, and none is installed{instead}"
            yield bad("engine", what, system.install_engine, safe=system.packaged)
        case Engine():
            try:
                yield passed("engine", containers.described(engine.version, address))
            except ToolMissing as error:
                yield bad("engine", f"{error.what}; {error.why}", system.install_engine)


def judge_plugins(wanted: Wanted, plugins: Plugins, system: System) -> Iterator[Verdict]:
    """Whether the docker command can create and build what the stack has."""
    composes = failed if wanted.backend == "compose" else warned
    builds = wanted.stack is not None and any(unit.build is not None for unit in wanted.stack.units)
    install = system.install_engine
    if plugins.compose is None:
        yield composes("compose", "the docker command is missing", install, safe=system.packaged)
        return
    if not plugins.compose:
        yield composes("compose", "the docker command has no Compose plugin", install, safe=system.packaged)
    elif tuple(map(int, plugins.compose.split("."))) < versions.COMPOSE:
        oldest = ".".join(map(str, versions.COMPOSE))
        yield composes(
            "compose", f"Docker Compose is {plugins.compose}; devenv needs {oldest} or newer", install
        )
    else:
        yield passed("compose", f"Docker Compose {plugins.compose}")
    if not plugins.buildx:
        text = "the docker command has no Buildx plugin"
        yield (failed if builds else warned)("buildx", text, install, safe=system.packaged)
    else:
        yield passed("buildx", f"Docker Buildx {plugins.buildx}")
