"""Chooses the backend of a command, with the reason: a pure function, called before any backend is asked."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT, PLAIN = "compose", "process"


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend, and the reason: "" where the user asked for it, or where it is the default."""

    backend: str
    reason: str = ""


def choose(
    *, flag: str = "", environment: str = "", manifest: str = "", last: str = "", absent: str = ""
) -> Choice:
    """The backend the user asked for, else the manifest's, else the one in use, else Compose.

    Without a container engine, which is not at `absent` then, plain processes take the place of Compose.
    Commands about running units leave `manifest` out: they look where the stack runs, whatever it says now.
    """
    candidates = (
        (flag, ""),
        (environment, "from DEVENV_BACKEND"),
        (manifest, "from backend: in the manifest"),
        (last, "as last time"),
        (absent and PLAIN, f"no Docker engine at {absent}; -b compose insists"),
    )
    return next((Choice(name, reason) for name, reason in candidates if name), Choice(DEFAULT))
