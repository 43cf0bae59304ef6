"""A store at rest: its volume is copied, and replaced whole or not at all. The same on every backend."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from devenv.backends.base import Attach, Backend, StreamEnded
from devenv.errors import DevenvError
from devenv.plan.model import ObservedUnit
from devenv.stack import volumecopy
from devenv.stack.model import Identity, Stack, Unit, Volume
from devenv.workspace import Workspace
from tests.contract.real import FAKE_CLUSTER, FAKE_ENGINE, RUNNING, connect, opened

STORE = Unit(
    "store", "infra", "busybox:1.37", command=("sh", "-c", "trap exit TERM; sleep 900 & wait"),
    volumes=(Volume("store-data", "/data"),), grace=1.0,
)  # fmt: skip
FILL = 'cd "${DEVENV_DATA:-/data}" && mkdir -p deep/er lost+found && echo one >deep/er/a && echo two >".b c"'
CHANGE = 'cd "${DEVENV_DATA:-/data}" && rm -r deep && mkdir other && echo three >".b c"'
SHOW = 'cd "${DEVENV_DATA:-/data}" && find . -type f -exec cat {} + && find . | sort'


class Kept:
    """One store on one backend."""

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend, space = backend, Workspace(root / "devenv.yaml")
        name = f"r{uuid.uuid4().hex[:8]}"
        self.stack = Stack(name, name, Identity.of_checkout(name, space.checkout), units=(STORE,))
        self.session = opened(backend, space, self.stack)
        self.session.prepare([], say=lambda line: None)
        self.session.apply(STORE, recreate=False)
        self.session.wait(STORE, Event())

    @property
    def observed(self) -> ObservedUnit:
        return self.backend.observe(self.stack.checkout).units["store"]

    def close(self) -> None:
        self.session.close()
        self.backend.remove(self.stack.checkout, volumes=True, say=lambda line: None)
        self.backend.close()


# No fake keeps volumes.
@pytest.fixture(params=[each for each in RUNNING if each not in (FAKE_ENGINE, FAKE_CLUSTER)])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    with closing(Kept(connect(request.param, tmp_path), tmp_path)) as store:
        yield store


def done(attach: Attach, argv: Sequence[str], sent: bytes = b"") -> tuple[int | None, bytes]:
    """How a command ended that was sent this, and what it printed."""
    printed = b""
    with closing(attach(argv)) as stream:
        try:
            stream.send(sent) if sent else None
            stream.end()
        except StreamEnded:
            pass  # it has failed already
        while part := stream.receive():
            printed += part
        return stream.exit_code, printed


def shell(attach: Attach, script: str) -> bytes:
    code, printed = done(attach, ("sh", "-c", script))
    assert code == 0
    return printed


def test_a_volume_is_replaced_whole_or_not_at_all_and_the_store_runs_again(kept: Kept) -> None:
    dump, load = volumecopy.dump("/data"), volumecopy.load("/data", None)
    with kept.backend.resting(kept.observed) as attach:
        assert not kept.backend.instances(kept.observed)
        shell(attach, FILL)
        first = shell(attach, SHOW)
        code, archive = done(attach, dump)
        assert code == 0
        assert shell(attach, SHOW) == first
        shell(attach, CHANGE)
        changed = shell(attach, SHOW)
        assert changed != first
        for part in (archive[:1536], b""):  # it broke off
            code, _ = done(attach, load, part)
            assert code
            assert shell(attach, SHOW) == changed
        assert done(attach, load, archive) == (0, b"")
        assert shell(attach, SHOW) == first
    kept.session.wait(STORE, Event())
    assert kept.observed.running

    with pytest.raises(DevenvError, match="given up"), kept.backend.resting(kept.observed):
        raise DevenvError("given up")
    kept.session.wait(STORE, Event())
    assert kept.observed.running
    assert set(kept.backend.observe(kept.stack.checkout).units) == {"store"}
