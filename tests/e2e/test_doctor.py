"""`devenv doctor` on this very machine, with its engine."""

from __future__ import annotations

import socket

import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine


def checks(checkout: Checkout, *, exits: int = 0) -> dict[str, dict[str, str]]:
    report = checkout.devenv("doctor", "--json", "--within", "60", exits=exits).json
    return {row["check"]: row for row in report["checks"]}


def test_a_port_is_held_by_a_program_then_free_and_then_ours(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        checkout.manifest(f"""
            services:
              api: {{image: "busybox:1.37", command: sleep 900, port: 80, publish: {port}, health: {{exec: "true"}}}}
        """)
        ports = checks(checkout, exits=1)["ports"]
    assert ports["text"].startswith(f"{port}, which api publishes, is taken by py")
    assert ports["fix"] == "devenv up --remap-ports"

    found = checks(checkout)
    assert {found[check]["level"] for check in ("manifest", "engine", "compose", "buildx", "ports")} == {
        "pass"
    }
    assert found["processor"]["text"].endswith("as all images that are here")
    assert found["registries"]["text"] == "every image is here, so none has to be asked"
    assert found["clock"]["level"] == "pass"

    checkout.devenv("up", "-d")
    assert checks(checkout)["ports"]["level"] == "pass"
