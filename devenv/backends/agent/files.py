"""The files of one container: brought to what they should be, by its user or by root, and recorded there."""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from tarfile import TarInfo
from typing import Protocol

from devenv.backends.agent.batch import END, Batch, dotted, group_call, header_of, padding
from devenv.backends.agent.changes import Place, Sending, Sent, Times, stays, wanted_of
from devenv.backends.agent.contents import LARGE, Content, Reading, read, small
from devenv.backends.agent.hello import Hello
from devenv.backends.agent.record import GONE, UNKNOWN, entry
from devenv.backends.agent.shell import call
from devenv.backends.agent.stages import READ_ONLY, Stages
from devenv.backends.base import Privileged
from devenv.backends.dialogue import Answer, Dialogue
from devenv.errors import DevenvError

FEW = 3  # files from which on a batch is faster
AHEAD = 1  # batches that are sent before the answer to the one before them
DENIED = ("permission denied", "operation not permitted")


class Sender(Protocol):
    """An agent, as far as another one needs it."""

    def send(self, changes: Sequence[Sending]) -> Sent: ...

    def close(self) -> None: ...


class Files:
    """The files of one container. Used by one thread at a time.

    `pid`: of the script there, by which its own files are known. `as_root` starts an agent that does what the
    container's user may not.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        stages: Stages,
        hello: Hello,
        pid: str,
        privileged: Privileged | None,
        as_root: Callable[[Privileged], Sender],
    ) -> None:
        self._dialogue, self._stages, self._hello, self._pid = dialogue, stages, hello, pid
        self._privileged, self._as_root = privileged, as_root
        self._root: Sender | None = None
        self._denied: set[Place] = set()  # where the container's user may not write
        self._times = Times()

    def close(self) -> None:
        """Hang up on the agent that is root, if there is one."""
        if self._root:
            self._root.close()

    def send(self, changes: Sequence[Sending]) -> Sent:
        """Bring files to what they should be; they are when it returns. The last of a target counts.

        Raises `StreamEnded` when the container is gone, `Paused`.
        """
        sent = Sent()
        wanted = wanted_of(changes, sent)
        allowed = [change for change in wanted.values() if not self._denies(change)]
        self._delete_all([change for change in allowed if change.source is None], sent)
        files = [change for change in allowed if change.source is not None]
        if len(files) >= FEW and "tar" in self._hello.tools:
            files = self._send_together(files, sent)
        for change in files:
            if not self._denies(change):
                self._send_one(change, sent)
        if denied := [change for change in wanted.values() if self._denies(change, sent)]:
            self._send_as_root(denied, sent)
        return sent

    def _denies(self, change: Sending, sent: Sent | None = None) -> bool:
        """Whether the container's user may not change a file that did not arrive by then."""
        if sent and change.target in sent.digests:
            return False
        closed = self._stages.closed(change.place)
        return change.place in self._denied or (self._hello.uid != 0 and closed in DENIED)

    def _send_as_root(self, changes: Sequence[Sending], sent: Sent) -> None:
        """Send what the container's user may not write, where the runtime lets us be root."""
        uid, gid = self._hello.uid, self._hello.gid
        if self._root is None:
            self._root = self._started_as_root()
            sent.note = (
                f"files in {changes[0].place.root} are written as root, as user {uid} may not; "
                f"COPY --chown={uid}:{gid} makes them the user's own"
            )
        if self._root is None:
            sent.note = ""
            self._denied.clear()  # somebody may allow it until the next time
            reason = f"permission denied to user {uid}; the Dockerfile allows it: COPY --chown={uid}:{gid}"
            sent.failed |= {change.target: reason for change in changes}
            return
        rest = self._root.send(changes)
        for change in changes:
            sent.failed.pop(change.target, None)
        sent.failed |= rest.failed
        sent.digests |= rest.digests
        sent.bytes += rest.bytes
        self._stages.record |= rest.digests

    def _started_as_root(self) -> Sender | None:
        if self._privileged is None:
            return None
        try:
            return self._as_root(self._privileged)
        except DevenvError:
            return None

    def _send_together(self, changes: Sequence[Sending], sent: Sent) -> list[Sending]:
        """Send small files in batches; returns those that have to be sent one by one.

        The next batches are read while the container unpacks one. Files of one folder stand together, as each
        folder of a batch costs a process there.
        """
        rest: list[Sending] = []
        batches: dict[str, Batch] = {}
        under_way = deque[Batch]()
        stages = {place: self._stages.of(place) for place in {change.place for change in changes}}
        for change in sorted(changes, key=lambda change: posixpath.split(change.target)):
            content = small(change)
            if content is None:
                rest.append(change)
                continue
            stage = stages[change.place]
            batch = batches.setdefault(stage, Batch(stage))
            batch.add(change, content, self._times.due(change.target))
            if batch.full:
                self._dispatch(batches.pop(stage), under_way)
                while len(under_way) > AHEAD:
                    rest += self._arrived(under_way.popleft(), sent)
        for batch in batches.values():
            self._dispatch(batch, under_way)
        while under_way:
            rest += self._arrived(under_way.popleft(), sent)
        return rest

    def _dispatch(self, batch: Batch, under_way: deque[Batch]) -> None:
        """Send a batch without waiting for what becomes of it."""
        parts = batch.tar()
        line = call("batch", batch.stage, str(sum(map(len, parts))), "" if batch.dated else "-m")
        self._dialogue.send([line, b"\n", *parts, b"end\n"])
        under_way.append(batch)

    def _arrived(self, batch: Batch, sent: Sent) -> list[Sending]:
        """Note what arrived of the batch that was sent first; returns what did not."""
        places = self._answered(batch.stage, list(batch.groups))
        for place in places:
            for change, content in batch.groups[place]:
                self._stages.record[change.target] = sent.digests[change.target] = content.digest
                sent.bytes += content.size
        files = chain.from_iterable(batch.groups[place] for place in places)
        self._times.note({change.target: content.second for change, content in files})
        missing = [files for place, files in batch.groups.items() if place not in places]
        return [change for files in missing for change, _ in files]

    def _answered(self, stage: str, places: Sequence[Place]) -> set[Place]:
        """The answers to one command about numbered folders; returns those for which it went well."""
        well = set[Place]()
        while (answer := self._dialogue.answer()).word in ("moved", "bad"):
            place = places[int(answer.words[0])]
            self._stages.note_made(stage, place, int(answer.words[1]))
            if answer.word == "moved":
                well.add(place)
        return well

    def _delete_all(self, changes: Sequence[Sending], sent: Sent) -> None:
        """Delete files, then the folders that we made for them and that are empty now."""
        emptied = set[tuple[str, str]]()
        by_stage = defaultdict[str, dict[Place, list[Sending]]](dict)
        for change in changes:
            by_stage[self._stages.of(change.place)].setdefault(change.place, []).append(change)
        rest = list(changes)
        if len(changes) >= FEW:
            rest = [
                change for stage, groups in by_stage.items() for change in self._drop(stage, groups, sent)
            ]
        for change in rest:
            if not self._denies(change):
                self._delete(change, sent)
        for change in changes:
            folder = posixpath.dirname(change.target)
            while folder in self._stages.made:
                emptied.add((folder, change.root))
                folder = posixpath.dirname(folder)
        for folder, root in sorted(emptied, reverse=True):
            change = Sending(folder, None, root=root)
            if self._call("delete", change, b"", entry(GONE, folder)).word == "ok":
                self._stages.made.discard(folder)

    def _drop(self, stage: str, groups: Mapping[Place, Sequence[Sending]], sent: Sent) -> list[Sending]:
        """Delete files folder by folder; returns those that have to be deleted one by one."""
        script = b"\n".join(
            b" ".join((group_call("drop", number, place, files, [GONE] * len(files)), *dotted(files)))
            for number, (place, files) in enumerate(groups.items())
        )
        line = call("script", stage, str(len(script)))
        self._dialogue.send([line, b"\n", script, b"end\n"])
        gone = self._answered(stage, list(groups))
        for place in gone:
            for change in groups[place]:
                self._stages.record[change.target] = sent.digests[change.target] = ""
        return [change for place, files in groups.items() if place not in gone for change in files]

    def _send_one(self, change: Sending, sent: Sent) -> None:
        assert change.source is not None
        try:
            status = os.lstat(change.source)
            if stat.S_ISLNK(status.st_mode):
                self._link(change, os.readlink(change.source), sent)  # noqa: PTH115  as a Path, ./a would be a
            elif not stat.S_ISREG(status.st_mode):
                sent.failed[change.target] = "neither a file nor a link"
            elif status.st_size > LARGE:
                self._put_large(change, sent)
            elif (content := read(change)) is None:
                sent.failed[change.target] = "changes while it is read"
            else:
                self._put(change, content, sent)
        except (FileNotFoundError, NotADirectoryError):
            self._delete(change, sent)
        except OSError as error:
            sent.failed[change.target] = (error.strerror or str(error)).lower()

    def _put(self, change: Sending, content: Content, sent: Sent) -> None:
        size, mode, second = str(len(content.data)), f"{content.mode:o}", self._times.due(change.target)
        end = b"end" + entry(content.digest, change.target) + b"\n"
        answer = self._call(
            "put", change, entry(UNKNOWN, change.target), size, mode, str(second), body=[content.data, end]
        )
        self._times.note({change.target: second})
        self._finish(change, content.digest, answer, sent)
        sent.bytes += len(content.data)

    def _put_large(self, change: Sending, sent: Sent) -> None:
        assert change.source is not None
        if self._privileged is not None and self._put_archived(change, self._privileged, sent):
            return
        with open(change.source, "rb") as file:
            reading = Reading(file, change)
            mode = f"{reading.mode:o}"
            answer = self._call(
                "put", change, entry(UNKNOWN, change.target), str(reading.size), mode, body=reading.parts()
            )
        self._finish(change, reading.digest, answer, sent)
        sent.bytes += reading.size

    def _put_archived(self, change: Sending, privileged: Privileged, sent: Sent) -> bool:
        """Put a large file into the stage through the engine, which is faster, and rename it from there."""
        assert change.source is not None
        folder = f"{self._stages.of(change.place)}/{self._pid}"
        with open(change.source, "rb") as file:
            reading = Reading(file, change)
            header = TarInfo("large")
            header.size, header.mode, header.mtime = reading.size, reading.mode, int(time.time())
            header.uid, header.gid = self._hello.uid, self._hello.gid
            try:
                privileged.put(
                    folder, chain([header_of(header)], reading.blocks(), [padding(reading.size), END])
                )
            except DevenvError:  # a read-only container; the stream reaches what can be written
                return False
            if not reading.whole:
                sent.failed[change.target] = "changed while it was read"
                return True
        # The engine says yes to a tmpfs, and the file is nowhere.
        before, after = entry(UNKNOWN, change.target), entry(reading.digest, change.target)
        answer = self._call("adopt", change, before, after)
        if answer.word == "ok":
            self._finish(change, reading.digest, answer, sent)
            sent.bytes += reading.size
        return answer.word == "ok"

    def _link(self, change: Sending, text: str, sent: Sent) -> None:
        if not stays(change, text):
            sent.failed[change.target] = f"a link to {text}, outside of {change.place.root}"
            return
        digest = f"->{text}"
        before, after = entry(UNKNOWN, change.target), entry(digest, change.target)
        self._finish(change, digest, self._call("link", change, before, after, text), sent)

    def _delete(self, change: Sending, sent: Sent) -> None:
        before, after = entry(UNKNOWN, change.target), entry(GONE, change.target)
        self._finish(change, "", self._call("delete", change, before, after), sent)

    def _call(
        self, function: str, change: Sending, *words: str | bytes, body: Iterable[bytes] = ()
    ) -> Answer:
        """Have the script do one thing with one target; the body is read in any case."""
        place = change.place
        stage = self._stages.of(place)
        line = call(function, stage, place.root, place.folder, change.name, *words)
        return self._dialogue.ask(line, body)

    def _finish(self, change: Sending, digest: str, answer: Answer, sent: Sent) -> None:
        self._stages.note_made(self._stages.of(change.place), change.place, int(answer.words[0]))
        if answer.word == "ok":
            self._stages.record[change.target] = digest
            sent.digests[change.target] = digest
        else:
            self._stages.record[change.target] = UNKNOWN
            closed = self._stages.closed(change.place)
            sent.failed[change.target] = READ_ONLY if closed == READ_ONLY else answer.reason
            if self._hello.uid and answer.reason in DENIED:
                self._denied.add(change.place)
