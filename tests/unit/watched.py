"""A watcher under test: what it reports, and folders and saves for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

from devenv.watching import Batch, Watcher

LIMIT = 20.0  # seconds until a test gives up; nothing waits that long when all is well
NEVER, OFTEN = 3600.0, 0.02  # seconds between two looks at what has no event

IGNORED = {"node_modules", ".git", "ignored"}


def enters(folder: str) -> bool:
    return os.path.basename(folder) not in IGNORED


class Watched:
    """A watcher with a thread that takes its batches."""

    def __init__(self, folders: list[Path], files: list[Path], **settings: Any) -> None:
        self.notes: list[str] = []
        self.paths = set[str]()  # all that was reported
        self.batches: Queue[Batch | None] = Queue()
        self.watcher = Watcher(
            [str(folder) for folder in folders],
            [str(file) for file in files],
            settings.pop("enters", enters),
            note=self.notes.append,
            **settings,
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._take)
        self.thread.start()

    def _take(self) -> None:
        for batch in self.watcher.batches(self.stop):
            self.batches.put(batch)
        self.batches.put(None)

    def next(self) -> Batch:
        batch = self.batches.get(timeout=LIMIT)
        assert batch is not None
        self.paths |= batch.paths
        return batch

    def until(self, *paths: Path) -> list[Batch]:
        """The batches until these paths have been reported in them."""
        missing = {str(path) for path in paths}
        batches = []
        while missing:
            batches.append(self.next())
            missing -= batches[-1].paths
        return batches

    def rescan(self) -> Batch:
        """The next batch that asks for a full comparison."""
        while not (batch := self.next()).rescan:
            pass
        return batch

    def save(self, *paths: Path) -> None:
        """Write files until that is reported; once more after a rescan, which stands for what came before it."""
        missing = set(paths)
        batch = Batch(frozenset(), rescan=True)
        while missing:
            if batch.rescan:
                for path in missing:
                    path.write_text(str(time.monotonic_ns()))
            batch = self.next()
            missing -= {Path(path) for path in batch.paths}

    def settled(self, folder: Path) -> set[str]:
        """All that was reported until now, by way of a file that is saved last."""
        self.save(folder / "last")
        return self.paths - {str(folder / "last")}

    def close(self) -> None:
        self.stop.set()
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()
        self.watcher.close()


Watch = Callable[..., Watched]


@contextmanager
def starting(**settings: Any) -> Iterator[Watch]:
    """Starts watchers with these settings, which end with the test."""
    watchers = list[Watched]()

    def start(*folders: Path, files: list[Path] | None = None, **more: Any) -> Watched:
        watchers.append(Watched(list(folders), files or [], **settings, **more))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.close()


def project(parent: Path) -> Path:
    folder = parent / "project"
    for name in ("src/deep", "ignored/below", "node_modules/left-pad"):
        (folder / name).mkdir(parents=True)
    (folder / "src/main.py").write_text("1")
    (folder / "src/deep/util.py").write_text("1")
    return folder


def atomic(path: Path) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("atomic")
    temporary.replace(path)


def change_everything(root: Path, watched: Watched, *, gone: tuple[str, ...]) -> None:
    """Save, make, move and remove files in each way; every one is reported, and nothing of what is ignored.

    `gone` are the paths below `root` that are reported when `src` moves.
    """
    (root / "ignored/below/file").write_text("1")
    (root / "src/main.py").write_text("2")
    atomic(root / "src/deep/util.py")
    (root.parent / "devenv.yaml").write_text("1")
    (root / "src/a/b").mkdir(parents=True)
    (root / "src/a/b/file").write_text("1")
    watched.until(
        root / "src/main.py", root / "src/deep/util.py", root / "src/a/b/file", root.parent / "devenv.yaml"
    )
    (root / "src").rename(root / "lib")
    watched.until(*(root / path for path in gone), root / "lib/deep/util.py")
    (root / "lib/main.py").unlink()
    watched.until(root / "lib/main.py")
    assert not [path for path in watched.settled(root) if "ignored" in path]
