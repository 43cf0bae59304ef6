"""A stack on its own Minikube cluster, which `up` starts. The rest is as on any cluster."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from devenv import assets, proc
from devenv.backends import versions
from devenv.backends.base import Removed, Say, Site
from devenv.backends.kube import forwards
from devenv.backends.kube.backend import KubeBackend
from devenv.backends.kube.cluster import Cluster
from devenv.backends.kube.config import MINIKUBE, Place, current, keep_current
from devenv.errors import DevenvError, ToolMissing, UsageError
from devenv.plan.model import Observed

if TYPE_CHECKING:
    from devenv.stack.model import Stack

ABSENT = 85  # what `status` ends with where there is no such profile
TO_INSTALL = "https://minikube.sigs.k8s.io/docs/start"


@dataclass(frozen=True, slots=True)
class Status:
    """State of a profile: whether it exists, its machine, the API server in it."""

    exists: bool
    host: str = ""
    api: str = ""

    @property
    def running(self) -> bool:
        return self.host == self.api == "Running"


def parse_status(code: int, stdout: str) -> Status:
    """What `minikube status -o json` means. The code is a mask of what is down, or 85 for no profile.

    Several nodes are a list, the one with the API server first. Raises `DevenvError` for anything else.
    """
    if code == ABSENT:
        return Status(exists=False)
    with suppress(ValueError, KeyError, IndexError, TypeError):
        answer = json.loads(stdout)
        node = answer[0] if isinstance(answer, list) else answer
        return Status(exists=True, host=node["Host"], api=node["APIServer"])
    events = list(parse_events(stdout))
    why = _fatal(events) or stdout.strip()[-300:]
    raise DevenvError(f"minikube status ended with {code}", why=why, hint="minikube status   shows it")


def parse_events(stdout: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The lines of `-o json` as (`step`, `info`, `warning`, `error`, ...) and what they say."""
    for line in stdout.splitlines():
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            event = json.loads(line)
            yield event["type"].rpartition(".")[2], event["data"]


def _fatal(events: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Why it ended: of all that Minikube calls an error, only that has an exit code."""
    return next(
        (event.get("message", "") for kind, event in events if kind == "error" and "exitcode" in event), ""
    )


def start_flags(profile: Mapping[str, Any], *, cpus: int, memory: int) -> list[str]:
    """The profile file as flags for a new cluster, but no more than the machine has (`memory` in MiB)."""
    flags = []
    for key, value in profile.items():
        match key, value:
            case "cpus", int():
                flags.append(f"--cpus={max(2, min(value, cpus))}")
            case "memory", str():
                flags.append(f"--memory={min(_mebibytes(value), memory)}m")
            case "addons" | "wait", list():
                flags.append(f"--{key}={','.join(value)}")
            case _:
                flags.append(f"--{key}={value}")
    return flags


def _mebibytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([mg])b?", text.lower())
    if not match:
        raise UsageError(f'memory: "{text}" in minikube/profile.yaml', hint="6g, or 6144m")
    return int(match[1]) * (1024 if match[2] == "g" else 1)


class Profile(Cluster):
    """The cluster of a profile: the one in use, named with `--context`, or about to be made."""

    new_profile: str = ""

    @property
    def context(self) -> str:
        return self.new_profile or super().context

    @cached_property
    def place(self) -> Place:
        place = super().place
        if place.provider != MINIKUBE:
            raise UsageError(
                f'the context "{place.context}" is not Minikube\'s',
                where=", ".join(place.files),
                why="-b minikube only touches clusters that Minikube made",
                hint=f"devenv up -b kube --context {place.context}   if you mean it",
            )
        return place

    def forget(self) -> None:
        """Look everything up again: the profile's context exists now."""
        for name in ("place", "client", "resources"):
            vars(self).pop(name, None)


class MinikubeBackend(KubeBackend):
    """`KubeBackend` on the profile of the project, or the one named with `--context`."""

    name = "minikube"

    def __init__(self, site: Site | None = None) -> None:
        self.cluster: Profile = Profile(site or Site(), self.name)

    @property
    def profile(self) -> str:
        """The profile in use, which is also its context; empty before the first `up`."""
        return self.cluster.context

    @property
    def home(self) -> str:
        return self.profile

    @cached_property
    def _answers(self) -> bool:
        """Whether the cluster is there and up."""
        if not self.profile:
            return False
        try:
            self.cluster.client.get("/version")
        except ToolMissing:
            return False
        except UsageError as error:
            if error.what.startswith("no Kubernetes context"):
                return False
            raise
        return True

    def check(self) -> str:
        if not self._answers:
            raise self._stopped()
        version = self.cluster.client.get("/version")["gitVersion"]
        return f"Kubernetes {version.removeprefix('v')} (Minikube profile {self.profile})"

    def _stopped(self) -> ToolMissing:
        what = "there is no Minikube profile yet"
        if self.profile:
            what = f"the Minikube profile {self.profile} is not running"
        return ToolMissing(what, hint="devenv up -b minikube   starts it")

    def require_allowed(self) -> None:
        """No-op: a profile is the project's own."""

    def start(self, name: str, say: Say) -> None:
        """Start the profile or make it. One that exists keeps its settings; the user's context stays."""
        self.cluster.new_profile = self.profile or (name if len(name) > 1 else f"{name}-devenv")
        if not self._answers:
            self._bring_up(say)

    def _bring_up(self, say: Say) -> None:
        status = self.status()
        if not status.exists:
            self._check_version()
        if not status.running:
            say(f"{'starting' if status.exists else 'making'} the Minikube profile {self.profile}")
            before = current()
            try:
                self._start([] if status.exists else self._flags(), say)
            finally:
                if current() != before:  # starting a stopped profile ignores --keep-context
                    keep_current(before)
        self.cluster.forget()
        vars(self).pop("_answers", None)
        self.check()

    @property
    def idle(self) -> str:
        return f"the Minikube profile {self.profile}" if self._answers else ""

    def stop(self) -> None:
        output = _minikube("stop", "-p", self.profile, "-o", "json")
        if output.code:
            raise DevenvError(
                f"Minikube could not stop the profile {self.profile} (exit {output.code})",
                why=_fatal(list(parse_events(output.stdout))),
                hint=f"minikube logs -p {self.profile}",
            )

    def status(self) -> Status:
        output = _minikube("status", "-p", self.profile, "-o", "json")
        return parse_status(output.code, output.stdout)

    def _check_version(self) -> None:
        stdout = _minikube("version", "-o", "json").stdout
        version = str(json.loads(stdout).get("minikubeVersion", "")) if stdout.strip().startswith("{") else ""
        numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
        if numbers and numbers < versions.MINIKUBE:
            raise ToolMissing(
                f"minikube is {version}", why="devenv needs 1.33 or newer", hint=f"update it: {TO_INSTALL}"
            )

    def _flags(self) -> list[str]:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        return start_flags(assets.profile(), cpus=os.cpu_count() or 2, memory=pages * 3 // 4)

    def _start(self, flags: Sequence[str], say: Say) -> None:
        argv = [
            "minikube",
            "start",
            "-p",
            self.profile,
            "--keep-context",
            "--interactive=false",
            "-o",
            "json",
        ]
        events: list[tuple[str, Mapping[str, str]]] = []

        def note(line: str) -> None:
            for kind, event in parse_events(line):
                events.append((kind, event))
                if kind == "step":
                    say(event.get("message", ""))

        code = proc.run_lines([*argv, *flags], note)
        if code:
            raise start_failed(self.profile, code, events)

    # -- a cluster that is down has nothing running

    def observe(self, checkout: str) -> Observed:
        if not self._answers:
            return Observed(down=self._stopped().what, forwarded=forwards.held_ports(self.cluster.folder))
        return super().observe(checkout)

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        return super().images(stack, wanted) if self._answers else frozenset()

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        if self._answers:
            return super().remove(checkout, volumes=volumes, say=say)
        if self.cluster.folder is not None:
            forwards.end(self.cluster.folder)
        if volumes and self.profile:
            raise self._stopped()
        if self.cluster.target:
            say(f"{self._stopped().what}: what the stack has there stays, and comes back with it")
        return Removed()


def start_failed(profile: str, code: int, events: Sequence[tuple[str, Mapping[str, str]]]) -> DevenvError:
    """The error for a start that did not work, in Minikube's own words."""
    fatal = next((event for kind, event in events if kind == "error" and "exitcode" in event), {})
    advice = " ".join(fatal.get("advice", "").split())
    return DevenvError(
        f"Minikube could not start the profile {profile} (exit {code})",
        why=fatal.get("message", "").strip(),
        hint=advice or f"minikube logs -p {profile}",
    )


def _minikube(*argv: str) -> proc.Output:
    try:
        return proc.run_captured(["minikube", *argv])
    except ToolMissing as error:
        raise ToolMissing("minikube is not installed", hint=f"{TO_INSTALL}   then devenv up") from error
