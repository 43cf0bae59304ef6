"""A port that another program has taken since the plan was made."""

from __future__ import annotations

import socket

import pytest

from devenv.backends.process.session import require_ports
from devenv.errors import UnitFailed
from devenv.stack.model import Port, Unit


def test_what_another_program_answers_is_not_taken_for_the_unit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        unit = Unit("web", "service", "a-web", ports=(Port("http", 8000, port),))
        with pytest.raises(UnitFailed, match=rf"web lost port {port} to .* before it started") as caught:
            require_ports(unit)
        assert caught.value.card.hint.startswith("devenv up --remap-ports")
    require_ports(unit)
