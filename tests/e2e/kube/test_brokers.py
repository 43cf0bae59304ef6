"""Five kinds on a real cluster: one operation through the variables of a service, and what stays after `down`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest

from tests.e2e.kube.conftest import OnCluster, cleared
from tests.e2e.test_brokers import exchange, stomp
from tests.e2e.test_queues import talk
from tests.e2e.test_servers import asked

pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.kinds]

MANIFEST = """
    services:
      api:
        image: busybox:1.37
        command: sleep 900
        grace: 1s
        uses: [redis, nats, memcached, activemq/orders, deepstream]
"""


def address(url: str) -> str:
    """Host and port of a URL."""
    return urlsplit(url).netloc


def test_five_kinds_work_on_a_cluster_and_messages_stay(
    tmp_path: Path, engine: docker.DockerClient, environment: Mapping[str, str]
) -> None:
    with cleared(OnCluster, tmp_path, engine, environment) as stack:
        stack.manifest(MANIFEST)
        stack.on("up", "-d", "--remap-ports", within=400)
        known = stack.on("env", "api", "--json", "--reveal").json
        assert "green" in talk(known["MEMCACHED_SERVERS"], "set tea 0 60 5", "green", "get tea", until="END")
        login = f'CONNECT {{"user": "{known["NATS_USER"]}", "pass": "{known["NATS_PASSWORD"]}", "verbose": false}}'
        heard = talk(known["NATS_SERVERS"], login, "SUB mail 1", "PUB mail 5", "hello", until="hello")
        assert "MSG mail 1 5" in heard
        record = {"topic": "record", "recordName": "note", "action": "write", "data": {"text": "hello"}}
        assert asked(known["DEEPSTREAM_HTTP_URL"], {"body": [record]})["result"] == "SUCCESS"
        assert talk(address(known["REDIS_URL"]), "SET tea green", until="OK") == "+OK\r\n"
        with stomp(known, "ACTIVEMQ") as client:
            assert exchange(client, "/queue/orders", take=False) == "RECEIPT"

        stack.on("down")
        stack.on("up", "-d", "--remap-ports", within=400)
        known = stack.on("env", "api", "--json", "--reveal").json
        assert "green" in talk(address(known["REDIS_URL"]), "GET tea", until="green")
        with stomp(known, "ACTIVEMQ") as client:
            assert exchange(client, "/queue/orders", take=True) == "two teas"
