"""What `up` asks containers about their files. No engine: a backend that cannot be asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from devenv.engine.links import Links
from devenv.engine.synced import Synced
from devenv.plan.model import Edits, ObservedUnit
from devenv.stack.model import Build, Unit
from devenv.stack.reload import infer

CONTENTS = {"main.py": "f00d"}


class Asked(Exception):
    pass


class Unasked:
    """A backend whose containers must not be asked."""

    def instances(self, unit: ObservedUnit) -> list[str]:
        raise Asked


def edits(*, edited: bool, contents: dict[str, str]) -> Edits:
    """What a container lacks whose image was built from CONTENTS."""
    rules = infer("FROM busybox\nCOPY . /app\n", context="web", name="Dockerfile")
    built = Unit("web", "service", "web:1", build=Build("web", digest="1"))
    key = built.build.key if built.build else ("", "")
    synced = Synced(rules={"web": rules}, contents={key: contents})
    held: Any = SimpleNamespace(
        rules=synced.rules,
        wanted=synced.wanted,
        held=lambda unit, image: {"/app/main.py": "f00d"},
    )
    backend: Any = Unasked()
    observed = ObservedUnit("web", "1", "running", image="web:1", edited=edited)
    return Links(backend, Path("/x")).edits(held, [built], {"web": observed})["web"]


def test_a_container_that_nothing_was_sent_to_is_not_asked_what_it_holds() -> None:
    assert edits(edited=False, contents=CONTENTS) == Edits()


def test_a_container_that_was_sent_to_or_lacks_something_is_asked() -> None:
    for edited, contents in ((True, CONTENTS), (False, {"main.py": "beef"})):
        try:
            edits(edited=edited, contents=contents)
        except Asked:
            continue
        raise AssertionError(f"not asked: {edited=} {contents=}")
