"""The example of Deepstream: two clients of one record, through Kong's WebSocket route."""

from __future__ import annotations

import urllib.request

import pytest

from .conftest import MakeCheckout

pytestmark = pytest.mark.engine


def test_two_clients_share_a_record_through_the_gateway_and_permissions_count(
    checkouts: MakeCheckout,
) -> None:
    checkout = checkouts()
    checkout.example("realtime")
    checkout.devenv("up", "-d", "--remap-ports", within=240)
    assert checkout.inside("page", "node", "clients.mjs", "ws://kong:8000/deepstream").splitlines() == [
        "the second client sees: hello from the first",
        'the record "secret" is refused: MESSAGE_DENIED',
    ]
    with urllib.request.urlopen(
        f"http://localhost:{checkout.port('deepstream', 'ws')}/health-check"
    ) as answer:
        assert answer.status == 200

    checkout.write("permissions.yml", "record: nonsense\n")
    refused = checkout.devenv("up", "-d", "--remap-ports", exits=1, within=120)
    assert "deepstream" in refused.output
    assert "permissions" in refused.output
