"""The loop behind `up` and `watch`: files change, and containers follow.

One thread per unit does what its changed files cause, so that a slow step of one never holds up another. What
is missing is always found by comparing all wanted files with all that a container holds; an event only says
when to look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.backends.base import ChangeKind, Interrupted, StreamEnded
from devenv.backends.dialogue import NoShell, Paused
from devenv.engine.links import Emptied, Link, linked
from devenv.engine.ready import wait_ready
from devenv.engine.trees import Tree, in_project
from devenv.errors import DevenvError
from devenv.events import Note, Reloaded, Report
from devenv.stack.reload import Action, Decision, decide, landed
from devenv.watching import Batch, Watcher

if TYPE_CHECKING:
    from devenv.backends.base import Backend, Change, LogLine
    from devenv.engine.project import Loaded
    from devenv.sources import Digests
    from devenv.stack.model import Unit
    from devenv.stack.world import BuildKey

AGAIN = 0.2  # seconds before a container or an engine that went away is asked again
NO_SHELL = "there is no shell in the image that could take it"
SUBSCRIBED = 1.0  # seconds after which a backend surely reports what happens


@dataclass(frozen=True)
class Site:
    """What the units of a loop share.

    `tail`: the last lines of a unit's log. `restart` has the backend restart a unit that has no supervisor,
    `rebuild` asks for a new image of a unit.
    """

    backend: Backend
    root: Path
    checkout: str
    digests: Digests
    tail: Callable[[str], list[LogLine]]
    restart: Callable[[str], None]
    rebuild: Callable[[str], None]
    report: Report
    stop: threading.Event = field(default_factory=threading.Event)


class Feed:
    """One unit: what its containers should hold, and the thread that sees to it."""

    def __init__(self, site: Site, unit: Unit, loaded: Loaded) -> None:
        self._site, self._changed = site, threading.Condition()
        self.take(unit, loaded)
        self._links: dict[str, Link] = {}
        self._paths: dict[str, str] = {}
        self._since, self._asked, self._trouble, self._mute = 0.0, False, "", False
        self._instances: set[str] = set()
        self._emptied: set[str] = set()
        self._gate = threading.Event()
        self._gate.set()
        threading.Thread(target=self._run, daemon=True, name=f"reload {unit.name}").start()

    # -- what others tell it

    def change(self, digests: Mapping[str, str], since: float) -> None:
        """Files of the project that changed: path -> digest, "" for one that is gone."""
        with self._changed:
            self._since = self._since if self._paths else since
            self._paths |= digests
            self._changed.notify_all()

    def appear(self, instance: str) -> None:
        """A container of the unit runs."""
        with self._changed:
            self._instances.add(instance)
            self._changed.notify_all()

    def meet(self, instances: Collection[str]) -> None:
        """Exactly these containers of the unit run."""
        for instance in self._instances - set(instances):
            self.end(instance)
        for instance in instances:
            self.appear(instance)

    def end(self, instance: str) -> None:
        """A container of the unit ended."""
        with self._changed:
            self._instances.discard(instance)
            if link := self._links.pop(instance, None):
                link.close()

    def take(self, unit: Unit, loaded: Loaded) -> None:
        """The unit, as the manifest says it now."""
        with self._changed:
            self.unit, self._synced, self._secrets = unit, loaded.synced, loaded.secrets
            self._rules, self._wanted = loaded.synced.rules[unit.name], loaded.synced.wanted(unit)

    def restart(self) -> None:
        """Restart the program without a change."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    def hold(self) -> None:
        """Do nothing until `release`: somebody else changes the unit's containers."""
        self._gate.clear()

    def release(self) -> None:
        """Go on."""
        self._gate.set()

    def close(self) -> None:
        """Hang up."""
        with self._changed:
            for link in self._links.values():
                link.close()
            self._changed.notify_all()

    # -- its thread

    def _run(self) -> None:
        while not self._site.stop.is_set():
            with self._changed:
                self._changed.wait_for(self._has_work)
            self._gate.wait()
            with self._changed:
                digests, self._paths = self._paths, {}
                asked, self._asked = self._asked, False
                since, new = self._since, self._unlinked()
            try:
                if digests:
                    self._follow(digests, since)
                if asked:
                    decision = Decision(Action.RESTART, reason="asked for")
                    self._act(decision, list(self._links.items()), time.monotonic())
                for instance in new:
                    self._connect(instance)
                self._trouble = ""
            except Interrupted:
                return
            except StreamEnded:  # a container went away in the middle; what it lacks is found when it is back
                self._hang_up()
            except DevenvError as error:
                self._complain(tuple(digests), error)

    def _complain(self, files: tuple[str, ...], error: DevenvError) -> None:
        """Report an error once, however often the next try meets it."""
        if files or error.what != self._trouble:
            self._site.report(Reloaded(self.unit.name, files, Action.NONE, error=error))
        self._trouble = error.what
        self._site.stop.wait(AGAIN)

    def _hang_up(self) -> None:
        with self._changed:
            for link in self._links.values():
                link.close()
            self._links.clear()
        self._site.stop.wait(AGAIN)

    def _has_work(self) -> bool:
        return bool(self._paths or self._asked or self._unlinked() or self._site.stop.is_set())

    def _unlinked(self) -> set[str]:
        return self._instances - self._links.keys()

    def _follow(self, digests: Mapping[str, str], since: float) -> None:
        """Do what changed files cause."""
        for path, digest in digests.items():
            for target, source in landed(self._rules, path, digest).items():
                if digest:
                    self._wanted[target] = source
                else:
                    self._wanted.pop(target, None)
        kept = self._kept()
        digests = {path: digest for path, digest in digests.items() if path not in kept}
        decision = decide(self._rules, digests)
        if decision.action is Action.REBUILD:
            self._rebuild(tuple(digests), decision)
        elif decision.action is not Action.NONE and self._mute:
            self._rebuild(tuple(digests), replace(decision, action=Action.REBUILD, cheaper=NO_SHELL))
        elif decision.action is not Action.NONE and not self._links:
            self._site.report(
                Note(f"{self.unit.name} does not run: {len(digests)} changed files wait for it")
            )
        elif decision.action is not Action.NONE:
            self._act(decision, list(self._links.items()), since)

    def _kept(self) -> set[str]:
        """The files that containers keep though nothing is left of their folders, which is reported once."""
        files, emptied = set[str](), dict[str, int]()
        for link in list(self._links.values()):
            for folder, targets in link.keeps(self._wanted).items():
                files |= link.names(targets, self._wanted)
                emptied[folder] = len(targets)
        for folder in emptied.keys() - self._emptied:
            error = Emptied(self.unit, folder, emptied[folder])
            self._site.report(Reloaded(self.unit.name, (), Action.NONE, error=error))
        self._emptied = set(emptied)
        return files

    def _rebuild(self, files: tuple[str, ...], decision: Decision) -> None:
        self._site.report(Reloaded(self.unit.name, files, decision.action, decision.reason, decision.cheaper))
        self._site.rebuild(self.unit.name)

    def _connect(self, instance: str) -> None:
        """Link a container that appeared, and send what it lacks: edits made while it was down."""
        site, started = self._site, time.monotonic()
        observed = site.backend.observe(site.checkout).units.get(self.unit.name)
        if observed is None:
            self.end(instance)
            return
        image = self._synced.held(self.unit, observed.image) or {}
        try:
            link = linked(site.backend, observed, instance, self._rules, image)
        except NoShell:  # nothing can be sent to it: a change needs a new image
            self._mute = True
            self.end(instance)
            return
        self._mute = False
        with self._changed:
            if instance not in self._instances:  # it ended meanwhile
                link.close()
                return
            self._links[instance] = link
        self._kept()
        missing = link.missing(self._wanted, site.root)
        if files := link.names((sending.target for sending in missing), self._wanted):
            self._act(decide(self._rules, files), [(instance, link)], started)
        if link.holds_back():
            link.agent.release()

    def _act(self, decision: Decision, links: list[tuple[str, Link]], since: float) -> None:
        """Send files, run commands, restart, wait until ready; report how long each took."""
        site, unit, failed = self._site, self.unit, dict[str, str]()
        try:
            for _, link in links:
                failed |= self._send(link)
            synced = time.monotonic()
            if decision.run:
                for _, link in links:
                    link.run(unit, decision, self._secrets, self._say)
            if decision.action is Action.RESTART:
                self._restart(links)
        except Paused:  # its stream is closed; a new link is tried until the container goes on
            self._hang_up()
            raise
        except DevenvError as error:
            site.report(Reloaded(unit.name, decision.files, decision.action, decision.reason, error=error))
            return
        ended = time.monotonic()
        site.report(
            Reloaded(
                unit.name,
                decision.files,
                decision.action,
                decision.reason,
                decision.cheaper,
                synced - since,
                ended - synced if decision.action is Action.RESTART else None,
                failed,
            )
        )

    def _send(self, link: Link) -> Mapping[str, str]:
        return link.send(link.missing(self._wanted, self._site.root)).failed

    def _say(self, line: str) -> None:
        self._site.report(Note(f"{self.unit.name}: {line}"))

    def _tail(self, began: str) -> list[str]:
        """What the program printed since it began."""
        return [line.text for line in self._site.tail(self.unit.name) if line.time >= began]

    def _restart(self, links: Iterable[tuple[str, Link]]) -> None:
        for _, link in links:
            if link.agent.hello.supervised:
                began = datetime.now(UTC).isoformat()
                link.agent.restart(self.unit.grace)
                wait_ready(self.unit, link.agent, self._secrets, self._site.stop, partial(self._tail, began))
            else:
                self._site.restart(self.unit.name)


class Reloading:
    """The loop itself: what changed goes to the units whose sources it belongs to."""

    def __init__(
        self, site: Site, apply: Callable[[], Loaded | None], settings: Callable[[Loaded], set[str]]
    ) -> None:
        """`apply` plans and applies anew, None where the manifest is broken; `settings` are the files that
        make this necessary."""
        self._site, self._apply, self._settings_of = site, apply, settings
        self._feeds: dict[str, Feed] = {}
        self._trees: dict[BuildKey, Tree] = {}
        self._readers: dict[BuildKey, list[Feed]] = {}
        self._moved, self._asked = threading.Event(), threading.Event()

    def run(self, loaded: Loaded) -> None:
        """Follow changed files until `close`."""
        self._take(loaded)
        for target in (self._listen, self._apply_asked):
            threading.Thread(target=target, daemon=True, name=target.__name__).start()
        while not self._site.stop.is_set():
            self._moved.clear()
            with closing(self._watcher()) as watcher:
                self._see(Batch(frozenset(), rescan=True))  # what changed before the watches stood
                for batch in watcher.batches(self._moved):
                    self._see(batch)

    def close(self) -> None:
        """End the loop, and hang up."""
        self._site.stop.set()
        self._moved.set()
        self._asked.set()
        for feed in self._feeds.values():
            feed.close()

    def restart(self, name: str) -> None:
        """Restart a unit's program, soon."""
        if feed := self._feeds.get(name):
            feed.restart()
        else:
            self._site.restart(name)

    def ask(self) -> None:
        """Plan and apply anew, soon; further requests meanwhile are one."""
        self._asked.set()

    # -- files

    def _take(self, loaded: Loaded) -> None:
        self._loaded, self._settings = loaded, self._settings_of(loaded)
        self._trees = {
            key: Tree(key[0], folder, self._site.digests, loaded.contents[key])
            for key, folder in loaded.synced.folders.items()
        }
        units = {unit.name: unit for unit in loaded.stack.units if unit.reloads}
        for name in self._feeds.keys() - units.keys():
            self._feeds.pop(name).close()
        self._readers = {key: [] for key in self._trees}
        for name, unit in units.items():
            if name in self._feeds:
                self._feeds[name].take(unit, loaded)
            else:
                self._feeds[name] = Feed(self._site, unit, loaded)
            for key in loaded.synced.keys(unit):
                self._readers[key].append(self._feeds[name])

    def _watcher(self) -> Watcher:
        root = str(self._site.root)
        folders = {str(tree.folder.path) for key, tree in self._trees.items() if self._readers[key]}

        def enters(folder: str) -> bool:
            path = in_project(root, folder)
            return any(tree.enters(path) for key, tree in self._trees.items() if self._readers[key])

        return Watcher(sorted(folders), self._settings, enters, note=self._note)

    def _note(self, line: str) -> None:
        self._site.report(Note(line))

    def _see(self, batch: Batch) -> None:
        since = time.monotonic()
        if not batch.paths.isdisjoint(self._settings):
            self.ask()
        paths = [in_project(str(self._site.root), path) for path in batch.paths]
        for key, tree in self._trees.items():
            changed, unread = tree.look() if batch.rescan else tree.update(paths)
            for path, reason in unread.items():
                self._note(f"cannot read {path}: {reason}")
            if changed:
                for feed in self._readers[key]:
                    feed.change({path: tree.digests.get(path, "") for path in changed}, since)

    # -- containers

    def _listen(self) -> None:
        backend, away = self._site.backend, False
        while not self._site.stop.is_set():
            try:
                self._meet()
                self._meet_again()
                if away:
                    self._note(f"{backend.name} answers again")
                away = False
                for change in backend.changes(self._loaded.stack.id, self._site.stop):
                    self._follow(change)
            except DevenvError as error:
                if not away:
                    self._note(f"{error.what}; trying again")
                away = True
            self._site.stop.wait(AGAIN)

    def _meet_again(self) -> None:
        """Find those, in a moment, that started before anybody listened."""

        def meet() -> None:
            with suppress(DevenvError):  # whoever listens meets it as well
                self._meet()

        timer = threading.Timer(SUBSCRIBED, meet)
        timer.daemon = True
        timer.start()

    def _meet(self) -> None:
        observed = self._site.backend.observe(self._site.checkout).units
        for name, feed in list(self._feeds.items()):
            feed.meet(self._site.backend.instances(observed[name]) if name in observed else ())

    def _follow(self, change: Change) -> None:
        feed = self._feeds.get(change.unit)
        if feed is not None and change.kind is ChangeKind.ENDED:
            feed.end(change.id)
        elif feed is not None:
            feed.appear(change.id)

    # -- the stack

    def _apply_asked(self) -> None:
        while self._asked.wait() and not self._site.stop.is_set():
            self._asked.clear()
            for feed in self._feeds.values():
                feed.hold()
            try:
                if loaded := self._apply():
                    self._take(loaded)
                    self._moved.set()  # other folders to watch
            except OSError as error:
                self._note(f"the manifest could not be applied: {error.strerror or error}")
            finally:
                for feed in self._feeds.values():
                    feed.release()
