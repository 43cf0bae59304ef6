"""The example of queues: a job goes through every broker; `kinds`-marked: what the brokers keep."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine

EXAMPLE = Path(__file__).parents[2] / "examples" / "queues"
BROKERS = {"rabbitmq", "nats", "memcached"}


@pytest.fixture(scope="module")
def queues(shared: Checkout) -> Iterator[Checkout]:
    """A copy of the example that runs."""
    shutil.copytree(EXAMPLE, shared.root, dirs_exist_ok=True)
    manifest = (EXAMPLE / "devenv.yaml").read_text()
    shared.write("devenv.yaml", manifest.replace("name: queues", f"name: {shared.name}"))
    shared.devenv("up", "-d", "--remap-ports", within=180)
    return shared


def test_a_job_goes_through_every_broker_by_the_injected_variables(queues: Checkout) -> None:
    with urllib.request.urlopen(f"http://localhost:{queues.port('desk')}/", timeout=15) as response:
        answers = json.load(response)
    assert set(answers.values()) == {"done by worker"}
    assert set(answers) == BROKERS - {"memcached"}


def test_definitions_that_the_broker_refuses_are_on_the_card_in_its_own_words(queues: Checkout) -> None:
    manifest = (queues.root / "devenv.yaml").read_text()
    queues.write("bad.json", '{"queues": [{"name": "mail", "vhost": "nowhere"}]}')
    queues.write(
        "devenv.yaml", manifest.replace("{memory: 384Mi}", "{memory: 384Mi, definitions: [bad.json]}")
    )
    try:
        refused = queues.devenv("up", "-d", exits=1)
    finally:
        queues.write("devenv.yaml", manifest)
    assert "rabbitmq-setup" in refused.output
    assert "nowhere" in refused.output
