"""`promote --rehearse`: what a promotion would do, done on a cluster of this machine and removed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from devenv.cli.asking import confirm_by_name
from devenv.cli.promotion.adopting import companions_of
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.backends.kube.backend import KubeBackend
    from devenv.cli.context import Context
    from devenv.engine.promotion.companions import Companions
    from devenv.engine.promotion.rehearse import Rehearsal
    from devenv.plan.promotion.companions import Companion

Say = Callable[[str, str], None]


def rehearse(context: Context, environment: str, *, yes: bool, timeout: int, say: Say) -> None:
    """Rehearse the promotion of an environment.

    Raises `UsageError` for its own cluster, `UnitFailed` for a unit that does not get ready.
    """
    from devenv.engine.promotion.promote import Release
    from devenv.engine.promotion.rehearse import Rehearsal, require_elsewhere, target
    from devenv.stack.environments import environment as environment_of

    console, project, began = context.console, context.project, time.monotonic()
    own = environment_of(project.manifest.parsed[0], environment)
    with context.workspace.only_one("rehearsal", "rehearsal") as other, closing(_backend(context)) as backend:
        if other:
            raise UsageError(
                "this stack is being rehearsed already", why=other, hint="wait for that, then again"
            )
        if not context.options.context:
            backend.start(project.manifest.parsed[0].name, lambda line: say("cluster", line))
        place = backend.cluster.place
        require_elsewhere(place, own.context, environment)
        release = Release(target(place, environment, project.manifest.parsed[0].name))
        console.sentence(
            f"{console.style(release.target.release, 'bold')} to {environment}, rehearsed "
            f"{console.style(f'({release.target.where})', 'dim')}"
        )
        if place.looks_like_production and not yes:
            confirm_by_name(f"{place.context} looks like production.", place.context)
        rehearsal = Rehearsal(project, release)
        with context.lock("devenv promote --rehearse"):
            images = _delivered(context, backend, rehearsal, say)
        parcel, stand_ins = rehearsal.parcel(images)
        for each in stand_ins:
            say("replaced", f"{each.about}  {each.line}")
        companions = companions_of(context, release)
        coming = list(_coming(companions, say))
        with rehearsal.namespace(say):
            objects = release.objects(parcel)
            for name in rehearsal.make_secrets(objects):
                say("replaced", f"Secret {name}  made here, of values that nothing else takes")
            release.require_admitted(objects, release.changes(objects), so_far="nothing was promoted")
            say("chart", f"read by Helm {release.helm.major}, judged by the cluster")
            for companion in coming:
                rehearsal.bring(companions, companion, say, within=timeout)
            rehearsal.install(parcel, objects, say, within=timeout)
            rehearsal.smoke(say)
            say("proved", _proved(rehearsal, objects))
    seconds = console.style(f"rehearsed in {time.monotonic() - began:.1f} s", "green", "bold")
    console.say(f"{seconds}    now: {console.style(f'devenv promote {environment}', 'bold')}")


def _coming(companions: Companions, say: Say) -> Iterator[Companion]:
    """Charts of other people of which nothing would outlive the namespace."""
    for companion in companions.wanted:
        if beyond := companions.beyond_namespace(companion):
            say("replaced", f"{companion.name}  left out: {beyond[0]} would not go away with the namespace")
        else:
            yield companion


def _backend(context: Context) -> KubeBackend:
    """The cluster that was named, else the project's Minikube."""
    from devenv.backends.base import Site
    from devenv.backends.kube.backend import KubeBackend
    from devenv.backends.minikube import MinikubeBackend

    named = context.options.context or ""
    site = Site(context.workspace.root, context.workspace.state, named)
    return KubeBackend(site) if named else MinikubeBackend(site)


def _delivered(context: Context, backend: KubeBackend, rehearsal: Rehearsal, say: Say) -> Mapping[str, str]:
    """The images of the stack, on the cluster's nodes."""
    from devenv.backends import containers
    from devenv.backends.images import Images
    from devenv.engine.promotion.shipping import build_secrets

    secrets = context.workspace.secret_values(
        wanted=build_secrets(rehearsal.stack), generated=(), environment=context.environment, strict=True
    )
    context.console.hide(secrets.values())
    images = Images(containers.address(), lambda: backend.cluster.engine)
    return rehearsal.deliver(images, backend.cluster.delivery(rehearsal.stack), secrets, say)


def _proved(rehearsal: Rehearsal, objects: Sequence[Mapping[str, Any]]) -> str:
    from devenv.engine.promotion.smoke import unasked

    units, gateway = rehearsal.stack.units, rehearsal.stack.gateway
    idle = {unit.name for unit in units if unit.manual}
    routes = [route for route in (gateway.routes if gateway else ()) if route.service not in idle]
    counts = {
        ("object", "made"): len(objects),
        ("unit", "ready"): sum(not unit.one_shot and not unit.manual for unit in units),
        ("job", "done"): sum(unit.one_shot and not unit.manual for unit in units),
        ("route", "tried"): sum(not unasked(route) for route in routes),
    }
    return ", ".join(
        f"{count} {noun}{'s' if count > 1 else ''} {verb}" for (noun, verb), count in counts.items() if count
    )
