"""The ports of this machine that the manifest asks for."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.doctor.verdict import Verdict, Wanted, failed, passed


def judge(wanted: Wanted) -> Iterator[Verdict]:
    """Who holds a published port; ports that are not written in the manifest move by themselves."""
    if wanted.stack is None or wanted.conflicts is None:
        return
    for conflict in wanted.conflicts:
        claim = conflict.claim
        text = f"{claim.wanted}, which {claim.unit} publishes, is taken by {conflict.owner}"
        yield failed("ports", text, "devenv up --remap-ports")
    if not wanted.conflicts:
        count = sum(len(unit.published) for unit in wanted.stack.units)
        yield passed("ports", f"all {count} are free or ours" if count else "none is asked for")
