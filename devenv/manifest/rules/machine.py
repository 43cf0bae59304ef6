"""Rules about what a unit gets of the machine below it: limits of the kernel, names with addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.errors import did_you_mean
from devenv.manifest.models import Infra
from devenv.manifest.rules.images import PLATFORM
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path
from devenv.manifest.workloads import Workload

LIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
    "rtprio", "rttime", "sigpending", "stack",
)  # fmt: skip
HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
SYSCTL = re.compile(r"[a-z0-9_-]+(?:[./][a-z0-9_-]+)+", re.IGNORECASE)


def limits_are_the_kernels(scope: Scope) -> Iterator[Finding]:
    """Limits and settings have names that the kernel knows, and a soft limit is below the hard one."""
    for path, workload in scope.workloads.items():
        for name, limit in workload.ulimits.items():
            if name not in LIMITS:
                yield (*path, "ulimits", name), f'no limit "{name}"', did_you_mean(name, LIMITS)
            elif limit.hard not in (None, -1) and not 0 <= limit.soft <= (limit.hard or 0):
                message = f"the soft limit {limit.soft} is above the hard one, {limit.hard}"
                yield (*path, "ulimits", name), message, "raise hard, or lower soft"
        for name in workload.sysctls:
            if not SYSCTL.fullmatch(name):
                message = f'"{name}" is not a setting of the kernel'
                yield (*path, "sysctls", name), message, "write net.core.somaxconn"


def _units(scope: Scope) -> Iterator[tuple[Path, Workload | Infra]]:
    yield from scope.workloads.items()
    for name, infra in scope.manifest.infra.items():
        yield ("infra", name), infra


def hosts_are_names(scope: Scope) -> Iterator[Finding]:
    """More names that a unit knows can be written in any file of hosts."""
    for path, unit in _units(scope):
        for name in unit.hosts:
            if not HOST.fullmatch(name):
                message = "a host's name is lower-case letters, digits, dots and hyphens"
                yield (*path, "hosts", name), message, ""


def platforms_are_of_images(scope: Scope) -> Iterator[Finding]:
    """A platform is one, and belongs to a ready-made image; a build has its own."""
    for path, unit in _units(scope):
        if unit.platform is not None and getattr(unit, "build", None) is not None:
            hint = f"write build: {{platform: {unit.platform}}}"
            yield (*path, "platform"), "is for a ready-made image", hint
        elif unit.platform is not None and not PLATFORM.fullmatch(unit.platform):
            yield (*path, "platform"), f'"{unit.platform}" is not a platform', "write linux/amd64"
