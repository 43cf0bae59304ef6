"""The way of a fresh clone to its first green: its steps, how long each took, and the page about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from devenv.manifest.fields import Request
from devenv.stack.model import Stack, Unit

STEPS = ("doctor", "secrets", "up", "seed", "smoke")


@dataclass(frozen=True, slots=True)
class Passport:
    """Seconds of each step, over all attempts until the first green. `done`: steps that succeeded.

    `edited` is the file of the first edit, `edit` the seconds from its save until its service worked with it.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    done: tuple[str, ...] = ()
    edited: str = ""
    edit: float = 0.0

    def spent(self, step: str, seconds: float, *, done: bool) -> Passport:
        """The same after another attempt at a step; what comes after the first green does not count."""
        if STEPS[-1] in self.done:
            return self
        return replace(
            self,
            seconds={**self.seconds, step: self.seconds.get(step, 0.0) + seconds},
            done=tuple(dict.fromkeys([*self.done, step])) if done else self.done,
        )

    @property
    def total(self) -> float:
        """Seconds of all steps together."""
        return sum(self.seconds.values())


def seeds(stack: Stack) -> list[Unit]:
    """The jobs that fill stores with data to begin with: those that are started by hand and are called so."""
    return [
        unit
        for unit in stack.units
        if unit.role == "job" and unit.manual and (unit.name == "seed" or unit.name.startswith("seed-"))
    ]


def port_of(request: Request, stack: Stack) -> int:
    """The port of this machine that a request goes to; 0 where there is none."""
    name = request.service or (stack.gateway.unit if stack.gateway else "")
    unit = next((unit for unit in stack.units if unit.name == name), None)
    return (unit.ports[0].host or 0) if unit and unit.ports else 0


def shown(seconds: float) -> str:
    """A time for people: `6 min 12 s`, `8.4 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def report(stack: Stack, passport: Passport, answers: Sequence[str], urls: Mapping[str, str]) -> str:
    """The passport as a page in Markdown, for whoever looks after the team's first hours."""
    rows = [f"| {step} | {shown(passport.seconds[step])} |" for step in STEPS if step in passport.seconds]
    return "\n".join(
        [
            f"# {stack.name}: first green in {shown(passport.total)}",
            "",
            "| step | took |",
            "|---|---|",
            *rows,
            "",
            *_edit(passport),
            *(["## Requests", "", *(f"- `{line}`" for line in answers), ""] if answers else []),
            *(["## Pages", "", *(f"- {name}: <{url}>" for name, url in urls.items()), ""] if urls else []),
        ]
    )


def _edit(passport: Passport) -> Sequence[str]:
    if not passport.edited:
        return ()
    return (f"First edit: `{passport.edited}` was in use {shown(passport.edit)} after it was saved.", "")
