"""What a command knows once the manifest is read and resolved against what runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from devenv.engine.reloading.synced import Synced
from devenv.errors import UsageError, did_you_mean
from devenv.plan.model import Elsewhere, Observed
from devenv.stack.model import Stack
from devenv.stack.world import BuildKey, World


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
