"""The loop behind `up` and `watch`: files change, and containers follow.

One thread per unit does what its changed files cause, so that a slow step of one never holds up another. An
event only says when to look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.backends.base import ChangeKind
from devenv.engine.reloading.feed import AGAIN, Feed
from devenv.engine.reloading.site import Site
from devenv.engine.reloading.trees import Tree, in_project
from devenv.errors import DevenvError
from devenv.events import Note
from devenv.watching import Batch, Watcher

if TYPE_CHECKING:
    from devenv.backends.base import Change
    from devenv.engine.loaded import Loaded
    from devenv.stack.world import BuildKey

SUBSCRIBED = 1.0  # seconds after which a backend surely reports what happens


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
        self._seen: dict[BuildKey, dict[str, str]] = {}  # what changed, until no more is expected
        self._since = 0.0  # when the first of that was seen
        self._moved, self._asked = threading.Event(), threading.Event()
        self._taken = threading.Event()  # set once it is known which units there are
        self._reading = threading.Lock()  # held while trees and feeds come to know the same files

    def start(self, loaded: Loaded) -> None:
        """Follow changed files, in threads, until `close`."""
        self._site.begin(lambda: self.run(loaded), "reload")

    def run(self, loaded: Loaded) -> None:
        """Follow changed files until `close`."""
        self._take(loaded)
        for work in (self._listen, self._apply_asked):
            self._site.begin(work, work.__name__)
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
        self._taken.set()
        for feed in list(self._feeds.values()):  # another thread may take an edited manifest's units
            feed.close()

    def restart(self, name: str) -> None:
        """Restart a unit's program, soon; a key may be pressed before all files are read."""
        self._taken.wait()
        if feed := self._feeds.get(name):
            feed.restart()
        else:
            self._site.restart(name)

    def ask(self) -> None:
        """Plan and apply anew, soon; further requests meanwhile are one."""
        self._asked.set()

    # -- files

    def _take(self, loaded: Loaded) -> None:
        """Follow the stack as it was loaded, and what changed since then."""
        with self._reading:
            since = time.monotonic()
            self._loaded = loaded
            self._tell()
            self._note_settings(self._settings_of(loaded))
            self._trees = {
                key: Tree(key[0], folder, self._site.digests, loaded.contents[key])
                for key, folder in loaded.synced.folders.items()
            }
            self._readers = {key: [] for key in self._trees}
            changed = {key: self._changed(tree, None) for key, tree in self._trees.items()}
            units = {unit.name: unit for unit in loaded.stack.units if unit.name in loaded.synced.followed}
            for name in self._feeds.keys() - units.keys():
                self._feeds.pop(name).close()
            for name, unit in units.items():
                if name not in self._feeds:
                    self._feeds[name] = Feed(self._site, unit, loaded)
                feed, digests = self._feeds[name], dict[str, str]()
                for key in loaded.synced.keys(unit):
                    self._readers[key].append(feed)
                    digests |= changed[key]
                feed.take(unit, loaded, digests, since)
        self._taken.set()

    def _watcher(self) -> Watcher:
        """Watches the folders as they are read now: another thread may take an edited manifest's any time."""
        with self._reading:
            trees = [tree for key, tree in self._trees.items() if self._readers[key]]
            settings = self._settings
        root = str(self._site.root)
        mounted = {path for path in settings if Path(path).is_dir()}

        def enters(folder: str) -> bool:
            path = in_project(root, folder)
            return self._is_setting(folder) or any(tree.enters(path) for tree in trees)

        folders = sorted({str(tree.folder.path) for tree in trees} | mounted)
        return Watcher(folders, settings, enters, note=self._note)

    def _note_settings(self, settings: set[str]) -> None:
        self._settings, self._below_settings = settings, tuple(f"{path}/" for path in settings)

    def _is_setting(self, path: str) -> bool:
        """Whether it is a file that makes a new plan necessary, or in such a folder."""
        return path in self._settings or path.startswith(self._below_settings)

    def _note(self, line: str) -> None:
        self._site.report(Note(line))

    def _see(self, batch: Batch) -> None:
        """Read what changed; it is acted upon when no more is expected."""
        if any(map(self._is_setting, batch.paths)):
            self.ask()
        paths = [in_project(str(self._site.root), path) for path in batch.paths]
        with self._reading:
            self._since = self._since or time.monotonic()
            for key, tree in self._trees.items():
                changed = self._changed(tree, None if batch.rescan else paths)
                self._seen[key] = self._seen[key] | changed if key in self._seen else changed
            if not batch.more:
                self._tell()

    def _tell(self) -> None:
        """Have units act upon what was seen."""
        for key, changed in self._seen.items():
            for feed in self._readers[key] if changed else ():
                feed.change(changed, self._since)
        self._seen, self._since = {}, 0.0

    def _changed(self, tree: Tree, paths: Sequence[str] | None) -> dict[str, str]:
        """What is new in a tree, or at some paths of it: path -> digest, "" for what is gone."""
        changed, unread = tree.look() if paths is None else tree.update(paths)
        for path, reason in unread.items():
            self._note(f"cannot read {path}: {reason}")
        return {path: tree.digests.get(path, "") for path in changed}

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

        timer = threading.Timer(SUBSCRIBED, self._meet_now)
        timer.daemon = True
        timer.start()

    def _meet_now(self) -> None:
        with suppress(DevenvError):  # whoever listens meets them as well
            self._meet()

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
                    self._meet_now()  # what was started is known before units go on
            except OSError as error:
                self._note(f"the manifest could not be applied: {error.strerror or error}")
            finally:
                for feed in self._feeds.values():
                    feed.release()
