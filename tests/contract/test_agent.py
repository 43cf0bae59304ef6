"""The agent over the streams of every backend."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from devenv.backends.agent import Agent, Sending
from tests.contract.real import RUNNING, connected
from tests.contract.test_attach import Running


@pytest.fixture(scope="module", params=RUNNING)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("agent")
    with connected(request.param, root) as backend, closing(Running(backend, root)) as started:
        yield started


def test_files_arrive_and_commands_run(running: Running, tmp_path: Path) -> None:
    # A fake's containers are processes of this machine: what they write stays in the test's own folder.
    root, shared = f"{tmp_path}/app", f"{tmp_path}/stage"
    contents = {f"d{number % 3}/file {number}": b"%d" % number * 500 for number in range(50)}
    contents["large"] = random.Random(1).randbytes(6 << 20)
    for name, content in contents.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_bytes(content)
    changes = [Sending(f"{root}/{name}", tmp_path / "project" / name, root=root) for name in contents]
    attach = partial(running.backend.attach, running.observed)
    with closing(Agent.start(attach, roots=[root], shared=shared)) as agent:
        assert agent.send(changes).failed == {}
        lines: list[str] = []
        assert (
            agent.run(["sh", "-c", f"cd {root} && cat 'd1/file 1' && wc -c <large"], output=lines.append) == 0
        )
        assert lines == ["1" * 500 + str(6 << 20)]
        record = dict(agent.record)
    with closing(Agent.start(attach, roots=[root], shared=shared)) as again:
        assert again.hello.record == record
