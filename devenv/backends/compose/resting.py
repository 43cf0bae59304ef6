"""A container of the engine at rest: it is stopped, and another one has its volumes meanwhile."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from devenv import proc
from devenv.backends.base import Attach, Stream
from devenv.backends.containers import ONE_OFF
from devenv.errors import DevenvError
from devenv.stack import labels
from devenv.stack.labels import LABEL

if TYPE_CHECKING:
    from devenv.backends.compose.connection import Connection
    from devenv.plan.model import ObservedUnit


@contextmanager
def resting(connection: Connection, unit: ObservedUnit) -> Iterator[Attach]:
    """See `Backend.resting`."""
    from devenv.backends import streams

    engine = connection.engine
    beside = f"{unit.stack}-{unit.unit}-copy-{secrets.token_hex(6)}"
    engine.stop(unit.id)
    try:
        _start(beside, unit.unit, engine.inspect(unit.id))

        def attach(argv: Sequence[str]) -> Stream:
            return streams.attach(connection.address, lambda: engine, beside, argv)

        yield attach
    finally:
        try:
            engine.remove(beside)
        finally:
            engine.start(unit.id)


def _start(name: str, unit: str, like: Mapping[str, Any]) -> None:
    """Start a container that only waits, with the volumes of another one; `down` finds it by its labels."""
    tags = labels.read(like["Config"]["Labels"])
    ours = {LABEL + "stack": tags.stack, LABEL + "checkout": tags.checkout, ONE_OFF: "True"}
    labelled = [flag for key, value in ours.items() for flag in ("--label", f"{key}={value}")]
    how = ["--pull", "never", "--init", "--network", "none", "--volumes-from", like["Id"]]
    command = ["docker", "run", "-d", "--name", name, *labelled, *how, "--entrypoint", "sleep"]
    done = proc.run_merged([*command, like["Image"], "86400"])
    if done.code:
        raise DevenvError(
            f"the volume of {unit} could not be opened",
            why="\n".join(done.stdout.strip().splitlines()[-1:]),
            hint="devenv up   without --with-data leaves the data where it is",
        )
