"""The place that a stack runs in."""

from __future__ import annotations

from dataclasses import dataclass

from devenv.backends.base import Backend


@dataclass(frozen=True)
class Place:
    """Where a stack runs: the backend, the reason for it, and the previous one if it was another."""

    backend: Backend
    reason: str = ""
    other: Backend | None = None
