"""What people should know of a chart before they install it, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from devenv.plan.notes import hidden_by_volumes
from devenv.render.chart.promoted import texts
from devenv.stack import copies, text
from devenv.stack.model import Stack, Unit
from devenv.stack.secretnames import is_secret, passwords_in
from devenv.stack.world import BuildKey

DEVELOPMENT = ("dev", "develop", "development", "local", "debug")


def notes(stack: Stack, dockerfiles: Mapping[BuildKey, str]) -> list[str]:
    """Lines about open secrets, addresses of one's machine, images for development, volumes that hide files.

    `dockerfiles`: the text of each build of the project's folders.
    """
    units = [unit for unit in stack.units if unit.role in ("service", "job")]
    return [
        line
        for unit in units
        for line in (*_open(unit), *_addresses(unit), *targets(unit), *_hidden(unit, dockerfiles))
    ]


def _open(unit: Unit) -> Iterator[str]:
    """A line about what looks like a secret and is written as any other value, as one of an env file is."""
    plain = {name: value for name, value in texts(unit).items() if not text.secrets_in(value)}
    names = [name for name, value in plain.items() if is_secret(name, text.masked(value))]
    names += [name for name, value in plain.items() if any(passwords_in(text.masked(value)))]
    if listed := ", ".join(dict.fromkeys(names)):
        yield f"{unit.name}: {listed}: in plain text in the chart; secrets: [{listed}] keeps them out of it"


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


def _hidden(unit: Unit, dockerfiles: Mapping[BuildKey, str]) -> Iterator[str]:
    if unit.build is None or unit.build.key not in dockerfiles:
        return
    args = {name: value for name, value in unit.build.args if isinstance(value, str)}
    copied = copies.image(dockerfiles[unit.build.key], unit.build.target, args).copies
    yield from hidden_by_volumes(unit, [(copy.shown, copy.target) for copy in copied])
