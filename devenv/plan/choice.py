"""Which backend a command uses, and why: a pure function, decided once and before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT = "compose"


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend, and why: nothing where it was asked for, or is only the default."""

    backend: str
    reason: str = ""


def choose(*, flag: str = "", environment: str = "", manifest: str = "", last: str = "") -> Choice:
    """The backend that was asked for, else the manifest's, else the one in use, else Compose.

    Commands about what runs leave `manifest` out: they look where the stack is, whatever it says now.
    """
    candidates = (
        (flag, ""),
        (environment, "from DEVENV_BACKEND"),
        (manifest, "from backend: in the manifest"),
        (last, "as last time"),
    )
    return next((Choice(name, reason) for name, reason in candidates if name), Choice(DEFAULT))
