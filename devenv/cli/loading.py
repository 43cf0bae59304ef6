"""From the manifest's text to a stack beside what runs: everything `up` and `plan` have to know."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from devenv import assets, hostports, sources
from devenv.errors import DevenvError, ManifestInvalid, ToolMissing, UsageError, did_you_mean
from devenv.memory import Memory, user_cache
from devenv.plan.model import Found, Observed, Plan
from devenv.plan.namespace import pick_namespace
from devenv.promises import Promises
from devenv.stack import text
from devenv.stack.addresses import lost_addresses
from devenv.stack.model import Build, Stack, fingerprint
from devenv.stack.ports import Claim, Conflict, Key, allot
from devenv.stack.world import BuildKey, Outline, World
from devenv.workspace import machine_state

if TYPE_CHECKING:  # pydantic comes with them, and an unchanged manifest needs none
    from devenv.backends.base import Backend
    from devenv.cli.context import Context
    from devenv.manifest.models import Manifest
    from devenv.manifest.source import Source
    from devenv.plan.parity import Row
    from devenv.stack.catalogue import Catalogue


@dataclass(frozen=True)
class Loaded:
    """A manifest with all that was read for it, resolved against what runs now."""

    stack: Stack
    observed: Observed
    fingerprints: Mapping[str, str]
    secrets: Mapping[str, str]
    changes: Mapping[str, str]
    contents: Mapping[BuildKey, Mapping[str, str]]
    moved: tuple[str, ...]
    profiles: Mapping[str, tuple[str, ...]]
    world: World

    @property
    def current(self) -> set[str]:
        """Names of units that are there with the very fingerprint they should have."""
        found = self.observed.units
        return {
            name
            for name, wanted in self.fingerprints.items()
            if name in found and found[name].fingerprint == wanted
        }


class Project:
    """The manifest of a workspace, read once."""

    def __init__(self, context: Context) -> None:
        self.context, self.workspace = context, context.workspace

    def names(self) -> list[str]:
        """Everything the manifest gives a name."""
        manifest, _, _ = self.parsed
        return [*manifest.services, *manifest.jobs, *manifest.infra]

    @cached_property
    def parsed(self) -> tuple[Manifest, Source, Catalogue]:
        """The manifest, checked. Raises `ManifestInvalid` with every problem."""
        from devenv.manifest.parse import parse
        from devenv.stack.catalogue import Catalogue, Facts

        catalogue = Catalogue(self._kinds)
        space = self.workspace
        kinds = Facts(catalogue)
        manifest, source = parse(self._text, file=space.shown, kinds=kinds, folder=space.root.name)
        return manifest, source, catalogue

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return assets.catalogue()

    @cached_property
    def _text(self) -> str:
        return self.workspace.text()

    @cached_property
    def _written(self) -> tuple[str, str, str]:
        """All that people wrote, as inputs of the memory."""
        return self._text, self.workspace.root.name, json.dumps(self._kinds)

    @cached_property
    def promises(self) -> Promises:
        """The ports that this command is about to take, and those that others are."""
        return Promises(machine_state() / "ports", f"the stack in {self.workspace.root}")

    @cached_property
    def _memory(self) -> Memory:
        return Memory(user_cache(self.context.environment))

    def load(self, *, remap: bool = False, strict: bool = True, start: bool = False) -> Loaded:
        """Read the manifest and everything it names, observe, decide ports, resolve.

        Raises `ManifestInvalid` with every problem; when `strict` also for secrets without a value, and
        `DevenvError` for ports that are taken. `start` brings up what the backend itself runs on.
        """
        space = self.workspace
        outline = self._memory.recall("outline", *self._written, make=self._outline)
        self.context.prefer(outline.backend)
        if start:
            self.context.backend.start(outline.name, self.context.console.say)
        digests = sources.Digests.load(space.state / "cache" / "digests.json")
        read = sources.read(space.root, outline.wants, digests)
        if read.findings:
            raise ManifestInvalid([self.parsed[1].problem(*finding) for finding in read.findings])
        observed = self.context.observe()
        other = self.context.other
        elsewhere = _seen(other, space.checkout)
        ours = [*elsewhere.units.values(), *observed.units.values()]
        held_for_us = observed.forwarded | elsewhere.forwarded
        held = {(one.unit, port): pair for one in ours for port, pair in one.ports.items()}
        with self.promises.deciding() as promised:
            taken = {**promised, **self._taken(outline.claims, ours, observed.taken, held_for_us)}
            ports, conflicts = allot(
                outline.claims, taken=taken, held=held, checkout=space.checkout, remap=remap
            )
            if start:
                self.promises.make(ports.values())
        if conflicts and strict:
            raise _ports_taken(conflicts, space.shown)
        namespace = pick_namespace(outline, observed, space.checkout)
        world = World(space.checkout, ports, read.builds, read.files, read.extra, namespace)
        stack = self._memory.recall("stack", *self._written, repr(world), make=lambda: self._resolve(world))
        secrets = space.secret_values(
            wanted=stack.secrets,
            generated=stack.generated,
            environment=self.context.environment,
            strict=strict,
        )
        self.context.console.hide(secrets.values())
        digested = {name: text.digest(value) for name, value in secrets.items()}
        fragment = self.context.backend.fragment
        place = stack.namespace if fragment == "kubernetes" else ""
        fingerprints = {
            unit.name: fingerprint(unit, digested, fragment=fragment, place=place) for unit in stack.units
        }
        loaded = Loaded(
            stack=stack,
            observed=observed,
            fingerprints=fingerprints,
            secrets=secrets,
            changes=_changes(stack, self._last_builds(), read),
            contents=read.contents,
            moved=(
                *_moved(outline.claims, ports, taken, held),
                *_namespace_moved(outline, observed, namespace),
                *map(_would_refuse, conflicts),
                *(lost_addresses(stack) if fragment == "kubernetes" else ()),
            ),
            profiles=outline.profiles,
            world=world,
        )
        if digests.changed:
            space.write({"cache/digests.json": digests.dump()})
        return loaded

    def _outline(self) -> Outline:
        from devenv.manifest.models import schema
        from devenv.stack.resolve import outline

        manifest, _, catalogue = self.parsed
        described = self._memory.recall("schema", make=lambda: json.dumps(schema()))
        self.workspace.write({"schema.json": described})  # for editors; see README
        return outline(manifest, catalogue)

    def _resolve(self, world: World) -> Stack:
        from devenv.stack.resolve import resolve

        manifest, _, catalogue = self.parsed
        return resolve(manifest, catalogue, world)

    def remember_builds(self, loaded: Loaded, names: Collection[str]) -> None:
        """Write down what went into the images of these units, which are there now."""
        builds = {unit.build for unit in loaded.stack.units if unit.build is not None and unit.name in names}
        kept = self._last_builds() | {
            _key(build): loaded.contents[build.context, build.dockerfile] for build in builds
        }
        self.workspace.write({"cache/builds.json": json.dumps(kept, sort_keys=True)})

    def _last_builds(self) -> dict[str, Mapping[str, str]]:
        try:
            known = json.loads((self.workspace.state / "cache" / "builds.json").read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _taken(
        self,
        claims: Sequence[Claim],
        ours: Sequence[Found],
        others: Mapping[int, str],
        forwarded: frozenset[int],
    ) -> dict[int, str]:
        own = forwarded | {host for one in ours if one.running for _, host in one.ports.values()}
        hosts = {host for one in ours for _, host in one.ports.values()}
        wanted = {claim.wanted for claim in claims} | hosts
        known = {port: owner for port, owner in others.items() if port not in own}
        return {**hostports.taken(wanted - own - set(known)), **known}

    def plan(
        self, loaded: Loaded, names: Collection[str], *, rebuild: bool = False
    ) -> tuple[Plan, list[str]]:
        """The plan for the named units and what they use, or for all; and the names of those units.

        Images are only asked for where something is not as it should be. Raises `UsageError` for a name
        that nothing has.
        """
        from devenv.plan.planner import plan_up, ready, select

        self.require(loaded, names)
        units = select(loaded.stack, names)
        observed = loaded.observed
        found = observed.units
        if rebuild or any(
            unit.name not in loaded.current or not ready(unit, found[unit.name]) for unit in units
        ):
            wanted = {unit.image for unit in units}
            observed = replace(observed, images=self.context.backend.images(loaded.stack, wanted))
        else:
            observed = replace(observed, images=frozenset(unit.image for unit in units))
        plan = plan_up(
            loaded.stack,
            observed,
            fingerprints=loaded.fingerprints,
            names=names,
            changes=loaded.changes,
            rebuild=rebuild,
        )
        return plan, [unit.name for unit in units]

    def plan_run(self, loaded: Loaded, name: str) -> Plan:
        """The plan for a one-off run of a unit. Raises `UsageError` for a name that nothing has."""
        from devenv.plan.planner import plan_run

        self.require(loaded, [name])
        images = self.context.backend.images(loaded.stack, {unit.image for unit in loaded.stack.units})
        return plan_run(
            loaded.stack,
            replace(loaded.observed, images=images),
            fingerprints=loaded.fingerprints,
            name=name,
            changes=loaded.changes,
        )

    def require(self, loaded: Loaded, names: Collection[str]) -> None:
        """Raises `UsageError` for a name that nothing in the stack has."""
        for name in names:
            if name not in loaded.stack:
                known = [unit.name for unit in loaded.stack.units]
                hint = did_you_mean(name, known, f"there are: {', '.join(known)}")
                raise UsageError(f'nothing is called "{name}"', hint=hint)

    def parity(self) -> list[Row]:
        """Everything the manifest says, and what becomes of it on each backend."""
        from devenv.manifest.used import used
        from devenv.plan.parity import report
        from devenv.render import DECLARED

        return report(used(self.parsed[0]), {name: fields() for name, fields in DECLARED.items()})

    def notes(self) -> list[str]:
        """What the manifest asks for and this backend does not do, a line each."""
        name = self.context.backend.name
        return self._memory.recall("notes", name, *self._written, make=lambda: self._notes(name))

    def _notes(self, name: str) -> list[str]:
        return [
            f"{row.path} does nothing on {name}: {row.support[name].reason}"
            for row in self.parity()
            if row.support[name].level == "lost"
        ]


def _seen(other: Backend | None, checkout: str) -> Observed:
    """What runs on the backend that is left; nothing where it does not even answer any more."""
    try:
        return other.observe(checkout) if other else Observed()
    except ToolMissing:
        return Observed()


def _namespace_moved(outline: Outline, observed: Observed, namespace: str) -> Iterator[str]:
    if namespace not in (observed.namespace, outline.namespace, outline.name):
        yield f"another checkout has the namespace {outline.name}: this one is in {namespace}"


def _changes(stack: Stack, before: Mapping[str, Mapping[str, str]], now: sources.Sources) -> dict[str, str]:
    """Image -> which files make a new one necessary, as far as it is known what went into the last."""
    found = {}
    for unit in stack.units:
        if unit.build is None:
            continue
        contents = now.contents[unit.build.context, unit.build.dockerfile]
        last = before.get(_key(unit.build), contents)
        names = sorted(name for name in contents.keys() | last if contents.get(name) != last.get(name))
        if names:
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            found[unit.image] = f"sources changed: {', '.join(names[:2])}{more}"
    return found


def _key(build: Build) -> str:
    return f"{build.context}:{build.dockerfile}"


def _moved(
    claims: Sequence[Claim],
    ports: Mapping[Key, int],
    taken: Mapping[int, str],
    held: Mapping[Key, tuple[int, int]],
) -> list[str]:
    """Ports that moved just now; of those that moved before it was said then."""
    return [
        f"{claim.wanted} is taken by {taken[claim.wanted]}: {claim.unit} is on {ports[claim.key]}"
        for claim in claims
        if claim.wanted in taken
        and claim.key in ports
        and ports[claim.key] != claim.wanted
        and held.get(claim.key) != (claim.wanted, ports[claim.key])
    ]


def _would_refuse(conflict: Conflict) -> str:
    wanted = conflict.claim.wanted
    return f"{wanted} is taken by {conflict.owner}: {conflict.claim.unit} publishes it, and up would refuse"


def _ports_taken(conflicts: list[Conflict], shown: str) -> DevenvError:
    lines = [f"{one.claim.wanted} is taken by {one.owner}" for one in conflicts]
    units = ", ".join(f"{one.claim.unit} publishes {one.claim.wanted}" for one in conflicts)
    return DevenvError(
        "port " + "; port ".join(lines),
        where=f"{shown}: {units}",
        why="checked before anything was created; nothing was changed",
        hint="devenv up --remap-ports   gives free ones, the same each time",
    )
