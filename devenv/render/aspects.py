"""What makes a unit stale on the backends of one renderer alone.

Apart from the renderers: an unchanged stack is compared without importing what would render it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devenv.stack.model import Stack, Unit


def compose(stack: Stack, unit: Unit) -> Any:
    """The user's fragment, the names that the unit answers to, what becomes of it when it ends, its logs."""
    more = [unit.restart, unit.logs, "shipped" if unit.shipped else ""]
    return [unit.compose, stack.namespace, *filter(None, more)]


def kubernetes(stack: Stack, unit: Unit) -> Any:
    """The user's fragments, and what a pod has to say and Compose has not."""
    return [unit.kubernetes, unit.replicas, unit.uid, stack.namespace, *filter(None, [unit.logs])]


def process(stack: Stack, unit: Unit) -> Any:
    """How it is run without its image."""
    return [unit.host, unit.process]


ASPECTS: Mapping[str, Callable[[Stack, Unit], Any]] = {
    "compose": compose,
    "kubernetes": kubernetes,
    "process": process,
}
"""Renderer -> what counts for it."""
