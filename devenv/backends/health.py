"""Whether a unit is healthy, asked through its port on this machine where no engine does it."""

from __future__ import annotations

from devenv.plan.model import ObservedUnit


def healthy(unit: ObservedUnit, *, proxied: bool = True) -> bool | None:
    """What is known of it, or what its port answers; None for a check that only its runtime can make.

    `proxied`: an engine's proxy listens on its port.
    """
    kind, _, rest = unit.probe.partition(":")
    if unit.healthy or not unit.running or kind not in ("http", "tcp", "grpc"):
        return unit.healthy
    number, slash, path = rest.partition("/")
    host = unit.ports.get(int(number), (0, 0))[1]
    if not host:
        return unit.healthy
    from devenv.backends.probe import Behind, answers

    own, machine = unit.in_network
    behind = Behind(own, int(number), machine) if own else None
    return answers(kind, host, slash + path, proxied=proxied, behind=behind)[0]
