"""Manifests as text, and what becomes of them: the steps that the tests of the pure core share."""

from __future__ import annotations

from functools import cache
from textwrap import dedent

from jsonschema import Draft202012Validator

from devenv import assets
from devenv.errors import ManifestInvalid
from devenv.manifest.models import Manifest, schema
from devenv.manifest.parse import parse
from devenv.plan.model import Observed, ObservedUnit
from devenv.render.aspects import compose as aspects
from devenv.stack.builds import with_sources
from devenv.stack.fingerprints import fingerprint
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.model import Stack, Unit
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.resolve import resolve
from devenv.stack.text import rewrite
from devenv.stack.world import World

CATALOGUE = Catalogue(assets.catalogue())
CHECKOUT = "c0ffee123456"


@cache
def editor() -> Draft202012Validator:
    """What an editor checks a manifest with, which takes long to make."""
    return Draft202012Validator(schema())


def manifest(text: str) -> Manifest:
    return parse(dedent(text), file="devenv.yaml", kinds=Facts(CATALOGUE))[0]


def problems(text: str) -> list[str]:
    """Every problem of a manifest, without the file's name."""
    try:
        manifest(text)
    except ManifestInvalid as error:
        return [str(problem).removeprefix("devenv.yaml:") for problem in error.problems]
    return []


def stack(text: str, *, builds: dict[tuple[str, str], str] | None = None, **facts: object) -> Stack:
    """A manifest resolved on a machine where every port is free."""
    parsed = manifest(text)
    claims = [claim for claim in outline(parsed, CATALOGUE).claims if claim.published]
    ports, _ = allot(claims, taken={}, current={}, checkout=CHECKOUT, remap=False)
    world = World(CHECKOUT, ports, **facts)  # type: ignore[arg-type]
    return with_sources(resolve(parsed, CATALOGUE, world), builds or {})


def unit(text: str, name: str, **facts: object) -> Unit:
    return stack(text, **facts).unit(name)  # type: ignore[arg-type]


def env(text: str, name: str) -> dict[str, str]:
    """What a unit is given, with secrets shown as `|NAME|`."""
    return {key: rewrite(value, lambda secret: f"|{secret.name}|") for key, value in unit(text, name).env}


def fingerprints(stack: Stack, secrets: dict[str, str] | None = None) -> dict[str, str]:
    return {unit.name: fingerprint(unit, secrets or {}, own=aspects(stack, unit)) for unit in stack.units}


def running(stack: Stack, **changes: ObservedUnit | None) -> Observed:
    """Everything of a stack up as it should be, but for what `changes` says."""
    wanted = fingerprints(stack)
    units = {
        unit.name: ObservedUnit(
            unit.name,
            id=f"id-{unit.name}",
            state="exited" if unit.one_shot else "running",
            stack=stack.id,
            healthy=None if unit.one_shot else True,
            fingerprint=wanted[unit.name],
        )
        for unit in stack.units
        if not unit.manual
    }
    for name, unit in changes.items():
        if unit is None:
            units.pop(name)
        else:
            units[name] = unit
    images = frozenset(unit.image for unit in stack.units)
    return Observed(units=units, images=images, prepared=True, stack=stack.id)
