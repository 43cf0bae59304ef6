"""Programs that some commands need: their presence and versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from devenv import proc
from devenv.backends import versions
from devenv.doctor.gathering import Deadline, begun
from devenv.doctor.system import System
from devenv.doctor.verdict import Verdict, Wanted, failed, passed, warned
from devenv.errors import ToolMissing


@dataclass(frozen=True, slots=True)
class Program:
    """A program, how it says its version, the oldest that will do, and what installs it on a Linux.

    `needed`: whether `up` needs it for what is wanted; `useful`: whether another command does.
    """

    name: str
    argv: tuple[str, ...]
    oldest: tuple[int, int]
    install: str
    needed: Callable[[Wanted], bool] = lambda wanted: False
    useful: Callable[[Wanted], bool] = lambda wanted: False


RELEASES = "https://github.com/kubernetes/minikube/releases/latest/download"
HELM = "https://raw.githubusercontent.com/helm/helm/main/scripts/get-helm-3"
PROGRAMS = (
    Program(
        "minikube", ("minikube", "version", "--short"), versions.MINIKUBE,
        f"curl -fsSLo /tmp/minikube {RELEASES}/minikube-linux-{{processor}}"
        " && {sudo}install /tmp/minikube /usr/local/bin",
        needed=lambda wanted: wanted.backend == "minikube",
    ),
    Program(
        "helm", ("helm", "version", "--template", "{{.Version}}"), versions.HELM, f"curl -fsSL {HELM} | bash",
        useful=lambda wanted: wanted.promotes,
    ),
    Program("kubectl", ("kubectl", "version", "--client"), (0, 0), ""),
)  # fmt: skip


Looks: TypeAlias = Mapping[str, "Future[str]"]
"""Program -> its version, as soon as it has said it."""


def looks(seconds: float, programs: Iterable[Program] = PROGRAMS) -> Looks:
    """Ask each program, within so many seconds."""
    return {program.name: begun(partial(_version, program.argv, seconds)) for program in programs}


def found(looks: Looks, deadline: Deadline) -> Mapping[str, str]:
    """Program -> its version, "" where it says none in time; one that is missing is left out."""
    versions = {}
    for name, look in looks.items():
        with suppress(ToolMissing):
            versions[name] = deadline.answer(look) or ""
    return versions


def _version(argv: tuple[str, ...], seconds: float) -> str:
    output = proc.run_within(argv, seconds)
    number = re.search(r"\d+\.\d+(\.\d+)?", output.stdout)
    return number[0] if number else ""


def judge(wanted: Wanted, versions: Mapping[str, str], system: System) -> Iterator[Verdict]:
    """A program that is needed and missing fails, one that is useful warns; others are only named."""
    for program in PROGRAMS:
        name, version = program.name, versions.get(program.name)
        needed, useful = program.needed(wanted), program.useful(wanted)
        install = program.install.format(sudo=system.sudo, processor=system.processor)
        command = install if system.linux else f"brew install {name}"
        bad = failed if needed else warned
        if version is None and (needed or useful):
            user = "-b minikube" if needed else "devenv promote"
            yield bad(name, f"not installed, and {user} needs it", command)
        elif version is None:
            yield passed(name, "not installed, and nothing here needs it")
        elif version and tuple(map(int, version.split(".")[:2])) < program.oldest:
            oldest = ".".join(map(str, program.oldest))
            yield bad(name, f"{version} is too old; devenv needs {oldest} or newer", command)
        else:
            yield passed(name, version or "of an unknown version")
