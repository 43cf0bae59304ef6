"""`up --with-data` for stores that no client can export: their volumes are copied while they are stopped."""

from __future__ import annotations

import json

import pytest

from tests.e2e.kube.conftest import OnCluster
from tests.e2e.test_queues import PUBLISH, rabbit, talk

pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.kinds]

MANIFEST = """
services:
  api:
    image: busybox:1.37
    command: [sh, -c, "trap exit TERM; sleep 900 & wait"]
    uses: [rabbitmq/orders, nats, kafka/orders]
"""
LASTING = {**PUBLISH, "properties": {"delivery_mode": 2}}
KAFKA = "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 "


class Brokers:
    """The brokers of a checkout, by the variables of its service, wherever they run."""

    def __init__(self, cluster: OnCluster) -> None:
        self.cluster = cluster
        self.known = cluster.variables()

    def put(self, text: str) -> None:
        """Have each of them keep a message, Kafka a topic."""
        rabbit(self.known, "PUT", "queues/VHOST/post", {"durable": True})
        rabbit(self.known, "POST", "exchanges/VHOST/amq.default/publish", {**LASTING, "payload": text})
        stream = json.dumps({"name": "mail", "subjects": ["mail"]})
        self._nats(f"PUB $JS.API.STREAM.CREATE.mail inbox {len(stream)}", stream, until='"max_msgs"')
        self._nats(f"PUB mail inbox {len(text)}", text, until='"seq"')
        self._kafka(f"--create --topic {text}")

    def held(self) -> dict[str, int | str]:
        """What each of them holds."""
        queue = {"count": 9, "ackmode": "ack_requeue_true", "encoding": "auto"}
        posts = rabbit(self.known, "POST", "queues/VHOST/post/get", queue)
        stream = self._nats("PUB $JS.API.STREAM.INFO.mail inbox 0", "", until='"messages"')
        return {
            "rabbitmq": " ".join(post["payload"] for post in posts),
            "nats": int(stream.partition('"messages":')[2].partition(",")[0]),
            "kafka": self._kafka("--list"),
        }

    def _nats(self, *lines: str, until: str) -> str:
        login = {"user": self.known["NATS_USER"], "pass": self.known["NATS_PASSWORD"], "verbose": False}
        connect = f"CONNECT {json.dumps(login)}"
        return talk(self.known["NATS_SERVERS"], connect, "SUB inbox 1", *lines, until=until)

    def _kafka(self, asked: str) -> str:
        answer = self.cluster.devenv("exec", "-T", "kafka", "--", "sh", "-c", KAFKA + asked, within=60).stdout
        return " ".join(answer.split())


def test_messages_go_to_the_cluster_and_back_and_those_that_were_there_go(cluster: OnCluster) -> None:
    cluster.manifest(MANIFEST)
    cluster.devenv("up", "-d", "-b", "compose", "--remap-ports", within=200)
    Brokers(cluster).put("one")
    first = Brokers(cluster).held()
    assert first == {"rabbitmq": "one", "nats": 1, "kafka": "one orders"}

    over = cluster.on("up", "-d", "--with-data", "--remap-ports", within=400)
    assert over.stderr.count("carried from compose") == len(first)
    assert Brokers(cluster).held() == first
    Brokers(cluster).put("two")

    cluster.devenv("up", "-d", "-b", "compose", "--with-data", "--remap-ports", within=300)
    assert Brokers(cluster).held() == {"rabbitmq": "one two", "nats": 2, "kafka": "one orders two"}
    assert cluster.devenv("plan").stdout == ""

    cluster.manifest(f'{MANIFEST}\ninfra: {{rabbitmq: {{version: "4.2.1"}}}}\n')
    refused = cluster.on("up", "-d", "--with-data", "--remap-ports", exits=2)
    assert "4.3.6 wrote it, and 4.2.1 is to run" in refused.stderr
    assert set(cluster.units()) >= {"rabbitmq", "nats", "kafka"}
