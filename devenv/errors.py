"""Errors that the user can fix, as values with four parts.

What happened, where, why, and what to type next. Only `cli` prints them and turns them into exit
codes; anything that is not a `DevenvError` is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

FAILED, USAGE, MISSING_TOOL, INTERRUPTED = 1, 2, 3, 130


class DevenvError(Exception):
    """An error that the user can fix, with its exit code."""

    exit_code = FAILED

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.hint = what, where, why, hint


class UsageError(DevenvError):
    """The command line or the manifest asks for something that is not there."""

    exit_code = USAGE


class ToolMissing(DevenvError):
    """A program or engine that the command needs is missing or does not answer."""

    exit_code = MISSING_TOOL


class OutOfReach(DevenvError):
    """The stack is on a cluster or an engine that this terminal does not lead to, though another one does."""

    exit_code = MISSING_TOOL


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A problem in a file: its place, the key, and how to fix it."""

    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""
    file: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: "
        key = f"{self.path}: " if self.path else ""
        tail = f" - {self.suggestion}" if self.suggestion else ""
        return f"{place}{key}{self.message}{tail}"


class ManifestInvalid(UsageError):
    """The manifest has problems; carries every one of them, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = _each_once(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def _each_once(problems: list[Problem]) -> list[Problem]:
    """The problems, with one for a mistake that several places share through an anchor."""
    shared: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        key = problem.path.rpartition(".")[2]
        place = (problem.file, problem.line, problem.column)
        shared.setdefault((*place, key, problem.message, problem.suggestion), []).append(problem)
    return [
        replace(first, message=f"{first.message}, in {len(others) + 1} places") if others else first
        for first, *others in shared.values()
    ]


@dataclass(frozen=True, slots=True)
class Card:
    """Why a unit failed: the root cause first, then the facts needed to act on it."""

    unit: str
    what: str
    waiting: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    output: tuple[str, ...] = ()
    hint: str = ""
    shown: bool = False  # its output was, as it came


class UnitFailed(DevenvError):
    """A unit did not become ready."""

    def __init__(self, card: Card) -> None:
        super().__init__(f"{card.unit} {card.what}", hint=card.hint)
        self.card = card

    def answered(self, text: str) -> bool:
        """Whether a check of the unit gave this answer."""
        return any(name == "answer" and text in fact for name, fact in self.card.facts)


def did_you_mean(word: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """`did you mean "postgres"?`, or `otherwise` when no candidate is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else otherwise
