"""Stack to text: pure, and the same stack gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.plan.parity import Fields


def _fields(module: str) -> Callable[[], Fields]:
    return lambda: import_module(module).FIELDS


DECLARED: Mapping[str, Callable[[], Fields]] = {
    "compose": _fields("devenv.render.compose.parity"),
    "minikube": _fields("devenv.render.kubernetes.parity"),
    "kube": _fields("devenv.render.kubernetes.parity"),
}
"""Backend -> what its renderer does with every field, imported when asked for."""
