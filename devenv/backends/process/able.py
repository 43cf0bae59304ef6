"""Whether a unit can run as a plain process of this machine at all, known before anything is started."""

from __future__ import annotations

import os
import shutil

from devenv.backends.process.launch import unprivileged
from devenv.backends.process.programs import Wanted, find
from devenv.stack.model import Process, Unit


def why_not(unit: Unit) -> tuple[str, str] | None:
    """Why it cannot, and what helps; None where it can."""
    refused = [_refused(way, unit.version) for way in unit.process]
    if refused:
        return None if None in refused else _with_external(unit, *(refused[0] or ("", "")))
    if unit.engine and not unit.one_shot:
        return _with_external(unit, f"nothing says how {unit.engine} runs without a container", "")
    if unit.host is None and unit.build is None and not unit.command and not unit.entrypoint:
        return f"only its image says how it runs ({unit.image})", f"services.{unit.name}: {{host: COMMAND}}"
    return None


def _with_external(unit: Unit, why: str, hint: str) -> tuple[str, str]:
    """The same with the way out that a store always has."""
    elsewhere = "" if unit.role != "infra" or unit.gateway else f"infra: {{{unit.name}: {{external: URL}}}}"
    return why, ", or ".join(filter(None, (hint, elsewhere)))


def usable(unit: Unit) -> Process | None:
    """The first way of its kind to run it on this machine."""
    return next((way for way in unit.process if _refused(way, unit.version) is None), None)


def _refused(way: Process, version: str) -> tuple[str, str] | None:
    programs = find(Wanted(way.program, way.package, way.folder, version, oldest=way.oldest, asked=way.asked))
    if isinstance(programs, str):
        return programs, _for_this_machine(way.install)
    if way.rootless and os.geteuid() == 0 and unprivileged() is None:
        why = f"{way.program} does not run as root, and neither unshare nor setpriv may make it somebody else"
        return why, "run devenv as another user"
    return None


INSTALLERS = ("apt-get", "brew")


def _for_this_machine(install: str) -> str:
    """Of the ways to install something those that this machine may have."""
    ways = install.split(", or ")
    programs = [way.partition(" ")[0] for way in ways]
    here = [
        way
        for way, program in zip(ways, programs, strict=True)
        if program not in INSTALLERS or shutil.which(program)
    ]
    return ", or ".join(here or ways)
