"""Composition root: reads the world once and puts workspace, catalogue, backend and console together."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from devenv import workspace
from devenv.backends import load
from devenv.backends.base import Backend, Site
from devenv.console import Console
from devenv.errors import UsageError, did_you_mean
from devenv.plan.model import Found, Observed

if TYPE_CHECKING:
    from devenv.cli.loading import Loaded, Project


DEFAULT = "compose"


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
    """What a command works with. Nothing else constructs these things."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.options, self.environment = Options(), environment

    def option(self, name: str, value: str | bool) -> None:
        """Set one of the common options, wherever on the command line it stood."""
        self.options = Options(**{**vars(self.options), name: value})

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
        """The backend asked for, else the manifest's, else the one that was used last, else compose.

        Only commands that read the manifest anyway know what it says; see `prefer`.
        """
        return self._load(self.asked or self.workspace.last_backend or DEFAULT)

    @property
    def asked(self) -> str:
        """The backend that the command line or the environment names."""
        return self.options.backend or self.environment.get("DEVENV_BACKEND") or ""

    def prefer(self, backend: str) -> None:
        """Use the manifest's backend, unless another one was asked for."""
        if backend and not self.asked:
            self.backend = self._load(backend)

    def observe(self) -> Observed:
        """What runs of this checkout, manifest or no manifest."""
        return self.backend.observe(self.workspace.checkout)

    @property
    def other(self) -> Backend | None:
        """The backend that this checkout was last brought up on, when that is not the one in use."""
        last = self.workspace.last_backend
        return self._load(last, "") if last and last != self.backend.name else None

    def _load(self, name: str, context: str | None = None) -> Backend:
        space = self.workspace
        named = self.options.context or "" if context is None else context
        return load(name, Site(space.root, space.state, named))

    def running(self, names: Collection[str]) -> list[Found]:
        """The named units as they are now, or all. Raises `UsageError` for one that is not there."""
        observed = self.observe()
        for name in names:
            if name not in observed.units:
                known = ", ".join(observed.units)
                why = f"up are: {known}" if known else "nothing of this checkout is up"
                hint = did_you_mean(name, observed.units, f"devenv up {name}")
                raise UsageError(f'"{name}" is not up', why=why, hint=hint)
        if not observed.units:
            self.console.say("nothing of this checkout is up; begin with: devenv up")
        return [observed.units[name] for name in (names or observed.units)]

    def hide_secrets(self) -> None:
        """Mask what is known of secrets, for commands that print what others said."""
        self.console.hide(self.workspace.hidden())

    @cached_property
    def project(self) -> Project:
        """The manifest and what it names, for commands that need a valid one."""
        from devenv.cli.loading import Project

        return Project(self)

    def load(self, *, remap: bool = False, strict: bool = True, start: bool = False) -> Loaded:
        """The stack as it should be beside what runs; see `Project.load`."""
        return self.project.load(remap=remap, strict=strict, start=start)

    def where(self) -> str:
        """What the backend runs on."""
        return self.backend.check()
