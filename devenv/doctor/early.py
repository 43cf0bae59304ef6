"""What `up` asks before it starts anything: the quick checks, of what would fail late and obscurely."""

from __future__ import annotations

from collections.abc import Sequence

from devenv.doctor import disk, engine, kernel, memory, processor, system
from devenv.doctor.gathering import Deadline, begun
from devenv.doctor.verdict import Verdict, Wanted

SECONDS = 0.5  # that the engine may take to say how much memory it has
TOLD = ("memory", "disk", "processor", "max_map_count")


def warnings(wanted: Wanted, address: str) -> Sequence[Verdict]:
    """What troubles the units that are about to start, on the engine at an address."""
    answer, here = Deadline(SECONDS).answer(begun(lambda: engine.look(address))), system.look()
    local = here.linux and address.startswith("unix://")
    folders = [answer.root] if local and isinstance(answer, engine.Engine) else []
    fixed = processor.fixed(wanted.starting)
    verdicts = [
        *memory.judge(wanted, memory.free(memory.look(), answer, address)),
        *disk.judge(disk.look([".", *folders]), None),
        *processor.judge(fixed, answer, processor.emulated() if local else None, fixed),
        *(kernel.judge(wanted, kernel.look(), here) if local else ()),
    ]
    return [verdict for verdict in verdicts if verdict.check in TOLD and verdict.fix is not None]
