"""Decides which ports of this machine the stack's units get, by what listens here now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from devenv import hostports
from devenv.plan.model import Elsewhere, Observed, ObservedUnit
from devenv.render import RUNTIMES, Runtime
from devenv.stack.ports import Claim, Conflict, Key, allot
from devenv.stack.world import Outline


@dataclass(frozen=True, slots=True)
class Decision:
    """Host ports, conflicts, and the taken and earlier ports they follow from."""

    ports: Mapping[Key, int]
    conflicts: list[Conflict]
    taken: Mapping[int, str]
    earlier: Mapping[Key, tuple[int, int]]


def decide(
    outline: Outline,
    observed: Observed,
    elsewhere: Elsewhere | None,
    promised: Mapping[int, str],
    *,
    checkout: str,
    remap: bool,
    hosted: Collection[str] = (),
    runtime: Runtime = RUNTIMES["compose"],
) -> Decision:
    """A host port for each port that the manifest asks for.

    `promised`: ports that other commands have reserved -> which. `remap`: move published ports too.
    `hosted`: units that run on this machine; a program that has the port of one is taken to be the unit.
    Plain processes listen on this machine whether they publish or not; no forward to a cluster carries UDP.
    """
    claims = [
        claim
        for claim in outline.claims
        if (claim.published or claim.unit in hosted or not runtime.contained)
        and not (claim.udp and runtime.cluster)
    ]
    there = elsewhere.observed if elsewhere else Observed()
    ours = [*there.units.values(), *observed.units.values()]
    forwarded = (observed.forwarded or frozenset()) | (there.forwarded or frozenset())
    earlier = {(unit.unit, port): pair for unit in ours for port, pair in unit.ports.items() if pair[1]}
    taken = {**promised, **_taken(claims, ours, observed.taken, forwarded, hosted, earlier)}
    ports, conflicts = allot(claims, taken=taken, current=earlier, checkout=checkout, remap=remap)
    return Decision(ports, conflicts, taken, earlier)


def _taken(
    claims: Sequence[Claim],
    ours: Sequence[ObservedUnit],
    others: Mapping[int, str],
    forwarded: frozenset[int],
    hosted: Collection[str],
    earlier: Mapping[Key, tuple[int, int]],
) -> dict[int, str]:
    """Wanted host port -> the process or stack that holds it, for ports that are not ours.

    What runs on another port than it wants stays there, and nobody is asked who has the one that it wants.
    """
    present = [unit for unit in ours if (unit.unit in hosted if unit.hosted else unit.present)]
    own = forwarded | {host for unit in present for _, host in unit.ports.values() if host}
    hosts = {host for unit in ours if unit.unit not in hosted for _, host in unit.ports.values() if host}
    moved = {key: wanted for key, (wanted, host) in earlier.items() if host in own and host != wanted}
    asking = (claim for claim in claims if claim.unit not in hosted and moved.get(claim.key) != claim.wanted)
    wanted = {claim.wanted for claim in asking} | hosts
    others = {port: owner for port, owner in others.items() if port not in own}
    udp = {claim.wanted for claim in claims if claim.udp}
    return {**hostports.taken(wanted - own - set(others), udp=udp), **others}
