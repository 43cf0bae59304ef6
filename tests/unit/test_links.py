"""What `up` asks containers about their files. No engine: a backend that cannot be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends.agent import Sending, Sent
from devenv.backends.base import StreamEnded
from devenv.engine.reloading.links import Emptied, Link, Links
from devenv.engine.reloading.synced import Synced
from devenv.plan.model import Edits, ObservedUnit
from devenv.stack.model import Build, Reload, Unit
from devenv.stack.reloading.rules import Rules, Source, infer, with_manifest
from tests.table import each_row

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
        held=lambda unit, image: {"/app/main.py": Source("web/main.py", "f00d")},
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


def test_what_a_plan_leaves_open_is_closed_by_the_next_one() -> None:
    """A plan may not be carried out, and a container may not answer after it was linked."""
    unit, observed = Unit("web", "service", "web:1"), ObservedUnit("web", "1", "running", image="web:1")
    rules, closed, answers = copied("COPY src /app/src\n"), list[str](), [True]

    class Closing(Link):
        def close(self) -> None:
            closed.append("1")

        def lacks(self, wanted: object, root: object) -> set[str]:
            if not answers[0]:
                raise StreamEnded
            return {"src/a"}

    backend: Any = SimpleNamespace(instances=lambda unit: ["1"])
    synced: Any = SimpleNamespace(rules={"web": rules}, held=lambda *_: {}, wanted=lambda _: IMAGE)
    agent: Any = Taking()
    links = Links(backend, Path("/p"), lambda *_: Closing(agent, rules, {}, lambda: None))
    assert links.edits(synced, [unit], {"web": observed})["web"].files == ("src/a",)
    assert closed == []
    answers[0] = False
    assert links.edits(synced, [unit], {"web": observed})["web"] == Edits()
    assert closed == ["1", "1"]


def copied(text: str) -> Rules:
    return infer(f"FROM busybox\n{text}", context=".", name="Dockerfile")


class Taking:
    """An agent whose container takes everything."""

    hello: Any = SimpleNamespace(supervised=False)

    def __init__(self, record: Mapping[str, str] | None = None) -> None:
        self.record = record or {}

    def send(self, sendings: Sequence[Sending]) -> Sent:
        return Sent({sending.target: sending.digest for sending in sendings})

    def close(self) -> None:
        """No-op: nothing is open."""


def link(rules: Rules, image: Mapping[str, Source], **record: str) -> Link:
    agent: Any = Taking({f"/{name.replace('__', '/')}": digest for name, digest in record.items()})
    return Link(agent, rules, image, lambda: None)


TWO = 'COPY src /app/src\nCOPY web /app/web\nCMD ["uvicorn", "main:app", "--reload"]\n'
IMAGE = {f"/app/{path}": Source(path, "1") for path in ("src/a", "src/b", "web/x")}


def test_a_synced_folder_of_which_nothing_is_left_stays_and_the_others_go_on() -> None:
    container = link(copied(TWO), IMAGE)
    wanted = {"/app/src/a": Source("src/a", "2")}
    assert container.keeps(wanted) == {"web": ("/app/web/x",)}
    sendings = container.missing(wanted, Path("/p"))
    assert [(sending.target, sending.source) for sending in sendings] == [
        ("/app/src/b", None),
        ("/app/src/a", "/p/src/a"),
    ]


def test_up_sends_the_rest_and_asks_about_the_folder() -> None:
    container = link(copied(TWO), IMAGE)
    unit = Unit("web", "service", "web:1", build=Build("."))
    with pytest.raises(Emptied, match="nothing is left of web") as raised:
        container.bring(unit, {"/app/src/a": Source("src/a", "2")}, Path("/p"), {}, print, lambda name: [])
    assert "devenv up --build" in (raised.value.hint or "")
    assert container.held == {"/app/src/a": "2", "/app/web/x": "1"}


def test_folders_that_land_at_one_place_are_told_apart() -> None:
    rules = copied("COPY src/ conf/ none/ /app/\n")
    image = {"/app/a": Source("src/a", "1"), "/app/b": Source("src/b", "1"), "/app/x": Source("conf/x", "1")}
    assert link(rules, image).keeps({"/app/a": Source("src/a", "1")}) == {"conf": ("/app/x",)}
    container = link(rules, image)
    container.send(container.missing({**image, "/app/y": Source("conf/y", "1")}, Path("/p")))
    assert container.keeps({"/app/a": Source("src/a", "1")}) == {"conf": ("/app/x", "/app/y")}


def test_what_an_earlier_run_sent_stays_where_it_may_be_of_the_folder() -> None:
    container = link(copied(TWO), {}, app__web__x="1", app__src__old="1")
    assert container.keeps({"/app/src/a": Source("src/a", "1")}) == {"web": ("/app/web/x",)}


def test_a_file_that_is_named_by_itself_may_be_deleted() -> None:
    container = link(copied("COPY main.py /app/\nCOPY src /app/src\n"), {}, **{"app__main.py": "1"})
    assert container.keeps({"/app/src/a": Source("src/a", "1")}) == {}
    image = {"/app/main.py": Source("main.py", "1")}
    assert link(copied("COPY main.py /app/\n"), image).keeps({}) == {}


@each_row(
    {
        "sync leaves main.py out": ("./src", "/app/src", ["/app/src/a"]),
        "sync sends all of it elsewhere": (".", "/srv", []),
        "sync sends all of it where COPY does": (".", "/app", ["/app/main.py", "/app/src/a"]),
    }
)
def test_what_the_image_brought_and_sync_does_not_send_is_not_for_hot_reload_to_delete(
    source: str, target: str, expected: list[str]
) -> None:
    rules = with_manifest(copied("COPY . /app\n"), Reload(sync=((source, target),)))
    web = Unit("web", "service", "web:1", build=Build(".", digest="1"))
    key = web.build.key if web.build else ("", "")
    synced = Synced(rules={"web": rules}, contents={key: {"main.py": "1", "src/a": "2"}})
    held = synced.held(web, "web:1") or {}
    assert list(held) == expected
    deleted = [item for item in link(rules, held).missing(synced.wanted(web), Path("/p")) if not item.source]
    assert deleted == []


def test_a_container_that_ended_since_it_was_asked_gets_its_files_over_a_new_link() -> None:
    class Ended(Taking):
        def send(self, sendings: Sequence[Sending]) -> Sent:
            raise StreamEnded("gone")

    class New(Taking):
        def send(self, sendings: Sequence[Sending]) -> Sent:
            sent.extend(sending.target for sending in sendings)
            return super().send(sendings)

    sent, rules = list[str](), copied(TWO)
    wanted = {"/app/src/a": Source("src/a", "beef")}
    backend: Any = SimpleNamespace(instances=lambda observed: ["1"])
    synced: Any = SimpleNamespace(
        rules={"web": rules}, wanted=lambda unit: wanted, held=lambda unit, image: {}
    )
    web, observed = Unit("web", "service", "web:1"), ObservedUnit("web", "1", "running", image="web:1")
    ended: Any = Ended()
    new: Any = New()
    held = Links(backend, Path("/x"), lambda *args: Link(new, rules, {}, lambda: None))
    held._open["web", "1"] = Link(ended, rules, {}, lambda: None)
    assert held.sync(synced, web, observed, {}, lambda line: None, lambda *args: []) == ["1"]
    assert sent == ["/app/src/a"]
