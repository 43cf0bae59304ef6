"""A service that runs on this machine, among pods."""

from __future__ import annotations

import pytest

from devenv.backends.relay.look import process
from tests.e2e.kube.conftest import OnCluster
from tests.e2e.test_hosted import program, shop

pytestmark = [pytest.mark.engine, pytest.mark.cluster]


def test_pods_reach_a_service_on_this_machine_by_its_name(cluster: OnCluster) -> None:
    cluster.manifest(shop())
    cluster.on("up", "-d", "--host", "orders")
    port = int(cluster.devenv("env", "orders", "--json").json["PORT"])
    with program(port):
        ask = ("exec", "-T", "web", "--", "wget", "-qO-", "http://orders:8080/")
        assert cluster.devenv(*ask).stdout == "from here\n"
    cluster.devenv("down")
    assert process(cluster.root / ".devenv" / "kube", "orders").pid is None
