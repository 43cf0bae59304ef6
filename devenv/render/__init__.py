"""Renderers turn a stack into text: pure, and the same stack gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from devenv.plan.parity import Fields
    from devenv.render.bundle import Bundle, Source
    from devenv.stack.model import Stack


class Renderer(Protocol):
    """The functions of a renderer's module."""

    def render(self, stack: Stack, source: Source) -> Bundle:
        """The bundle. Raises `KeyError` for a secret without a value, `UsageError` for what does not fit."""
        ...

    def project_files(self, stack: Stack) -> Collection[str]:
        """Files of the project whose contents go into the bundle."""
        ...

    def override_names(self, stack: Stack) -> Collection[str]:
        """Infra kinds whose overrides have to be read."""
        ...


RENDERERS: Mapping[str, str] = {
    "compose": "devenv.render.compose",
    "kubernetes": "devenv.render.kubernetes",
    "process": "devenv.render.process",
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs a renderer's files. `contained`: in containers, else on this machine as plain processes.

    `cluster`: as pods, which this machine reaches by forwards of its connections only.
    """

    contained: bool = True
    cluster: bool = False


RUNTIMES: Mapping[str, Runtime] = {
    "compose": Runtime(),
    "kubernetes": Runtime(cluster=True),
    "process": Runtime(contained=False),
}


def renderer(name: str) -> Renderer:
    """The renderer of that name, imported on demand."""
    return cast(Renderer, import_module(RENDERERS[name]))


def _fields(name: str) -> Callable[[], Fields]:
    return lambda: cast("Fields", import_module(f"devenv.render.{name}.parity").FIELDS)


DECLARED: Mapping[str, Callable[[], Fields]] = {
    "compose": _fields("compose"),
    "minikube": _fields("kubernetes"),
    "kube": _fields("kubernetes"),
    "process": _fields("process"),
    "chart": _fields("chart"),
    "swarm": _fields("swarm"),
}
"""Backend, or what is only rendered -> how its renderer supports every field, imported on demand."""
