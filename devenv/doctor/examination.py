"""All checks together: begun at once, judged when what the machine is to run is known."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.doctor import engine, manifest, path, ports, system
from devenv.doctor.gathering import Deadline, begun
from devenv.doctor.verdict import Verdict, Wanted


class Examination:
    """Looks at this machine from the moment it is made, for so many seconds."""

    def __init__(self, environment: Mapping[str, str], *, seconds: float) -> None:
        self._seconds, self._deadline = seconds, Deadline(seconds)
        self._address, look = engine.where(environment)
        self._engine = begun(look)
        self._plugins = begun(lambda: engine.plugins(seconds))
        self._path = begun(lambda: path.look(environment))
        self._system = system.look()

    def verdicts(self, wanted: Wanted) -> list[Verdict]:
        """What the checks say, in the order of their importance to `up`."""
        answer, here = self._deadline.answer, self._system
        verdicts = [*manifest.judge(wanted)]
        engine_found = answer(self._engine)
        verdicts += engine.judge(wanted, engine_found, here, address=self._address, seconds=self._seconds)
        if (plugins := answer(self._plugins)) is not None:
            verdicts += engine.judge_plugins(wanted, plugins, here)
        verdicts += ports.judge(wanted)
        if (found := answer(self._path)) is not None:
            verdicts += path.judge(found)
        return verdicts
