"""The loop of hot reload when something goes away in the middle. No engine: links and backends that fail."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends import supervised
from devenv.backends.agent import Sending, Sent
from devenv.backends.base import StreamEnded
from devenv.backends.dialogue import Paused
from devenv.console import Console
from devenv.console.reload import reload_json, reload_lines
from devenv.engine.reloading import site as sites
from devenv.engine.reloading.feed import Feed
from devenv.engine.reloading.links import Link, linked
from devenv.engine.reloading.loop import Reloading
from devenv.engine.reloading.site import Retry
from devenv.engine.reloading.trees import Tree
from devenv.errors import DevenvError
from devenv.events import Note
from devenv.sources.digests import Digests
from devenv.sources.folder import Folder
from devenv.stack.reloading.decisions import Action, landed
from devenv.stack.reloading.rules import Rules, infer
from devenv.watching import Batch

RULES = replace(
    infer('FROM python\nCOPY src /app\nCMD ["serve"]\n', context="."),
    run=(("src/deps", ("install",)),),
    restart=("*.py",),
)


class Container:
    """An agent. What its container does not take, and which command fails, is up to the test."""

    hello: Any = SimpleNamespace(supervised=False)

    def __init__(self) -> None:
        self.record: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.code, self.ran = 0, list[Sequence[str]]()
        self.error: Exception | None = None
        self.closed = False

    def send(self, sendings: Sequence[Sending]) -> Sent:
        if self.error:
            raise self.error
        taken = {sending.target: sending.digest for sending in sendings if sending.target not in self.refused}
        asked = {sending.target for sending in sendings}
        self.record |= taken
        return Sent(taken, {target: why for target, why in self.refused.items() if target in asked})

    def run(self, argv: Sequence[str], *, output: Callable[[str], None]) -> int:
        self.ran.append(argv)
        if self.code:
            output("no such package")
        return self.code

    def close(self) -> None:
        self.closed = True


class Site(SimpleNamespace):
    def __init__(self, **more: Any) -> None:
        self.events: list[Any] = []
        self.queue: SimpleQueue[Any] = SimpleQueue()
        stop = threading.Event()
        own = {
            "root": Path("/x"),
            "checkout": "c",
            "report": self._take,
            "stop": stop,
            "patience": 60.0,
            "again": 1.0,
            "moment": 0.0,
            "wanted": lambda name: True,
            "link_to": linked,
        }
        super().__init__(**own, **more)

    def _take(self, event: Any) -> None:
        self.events.append(event)
        self.queue.put(event)

    begin = sites.Site.begin

    def fail(self, error: BaseException) -> None:
        self.queue.put(error)

    def next(self) -> Any:
        """The next event, once it is there."""
        return self.queue.get(timeout=60)


def feed(site: Site, container: Container, *, held: bool = True) -> Any:
    """A unit with one container; unless `held` is false, its own thread stays out of it."""
    loaded = SimpleNamespace(
        secrets={}, synced=SimpleNamespace(followed={"web": RULES}, wanted=lambda unit: {})
    )
    site.restart = lambda name: site.restarts.append(name)
    unit = SimpleNamespace(name="web", build=None)
    made: Any = Feed(site, unit, loaded)  # type: ignore[arg-type]
    made.hold()
    link = Link(container, RULES, {}, lambda: None)  # type: ignore[arg-type]
    made._instances, made._links = {"1"}, {"1": link}
    if not held:
        made.release()
    return made


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site(restarts=[])
    yield made
    made.stop.set()


@pytest.fixture
def container() -> Container:
    """A container that takes everything."""
    return Container()


def save(unit: Any, **digests: str) -> None:
    """Change files below `src`."""
    named = {f"src/{name.replace('_', '.')}": digest for name, digest in digests.items()}
    unit._want(named)
    unit._follow(named, time.monotonic())


def test_what_a_container_that_ended_did_not_take_is_never_called_sent(
    site: Site, container: Container
) -> None:
    container.error = StreamEnded("gone")
    with pytest.raises(StreamEnded):
        save(feed(site, container), a_txt="1")
    assert site.events == []


def test_a_container_that_is_paused_is_linked_anew(site: Site, container: Container) -> None:
    container.error = Paused("the container is paused")
    unit = feed(site, container)
    with pytest.raises(Paused):
        save(unit, a_txt="1")
    assert (container.closed, unit._links, unit._has_work()) == (True, {}, True)


def test_a_file_that_was_not_taken_still_restarts_the_program_when_it_is(
    site: Site, container: Container
) -> None:
    unit = feed(site, container)
    container.refused = {"/app/main.py": "no space left on device"}
    save(unit, main_py="1")
    assert (site.events[-1].files, site.events[-1].action) == ((), Action.NONE)
    assert site.events[-1].unsent == container.refused
    assert site.restarts == []
    container.refused = {}
    save(unit, a_txt="1")
    assert (site.events[-1].files, site.events[-1].action) == (("src/a.txt", "src/main.py"), Action.RESTART)
    assert site.restarts == ["web"]


def test_only_what_arrived_decides_and_is_called_sent(site: Site, container: Container) -> None:
    unit = feed(site, container)
    container.refused = {"/app/main.py": "read-only file system"}
    save(unit, main_py="1", a_txt="1")
    assert (site.events[-1].files, site.events[-1].action) == (("src/a.txt",), Action.SYNC)
    assert site.restarts == []


def test_a_file_that_was_not_taken_is_sent_again_without_a_change(site: Site, container: Container) -> None:
    site.again = 0.01
    container.refused = {"/app/main.py": "no space left on device"}
    unit = feed(site, container, held=False)
    unit.change({"src/main.py": "1"}, time.monotonic())
    assert site.next().files == ()
    container.refused = {}
    assert site.next().files == ("src/main.py",)
    assert site.restarts == ["web"]


def test_tries_become_seldom_and_something_new_makes_them_frequent() -> None:
    retry, waits, now = Retry(), list[float](), 0.0
    for _ in range(7):
        retry.plan(now, anew=now == 0.0)
        waits.append(retry.due - now)
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    retry.plan(now, anew=True)
    assert retry.due == now + 1


def test_the_loop_ends_once_whoever_read_its_output_has_gone(site: Site) -> None:
    """As after `devenv watch --json | head`: the thread that printed is told, and the others have to hear of it."""

    def report() -> None:
        raise SystemExit(141)

    site.begin(report, "reload web")
    assert site.next().code == 141


def test_a_command_that_failed_runs_again_with_the_next_change(site: Site, container: Container) -> None:
    unit = feed(site, container)
    container.code = 1
    save(unit, deps="1", main_py="1")
    printed, failed = site.events[-2:]
    console = Console(out=io.StringIO(), err=io.StringIO(), colour=False)
    shown = [printed.text, *reload_lines(console, failed)]
    assert [line for line in shown if "no such package" in line] == ["web: no such package"]
    assert reload_json(failed, 0)["output"] == ["no such package"]
    assert site.restarts == []
    container.code = 0
    save(unit, a_txt="1")
    assert container.ran == [["install"], ["install"]]
    assert (site.events[-1].action, site.events[-1].error) == (Action.RESTART, None)
    assert site.restarts == ["web"]
    save(unit, a_txt="2")
    assert len(container.ran) == 2
    assert site.events[-1].action is Action.SYNC


def test_a_restart_that_failed_is_tried_again_with_the_next_change(site: Site, container: Container) -> None:
    unit = feed(site, container)

    def fail(name: str) -> None:
        raise DevenvError("it ended at once")

    restart, site.restart = site.restart, fail
    save(unit, main_py="1")
    site.restart = restart
    save(unit, a_txt="1")
    assert site.events[-1].action is Action.RESTART
    assert site.restarts == ["web"]


def test_a_build_that_failed_is_not_forgotten(site: Site, container: Container) -> None:
    unit = feed(site, container)
    site.rebuild = lambda name: None
    unit._follow({"Dockerfile": "1"}, time.monotonic())
    save(unit, a_txt="1")
    assert [event.text for event in site.events if isinstance(event, Note)] == [
        "web: a new image is still due (Dockerfile: it says how the image is built)"
    ]


def test_a_file_that_the_program_writes_at_each_start_is_left_alone_until_another_changes(
    site: Site, container: Container
) -> None:
    unit, numbers = feed(site, container), map(str, count())
    while not site.events or site.events[-1].action is Action.RESTART:
        before = len(site.restarts)
        save(unit, schema_py=next(numbers))
        if len(site.restarts) == before and unit._feedback.holds:
            unit._catch_up(unit._feedback.due, time.monotonic())
        assert len(site.restarts) < 20
    last = site.events[-1]
    assert (last.unit, last.files, last.action) == ("web", ("src/schema.py",), Action.NONE)
    assert last.reason.startswith(
        "it changed 11 times in "
    )  # the first one echoes nothing, and counts little
    restarts = len(site.restarts)
    save(unit, schema_py="echo")
    assert len(site.restarts) == restarts
    save(unit, main_py="1")
    assert site.events[-1].files == ("src/main.py", "src/schema.py")
    assert len(site.restarts) == restarts + 1


def test_a_restart_that_is_asked_for_waits_until_it_is_known_what_runs(
    site: Site, container: Container
) -> None:
    unit = feed(site, container, held=False)
    unit.restart()
    assert not unit._has_work()
    unit.meet(["1"])
    assert site.next().reason == "asked for"
    unit.meet([])
    unit.restart()
    assert site.next().text == "web does not run"


def test_a_folder_of_which_nothing_is_left_is_asked_about_once(site: Site, container: Container) -> None:
    unit = feed(site, container)
    save(unit, a_txt="1", b_txt="1")
    save(unit, a_txt="", b_txt="")
    save(unit, a_txt="", b_txt="")
    assert [event.error.what for event in site.events if event.error] == ["nothing is left of src"]
    assert sorted(unit._links["1"].held) == ["/app/a.txt", "/app/b.txt"]
    save(unit, a_txt="1")
    assert (site.events[-1].files, list(unit._links["1"].held)) == (("src/b.txt",), ["/app/a.txt"])


def test_a_folder_that_only_a_build_reads_now_is_not_called_empty(site: Site, container: Container) -> None:
    unit = feed(site, container)
    save(unit, a_txt="1")
    built = [replace(sync, built="COPY before RUN") for sync in RULES.copies]
    rules = replace(RULES, copies=tuple(built))
    synced = SimpleNamespace(followed={"web": rules}, wanted=lambda unit: {})
    unit.take(unit.unit, SimpleNamespace(secrets={}, synced=synced), {}, 0.0)
    assert unit._kept() == {"src/a.txt"}
    assert [event.error for event in site.events if event.error] == []


@pytest.mark.parametrize(("names", "words"), [("a", "1 changed file waits"), ("ab", "2 changed files wait")])
def test_what_waits_for_a_unit_that_does_not_run_is_counted(
    site: Site, container: Container, names: str, words: str
) -> None:
    unit = feed(site, container)
    unit.meet([])
    save(unit, **{f"{name}_txt": "1" for name in names})
    assert [event.text for event in site.events] == [f"web does not run: {words} for it"]


@pytest.mark.parametrize("rules", [RULES, replace(RULES, rebuild=("*.txt",))], ids=["sent", "built"])
def test_a_unit_that_nobody_asked_for_waits_in_silence(
    site: Site, container: Container, rules: Rules
) -> None:
    """Else a save for a service that was left out would start it, and all that it needs."""
    unit = feed(site, container)
    unit._rules, site.wanted, site.rebuild = rules, lambda name: False, site.restarts.append
    unit.meet([])
    save(unit, a_txt="1")
    assert (site.events, site.restarts) == ([], [])
    assert list(unit._wanted) == (["/app/a.txt"] if rules is RULES else [])


def test_nothing_is_said_of_a_container_that_the_engine_tells_of_late(
    site: Site, container: Container
) -> None:
    site.moment, unit = 60.0, feed(site, container)
    unit.meet([])
    saving = threading.Thread(target=save, args=(unit,), kwargs={"a_txt": "1"})
    saving.start()
    unit.appear("2")
    saving.join(60)
    assert (saving.is_alive(), site.events) == (False, [])


def test_an_engine_that_is_away_is_told_once_and_asked_again() -> None:
    asked: list[int] = []

    class Away:
        name = "compose"

        def observe(self, checkout: str) -> None:
            asked.append(1)
            if len(asked) == 3:
                site.stop.set()
            raise DevenvError("no engine answers")

    site = Site(backend=Away())
    raised: list[str] = []
    hook, threading.excepthook = threading.excepthook, lambda args: raised.append(str(args.exc_type))
    try:
        Reloading(site, lambda: None, lambda loaded: set())._listen()  # type: ignore[arg-type]
    finally:
        threading.excepthook = hook
    assert raised == []
    assert [event.text for event in site.events] == ["no engine answers; trying again"]


def test_a_full_disk_while_applying_leaves_the_loop_alive() -> None:
    site, turns = Site(), list[str]()

    def apply() -> None:
        site.stop.set()
        loop.ask()  # wakes it, to see that it should end
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    loop = Reloading(site, apply, lambda loaded: set())  # type: ignore[arg-type]
    step: Callable[[str], Callable[[], None]] = lambda word: lambda: turns.append(word)  # noqa: E731
    loop._feeds = {"web": SimpleNamespace(hold=step("hold"), release=step("release"))}  # type: ignore[dict-item]
    loop.ask()
    loop._apply_asked()
    assert turns == ["hold", "release"]
    assert "No space left on device" in site.events[0].text


class Locked(Digests):
    """A cache that cannot read the file `locked`: root may read everything."""

    def of(self, path: str | Path, status: os.stat_result | None = None) -> str:
        if str(path).endswith("/locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return super().of(path, status)


def test_one_file_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    for name in ("locked", "open"):
        (tmp_path / name).write_text("1")
    folder = Folder(tmp_path)
    tree = Tree("app", folder, Locked({}), folder.contents(Digests({})))
    (tmp_path / "open").write_text("22")
    assert tree.look() == ({"app/open"}, {"app/locked": "permission denied"})
    assert set(tree.digests) == {"app/locked", "app/open"}


def test_a_program_whose_image_nobody_knows_is_left_as_it_is() -> None:
    unit: Any = SimpleNamespace(grace=10.0, sourceless=False)
    assert supervised.on_compose(unit, {"command": ["--port", "80"]}, {}) == {}
    assert supervised.on_compose(unit, {"command": ["--port", "80"], "entrypoint": ["serve"]}, {}) != {}


def test_an_image_without_a_shell_is_remembered_when_the_manifest_is_read_again(site: Site) -> None:
    unit = feed(site, Container())
    unit._mute = "no shell"  # as its container was asked once
    unit.take(unit.unit, SimpleNamespace(secrets={}, synced=unit._synced), {}, 0.0)
    assert unit._mute == "no shell"


def test_a_restart_that_is_asked_for_before_all_files_are_read_is_the_loops_own(site: Site) -> None:
    loop = Reloading(site, lambda: None, lambda loaded: set())  # type: ignore[arg-type]
    site.restart, asked = site.restarts.append, SimpleQueue[str]()
    early = threading.Thread(target=loop.restart, args=("web",), daemon=True)
    early.start()
    early.join(0.1)
    loop._feeds = {"web": SimpleNamespace(restart=lambda: asked.put("web"))}  # type: ignore[dict-item]
    loop._taken.set()
    assert asked.get(timeout=60) == "web"
    assert site.restarts == []


def test_a_container_that_ends_while_others_are_asked_for_what_they_lack_stops_nothing(
    site: Site, container: Container
) -> None:
    unit = feed(site, container)

    class Ending(Link):
        @property
        def unsent(self) -> dict[str, str]:  # type: ignore[override]
            unit.end("2")
            return {}

        @unsent.setter
        def unsent(self, value: object) -> None: ...

    made = [Ending(container, RULES, {}, lambda: None) for _ in range(3)]  # type: ignore[arg-type]
    unit._links = dict(zip("123", made, strict=True))
    unit._catch_up(time.monotonic(), 0.0)
    assert unit._links.keys() == {"1", "3"}


@pytest.fixture
def tree(site: Site, container: Container, tmp_path: Path) -> SimpleNamespace:
    """A loop of one unit with one container; `feed` is on hold, `loaded()` reads the files anew, `linked` has a
    name for each time that the container was asked again what it holds."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.txt").write_text("same")
    key, folder, unit = (".", ""), Folder(tmp_path), SimpleNamespace(name="web", build=None)
    again = SimpleQueue[str]()

    def loaded() -> Any:
        contents = folder.contents(site.digests)

        def wanted(unit: object) -> dict[str, Any]:
            return {
                target: source
                for path, digest in contents.items()
                for target, source in landed(RULES, path, digest).items()
            }

        files = {"folders": {key: folder}, "contents": {key: contents}, "keys": lambda unit: [key]}
        files |= {"held": lambda unit, image: {}}
        synced = SimpleNamespace(followed={"web": RULES}, wanted=wanted, **files)
        return SimpleNamespace(
            stack=SimpleNamespace(units=(unit,)), secrets={}, synced=synced, contents={key: contents}
        )

    def link_to(backend: object, unit: object, instance: str, *rest: object) -> Link:
        again.put(instance)
        return Link(container, RULES, {}, lambda: None)  # type: ignore[arg-type]

    site.link_to = link_to
    observed = SimpleNamespace(units={"web": SimpleNamespace(image="web:1")})
    site.backend = SimpleNamespace(observe=lambda checkout: observed)
    site.digests, site.root, site.rebuild = Digests({}), tmp_path, lambda name: None
    loop = Reloading(site, lambda: None, lambda loaded: set())  # type: ignore[arg-type]
    loop._take(loaded())
    feed: Any = loop._feeds["web"]
    feed.hold()
    link = Link(container, RULES, {}, lambda: None)  # type: ignore[arg-type]
    with feed._changed:
        feed._instances, feed._links, feed._anew = {"1"}, {"1": link}, False
    return SimpleNamespace(loop=loop, feed=feed, loaded=loaded, folder=tmp_path / "src", linked=again)


def see(tree: SimpleNamespace, file: Path, text: str = "", **more: bool) -> None:
    """Save a file, or remove it where it gets no text, and have the loop see that."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(text) if text else file.unlink()
    tree.loop._see(Batch(frozenset({str(file)}), **more))


def held(container: Container) -> set[str]:
    return {target for target, digest in container.record.items() if digest}


def test_folders_are_entered_while_those_of_an_edited_manifest_are_taken(
    site: Site, tree: SimpleNamespace
) -> None:
    with closing(tree.loop._watcher()) as watcher:
        tree.loop._readers = {}  # as in the middle of that
        assert watcher._tree._enters(str(tree.folder))


def test_files_that_change_while_the_manifest_is_applied_end_up_as_they_are(
    site: Site, tree: SimpleNamespace, container: Container
) -> None:
    before = tree.loaded()
    see(tree, tree.folder / "Main.txt", "same")
    (tree.folder / "Main.txt").rename(tree.folder / "main.txt")
    tree.loop._take(before)
    tree.loop._see(Batch(frozenset(), rescan=True))
    tree.feed.release()
    assert set(site.next().files) == {"src/a.txt", "src/main.txt"}
    assert held(container) == {"/app/a.txt", "/app/main.txt"}


@pytest.mark.parametrize("more", [False, True], ids=["told", "seen"])
def test_what_comes_and_goes_while_the_manifest_is_applied_is_gone(
    site: Site, tree: SimpleNamespace, container: Container, more: bool
) -> None:
    before, kept = tree.loaded(), tree.folder / "kept.txt"
    brief = [tree.folder / "brief.txt", tree.folder / "folder/one.txt", tree.folder / "folder/two.txt"]
    for file in (*brief, kept):
        see(tree, file, "soon gone")
    tree.feed.release()
    assert len(site.next().files) == 5
    tree.feed.hold()
    for file in (*brief, kept):
        see(tree, file, more=more)
    see(tree, kept, "soon gone", more=more)
    tree.loop._take(before)
    tree.feed.release()
    assert site.next().files == ("src/brief.txt", "src/folder/one.txt", "src/folder/two.txt")
    assert held(container) == {"/app/a.txt", "/app/kept.txt"}
    assert site.queue.empty()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_whoever_applied_the_manifest_sent_is_deleted_with_its_file(
    site: Site, tree: SimpleNamespace, container: Container, when: str
) -> None:
    """`up` sends files of its own, before or `after` which nobody saw that they are there."""
    brief = tree.folder / "brief.txt"
    if when == "before":
        see(tree, brief, "soon gone")
    else:
        brief.write_text("soon gone")
    loaded = tree.loaded()
    container.send([Sending(f"/app/{name}", None, "1") for name in ("a.txt", "brief.txt")])
    if when == "before":
        see(tree, brief)
    tree.loop._take(loaded)
    tree.feed.release()
    assert tree.linked.get(timeout=60) == "1"
    assert "src/brief.txt" in site.next().files
    if when == "after":
        see(tree, brief)
        assert site.next().files == ("src/brief.txt",)
    assert held(container) == {"/app/a.txt"}


def test_what_was_saved_while_the_manifest_was_applied_is_built_once(
    site: Site, tree: SimpleNamespace
) -> None:
    see(tree, tree.folder.parent / "Dockerfile", "FROM other")
    tree.loop._take(tree.loaded())
    tree.feed.release()
    assert (site.next().files, site.queue.empty()) == (("src/a.txt",), True)
    see(tree, tree.folder / "later.txt", "nothing is built before it")
    assert site.next().files == ("src/later.txt",)
    see(tree, tree.folder.parent / "Dockerfile", "FROM another")
    assert site.next().action is Action.REBUILD


def test_what_changes_while_a_container_is_linked_anew_waits_for_nothing(
    site: Site, tree: SimpleNamespace
) -> None:
    """As after a build: its container runs, and nothing was sent to it yet."""
    before = tree.loaded()
    see(tree, tree.folder / "b.txt", "new")
    tree.loop._take(before)
    tree.feed.release()
    assert site.next().files == ("src/a.txt", "src/b.txt")
    assert [event for event in site.events if isinstance(event, Note)] == []


def test_what_a_plan_started_is_known_before_a_unit_goes_on(site: Site, tree: SimpleNamespace) -> None:
    """The engine's word of it may take longer."""
    before, loop = tree.loaded(), tree.loop

    def apply() -> Any:
        tree.feed.end("1")
        see(tree, tree.folder / "b.txt", "new")
        site.stop.set()
        loop.ask()  # wakes it, to see that it should end
        return before

    site.backend.instances = lambda observed: ["2"]
    loop._apply = apply
    loop.ask()
    loop._apply_asked()
    assert tree.feed._instances == {"2"}


def test_a_folder_of_which_nothing_is_left_is_not_asked_about_again(
    site: Site, tree: SimpleNamespace
) -> None:
    tree.feed.release()
    see(tree, tree.folder / "b.txt", "new")
    assert site.next().files == ("src/a.txt", "src/b.txt")
    see(tree, tree.folder / "b.txt")
    assert site.next().files == ("src/b.txt",)
    see(tree, tree.folder / "a.txt")
    assert site.next().error.what == "nothing is left of src"
    tree.loop._take(tree.loaded())
    assert tree.linked.get(timeout=60) == "1"
    see(tree, tree.folder / "a.txt", "other")
    assert site.next().files == ("src/a.txt",)


def test_a_series_that_comes_in_parts_is_acted_on_as_a_whole(site: Site, tree: SimpleNamespace) -> None:
    tree.feed.release()
    for name in ("b.txt", "c.txt"):
        (tree.folder / name).write_text("new")
        tree.loop._see(Batch(frozenset({str(tree.folder / name)}), more=True))
    (tree.folder / "b.txt").unlink()
    tree.loop._see(Batch(frozenset({str(tree.folder / "b.txt")}), more=True))
    tree.loop._see(Batch(frozenset()))
    assert site.next().files == ("src/a.txt", "src/c.txt")
    assert site.queue.empty()


def test_a_loop_of_which_a_part_died_says_so(site: Site, container: Container) -> None:
    unit = feed(site, container, held=False)
    unit._connect = None  # a mistake of ours
    unit.appear("2")
    assert isinstance(site.next(), TypeError)


@pytest.mark.parametrize("runs", [True, False])
def test_a_container_that_went_away_before_it_was_linked_is_no_error(
    site: Site, container: Container, runs: bool
) -> None:
    def attach(unit: object, argv: object, *, instance: str) -> None:
        raise DevenvError("web has no pod that runs")

    site.backend = SimpleNamespace(
        observe=lambda checkout: SimpleNamespace(units={"web": SimpleNamespace(image="web:1")}),
        instances=lambda unit: ["2"] if runs else [],
        attach=attach,
        privileged=lambda unit, instance: None,
    )
    unit = feed(site, container)
    unit._synced.held = lambda unit, image: {}
    unit._instances = {"1", "2"}
    if runs:
        with pytest.raises(DevenvError, match="no pod"):
            unit._connect("2")
    else:
        unit._connect("2")
    assert unit._instances == ({"1", "2"} if runs else {"1"})


def test_files_that_stay_on_the_way_are_named_until_they_arrive(site: Site, container: Container) -> None:
    site.patience = 0.01
    unit = feed(site, container)
    answers = threading.Event()
    send = container.send

    def sent(sendings: Sequence[Sending]) -> Sent:
        assert answers.wait(10)
        return send(sendings)

    container.send = sent  # type: ignore[method-assign]
    saving = threading.Thread(target=save, args=(unit,), kwargs={"page_html": "1"})
    saving.start()
    assert "1 file is on the way for 0.01 s, and nothing answers yet" in site.next().text
    answers.set()
    saving.join(10)
    assert site.next().files == ("src/page.html",)
