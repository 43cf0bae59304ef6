"""What units print while they are waited for, so that a long wait says what it is about."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

from devenv.backends.base import Backend
from devenv.errors import DevenvError
from devenv.events import Progress, Report
from devenv.plan.model import ObservedUnit, Step

PATIENCE = 3.0  # seconds of a wait that need no word
EVERY = 1.0  # seconds between two looks
LINES = 5  # of a log, as the last ones may be blank


class Slow:
    """Reports the last line that each unit printed whose wait takes longer than `patience`, once for each."""

    def __init__(self, backend: Backend, checkout: str, report: Report, *, patience: float) -> None:
        self._backend, self._checkout, self._report = backend, checkout, report
        self._patience = patience
        self._waits: dict[int, tuple[Step, float]] = {}
        self._last: dict[int, str] = {}
        self._lock, self._over = Lock(), Event()
        self._looking: Thread | None = None

    @contextmanager
    def waiting(self, step: Step) -> Iterator[None]:
        """While the step waits for its unit."""
        with self._lock:
            self._waits[step.number] = step, time.monotonic()
            if self._looking is None:
                self._looking = Thread(target=self._look, daemon=True, name="slow")
                self._looking.start()
        try:
            yield
        finally:
            with self._lock:
                del self._waits[step.number]

    def close(self) -> None:
        """Look no more."""
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(min(EVERY, self._patience)):
            with self._lock:
                now = time.monotonic()
                slow = [step for step, since in self._waits.values() if now - since >= self._patience]
            if slow:
                with suppress(DevenvError):  # whoever waits says that the runtime is away
                    self._tell(slow)

    def _tell(self, steps: Iterable[Step]) -> None:
        units = self._backend.observe(self._checkout).units
        for step in steps:
            line = self._last_line(units[step.target]) if step.target in units else ""
            with self._lock:  # nothing is reported of a wait that is over
                if line and step.number in self._waits and self._last.get(step.number) != line:
                    self._last[step.number] = line
                    self._report(Progress(step, line))

    def _last_line(self, unit: ObservedUnit) -> str:
        batches = self._backend.logs([unit], follow=False, tail=LINES, since=None, stop=self._over)
        texts = [line.text.strip() for batch in batches for line in batch]
        return next(filter(None, reversed(texts)), "")
