"""The example of Seneca: services that find each other by name, one reloaded while the others run."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from .checkout import Checkout, eventually
from .conftest import MakeCheckout

pytestmark = pytest.mark.engine


def total(checkout: Checkout, port: int) -> int:
    """What a net price of 100 comes to; 0 while a service of the two is away."""
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/?net=100", timeout=30) as response:
            return int(json.load(response)["total"])
    except urllib.error.HTTPError:
        return 0


def test_one_service_is_reloaded_while_the_others_go_on(checkouts: MakeCheckout) -> None:
    checkout = checkouts()
    checkout.example("seneca")
    checkout.devenv("up", "-d", "--remap-ports", within=240)
    port, before = checkout.port("shop"), checkout.lives()
    assert total(checkout, port) == 132

    checkout.begin("watch")  # it also brings what was changed before it looked
    taxes = (checkout.root / "taxes" / "index.js").read_text()
    (checkout.root / "taxes" / "index.js").write_text(taxes.replace("TAX = 20", "TAX = 10"))
    eventually(lambda: total(checkout, port) == 121, "the new tax", within=60)
    after = checkout.lives()
    assert {name for name in before if before[name] != after[name]} <= {"taxes"}
