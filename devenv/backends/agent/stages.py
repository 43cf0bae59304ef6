"""The folders of a container in which files are made before they get their names."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable

from devenv.backends.agent.changes import Place
from devenv.backends.agent.mounts import mount_of
from devenv.backends.agent.record import FOLDER, GONE, entry, parsed
from devenv.backends.agent.shell import call
from devenv.backends.dialogue import Dialogue

STAGE = ".devenv"
SHARED = f"/tmp/{STAGE}"  # the stage, unless the files are on another mount than /tmp
READ_ONLY = "read-only file system"


class Stages:
    """One for each mount that files go to, so that they can be renamed; each holds a record of its files.

    `record`: target -> digest of all that was sent, "" for deleted; `made`: the folders made for that.
    """

    def __init__(self, dialogue: Dialogue, mounts: Iterable[str], shared: str) -> None:
        self._dialogue, self._mounts, self._shared = dialogue, tuple(mounts), shared
        self.record: dict[str, str] = {}
        self.made: set[str] = set()
        self._closed: dict[str, str] = {}  # stage that could not be made -> why
        self._of_place: dict[Place, str] = {}
        self._of_mount: dict[str, str] = {}
        self._physical: dict[str, str] = {}  # synced folder -> without links

    def of(self, place: Place) -> str:
        """The stage for a place; it is opened, and its record read, when it is first asked for."""
        if place not in self._of_place:
            self._of_place[place] = self._found(place)
        return self._of_place[place]

    def closed(self, place: Place) -> str | None:
        """Why there can be no stage for a place; None where there is one."""
        return self._closed.get(self.of(place))

    def note_made(self, stage: str, place: Place, count: int) -> None:
        """Record the folders that had to be made: they go when they are empty again."""
        if count:
            names = place.folder.split("/")
            made = ["/".join((place.root.rstrip("/"), *names[: len(names) - n])) for n in range(count)]
            self.made.update(made)
            text = b"\n".join(entry(FOLDER, folder) for folder in made)
            self._dialogue.send([call("made", stage, text), b"\n"])

    def _found(self, place: Place) -> str:
        if place.root not in self._physical:
            path = os.fsdecode(self._dialogue.ask(call("where", place.root)).text)
            self._physical[place.root] = posixpath.normpath(path).replace("//", "/")
        physical = self._physical[place.root]
        mount = mount_of(self._mounts, posixpath.join(physical, place.folder))
        if mount not in self._of_mount:
            shared = mount_of(self._mounts, posixpath.dirname(self._shared))
            candidates = [self._shared] if mount == shared else []
            candidates.append(f"{physical if physical.startswith(mount) else mount}/{STAGE}")
            opened = next(filter(self._open, candidates), "")
            read_only = next((stage for stage in candidates if self._closed.get(stage) == READ_ONLY), "")
            self._of_mount[mount] = opened or read_only or candidates[-1]
        return self._of_mount[mount]

    def _open(self, folder: str) -> bool:
        answer = self._dialogue.ask(call("stage", folder))
        lines = answer.text.count(b"\n")
        entries = parsed(answer.text)
        for target, digest in entries.items():
            if digest == FOLDER:
                self.made.add(target)
            else:
                self.record[target] = "" if digest == GONE else digest
        if answer.word != "ok":
            self._closed[folder] = answer.reason
            return False
        if lines > 1000 + 4 * len(entries) and answer.words == ["0"]:
            text = b"\n".join(entry(digest, target) for target, digest in entries.items()) + b"\n"
            self._dialogue.ask(call("compact", folder, str(len(text))), [text, b"end\n"])
        return True
