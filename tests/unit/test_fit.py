"""Whether a stack fits into the memory that is free."""

from __future__ import annotations

from devenv.plan.fit import excess
from devenv.stack.model import Identity, Need, Stack, Unit
from tests.table import each_row

MIB = 2**20


def unit(name: str, memory: int | None, *needs: str, role: str = "service", replicas: int = 1) -> Unit:
    return Unit(
        name, role, f"{name}:1", memory=memory and memory * MIB, replicas=replicas,  # type: ignore[arg-type]
        needs=tuple(map(Need, needs)),
    )  # fmt: skip


DB = unit("db", 600, role="infra")
API = unit("api", 100, "db", replicas=2)
WEB = unit("web", 50, "api")
SEARCH = unit("search", 1500)
SIDE = unit("side", None)
MIGRATE = unit("migrate", 4000, "db", role="job")
STACK = Stack("shop", "shop", Identity("shop"), (DB, API, WEB, SEARCH, SIDE, MIGRATE))
ALL = STACK.units
LITE = {"lite": ("web",), "data": ("db",), "huge": ("search",)}


@each_row(
    {
        "fits to the byte": (ALL, 2350, {}, None),
        "a profile, the largest that fits": (
            ALL, 2349, LITE,
            ("the units to start may take 2.3 GiB of memory, and 2.3 GiB are free; search is the biggest with "
             "1.5 GiB, and one has no limit", ("--profile", "huge")),
        ),
        "a smaller profile": (ALL, 900, LITE, ("", ("--profile", "lite"))),
        "services, without profiles": (ALL, 900, {}, ("", ("api", "web", "side"))),
        "what runs already takes nothing more": ((API, WEB), 210, {}, ("", ("api",))),
        "nothing fits": ((DB, API, WEB), 10, LITE, ("", ())),
    }
)  # fmt: skip
def test_a_stack_that_does_not_fit(
    units: tuple[Unit, ...],
    free: int,
    profiles: dict[str, tuple[str, ...]],
    expected: tuple[str, tuple[str, ...]],
) -> None:
    found = excess(STACK, units, free * MIB, profiles)
    assert (found and (found.text if expected[0] else "", found.subset)) == expected
