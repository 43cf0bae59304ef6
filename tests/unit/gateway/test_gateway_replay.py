"""The embedded gateway against a real Kong 3.9.3: 966 recorded requests, asked again."""

from __future__ import annotations

import asyncio
import json

from .replay import DATA, recorded, replay


def test_exactly_the_listed_requests_are_answered_in_another_way_than_by_kong() -> None:
    reasons = json.loads((DATA / "recorded-differs.json").read_text(encoding="utf-8"))
    listed = {name: reason for reason, names in reasons.items() for name in names}
    differing = asyncio.run(replay())
    print(f"{len(recorded()['cases']) - len(differing)} of {len(recorded()['cases'])} agree")
    assert {name: parts for name, parts in differing.items() if name not in listed} == {}
    assert {name: reason for name, reason in listed.items() if name not in differing} == {}
