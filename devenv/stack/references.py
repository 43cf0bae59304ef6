"""Finds what each service and job needs: by `uses`, and by references to addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from devenv.manifest.models import Manifest
from devenv.manifest.workloads import Health, Job, Service
from devenv.stack import text


def needs(manifest: Manifest, infra: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Service or job -> the units it needs; `infra` are the names of all stores, declared or not.

    Two services may refer to each other: a reference that would close a cycle is no dependency.
    """
    workloads: dict[str, Service | Job] = {**manifest.services, **manifest.jobs}
    graph = {
        name: list(dict.fromkeys(use.partition("/")[0] for use in workload.uses))
        for name, workload in workloads.items()
    }
    for name, workload in workloads.items():
        for other in _named(manifest, {*manifest.services, *infra}, workload):
            if other not in graph[name] and not _reaches(graph, other, name):
                graph[name].append(other)
    return {name: tuple(others) for name, others in graph.items()}


def _named(manifest: Manifest, names: Collection[str], workload: Service | Job) -> Iterator[str]:
    """The units whose addresses are in its variables, commands and probe."""
    for value in _texts(manifest, workload):
        for reference in text.names_in(value):
            name, _, attribute = reference.partition(".")
            if name in names and not attribute.startswith("public_"):  # that is for browsers
                yield name


def _texts(manifest: Manifest, workload: Service | Job) -> Iterator[str]:
    like = manifest.services[workload.like] if isinstance(workload, Job) and workload.like else None
    health: Health | None = getattr(workload, "health", None)
    yield from workload.env.values()
    yield from like.env.values() if like else ()
    entrypoint = workload.entrypoint or (like.entrypoint if like else None)
    for words in (workload.command, entrypoint, getattr(health, "exec", None)):
        yield from [words] if isinstance(words, str) else words or ()


def _reaches(graph: Mapping[str, list[str]], start: str, goal: str) -> bool:
    todo, visited = [start], set[str]()
    while todo:
        name = todo.pop()
        if name == goal:
            return True
        if name not in visited:
            visited.add(name)
            todo += graph.get(name, ())
    return False
