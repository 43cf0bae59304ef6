"""What a checkout wants of its machine, as far as its manifest can be read."""

from __future__ import annotations

import os
from pathlib import Path

from devenv.backends.base import Backend
from devenv.doctor.gathering import Deadline, begun
from devenv.doctor.verdict import Wanted
from devenv.engine import ports
from devenv.engine.loaded import Loaded
from devenv.engine.project import Project
from devenv.errors import DevenvError
from devenv.plan.model import Observed
from devenv.plan.planner import select
from devenv.promises import Promises
from devenv.render import RUNTIMES

EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist")
"""Names that people give to the file that shows what belongs into `.env`."""


def wanted(project: Project, backend: Backend, promises: Promises, *, seconds: float) -> Wanted:
    """What `up` would bring to this machine, and what of it runs already.

    `seconds`: how long the backend is waited for. Nothing is said of ports where it does not answer in time,
    as this checkout's own containers may hold them.
    """
    checkout, outline = project.workspace.checkout, project.manifest.outline
    late, observed = _observed(backend, checkout, seconds)
    try:
        loaded = project.load(backend, promises=promises, strict=False, observed=observed)
    except DevenvError as error:
        return Wanted(backend.name, invalid=error)
    running = {name for name, unit in observed.units.items() if unit.running}
    decided = ports.decide(
        outline,
        observed,
        None,
        {},
        checkout=checkout,
        remap=False,
        runtime=RUNTIMES[backend.renderer],
    )
    return Wanted(
        backend=backend.name,
        stack=loaded.stack,
        starting=tuple(unit for unit in select(loaded.stack, ()) if unit.name not in running),
        conflicts=None if late else tuple(decided.conflicts),
        profiles=loaded.profiles,
        secretless=_secretless(project, loaded),
        example=_example(project.workspace.root),
        promotes=outline.promotes,
    )


def _observed(backend: Backend, checkout: str, seconds: float) -> tuple[bool, Observed]:
    """Whether the backend does not answer in time, and what runs on it."""
    try:
        observed = Deadline(seconds).answer(begun(lambda: backend.observe(checkout)))
    except DevenvError:  # the checks of the engine and of the cluster say why
        return False, Observed()
    return observed is None, observed or Observed()


def _secretless(project: Project, loaded: Loaded) -> DevenvError | None:
    try:
        project.require_secrets(loaded.stack)
    except DevenvError as error:
        return error
    return None


def _example(root: Path) -> str:
    """The file to begin `.env` with, as seen from here; "" where there is one, or no example."""
    if (root / ".env").exists():
        return ""
    return next((os.path.relpath(root / name) for name in EXAMPLES if (root / name).is_file()), "")
