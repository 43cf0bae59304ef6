"""What of a stack runs on this machine: the programs, and the processes that carry connections to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from devenv import hostports
from devenv.backends.background import Background
from devenv.plan.model import Observed, ObservedUnit


def process(folder: Path, unit: str) -> Background:
    """The process that carries the connections of a unit, by its backend's folder below `.devenv`."""
    return Background(folder, f"relay.{unit}")


def end_all(folder: Path) -> None:
    """End all of them on one backend."""
    for file in folder.glob("relay.*.lock"):
        Background(folder, file.stem).end()


def with_programs(observed: Observed, folder: Path) -> Observed:
    """The same, with the program of each unit that runs on this machine, or why there is none."""
    hosted = {name: unit for name, unit in observed.units.items() if unit.hosted}
    ports = {host for unit in hosted.values() for _, host in unit.ports.values()}
    programs = hostports.taken(ports) if ports else {}
    looked_at = {name: _looked_at(unit, folder, programs) for name, unit in hosted.items()}
    return replace(observed, units={**observed.units, **looked_at}) if hosted else observed


def _looked_at(unit: ObservedUnit, folder: Path, programs: dict[int, str]) -> ObservedUnit:
    ports = [host for _, host in unit.ports.values()]
    silent = [port for port in ports if port not in programs]
    if unit.running and process(folder, unit.unit).pid is None:
        detail = f"nothing carries its connections to this machine: devenv up --host {unit.unit}"
    elif silent:
        detail = f"nothing listens on 127.0.0.1:{silent[0]} yet: devenv env {unit.unit} --export"
    else:
        detail = unit.detail
    program = next((programs[port] for port in ports if port in programs), "")
    return replace(unit, program=program, detail=detail)
