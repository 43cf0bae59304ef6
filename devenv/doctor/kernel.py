"""Limits of the Linux kernel that stacks run into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devenv.doctor.system import System
from devenv.doctor.verdict import Level, Verdict, Wanted, failed, passed, warned
from devenv.stack.model import Stack


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting, the least that will do, and what a command raises it to.

    `backends`: where it counts, or everywhere; `images`: a pattern of images that need it. `level`: what a
    lower value means.
    """

    check: str
    key: str
    least: int
    raised: int
    why: str
    level: Level = Level.WARN
    backends: tuple[str, ...] = ()
    images: str = ""

    def counts(self, wanted: Wanted) -> bool:
        """Whether anything that is wanted needs it."""
        if self.backends and wanted.backend not in self.backends:
            return False
        return not self.images or (wanted.stack is not None and _has_image(wanted.stack, self.images))


def _has_image(stack: Stack, pattern: str) -> bool:
    return any(re.search(pattern, unit.image) for unit in stack.units)


LIMITS = (
    Limit(
        "inotify", "fs.inotify.max_user_watches", 65536, 524288,
        "watching files for hot reload takes one for each folder, here and in containers",
    ),
    Limit(
        "inotify", "fs.inotify.max_user_instances", 128, 512, "every program that watches files takes one",
        backends=("compose", "process"),
    ),
    Limit(
        "inotify", "fs.inotify.max_user_instances", 512, 1024, "the nodes of a cluster share them",
        backends=("minikube",),
    ),
    Limit(
        "max_map_count", "vm.max_map_count", 262144, 262144, "Elasticsearch ends at once with less",
        Level.FAIL, images=r"(elasticsearch|opensearch|sonarqube|graylog)(:|@|$|/)",
    ),
)  # fmt: skip


def look(folder: Path = Path("/proc/sys")) -> Mapping[str, int]:
    """The values of all limits; one that this kernel does not have is left out."""
    values = {}
    for key in {limit.key for limit in LIMITS}:
        with suppress(OSError, ValueError):
            values[key] = int((folder / key.replace(".", "/")).read_text(encoding="utf-8"))
    return values


def judge(wanted: Wanted, values: Mapping[str, int], system: System) -> Iterator[Verdict]:
    """Each limit that counts for what is wanted; of those with one name that are fine, one line."""
    fine: dict[str, list[str]] = {}
    low = set()
    for limit in LIMITS:
        if limit.key not in values or not limit.counts(wanted):
            continue
        value = values[limit.key]
        if value >= limit.least:
            fine.setdefault(limit.check, []).append(f"{limit.key} is {value}")
            continue
        low.add(limit.check)
        verdict = failed if limit.level is Level.FAIL else warned
        text = f"{limit.key} is {value}, {limit.least} is the least that will do: {limit.why}"
        yield verdict(limit.check, text, raising(limit, system), safe=True)
    for check, lines in fine.items():
        if check not in low:
            yield passed(check, ", ".join(lines))


def raising(limit: Limit, system: System) -> str:
    """The command that raises a limit, now and after the next start of the machine."""
    file = f"/etc/sysctl.d/60-devenv-{limit.key.rpartition('.')[2]}.conf"
    command = f"echo {limit.key}={limit.raised} > {file} && sysctl -q -p {file}"
    return command if system.root else f"sudo sh -c '{command}'"
