"""Composition root: reads the world once and puts workspace, catalogue, backend and console together."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from devenv import assets, hostports, sources, workspace
from devenv.backends import load
from devenv.backends.base import Backend
from devenv.console import Console
from devenv.errors import DevenvError, ManifestInvalid, UsageError
from devenv.plan.model import Found, Observed
from devenv.stack import text
from devenv.stack.model import Stack, fingerprint
from devenv.stack.ports import Claim, Conflict, allot

if TYPE_CHECKING:
    from devenv.manifest.models import Manifest
    from devenv.stack.catalogue import Catalogue
    from devenv.stack.resolve import World


@dataclass(frozen=True)
class Options:
    """The options that every command takes."""

    file: str | None = None
    backend: str | None = None
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False


@dataclass(frozen=True)
class Loaded:
    """A manifest with all that was read for it, resolved against what runs now."""

    stack: Stack
    observed: Observed
    fingerprints: Mapping[str, str]
    secrets: Mapping[str, str]
    changes: Mapping[str, str]
    notes: tuple[str, ...]
    manifest: Manifest
    catalogue: Catalogue
    world: World


class Context:
    """What a command works with. Nothing else constructs these things."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.options, self.environment = Options(), environment

    def option(self, name: str, value: str | bool) -> None:
        """Set one of the common options, wherever on the command line it stood."""
        self.options = replace(self.options, **{name: value})

    @cached_property
    def console(self) -> Console:
        options = self.options
        return Console.of(
            self.environment, colour=not options.no_color, quiet=options.quiet, verbose=options.verbose
        )

    @cached_property
    def workspace(self) -> workspace.Workspace:
        return workspace.find(self.options.file, self.environment)

    @cached_property
    def backend(self) -> Backend:
        return load(self.options.backend or self.environment.get("DEVENV_BACKEND") or "compose")

    def observe(self) -> Observed:
        """What runs of this checkout, manifest or no manifest."""
        return self.backend.observe(self.workspace.checkout)

    def running(self, names: Collection[str]) -> list[Found]:
        """The named units as they are now, or all. Raises `UsageError` for one that is not there."""
        observed = self.observe()
        for name in names:
            if name not in observed.units:
                known = ", ".join(observed.units) or "nothing of this checkout is up"
                raise UsageError(f'"{name}" is not up', why=f"up: {known}", hint=f"devenv up {name}")
        return [observed.units[name] for name in (names or observed.units)]

    def names(self) -> list[str]:
        """Everything the manifest gives a name."""
        from devenv.manifest.parse import parse
        from devenv.stack.catalogue import Catalogue, Facts

        kinds = Facts(Catalogue(assets.catalogue()))
        manifest, _ = parse(self.workspace.text(), file=self.workspace.shown, kinds=kinds)
        return [*manifest.services, *manifest.jobs, *manifest.infra]

    def hide_secrets(self) -> None:
        """Mask what is known of secrets, for commands that print what others said."""
        kept = workspace.read_env(self.workspace.state / "secrets.env")
        bundle = workspace.read_env(self.workspace.state / "compose" / ".env")
        self.console.hide([*kept.values(), *bundle.values()])

    def load(self, *, remap: bool = False, strict: bool = True) -> Loaded:
        """Read the manifest and everything it names, observe, decide ports, resolve.

        Raises `ManifestInvalid` with every problem; when `strict` also for secrets without a value, and
        `DevenvError` for ports that are taken.
        """
        from devenv.manifest.parse import parse
        from devenv.render.compose import notes
        from devenv.stack import resolve
        from devenv.stack.catalogue import Catalogue, Facts

        space, catalogue = self.workspace, Catalogue(assets.catalogue())
        manifest, source = parse(space.text(), file=space.shown, kinds=Facts(catalogue))
        digests = sources.Digests.load(space.state / "cache" / "digests.json")
        read = sources.read(space.root, resolve.wants(manifest), source, digests)
        if read.problems:
            raise ManifestInvalid(read.problems)
        observed = self.observe()
        claims = resolve.claims(manifest, catalogue)
        taken = self._taken(claims, observed)
        held = {(unit, port): pair for unit, one in observed.units.items() for port, pair in one.ports.items()}
        ports, conflicts = allot(claims, taken=taken, held=held, checkout=space.checkout, remap=remap)
        if conflicts and strict:
            raise _ports_taken(conflicts, space.shown)
        world = resolve.World(space.checkout, ports, read.builds, read.files, read.extra)
        stack = resolve.resolve(manifest, catalogue, world)
        secrets = space.secret_values(
            wanted=stack.secrets, generated=stack.generated, environment=self.environment, strict=strict
        )
        self.console.hide(secrets.values())
        digested = {name: text.digest(value) for name, value in secrets.items()}
        fingerprints = {unit.name: fingerprint(unit, digested) for unit in stack.units}
        builds = _Builds(space)
        loaded = Loaded(
            stack=stack,
            observed=self._with_images(stack, observed, fingerprints),
            fingerprints=fingerprints,
            secrets=secrets,
            changes=builds.changes(stack, read),
            notes=(*notes(manifest), *_moved(claims, ports, taken)),
            manifest=manifest,
            catalogue=catalogue,
            world=world,
        )
        builds.remember(stack, read)
        if digests.changed:
            space.write({"cache/digests.json": digests.dump()})
        return loaded

    def _taken(self, claims: list[Claim], observed: Observed) -> dict[int, str]:
        own = {host for one in observed.units.values() if one.running for _, host in one.ports.values()}
        hosts = {host for one in observed.units.values() for _, host in one.ports.values()}
        wanted = {claim.wanted for claim in claims} | hosts
        return {**hostports.taken(wanted - own - set(observed.taken)), **observed.taken}

    def _with_images(self, stack: Stack, observed: Observed, fingerprints: Mapping[str, str]) -> Observed:
        """Images are only asked for where something is not as it should be."""
        current = {name: one.fingerprint for name, one in observed.units.items()}
        wanted = {unit.image for unit in stack.units}
        stale = {unit.image for unit in stack.units if current.get(unit.name) != fingerprints[unit.name]}
        there = self.backend.images(wanted) if stale else frozenset(wanted)
        return replace(observed, images=there)

    def where(self) -> str:
        """What the backend runs on."""
        return self.backend.check()


class _Builds:
    """Remembers what went into each image last, to say which file made a new one necessary."""

    def __init__(self, space: workspace.Workspace) -> None:
        self._space = space

    def changes(self, stack: Stack, read: sources.Sources) -> dict[str, str]:


        try:
            before = json.loads((self._space.state / "cache" / "builds.json").read_text())
        except (OSError, ValueError):
            before = {}
        found = {}
        for unit in stack.units:
            if unit.build is None:
                continue
            key = f"{unit.build.context}:{unit.build.dockerfile}"
            now = read.contents[unit.build.context, unit.build.dockerfile]
            if key in before and before[key] != now:
                names = sorted(name for name in now.keys() | before[key] if now.get(name) != before[key].get(name))
                more = f" and {len(names) - 2} more" if len(names) > 2 else ""
                found[unit.image] = f"sources changed: {', '.join(names[:2])}{more}"
        return found

    def remember(self, stack: Stack, read: sources.Sources) -> None:


        contents = {f"{context}:{dockerfile}": files for (context, dockerfile), files in read.contents.items()}
        if contents:
            self._space.write({"cache/builds.json": json.dumps(contents, sort_keys=True)})


def _moved(claims: list[Claim], ports: Mapping[tuple[str, int], int], taken: Mapping[int, str]) -> list[str]:
    return [
        f"{claim.wanted} is taken by {taken[claim.wanted]}: {claim.unit} is on {ports[claim.key]}"
        for claim in claims
        if claim.wanted in taken and claim.key in ports and ports[claim.key] != claim.wanted
    ]


def _ports_taken(conflicts: list[Conflict], shown: str) -> DevenvError:
    lines = [f"{one.claim.wanted} is taken by {one.owner}" for one in conflicts]
    units = ", ".join(f"{one.claim.unit} publishes {one.claim.wanted}" for one in conflicts)
    return DevenvError(
        "port " + "; port ".join(lines),
        where=f"{shown}: {units}",
        why="checked before anything was created; nothing was changed",
        hint="devenv up --remap-ports   gives free ones, the same each time",
    )


