"""Brokers and caches, each tried with one operation by the variables that a service is given."""

from __future__ import annotations

import base64
import json
import socket
import urllib.parse
import urllib.request
from typing import Any

import pytest

from .checkout import Checkout, eventually
from .conftest import MakeCheckout

pytestmark = pytest.mark.engine

QUICK = """
    services:
      api: {image: "busybox:1.37", command: sleep 900, uses: [rabbitmq/mail, nats, memcached]}
"""


@pytest.fixture(scope="module")
def brokers(shared: Checkout) -> dict[str, str]:
    """The variables of a service of a running stack, for programs on this machine."""
    shared.manifest(QUICK)
    shared.devenv("up", "-d", "--remap-ports")
    return shared.variables()


def talk(address: str, *lines: str, until: str) -> str:
    """What a server answers to lines of text, up to the last word waited for."""
    host, _, port = address.rpartition("@")[2].rpartition("//")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as server:
        server.sendall("".join(f"{line}\r\n" for line in lines).encode())
        answer = b""
        while until.encode() not in answer and (more := server.recv(4096)):
            answer += more
    return answer.decode()


def test_memcached_gives_back_what_it_was_given(brokers: dict[str, str]) -> None:
    answer = talk(brokers["MEMCACHED_SERVERS"], "set tea 0 60 5", "green", "get tea", until="END")
    assert answer == "STORED\r\nVALUE tea 0 5\r\ngreen\r\nEND\r\n"


def test_nats_delivers_and_keeps_a_stream_for_whoever_has_the_password(brokers: dict[str, str]) -> None:
    login = {"user": brokers["NATS_USER"], "pass": brokers["NATS_PASSWORD"], "verbose": False}
    stream = json.dumps({"name": "mail", "subjects": ["mail"]})
    enter = (f"CONNECT {json.dumps(login)}", "SUB inbox 1")
    create = (f"PUB $JS.API.STREAM.CREATE.mail inbox {len(stream)}", stream)
    assert '"max_msgs"' in talk(brokers["NATS_SERVERS"], *enter, *create, until="did_create")
    kept = talk(brokers["NATS_SERVERS"], *enter, "PUB mail inbox 5", "hello", until='"seq"')
    assert '"stream":"mail"' in kept
    refused = talk(brokers["NATS_SERVERS"], 'CONNECT {"user": "app", "pass": "wrong"}', "PING", until="-ERR")
    assert "Authorization Violation" in refused


def rabbit(variables: dict[str, str], method: str, path: str, body: dict[str, Any]) -> Any:
    """Ask RabbitMQ's management API."""
    login = base64.b64encode(
        f"{variables['RABBITMQ_USER']}:{variables['RABBITMQ_PASSWORD']}".encode()
    ).decode()
    vhost = urllib.parse.quote(variables["RABBITMQ_VHOST"], safe="")
    url = f"{variables['RABBITMQ_MANAGEMENT_URL']}/api/{path.replace('VHOST', vhost)}"
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read() or "null")


PUBLISH = {"properties": {}, "routing_key": "post", "payload": "hello", "payload_encoding": "string"}
GET = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}


@pytest.mark.parametrize("kind", ["nats", "rabbitmq"])
def test_a_check_writes_nothing_into_the_brokers_log(
    brokers: dict[str, str], shared: Checkout, kind: str
) -> None:
    eventually(lambda: shared.checked_in_silence(kind), "a check in silence")


def test_rabbitmq_queues_a_message_in_the_virtual_host_that_was_asked_for(brokers: dict[str, str]) -> None:
    assert brokers["RABBITMQ_VHOST"] == "mail"
    rabbit(brokers, "PUT", "queues/VHOST/post", {"durable": True})
    assert rabbit(brokers, "POST", "exchanges/VHOST/amq.default/publish", PUBLISH) == {"routed": True}
    (message,) = rabbit(brokers, "POST", "queues/VHOST/post/get", GET)
    assert message["payload"] == "hello"


def test_definitions_that_the_broker_refuses_are_on_the_card_in_its_own_words(
    shared: Checkout, brokers: dict[str, str]
) -> None:
    shared.write("bad.json", '{"queues": [{"name": "mail", "vhost": "nowhere"}]}')
    shared.manifest(f"{QUICK}\n    infra: {{rabbitmq: {{definitions: bad.json}}}}\n")
    refused = shared.devenv("up", "-d", exits=1)
    assert "rabbitmq-setup" in refused.output
    assert "nowhere" in refused.output
    shared.manifest(QUICK)


@pytest.fixture
def queues(checkouts: MakeCheckout) -> Checkout:
    """A copy of the example that runs."""
    checkout = checkouts()
    checkout.example("queues")
    checkout.devenv("up", "-d", "--remap-ports", within=240)
    return checkout


def ask(checkout: Checkout) -> dict[str, str]:
    with urllib.request.urlopen(f"http://localhost:{checkout.port('desk')}/", timeout=30) as response:
        answers: dict[str, str] = json.load(response)
    return answers


def test_jobs_pass_every_broker_and_what_waits_is_there_after_down_and_up(queues: Checkout) -> None:
    done = dict.fromkeys(("activemq", "artemis", "kafka", "nats", "rabbitmq"), "done by worker")
    done["resque"] = "done by resque"
    assert ask(queues) == done
    queues.inside(
        "kafka", "sh", "-c", "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --list"
    )

    changed = (queues.root / ".devenv" / "secrets.env").read_text()
    queues.devenv("down")
    (queues.root / ".devenv" / "secrets.env").write_text(
        "\n".join(
            "RABBITMQ_PASSWORD=another" if "RABBITMQ" in line else line for line in changed.splitlines()
        )
    )
    queues.devenv("up", "-d", "--remap-ports", within=240)
    eventually(lambda: ask(queues) == done, "the next job", within=60)
    topics = queues.inside(
        "kafka", "sh", "-c", "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --list"
    )
    assert "jobs" in topics.split()
