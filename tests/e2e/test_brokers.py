"""ActiveMQ and Artemis: a message by STOMP through the injected variables, and the queue after `down` and `up`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .checkout import eventually
from .conftest import MakeCheckout

pytestmark = [pytest.mark.engine, pytest.mark.kinds]

MANIFEST = 'services: {{api: {{image: "busybox:1.37", command: sleep 900, uses: [{kind}/orders]}}}}\n'


class Stomp:
    """A connection that speaks STOMP 1.2, which is text."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = connection.makefile("rb")

    def send(self, command: str, body: str = "", **headers: str) -> None:
        lines = [command, *(f"{name.replace('_', '-')}:{value}" for name, value in headers.items())]
        self._connection.sendall("\n".join([*lines, "", body]).encode() + b"\0")

    def frame(self) -> tuple[str, str]:
        """The command and the body of the next frame."""
        raw = b""
        while (byte := self._read.read(1)) not in (b"\0", b""):
            raw += byte
        head, _, body = raw.decode().lstrip("\n").partition("\n\n")
        return head.partition("\n")[0], body


@contextmanager
def stomp(variables: dict[str, str], kind: str, *, password: str = "") -> Iterator[Stomp]:
    """A connection to the broker whose variables these are, after the login."""
    address = (variables[f"{kind}_HOST"], int(variables[f"{kind}_STOMP_PORT"]))
    with socket.create_connection(address, timeout=20) as connection:
        client = Stomp(connection)
        login = {"login": variables[f"{kind}_USER"], "passcode": password or variables[f"{kind}_PASSWORD"]}
        client.send("CONNECT", accept_version="1.2", host="localhost", **login)
        yield client


def exchange(client: Stomp, destination: str, *, take: bool) -> str:
    """Send one message and wait until the broker has kept it, or take the one that is there."""
    assert client.frame()[0] == "CONNECTED"
    if take:
        client.send("SUBSCRIBE", id="1", destination=destination, ack="auto")
        command, body = client.frame()
        assert command == "MESSAGE"
        return body
    client.send("SEND", "two teas", destination=destination, persistent="true", receipt="1")
    return client.frame()[0]


@pytest.mark.parametrize(("kind", "destination"), [("activemq", "/queue/orders"), ("artemis", "orders")])
def test_a_message_waits_over_down_and_up_and_only_the_password_lets_in(
    checkouts: MakeCheckout, kind: str, destination: str
) -> None:
    checkout, name = checkouts(), kind.upper()
    checkout.manifest(MANIFEST.format(kind=kind))
    checkout.devenv("up", "-d", "--remap-ports", within=240)
    with stomp(checkout.variables(), name) as client:
        assert exchange(client, destination, take=False) == "RECEIPT"
    with stomp(checkout.variables(), name, password="wrong") as client:
        assert client.frame()[0] == "ERROR"
    eventually(lambda: checkout.checked_in_silence(kind), "a check in silence")

    checkout.devenv("down")
    checkout.devenv("up", "-d", "--remap-ports", within=240)
    with stomp(checkout.variables(), name) as client:
        assert exchange(client, destination, take=True) == "two teas"


REFUSED = "<beans><broker><nonsense></broker></beans>"


@pytest.mark.parametrize(
    ("kind", "file", "words"),
    [
        ("activemq", "activemq.xml", "Cannot find the declaration of element 'beans'"),
        ("artemis", "broker.xml", "nonsense"),
    ],
)
def test_a_configuration_that_the_broker_refuses_is_on_the_card_in_its_own_words(
    checkouts: MakeCheckout, kind: str, file: str, words: str
) -> None:
    checkout = checkouts()
    checkout.write(file, REFUSED)
    checkout.manifest(f"{MANIFEST.format(kind=kind)}infra: {{{kind}: {{config: {file}}}}}\n")
    refused = checkout.devenv("up", "-d", "--remap-ports", exits=1, within=240)
    assert kind in refused.output
    assert words in refused.output
