"""From the manifest's text to a resolved stack and what runs of it; everything is read once."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import assets, sources
from devenv.engine import ports
from devenv.engine.synced import Synced, bases, rules_of
from devenv.envfiles import read_env
from devenv.errors import DevenvError, ManifestInvalid, ToolMissing, UsageError, did_you_mean
from devenv.memory import Memory
from devenv.plan import notes
from devenv.plan.model import Edits, Elsewhere, Observed, Plan
from devenv.plan.namespace import pick_namespace
from devenv.promises import Promises
from devenv.render import renderer
from devenv.render.aspects import ASPECTS
from devenv.stack import text
from devenv.stack.addresses import lost_addresses
from devenv.stack.builds import with_sources
from devenv.stack.copies import image
from devenv.stack.hosting import hostable, require_reachable, with_hosted
from devenv.stack.imaged import Declared, with_images
from devenv.stack.model import Stack, Unit, fingerprint
from devenv.stack.world import BuildKey, Outline, World
from devenv.variables import names_in

if TYPE_CHECKING:  # pydantic comes with them, and an unchanged manifest needs none
    from devenv.backends.base import Backend
    from devenv.backends.relay.process import Task
    from devenv.engine.links import Links
    from devenv.manifest.exposed import Portless
    from devenv.manifest.models import Manifest
    from devenv.manifest.source import Source
    from devenv.plan.parity import Row
    from devenv.plan.planner import Intent, Situation
    from devenv.render.bundle import Bundle
    from devenv.stack.catalogue import Catalogue
    from devenv.stack.model import Unit
    from devenv.workspace import Workspace


@dataclass(frozen=True)
class Loaded:
    """A manifest with all that was read for it, resolved against what runs now.

    `changes`: image -> why it is rebuilt. `contents`: what goes into each image. `notes`: lines
    to show.
    """

    stack: Stack
    observed: Observed
    fingerprints: Mapping[str, str]
    secrets: Mapping[str, str]
    changes: Mapping[str, str]
    contents: Mapping[BuildKey, Mapping[str, str]]
    synced: Synced
    notes: tuple[str, ...]
    profiles: Mapping[str, tuple[str, ...]]
    world: World
    elsewhere: Elsewhere | None = None

    @property
    def current(self) -> set[str]:
        """Names of units that exist with the fingerprint they should have."""
        units = self.observed.units
        return {
            name
            for name, fingerprint in self.fingerprints.items()
            if name in units and units[name].fingerprint == fingerprint
        }

    def members(self, profiles: Iterable[str]) -> list[str]:
        """Names of the units of some profiles. Raises `UsageError` for one that is not there."""
        names: list[str] = []
        for profile in profiles:
            if profile not in self.profiles:
                listed = ", ".join(self.profiles) or "there are none"
                hint = did_you_mean(profile, self.profiles, f"profiles: {listed}")
                raise UsageError(f'no profile "{profile}"', hint=hint)
            names += self.profiles[profile]
        return names

    def require(self, names: Collection[str]) -> None:
        """Raises `UsageError` for a name that nothing in the stack has."""
        externals = {external.name for external in self.stack.externals}
        for name in names:
            if name in externals:
                raise UsageError(f"{name}: something else runs it", where=f"infra.{name}.external")
            if name not in self.stack:
                units = [unit.name for unit in self.stack.units]
                hint = did_you_mean(name, units, f"there are: {', '.join(units)}")
                raise UsageError(f'no service, job or store "{name}"', hint=hint)


class Project:
    """The manifest of a workspace, read once."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str], memory: Memory) -> None:
        self.workspace, self._environment, self._memory = workspace, environment, memory
        self.digests = sources.Digests({})
        self._links: Links | None = None

    def names(self) -> list[str]:
        """Names of all services, jobs and stores in the manifest."""
        manifest, _, _ = self.parsed
        return [*manifest.services, *manifest.jobs, *manifest.infra]

    @cached_property
    def parsed(self) -> tuple[Manifest, Source, Catalogue]:
        """The manifest, checked. Raises `ManifestInvalid` with every problem."""
        from devenv.manifest.parse import parse
        from devenv.stack.catalogue import Catalogue, Facts

        space = self.workspace
        catalogue = Catalogue(
            assets.catalogue() | {name: text for name, (_, text) in self._own_kinds.items()},
            {name: file for name, (file, _) in self._own_kinds.items()},
            recall=self._memory.recall,
        )
        manifest, source = parse(
            self._text,
            file=space.shown,
            kinds=Facts(catalogue),
            folder=space.root.name,
            variables=self._variables,
            exposed=self._exposed,
        )
        if manifest.kinds != space.kinds_folder(self._text):
            hint = "write kinds: at the start of a line, without quotes"
            raise ManifestInvalid([source.problem(("kinds",), "must be on a line of its own", hint)])
        return manifest, source, catalogue

    @cached_property
    def outline(self) -> Outline:
        """What the manifest asks to read and to publish, known before anything else is read."""
        return self._memory.recall("outline", *self._written, make=self._outline)

    @property
    def externals(self) -> Mapping[str, str]:
        """Stores that something else runs -> kind. Most manifests have none, which is known at no cost."""
        return self.outline.externals if "external:" in self._text else {}

    def _outline(self) -> Outline:
        from devenv.stack.resolve import outline

        manifest, _, catalogue = self.parsed
        return outline(manifest, catalogue)

    @cached_property
    def _own_kinds(self) -> dict[str, tuple[str, str]]:
        return self.workspace.kinds(self._text)

    @cached_property
    def overrides(self) -> Mapping[str, Any]:
        """Own kind -> fragments of objects that differ on Kubernetes. Raises `ManifestInvalid`."""
        texts = self.workspace.overrides(self._text)
        if not texts:
            return {}
        return self._memory.recall("overrides", json.dumps(texts), make=lambda: _parsed_overrides(texts))

    @cached_property
    def _text(self) -> str:
        return self.workspace.text()

    @property
    def digest(self) -> str:
        """A digest of the manifest's text."""
        return text.digest(self._text)[:8]

    @cached_property
    def _variables(self) -> dict[str, str]:
        """The variables of the environment that the manifest names, and nothing else of it."""
        names = names_in(self._text)
        available = {**read_env(self.workspace.root / ".env"), **self._environment} if names else {}
        return {name: available[name] for name in sorted(names) if name in available}

    @cached_property
    def _exposed(self) -> dict[str, tuple[str, ...]]:
        """The ports that the Dockerfiles of services without a port expose."""
        root, exposed = self.workspace.root, {}
        for service, context, dockerfile, target in self._memory.recall(
            "portless", self._text, make=lambda: _portless(self._text)
        ):
            path = posixpath.normpath(posixpath.join(context, dockerfile))
            if posixpath.isabs(path) or path.startswith(".."):
                continue
            with suppress(OSError, ValueError):  # what cannot be read is reported where it is needed
                recipe = (root / path).read_text(encoding="utf-8")
                exposed[service] = self._memory.recall(
                    "exposed", recipe, target or "", make=partial(_exposed_ports, recipe, target)
                )
        return exposed

    def derived(self) -> list[str]:
        """What follows from Dockerfiles, a line each."""
        from devenv.manifest.exposed import derived

        return [f"{name}: port {port}, which its Dockerfile exposes" for name, port in derived(self._exposed)]

    @cached_property
    def _written(self) -> tuple[str, ...]:
        """Everything the user wrote: keys of the cache."""
        others = [assets.catalogue(), self._own_kinds, self._variables, self._exposed]
        return self._text, self.workspace.root.name, json.dumps(others)

    def load(
        self,
        backend: Backend,
        *,
        other: Backend | None = None,
        promises: Promises,
        remap: bool = False,
        strict: bool = True,
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
        value, and `DevenvError` for ports that are taken.
        """
        outline = self.outline
        read = self.read(outline)
        trouble: list[str] = []
        if observed is None:
            observed, trouble = _observe(backend, self.workspace.checkout, tolerate)
        elsewhere = _elsewhere(other, self.workspace.checkout)
        hosted = _hosted(observed) if host is None else frozenset(host)
        if hosted and backend.renderer == "process":
            raise UsageError(
                "--host is for services in containers",
                why="as plain processes all of them run on this machine",
                hint=f"devenv up -b compose --host {min(hosted)}"
                f'\neval "$(devenv env {min(hosted)} --export)"   to run it by hand, beside the others',
            )
        with promises.deciding() as promised:
            decided = ports.decide(
                outline,
                observed,
                elsewhere,
                promised,
                checkout=self.workspace.checkout,
                remap=remap,
                hosted=hosted,
                renderer=backend.renderer,
            )
            if promise:
                promises.make(decided.ports.values())
        if decided.conflicts and strict:
            raise notes.ports_taken(decided.conflicts, self.workspace.shown)
        namespace = pick_namespace(outline, observed, self.workspace.checkout)
        world = World(
            self.workspace.checkout,
            decided.ports,
            namespace=namespace,
            hosted=outline.units if backend.renderer == "process" else (),
            **read.answers,
        )
        bare = self._memory.recall("stack", *self._written, repr(world), make=lambda: self._resolve(world))
        if host is None:  # what the manifest has lost by now is only removed
            hosted = frozenset(name for name in hosted if hostable(bare, name))
        else:
            require_reachable(bare, hosted)
        bare = with_hosted(bare, hosted)
        plain = bool(world.hosted)
        ruled = rules_of(bare, self.workspace.root, read, self._memory, plain=plain) if reload else {}
        synced = Synced.of(ruled, self.workspace.state, read)
        based = bases(bare, synced.followed if plain else synced.rules, read, self._memory)
        stack = synced.marked(with_sources(bare, read.builds, based))
        secrets = self._secret_values(stack, strict=strict)
        if stack.externals and strict:
            from devenv.engine.externals import require_named

            require_named(stack, secrets, contained=not world.hosted)
        fingerprints = _fingerprints(stack, secrets, backend.renderer, self.overrides)
        loaded = Loaded(
            stack=stack,
            observed=observed,
            fingerprints=fingerprints,
            secrets=secrets,
            changes=notes.changed_files(stack, self._last_builds(), read.contents),
            contents=read.contents,
            synced=synced,
            notes=(),
            profiles=outline.profiles,
            world=world,
            elsewhere=elsewhere,
        )
        return replace(loaded, notes=(*trouble, *self._notes(loaded, backend, decided)))

    def _notes(self, loaded: Loaded, backend: Backend, decided: ports.Decision) -> Iterator[str]:
        """What people should know of this stack on this backend, a line each."""
        stack, observed, outline = loaded.stack, loaded.observed, self.outline
        yield from self._lost(backend.name)
        yield from notes.moved_ports(outline.claims, decided.ports, decided.taken, decided.earlier)
        yield from notes.moved_namespace(outline, observed, loaded.world.namespace)
        yield from map(notes.refused_port, decided.conflicts)
        yield from self._lost_on_kubernetes(stack, loaded.world) if backend.renderer == "kubernetes" else ()
        yield from _unreachable(loaded.elsewhere)
        yield from self._secret_arguments(stack)
        yield from notes.large_contexts(loaded.contents)
        yield from notes.unmatched_patterns(
            {unit.name: loaded.synced.unmatched(unit) for unit in stack.units if unit.reload and unit.reloads}
        )
        yield from notes.said_in_vain(stack)
        yield from notes.data_left(stack, observed)
        yield from notes.only_for_new_data(stack, observed, loaded.fingerprints)

    def read(self, outline: Outline) -> sources.Sources:
        """Read every file that the manifest names, and write its schema for editors."""
        space = self.workspace
        self.digests = digests = sources.Digests.load(space.state / "cache" / "digests.json")
        read = sources.read(space.root, outline.wants, digests)
        if read.findings:
            raise ManifestInvalid([self.parsed[1].problem(*finding) for finding in read.findings])
        files = {"schema.json": self._memory.recall("schema", make=_schema)}
        if digests.changed:
            files["cache/digests.json"] = digests.dump()
        space.write(files)
        return read

    def _resolve(self, world: World) -> Stack:
        from devenv.stack.resolve import resolve

        manifest, _, catalogue = self.parsed
        return resolve(manifest, catalogue, world)

    def _secret_values(self, stack: Stack, *, strict: bool) -> dict[str, str]:
        return self.workspace.secret_values(
            wanted=stack.secrets,
            generated=stack.generated,
            environment=self._environment,
            strict=strict,
        )

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
        from devenv.engine.links import Links

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
        builds = {unit.build.key for unit in stack.units if unit.build is not None}
        source = Source(
            root=os.path.relpath(root, folder),
            folder=os.path.relpath(folder, root),
            recipes={key: sources.recipe(root / key[0], key[1]) for key in builds},
            fingerprints=loaded.fingerprints,
            secrets=loaded.secrets,
            files={name: (root / name).read_bytes() for name in render.project_files(stack)},
            overrides=assets.overrides(render.override_names(stack)) | dict(self.overrides),
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
        named |= {want.name for want in self.outline.wants if want.kind in kinds}
        named |= {file for file, _ in self._own_kinds.values()}
        return {str(space.file), *(os.path.normpath(root / name) for name in (".env", *named))}

    # -- parity

    def parity(self, *, plain: bool) -> list[Row]:
        """Every field of the manifest, and what each backend does with it; `plain`: plain processes as well.

        Most stacks never run as such, and much of what they say is about containers.
        """
        from devenv.render import DECLARED

        return self._support([name for name in DECLARED if plain or name != "process"])

    def _support(self, backends: Collection[str]) -> list[Row]:
        from devenv.manifest.used import used
        from devenv.plan.parity import report
        from devenv.render import DECLARED

        return report(used(self.parsed[0]), {name: DECLARED[name]() for name in backends})

    def _lost(self, backend: str) -> list[str]:
        """Fields of the manifest that do nothing on this backend, a line each."""
        return self._memory.recall("notes", backend, *self._written, make=lambda: self._lost_fields(backend))

    def _lost_on_kubernetes(self, stack: Stack, world: World) -> list[str]:
        """A line for each value of the stack that does nothing on Kubernetes."""

        def lines() -> list[str]:
            from devenv.render.kubernetes.parity import lost_extras

            return [*lost_addresses(stack), *lost_extras(stack)]

        return self._memory.recall("kubernetes", *self._written, repr(world), make=lines)

    def _secret_arguments(self, stack: Stack) -> list[str]:
        """A line with its place in the manifest for each secret that a build leaves in the image."""
        places = notes.secret_arguments(stack)
        if not places:  # the manifest is read again only where there is something to say
            return []
        hint = "write it under build.secrets, and in the Dockerfile RUN --mount=type=secret,id=NAME"
        return self._memory.recall(
            "arguments",
            *self._written,
            repr(places),
            make=lambda: [str(self.parsed[1].problem(path, why, hint)) for path, why in places],
        )

    def _lost_fields(self, backend: str) -> list[str]:
        return [
            f"{row.path} does nothing on {backend}: {row.support[backend].reason}"
            for row in self._support([backend])
            if row.support[backend].level == "lost"
        ]


@cache
def _schema() -> str:
    from devenv.manifest.models import schema

    return json.dumps(schema())


def _observe(
    backend: Backend, checkout: str, tolerate: tuple[type[DevenvError], ...]
) -> tuple[Observed, list[str]]:
    try:
        return backend.observe(checkout), []
    except tolerate as error:
        return Observed(), [f"{error.what}: the plan assumes that nothing runs"]


def _hosted(observed: Observed) -> frozenset[str]:
    return frozenset(name for name, unit in observed.units.items() if unit.hosted)


def _elsewhere(other: Backend | None, checkout: str) -> Elsewhere | None:
    """What runs on the previous backend; unreachable if it does not answer."""
    if other is None:
        return None
    try:
        return Elsewhere(other.name, other.observe(checkout))
    except ToolMissing as error:
        return Elsewhere(other.name, unreachable=error.what)


def _unreachable(elsewhere: Elsewhere | None) -> list[str]:
    if elsewhere is None or not elsewhere.unreachable:
        return []
    return [f"the stack ran on {elsewhere.backend}, which does not answer: {elsewhere.unreachable}"]


def _exposed_ports(recipe: str, target: str | None) -> tuple[str, ...]:
    return image(recipe, target).exposed


def _portless(text: str) -> tuple[Portless, ...]:
    if "build" not in text:  # reading a large manifest once more takes a while
        return ()
    from devenv.manifest.exposed import portless

    return portless(text)


def _parsed_overrides(texts: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    from devenv.stack import overrides

    return {name: overrides.read(text, file=file) for name, (file, text) in texts.items()}


def _fingerprints(
    stack: Stack, secrets: Mapping[str, str], render: str, overrides: Mapping[str, Any]
) -> dict[str, str]:
    digests = {name: text.digest(value) for name, value in secrets.items()}

    def own(unit: Unit) -> Any:
        aspects = ASPECTS[render](stack, unit)
        override = overrides.get(unit.engine) if render == "kubernetes" else None
        return aspects if override is None else [aspects, override]

    return {unit.name: fingerprint(unit, digests, own=own(unit)) for unit in stack.units}


def _images(backend: Backend, loaded: Loaded, wanted: Collection[str]) -> Observed:
    """What was observed, plus the wanted images that exist."""
    try:
        images = backend.images(loaded.stack, wanted) if wanted else frozenset()
    except ToolMissing:  # `plan` works without an engine
        images = frozenset()
    return replace(loaded.observed, images=images)
