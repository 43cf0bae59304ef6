"""What Kubernetes' own client cannot do with streams: why devenv has its own. Where one of these fails, look again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from devenv.backends.kube.channels import exec_in, exit_code
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import current, find
from devenv.backends.kube.refusals import Refused
from devenv.errors import DevenvError
from tests.cluster import fake_cluster

SIZE = 8 * 1024 * 1024
PODS = "/api/v1/namespaces/shop/pods"


@pytest.fixture(scope="module")
def ours() -> Iterator[Client]:
    with fake_cluster(), closing(Client(find(current()))) as client:
        container = {"name": "web", "image": "busybox:1.37", "args": ["sleep", "600"]}
        pod = {
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": [container]},
        }
        client.apply(f"{PODS}/web", pod)
        yield client


@pytest.fixture
def theirs(ours: Client) -> Iterator[Any]:
    from kubernetes.client import CoreV1Api
    from kubernetes.config import new_client_from_config
    from kubernetes.stream import stream

    api = CoreV1Api(new_client_from_config(ours.place.files[0]))

    @contextmanager
    def run(pod: str, *argv: str) -> Iterator[Any]:
        streams = {"stdin": True, "stdout": True, "stderr": True, "tty": False, "binary": True}
        verb = api.connect_get_namespaced_pod_exec
        opened = stream(verb, pod, "shop", command=list(argv), _preload_content=False, **streams)
        yield opened
        opened.sock.shutdown()  # closing it leaves the socket open where the server hung up first

    yield run
    api.api_client.close()


def test_it_takes_a_command_that_could_not_be_started_for_a_number(ours: Client, theirs: Any) -> None:
    with theirs("web", "no-such-command") as stream:
        stream.run_forever(timeout=10)
        with pytest.raises(ValueError, match="invalid literal for int"):
            _ = stream.returncode
    channels = exec_in(ours, "shop", "web", ["no-such-command"], stdin=False, tty=False)
    (status,) = [data for channel, data in channels.frames() if channel == 3]
    channels.close()
    with pytest.raises(DevenvError, match="the command could not be started"):
        exit_code(status)


def test_it_does_not_say_with_which_status_it_was_refused(ours: Client, theirs: Any) -> None:
    from kubernetes.client.exceptions import ApiException

    with pytest.raises(ApiException) as lost, theirs("gone", "true"):
        pass
    assert lost.value.status == 0
    with pytest.raises(Refused) as refused:
        exec_in(ours, "shop", "gone", ["true"], stdin=False, tty=False)
    assert refused.value.status == 404


def test_it_gathers_what_comes_for_as_long_as_it_comes(ours: Client, theirs: Any, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(SIZE))
    with theirs("web", "cat", str(file)) as stream:
        while stream.is_open():
            stream.update(timeout=10)
        assert len(stream.read_channel(1)) == SIZE  # all of it at once: nobody who prints it is slowed down
    channels = exec_in(ours, "shop", "web", ["cat", str(file)], stdin=False, tty=False)
    parts = [len(data) for channel, data in channels.frames() if channel == 1]
    channels.close()
    assert (sum(parts), max(parts) <= 32 * 1024) == (SIZE, True)
