"""What people should know of a chart before they install it, a line each."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.render.chart.promoted import texts
from devenv.stack import text
from devenv.stack.model import Stack, Unit

DEVELOPMENT = ("dev", "develop", "development", "local", "debug")


def notes(stack: Stack) -> list[str]:
    """Lines about addresses of a developer's machine, and images that are for development."""
    units = [unit for unit in stack.units if unit.role in ("service", "job")]
    return [line for unit in units for line in (*_addresses(unit), *targets(unit))]


def _addresses(unit: Unit) -> Iterator[str]:
    for name, value in texts(unit).items():
        if "://localhost" in text.masked(value):
            yield (
                f"{unit.name}: {name} is an address of one's own machine, {text.masked(value)}: "
                f"write another in the environment, or in {unit.section}.{unit.name}.env of its values"
            )


def targets(unit: Unit) -> Iterator[str]:
    """A line about an image that is built to a stage for development."""
    if unit.build and (unit.build.target or "").lower() in DEVELOPMENT:
        yield (
            f"{unit.name}: the image is built to its stage {unit.build.target}: "
            f"build: {{target: ...}} in the environment names the one for production"
        )
