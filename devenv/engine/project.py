"""From the manifest's text to a resolved stack and what runs of it; everything is read once."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import assets, sources
from devenv.engine import ports
from devenv.engine.advice import advice
from devenv.engine.loaded import Loaded
from devenv.engine.manifestfile import ManifestFile
from devenv.engine.reloading.synced import Synced, bases, rules_of
from devenv.engine.surroundings import Surroundings, Tolerated, elsewhere
from devenv.errors import DevenvError, ManifestInvalid, ToolMissing, UsageError
from devenv.memory import Memory
from devenv.plan import notes
from devenv.plan.model import Edits, Observed, Plan
from devenv.plan.namespace import pick_namespace
from devenv.promises import Promises
from devenv.render import RUNTIMES, Runtime, renderer
from devenv.render.aspects import ASPECTS
from devenv.sources.digests import Digests
from devenv.sources.ignored import recipes
from devenv.stack import text
from devenv.stack.builds import with_sources
from devenv.stack.fingerprints import fingerprint
from devenv.stack.hosting import hostable, require_reachable, with_hosted
from devenv.stack.imaged import Declared, with_images
from devenv.stack.model import Stack, Unit
from devenv.stack.text import Text
from devenv.stack.world import Outline, World

if TYPE_CHECKING:  # pydantic comes with them, and an unchanged manifest needs none
    from devenv.backends.base import Backend
    from devenv.backends.relay.process import Task
    from devenv.engine.reloading.links import Links
    from devenv.plan.planner import Intent, Situation
    from devenv.render.bundle import Bundle
    from devenv.stack.model import Unit
    from devenv.workspace import Workspace


class Project:
    """A workspace: its manifest, the files that it names, and the plans and files made from them."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str], memory: Memory) -> None:
        self.workspace, self._environment, self._memory = workspace, environment, memory
        self.manifest = ManifestFile(workspace, environment, memory)
        self.digests = Digests({})
        self._links: Links | None = None

    def load(
        self,
        backend: Backend,
        *,
        other: Backend | None = None,
        promises: Promises,
        remap: bool = False,
        strict: bool = True,
        free: bool = True,
        promise: bool = False,
        reload: bool = True,
        host: Collection[str] | None = None,
        tolerate: tuple[type[DevenvError], ...] = (),
        observed: Observed | None = None,
    ) -> Loaded:
        """Read the manifest and everything it names, observe, decide ports, resolve.

        `observed`: what was observed already. `other` is the previous backend. `promise` reserves the
        decided ports against other commands. `host`: the services that run on this machine; None for those
        that do now.
        A backend that fails with one of the errors in `tolerate` counts as empty.
        Raises `ManifestInvalid` with every problem; when `strict` also `UsageError` for secrets without a
        value, and `DevenvError` for ports that are taken, unless they need not be `free`.
        """
        outline, runtime = self.manifest.outline, RUNTIMES[backend.renderer]
        read = self.read(outline)
        around = self._look_around(backend, other, tolerate, observed)
        hosted = around.hosted if host is None else frozenset(host)
        if hosted and not runtime.contained:
            raise _hosted_already(min(hosted))
        decided = self._decide_ports(around, promises, hosted, runtime, remap=remap, promise=promise)
        if decided.conflicts and strict and free:
            raise notes.ports_taken(decided.conflicts, self.workspace.shown)
        world = World(
            self.workspace.checkout,
            decided.ports,
            namespace=pick_namespace(outline, around.observed, self.workspace.checkout),
            hosted=() if runtime.contained else outline.units,
            **read.answers,
        )
        bare = self._stack(world, hosted, gone=host is None)
        synced, stack = self._synced(bare, read, plain=not runtime.contained, reload=reload)
        secrets = self._secret_values(stack, strict=strict)
        if stack.externals and strict:
            from devenv.engine.externals import require_named

            require_named(stack, secrets, contained=runtime.contained)
        loaded = Loaded(
            stack=stack,
            observed=around.observed,
            fingerprints=self._fingerprints(stack, secrets, backend),
            secrets=secrets,
            changes=notes.changed_files(stack, self._last_builds(), read.contents),
            contents=read.contents,
            synced=synced,
            notes=(),
            profiles=outline.profiles,
            world=world,
            elsewhere=around.elsewhere,
        )
        return replace(loaded, notes=(*around.trouble, *advice(loaded, self.manifest, backend, decided)))

    def _look_around(
        self, backend: Backend, other: Backend | None, tolerate: Tolerated, observed: Observed | None
    ) -> Surroundings:
        checkout = self.workspace.checkout
        if observed is None:
            return Surroundings.of(backend, other, checkout, tolerate)
        return Surroundings(observed, elsewhere(other, checkout, tolerate))

    def _decide_ports(
        self,
        around: Surroundings,
        promises: Promises,
        hosted: frozenset[str],
        runtime: Runtime,
        *,
        remap: bool,
        promise: bool,
    ) -> ports.Decision:
        with promises.deciding() as promised:
            decided = ports.decide(
                self.manifest.outline,
                around.observed,
                around.elsewhere,
                promised,
                checkout=self.workspace.checkout,
                remap=remap,
                hosted=hosted,
                runtime=runtime,
            )
            if promise:
                promises.make(decided.ports.values())
        return decided

    def read(self, outline: Outline) -> sources.Sources:
        """Read every file that the manifest names, and write its schema for editors."""
        space = self.workspace
        self.digests = digests = Digests.load(space.state / "cache" / "digests.json")
        read = sources.read(space.root, outline.wants, digests)
        if read.findings:
            raise ManifestInvalid([self.manifest.parsed[1].problem(*finding) for finding in read.findings])
        files = {"schema.json": self._memory.recall("schema", make=_schema)}
        if digests.changed:
            files["cache/digests.json"] = digests.dump()
        with suppress(DevenvError):  # they are made again; what has to be written says so itself
            space.write(files)
        return read

    def _stack(self, world: World, hosted: frozenset[str], *, gone: bool) -> Stack:
        """The resolved stack, with these services on this machine; some may be `gone` from the manifest."""
        bare = self.manifest.recall("stack", repr(world), make=lambda: self._resolve(world))
        if gone:  # what the manifest has lost by now is only removed
            hosted = frozenset(name for name in hosted if hostable(bare, name))
        else:
            require_reachable(bare, hosted)
        return with_hosted(bare, hosted, self.start_line)

    def start_line(self, unit: Unit) -> Text | None:
        """What starts a service in a shell on this machine; None where nothing says it."""
        from devenv.render.process import start_line

        found = None
        if unit.build is not None:
            with suppress(OSError):
                found = recipes(self.workspace.root, [unit.build]).get(unit.build.key)
        return start_line(unit, found)

    def _synced(
        self, bare: Stack, read: sources.Sources, *, plain: bool, reload: bool
    ) -> tuple[Synced, Stack]:
        """What is sent to running units, and the stack with the digests of all its sources."""
        rules = rules_of(bare, self.workspace.root, read, self._memory, plain=plain) if reload else {}
        synced = Synced.of(rules, self.workspace.state, read)
        based = bases(bare, synced.followed if plain else synced.rules, read, self._memory)
        return synced, synced.marked(with_sources(bare, read.builds, based))

    def _resolve(self, world: World) -> Stack:
        from devenv.stack.resolve import resolve

        manifest, _, catalogue = self.manifest.parsed
        return resolve(manifest, catalogue, world)

    def _secret_values(self, stack: Stack, *, strict: bool) -> dict[str, str]:
        return self.workspace.secret_values(
            wanted=stack.secrets,
            generated=stack.generated,
            environment=self._environment,
            strict=strict,
        )

    def _fingerprints(self, stack: Stack, secrets: Mapping[str, str], backend: Backend) -> dict[str, str]:
        digests = {name: text.digest(value) for name, value in secrets.items()}
        overrides = self.manifest.overrides  # read wherever it runs: a mistake in them is said at once
        aspects_of, counts = ASPECTS[backend.renderer], RUNTIMES[backend.renderer].cluster

        def own(unit: Unit) -> Any:
            aspects = aspects_of(stack, unit)
            override = overrides.get(unit.engine) if counts else None
            return aspects if override is None else [aspects, override]

        return {unit.name: fingerprint(unit, digests, own=own(unit)) for unit in stack.units}

    def require_secrets(self, stack: Stack) -> None:
        """Raises `UsageError` for secrets without a value."""
        self._secret_values(stack, strict=True)

    # -- plans and files

    def plan(self, loaded: Loaded, backend: Backend, intent: Intent) -> Plan:
        """The plan of `up`; images are only looked up where a unit is not as it should be.

        Raises `UsageError` for a name that nothing has.
        """
        from devenv.plan.planner import plan_up, wanted_images

        loaded.require(intent.names)
        situation = replace(self._situation(loaded, backend), edits=self._edits(loaded, backend, intent))
        wanted = wanted_images(loaded.stack, situation, intent)
        images = _images(backend, loaded, wanted)
        return plan_up(loaded.stack, replace(situation, observed=images), intent)

    def plan_run(self, loaded: Loaded, backend: Backend, name: str) -> Plan:
        """What a one-off run of a unit needs. Raises `UsageError` for a name that nothing has."""
        from devenv.plan.planner import plan_run

        loaded.require([name])
        observed = _images(backend, loaded, {unit.image for unit in loaded.stack.units})
        return plan_run(loaded.stack, replace(self._situation(loaded, backend), observed=observed), name)

    def _situation(self, loaded: Loaded, backend: Backend) -> Situation:
        from devenv.plan.planner import Situation

        hosted = [unit for unit in loaded.stack.units if unit.hosted]
        return Situation(
            backend=backend.name,
            observed=loaded.observed,
            fingerprints=loaded.fingerprints,
            changes=loaded.changes,
            elsewhere=loaded.elsewhere,
            relayed=frozenset(unit.name for unit in hosted if self.relay(backend, unit).carried),
        )

    def relay(self, backend: Backend, unit: Unit) -> Task:
        """What has to be done for a unit that runs on this machine."""
        from devenv.backends.relay.process import Task

        space = self.workspace
        return Task.of(backend.name, space.root, space.state, space.checkout, unit)

    def _edits(self, loaded: Loaded, backend: Backend, intent: Intent) -> Mapping[str, Edits]:
        from devenv.plan.planner import select

        selected = select(loaded.stack, intent.names)
        current = [unit for unit in selected if unit.reloads and unit.name in loaded.current]
        if not current or intent.rebuild:
            return {}
        return self.links(backend).edits(loaded.synced, current, loaded.observed.units)

    def links(self, backend: Backend) -> Links:
        """The links to the containers of this project's units."""
        from devenv.engine.reloading.links import Links

        if self._links is None:
            self._links = Links(backend, self.workspace.root)
        return self._links

    def bundle(
        self, loaded: Loaded, backend: Backend, folder: Path, declared: Mapping[str, Declared]
    ) -> Bundle:
        """The files that the backend runs, to be written to a folder; paths in them are relative to it.

        `declared`: what the stack's images say of themselves, for those that are known.
        """
        from devenv.render.bundle import Source

        render, root = renderer(backend.renderer), self.workspace.root
        stack = with_images(loaded.stack, declared)
        source = Source(
            root=os.path.relpath(root, folder),
            folder=os.path.relpath(folder, root),
            recipes=recipes(root, (unit.build for unit in stack.units)),
            fingerprints=loaded.fingerprints,
            secrets=loaded.secrets,
            files={name: (root / name).read_bytes() for name in render.project_files(stack)},
            overrides=assets.overrides(render.override_names(stack)) | dict(self.manifest.overrides),
            registry=backend.registry(stack),
        )
        return render.render(stack, source)

    def declared(self, loaded: Loaded, backend: Backend) -> Mapping[str, Declared]:
        """What the stack's images say of themselves, as far as they are here."""
        try:
            return backend.declared({unit.image for unit in loaded.stack.units})
        except ToolMissing:  # nothing is known then, as of images that are not built yet
            return {}

    def remember_builds(self, loaded: Loaded, names: Collection[str]) -> None:
        """Record what went into the images of these units, which exist now."""
        builds = {unit.build for unit in loaded.stack.units if unit.build is not None and unit.name in names}
        kept = self._last_builds() | {
            notes.build_key(build): loaded.contents[build.context, build.dockerfile] for build in builds
        }
        self.workspace.write({"cache/builds.json": json.dumps(kept, sort_keys=True)})

    def _last_builds(self) -> dict[str, Mapping[str, str]]:
        try:
            builds = json.loads((self.workspace.state / "cache" / "builds.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return builds if isinstance(builds, dict) else {}

    def settings(self, loaded: Loaded) -> set[str]:
        """The files and folders whose change makes a new plan necessary: all but the sources. Absolute."""
        space, root = self.workspace, self.workspace.root
        named = {path for files in loaded.world.files.values() for path, _ in files}
        kinds = ("text", "file", "mount", "env", "context")
        named |= {want.name for want in self.manifest.outline.wants if want.kind in kinds}
        named |= {file for file, _ in self.manifest.own_kinds.values()}
        return {str(space.file), *(os.path.normpath(root / name) for name in (".env", *named))}


@cache
def _schema() -> str:
    from devenv.manifest.models import schema

    return json.dumps(schema())


def _hosted_already(name: str) -> UsageError:
    return UsageError(
        "--host is for services in containers",
        why="as plain processes all of them run on this machine",
        hint=f"devenv up -b compose --host {name}"
        f'\neval "$(devenv env {name} --export)"   to run it by hand, beside the others',
    )


def _images(backend: Backend, loaded: Loaded, wanted: Collection[str]) -> Observed:
    """What was observed, plus the wanted images that exist."""
    try:
        images = backend.images(loaded.stack, wanted) if wanted else frozenset()
    except ToolMissing:  # `plan` works without an engine
        images = frozenset()
    return replace(loaded.observed, images=images)
