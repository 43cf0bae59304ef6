"""The clock, against the engine's and a registry's."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.doctor.engine import Engine, Silence
from devenv.doctor.system import System
from devenv.doctor.verdict import Verdict, passed, warned

CLOSE = 5.0  # seconds; programs compare times of files and tokens
TOKEN = 120.0  # seconds; further off, certificates and tokens are refused


def judge(engine: Engine | Silence | None, registry: float | None, system: System) -> Iterator[Verdict]:
    """How far the clocks are apart. `registry`: how far one's is ahead of ours, where one was asked."""
    set_clock = f"{system.sudo}timedatectl set-ntp true" if system.linux else "sudo sntp -sS time.apple.com"
    if registry is not None and abs(registry) > TOKEN:
        text = f"this machine's clock is {_apart(-registry)} a registry's"
        yield warned("clock", text, set_clock)
    elif isinstance(engine, Engine) and abs(engine.ahead) > CLOSE:
        text = f"the engine's clock is {_apart(engine.ahead)} this machine's, as after a sleep"
        yield warned("clock", text, set_clock if system.linux else "docker desktop restart")
    elif isinstance(engine, Engine):
        yield passed("clock", "the engine's agrees with this machine's")


def _apart(seconds: float) -> str:
    amount = f"{abs(seconds):.0f} s" if abs(seconds) < 600 else f"{abs(seconds) / 60:.0f} min"
    return f"{amount} {'ahead of' if seconds > 0 else 'behind'}"
