"""What people should know of a stack on a backend before it is brought up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from devenv.engine.loaded import Loaded
from devenv.engine.manifestfile import ManifestFile
from devenv.engine.parity import lost_fields, lost_on_kubernetes
from devenv.engine.ports import Decision
from devenv.envfiles import odd_lines
from devenv.plan import notes
from devenv.plan.model import Elsewhere
from devenv.render import RUNTIMES
from devenv.stack.model import Stack

if TYPE_CHECKING:
    from devenv.backends.base import Backend


def advice(loaded: Loaded, manifest: ManifestFile, backend: Backend, decided: Decision) -> Iterator[str]:
    """A line for each thing that people should know of this stack on this backend."""
    stack, observed, outline = loaded.stack, loaded.observed, manifest.outline
    for line in odd_lines(manifest.workspace.root / ".env"):
        yield f".env:{line}: not NAME=value, so it is left out"
    yield from lost_fields(manifest, backend.name)
    yield from notes.moved_ports(outline.claims, decided.ports, decided.taken, decided.earlier)
    yield from notes.moved_namespace(outline, observed, loaded.world.namespace)
    yield from map(notes.refused_port, decided.conflicts)
    if RUNTIMES[backend.renderer].cluster:
        yield from lost_on_kubernetes(manifest, stack, loaded.world)
        for unit in stack.units:
            rules = loaded.synced.followed.get(unit.name)
            copied = [(copy.reason, copy.target) for copy in rules.copies] if rules else []
            yield from notes.hidden_by_volumes(unit, copied)
    else:
        yield from notes.one_of_many(stack)
    yield from _unreachable(loaded.elsewhere)
    yield from _secret_arguments(manifest, stack)
    yield from notes.large_contexts(loaded.contents)
    yield from notes.unmatched_patterns(
        {unit.name: loaded.synced.unmatched(unit) for unit in stack.units if unit.reload and unit.reloads}
    )
    yield from notes.said_in_vain(stack)
    yield from notes.data_left(stack, observed)
    yield from notes.only_for_new_data(stack, observed, loaded.fingerprints)


def _secret_arguments(manifest: ManifestFile, stack: Stack) -> list[str]:
    """A line with its place in the manifest for each secret that a build leaves in the image."""
    places = notes.secret_arguments(stack)
    if not places:  # the manifest is read again only where there is something to say
        return []
    hint = "write it under build.secrets, and in the Dockerfile RUN --mount=type=secret,id=NAME"
    return manifest.recall(
        "arguments",
        repr(places),
        make=lambda: [str(manifest.parsed[1].problem(path, why, hint)) for path, why in places],
    )


def _unreachable(elsewhere: Elsewhere | None) -> list[str]:
    if elsewhere is None:
        return []
    if down := elsewhere.observed.down:
        heal = f"devenv down -b {elsewhere.backend}   removes it once that runs"
        return [f"the stack was on {elsewhere.backend}: {down}, so what it has there stays; {heal}"]
    if not elsewhere.unreachable:
        return []
    return [f"the stack ran on {elsewhere.backend}, which does not answer: {elsewhere.unreachable}"]
