"""The sources of a stack's images, put into it: they change with every edit, and nothing else of it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from devenv.stack import text
from devenv.stack.model import Build, Stack, Unit
from devenv.stack.world import BuildKey

Contents = Mapping[str, str]
"""Path -> digest of every file that a builder is sent."""


def digest_of(contents: Contents) -> str:
    """One digest of them all."""
    return hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest()[:16]


def with_sources(
    stack: Stack, builds: Mapping[BuildKey, str], bases: Mapping[str, str] = MappingProxyType({})
) -> Stack:
    """The stack with the images that sources make.

    `builds` are digests of all sources; `bases`, of units that reload, of what only a build brings.
    """

    def filled(unit: Unit) -> Unit:
        if unit.build is None:
            return unit
        more = [builds.get(key, "") for key in unit.build.more_keys]
        digest = _digest(unit.build, builds.get(unit.build.key, ""), more)
        base = _digest(unit.build, bases[unit.name], more) if unit.name in bases else ""
        build = replace(unit.build, digest=digest, base=base)
        return replace(unit, build=build, image=f"{unit.image}:{digest}")

    return replace(stack, units=tuple(map(filled, stack.units)))


def _digest(build: Build, sources: str, more: list[str]) -> str:
    """One digest of all that goes into an image; `more`: of its other contexts, where it has any."""
    repository = build.context if build.remote else ""
    others = [repr(part) for part in (build.contexts, more, build.platform, repository) if part]
    return text.digest(sources, build.dockerfile, build.target or "", repr(build.args), *others)
