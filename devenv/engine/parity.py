"""What each backend does with the fields that a manifest uses."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from devenv.stack.addresses import lost_addresses
from devenv.stack.model import Stack
from devenv.stack.world import World

if TYPE_CHECKING:  # pydantic comes with them, and an unchanged manifest needs none
    from devenv.engine.manifestfile import ManifestFile
    from devenv.plan.parity import Row


def parity(manifest: ManifestFile, *, plain: bool) -> list[Row]:
    """Every field of the manifest, and what each backend does with it; `plain`: plain processes as well.

    Most stacks never run as such, and much of what they say is about containers.
    """
    from devenv.render import DECLARED

    return _support(manifest, [name for name in DECLARED if plain or name != "process"])


def lost_fields(manifest: ManifestFile, backend: str) -> list[str]:
    """Fields of the manifest that do nothing on a backend, a line each."""

    def lines() -> list[str]:
        support = _support(manifest, [backend])
        lost = {
            row.path: row.support[backend].reason for row in support if row.support[backend].level == "lost"
        }
        return [
            f"{path} does nothing on {backend}: {reason}"
            for path, reason in lost.items()
            if not any(path.startswith(f"{above}.") for above in lost)
        ]

    return manifest.recall("notes", backend, make=lines)


def lost_on_kubernetes(manifest: ManifestFile, stack: Stack, world: World) -> list[str]:
    """A line for each value of the stack that does nothing on Kubernetes."""

    def lines() -> list[str]:
        from devenv.render.kubernetes.parity import lost_extras, lost_of_machine

        return [*lost_addresses(stack), *lost_extras(stack), *lost_of_machine(stack)]

    return manifest.recall("kubernetes", repr(world), make=lines)


def _support(manifest: ManifestFile, backends: Collection[str]) -> list[Row]:
    from devenv.manifest.used import used
    from devenv.plan.parity import report
    from devenv.render import DECLARED

    return report(used(manifest.parsed[0]), {name: DECLARED[name]() for name in backends})
