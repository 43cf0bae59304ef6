"""What every command works with - console, workspace, project and backend - put together in one place."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from devenv import home, workspace
from devenv.backends import containers, load
from devenv.backends.base import Backend, Site
from devenv.console import Console
from devenv.errors import DevenvError, UsageError, did_you_mean
from devenv.plan.choice import Choice, choose
from devenv.plan.model import Observed, ObservedUnit

if TYPE_CHECKING:
    from devenv.backends.kube.promoted import PromotedBackend
    from devenv.engine.lifecycle import Lifecycle
    from devenv.engine.loaded import Loaded
    from devenv.engine.place import Place
    from devenv.engine.project import Project
    from devenv.plan.promotion.changes import Target
    from devenv.promises import Promises


@dataclass(frozen=True)
class Options:
    """The options that every command takes."""

    file: str | None = None
    backend: str | None = None
    context: str | None = None
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False


class Context:
    """All that a command works with: console, workspace, project, backend. Each is constructed here only."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.options, self.environment = Options(), environment
        self.promoted: PromotedBackend | None = None

    def option(self, name: str, value: str | bool) -> None:
        """Set one of the common options, wherever on the command line it stood."""
        self.options = Options(**{**vars(self.options), name: value})

    @cached_property
    def console(self) -> Console:
        """The terminal, or the pipe, that the command prints to."""
        options = self.options
        return Console.of(
            self.environment, colour=not options.no_color, quiet=options.quiet, verbose=options.verbose
        )

    @cached_property
    def workspace(self) -> workspace.Workspace:
        """The folder of the manifest and what lies beside it."""
        return workspace.find(self.options.file, self.environment)

    @cached_property
    def project(self) -> Project:
        """The manifest and what it names, for commands that need a valid one."""
        from devenv.engine.project import Project
        from devenv.memory import Memory

        return Project(self.workspace, self.environment, Memory(home.cache(self.environment)))

    def renew(self) -> None:
        """Read the manifest again when it is needed next."""
        for name in ("project", "promises"):
            self.__dict__.pop(name, None)

    @cached_property
    def promises(self) -> Promises:
        """Host ports that this command and others have decided on but not opened yet."""
        from devenv.promises import Promises

        return Promises(home.state() / "ports", f"the stack in {self.workspace.root}")

    # -- which backend

    def _choose(self, manifest: str = "") -> Choice:
        last = next(iter(self.workspace.backends), "")
        return choose(
            flag=self.options.backend or "",
            environment=self.environment.get("DEVENV_BACKEND") or "",
            manifest=manifest,
            last=last,
            absent=containers.absent(self.environment),
        )

    @cached_property
    def backend(self) -> Backend:
        """The backend that the stack runs on, for commands that need no valid manifest."""
        return self._load(self._choose().backend)

    def target(self, environment: str) -> Target:
        """Where an environment's release lives. Raises `UsageError` for one that the manifest does not have,
        and for an option that names another place.
        """
        from devenv.plan.promotion.changes import Target
        from devenv.stack.environments import environment as environment_of

        manifest, _, _ = self.project.manifest.parsed
        chosen = environment_of(manifest, environment)
        for option, value in (("--context", self.options.context), ("--backend", self.options.backend)):
            if value:
                raise UsageError(
                    f"{option} is not for environments",
                    why=f"{environment} is in the context {chosen.context}, and nowhere else",
                    hint=f"leave it out, or change context: under environments.{environment}",
                )
        namespace = chosen.namespace or manifest.namespace or manifest.name
        return Target(environment, chosen.context, namespace, manifest.name)

    def look_at(self, environment: str) -> None:
        """Have this command look at what was promoted to an environment, not at this checkout's stack."""
        from devenv.backends.kube.promoted import PromotedBackend
        from devenv.stack.environments import external
        from devenv.stack.resolve import secret_variables

        target, (manifest, _, catalogue) = self.target(environment), self.project.manifest.parsed
        place = manifest.environments[environment]
        secrets: dict[str, Collection[str] | None] = {place.secret or f"{manifest.name}-secrets": None}
        for store, elsewhere in external(place).items():
            if elsewhere.secret:
                secrets[elsewhere.secret] = secret_variables(manifest, catalogue, store)
        self.backend = self.promoted = PromotedBackend(target, secrets)

    def start_hint(self, name: str) -> str:
        """What people type to have a unit that is not there, or which ones the manifest has."""
        if self.promoted:
            return self.promoted.start_hint
        with suppress(DevenvError):  # a broken manifest has no names
            outline = self.project.manifest.outline
            if name not in outline.units:
                return did_you_mean(name, outline.units, f"there are: {', '.join(outline.names)}")
        return f"devenv up {name}"

    @cached_property
    def place(self) -> Place:
        """The backend to run the stack on, for commands that read the manifest."""
        from devenv.engine.place import Place

        choice = self._choose(self.project.manifest.outline.backend)
        backend = self._load(choice.backend)
        return Place(backend, choice.reason, self._other(backend))

    @property
    def place_in_use(self) -> Place:
        """The same for one unit beside a stack that is up: where that runs, whatever the manifest says."""
        from devenv.engine.place import Place

        other = None if self._asked else self.place.other
        try:
            in_use = other is not None and bool(other.observe(self.workspace.checkout).units)
        except DevenvError:  # unreachable; loading the project will report that
            in_use = False
        return Place(other, "it runs there") if other is not None and in_use else self.place

    @property
    def _asked(self) -> bool:
        """Whether the user named a backend or a cluster for this command."""
        options = self.options
        return bool(options.backend or options.context or self.environment.get("DEVENV_BACKEND"))

    def _load(self, name: str, *, recalled: bool = False) -> Backend:
        """A backend; `recalled` takes the kube context of the last `up` and ignores --context."""
        named = "" if recalled else self.options.context or ""
        return load(name, Site(self.workspace.root, self.workspace.state, named))

    def _other(self, backend: Backend) -> Backend | None:
        """The backend of the last `up`, if that was another one or another cluster."""
        for name in self.workspace.backends:
            if name != backend.name or self.options.context:
                other = self._load(name, recalled=True)
                try:
                    if other.home != backend.home:
                        return other
                except DevenvError:  # it is gone; observing it will report that
                    return other
        return None

    @property
    def left_over(self) -> list[Backend]:
        """Backends that the stack may still be on, as an `up` elsewhere was cut short; none with -b."""
        other = None if self._asked or len(self.workspace.backends) < 2 else self._other(self.backend)
        return [] if other is None else [other]

    # -- shared by commands

    def lifecycle(self, place: Place) -> Lifecycle:
        """The commands that change the stack on a backend."""
        from devenv.engine.lifecycle import Lifecycle

        return Lifecycle(self.project, place, self.promises, self.hide)

    def load(
        self,
        *,
        strict: bool = False,
        free: bool = True,
        host: Collection[str] | None = None,
        tolerate: tuple[type[DevenvError], ...],
    ) -> Loaded:
        """The stack and what runs of it, for read-only commands; see `Project.load`."""
        place = self.place
        loaded = self.project.load(
            place.backend,
            other=place.other,
            promises=self.promises,
            strict=strict,
            free=free,
            host=host,
            tolerate=tolerate,
        )
        self.hide(loaded)
        return loaded

    def hide(self, loaded: Loaded) -> None:
        """Mask the secrets of a stack in all output from now on."""
        self.console.hide(loaded.secrets.values(), words=loaded.stack.words)

    def observe(self) -> Observed:
        """What runs of this checkout. Needs no valid manifest."""
        return self.backend.observe(self.workspace.checkout)

    def observe_here(self) -> Observed:
        """The same, with the programs of units that run on this machine."""
        observed = self.observe()
        if not any(unit.hosted for unit in observed.units.values()):
            return observed
        from devenv.backends.relay.look import with_programs

        return with_programs(observed, self.workspace.state / self.backend.name)

    def running(self, names: Collection[str]) -> list[ObservedUnit]:
        """The named units as observed, or all. Raises `UsageError` for a name that is not there."""
        observed = self.observe()
        for name in names:
            if name not in observed.units:
                running = ", ".join(observed.units)
                why = f"running: {running}" if running else "nothing of this checkout is running"
                hint = did_you_mean(name, observed.units, self.start_hint(name))
                raise UsageError(f'"{name}" is not running', why=why, hint=hint)
        if not observed.units:
            self.say_that_nothing_runs(observed)
        return [observed.units[name] for name in (names or observed.units)]

    def say_that_nothing_runs(self, observed: Observed) -> None:
        """Say so, with the reason if there is one, and where the stack may still be if an `up` elsewhere was
        cut short.
        """
        why = f", as {observed.down}" if observed.down else ""
        up = f"devenv up -b {self.options.backend}" if self.options.backend else "devenv up"
        self.console.sentence(f"nothing of this checkout is running{why}; start it with: {up}")
        for other in self.left_over:
            asked = f"devenv -b {other.name} status"
            self.console.sentence(
                f"an `up` was cut short: the stack may still be on {other.name}; {asked}   shows it"
            )

    def hide_secrets(self) -> None:
        """Mask all known secrets, for commands that print other programs' output."""
        values, words = self.workspace.hidden()
        self.console.hide(values, words=words)
        if self.promoted is not None:
            self.console.hide(self.promoted.hidden())

    def lock(self, purpose: str) -> AbstractContextManager[None]:
        """The stack's lock. Prints a note while another command holds it."""

        def waiting(holder: str) -> None:
            self.console.note(f"waiting for {holder} to finish with this stack")

        return self.workspace.lock(purpose=purpose, on_wait=waiting)
