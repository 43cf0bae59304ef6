"""A unit that runs on another port than it wants keeps that, and nobody is asked who has the wanted one."""

from __future__ import annotations

import socket

from devenv.engine.ports import Decision, decide
from devenv.plan.model import Observed, ObservedUnit
from devenv.stack.ports import Claim
from devenv.stack.world import Outline


def decided(wanted: int, *, state: str) -> Decision:
    web = ObservedUnit("web", id="1", state=state, ports={8000: (wanted, 25001)})
    outline = Outline((), (Claim("web", 8000, wanted, explicit=False),), {})
    return decide(outline, Observed(units={"web": web}), None, {}, checkout="c0ffee", remap=False)


def test_only_the_ports_of_what_is_to_start_are_looked_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = other.getsockname()[1]
        assert decided(wanted, state="running").taken == {}
        assert decided(wanted, state="running").ports == {("web", 8000): 25001}
        assert set(decided(wanted, state="exited").taken) == {wanted}
