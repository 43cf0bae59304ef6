"""Files and commands in a running container, over one stream that stays open.

A script of ours runs in the container (`templates/reload/agent.sh`). Each line that it reads calls a function
of it, and the bytes of a file follow. A file is written in a `.devenv` folder on the mount where it goes, and
renamed: a program that reads meanwhile sees the old file or the new one, whole.

What was sent is recorded in that folder, so that it lives and dies with the files. A line is
`DIGEST <tab> TARGET <tab> .`; the last of a target counts, and a line that was cut off does not.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from tarfile import BLOCKSIZE, GNU_FORMAT, GNU_MAGIC, TarInfo
from typing import IO, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from devenv import assets
from devenv.backends.base import Privileged
from devenv.backends.dialogue import Answer, Attach, Dialogue
from devenv.errors import DevenvError

STAGE = ".devenv"
SHARED = f"/tmp/{STAGE}"  # the stage, unless the files are on another mount than /tmp
RELEASED = f"{SHARED}/released"  # the program of this container was started once
BLOCK = 1 << 20  # bytes of a large file that are read at once
LARGE = 4 << 20  # bytes; a larger file is sent while it is read
FEW = 3  # files from which on a batch is faster
MANY = 1000  # files in a batch
AHEAD = 1  # batches that are sent before the answer to the one before them
END = bytes(2 * BLOCKSIZE)  # of a tar
NAME = 100  # bytes of a name in the header of a tar
READS = 3  # of a file that changes while it is read
DENIED = ("permission denied", "operation not permitted")
UNKNOWN, GONE, FOLDER = "?", "-", "/"  # in the record, where a digest would be
PLAIN = re.compile(rb"[\w./>?~-]*", re.ASCII).fullmatch  # stands in the record as it is


@dataclass(frozen=True, slots=True)
class Sending:
    """A file that a container should have, or without a `source` should not have any more.

    `root` is the synced folder in the container that nothing may lead out of; by default the target's own.
    """

    target: str
    source: Path | None
    digest: str = ""
    root: str = ""

    @property
    def place(self) -> Place:
        return _place(posixpath.dirname(self.target), self.root)

    @property
    def name(self) -> str:
        return posixpath.basename(self.target)


class Place(NamedTuple):
    """A folder below a synced one."""

    root: str
    folder: str


@lru_cache(maxsize=10_000)
def _place(folder: str, root: str) -> Place:
    """The place of a folder, below `root` or on its own."""
    below = posixpath.relpath(folder, root or folder)
    return Place(root or folder, "" if below == "." else below)


@dataclass(slots=True)
class Sent:
    """What arrived.

    `digests` are of the bytes that did, which may be newer than what was asked for; "" for what was deleted.
    `failed` has a reason for each target that is as it was before.
    """

    digests: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    note: str = ""

    @property
    def files(self) -> int:
        return len(self.digests)


@dataclass(frozen=True, slots=True)
class Hello:
    """What a container is like. `record` is target -> digest of what it was sent before; "" for deleted."""

    uid: int
    gid: int
    tools: frozenset[str]
    mounts: tuple[str, ...]
    supervised: bool
    record: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Program:
    """A supervised program: "held", "running" or "ended" with a code, and how often it was started."""

    state: str
    pid: int
    code: int
    starts: int


class _Stamped(NamedTuple):
    """What is kept of a file that is under way."""

    digest: str
    size: int


class _Content(NamedTuple):
    """A small file as it was at one moment."""

    data: bytes
    mode: int
    digest: str


def supervised(argv: Sequence[str], *, grace: float, hold: bool = False) -> list[str]:
    """What a container's entrypoint becomes for its program to be restarted in place.

    With `hold` the program starts at `Agent.release`, and by itself where the container is started again.
    """
    return ["/bin/sh", "-c", _script("supervise"), "devenv", f"{grace:g}", RELEASED if hold else "", *argv]


class Agent:
    """Our hand in one container. Used by one thread at a time."""

    def __init__(
        self, dialogue: Dialogue, privileged: Privileged | None, roots: Sequence[str], shared: str
    ) -> None:
        self._dialogue, self._privileged, self._shared = dialogue, privileged, shared
        self._root: Agent | None = None  # does what the container's user may not
        self._denied: set[Place] = set()  # where that is
        self._closed: dict[str, str] = {}  # stage that could not be made -> why
        self._stage_of: dict[Place, str] = {}
        self._stages: dict[str, str] = {}  # mount -> where files are made; "" where they cannot be
        self._physical: dict[str, str] = {}  # synced folder -> without links
        self._record: dict[str, str] = {}
        self._made: set[str] = set()
        answer = dialogue.begin(b"hello")
        self._pid, uid, gid, supervisor, *tools = answer.words
        self._uid = int(uid)
        self._mounts = _mount_points(answer.text)
        for root in roots:
            self._stage(Place(root, ""))
        self.hello = Hello(
            int(uid), int(gid), frozenset(tools), self._mounts, supervisor == "supervised", dict(self._record)
        )

    @classmethod
    def start(
        cls,
        attach: Attach,
        privileged: Privileged | None = None,
        *,
        roots: Sequence[str] = (),
        shared: str = SHARED,
    ) -> Agent:
        """Start one; `roots` are the synced folders whose records it reads.

        Raises `NoShell`, `Paused`, `DevenvError`; `StreamEnded` when the container ends meanwhile.
        """
        dialogue = Dialogue(attach, _script("agent"))
        try:
            return cls(dialogue, privileged, roots, shared)
        except BaseException:
            dialogue.close()
            raise

    @property
    def record(self) -> Mapping[str, str]:
        """Target -> digest of all that was sent, by this agent or before it; "" for deleted."""
        return self._record

    def close(self) -> None:
        """Hang up; the agent ends."""
        self._dialogue.close()
        if self._root:
            self._root.close()

    # -- files

    def send(self, changes: Sequence[Sending]) -> Sent:
        """Bring files to what they should be; they are when it returns. The last of a target counts.

        Raises `StreamEnded` when the container is gone, `Paused`.
        """
        sent = Sent()
        wanted = _wanted(changes, sent)
        allowed = [change for change in wanted.values() if not self._denies(change)]
        self._delete_all([change for change in allowed if change.source is None], sent)
        files = [change for change in allowed if change.source is not None]
        if len(files) >= FEW and "tar" in self.hello.tools:
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
        return change.place in self._denied or self._closed.get(self._stage(change.place)) in DENIED

    def _send_as_root(self, changes: Sequence[Sending], sent: Sent) -> None:
        """Send what the container's user may not write, where the runtime lets us be root."""
        uid, gid = self.hello.uid, self.hello.gid
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
        self._record |= rest.digests

    def _started_as_root(self) -> Agent | None:
        if self._privileged is None:
            return None
        try:
            return Agent.start(self._privileged.attach, self._privileged, shared=self._shared)
        except DevenvError:
            return None

    def _send_together(self, changes: Sequence[Sending], sent: Sent) -> list[Sending]:
        """Send small files in batches; returns those that have to be sent one by one.

        The next batches are read while the container unpacks one. Files of one folder stand together, as each
        folder of a batch costs a process there.
        """
        rest: list[Sending] = []
        batches: dict[str, _Batch] = {}
        under_way = deque[_Batch]()
        stages = {place: self._stage(place) for place in {change.place for change in changes}}
        for change in sorted(changes, key=lambda change: posixpath.split(change.target)):
            content = _small(change)
            if content is None:
                rest.append(change)
                continue
            stage = stages[change.place]
            batch = batches.setdefault(stage, _Batch(stage))
            batch.add(change, content)
            if batch.full:
                self._dispatch(batches.pop(stage), under_way)
                while len(under_way) > AHEAD:
                    rest += self._arrived(under_way.popleft(), sent)
        for batch in batches.values():
            self._dispatch(batch, under_way)
        while under_way:
            rest += self._arrived(under_way.popleft(), sent)
        return rest

    def _dispatch(self, batch: _Batch, under_way: deque[_Batch]) -> None:
        """Send a batch without waiting for what becomes of it."""
        parts = batch.tar()
        line = _command("batch", batch.stage, str(sum(map(len, parts))))
        self._dialogue.send([line, b"\n", *parts, b"end\n"])
        under_way.append(batch)

    def _arrived(self, batch: _Batch, sent: Sent) -> list[Sending]:
        """Note what arrived of the batch that was sent first; returns what did not."""
        places = self._answered(batch.stage, list(batch.groups))
        for place in places:
            for change, content in batch.groups[place]:
                self._record[change.target] = sent.digests[change.target] = content.digest
                sent.bytes += content.size
        missing = [files for place, files in batch.groups.items() if place not in places]
        return [change for files in missing for change, _ in files]

    def _answered(self, stage: str, places: Sequence[Place]) -> set[Place]:
        """The answers to one command about numbered folders; returns those for which it went well."""
        well = set[Place]()
        while (answer := self._dialogue.answer()).word in ("moved", "bad"):
            place = places[int(answer.words[0])]
            self._note_made(stage, place, int(answer.words[1]))
            if answer.word == "moved":
                well.add(place)
        return well

    def _delete_all(self, changes: Sequence[Sending], sent: Sent) -> None:
        """Delete files, then the folders that we made for them and that are empty now."""
        emptied = set[tuple[str, str]]()
        by_stage = defaultdict[str, dict[Place, list[Sending]]](dict)
        for change in changes:
            by_stage[self._stage(change.place)].setdefault(change.place, []).append(change)
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
            while folder in self._made:
                emptied.add((folder, change.root))
                folder = posixpath.dirname(folder)
        for folder, root in sorted(emptied, reverse=True):
            change = Sending(folder, None, root=root)
            if self._call("delete", change, b"", _line(GONE, folder)).word == "ok":
                self._made.discard(folder)

    def _drop(self, stage: str, groups: Mapping[Place, Sequence[Sending]], sent: Sent) -> list[Sending]:
        """Delete files folder by folder; returns those that have to be deleted one by one."""
        script = b"\n".join(
            b" ".join((_group("drop", number, place, files, [GONE] * len(files)), *_dotted(files)))
            for number, (place, files) in enumerate(groups.items())
        )
        line = _command("script", stage, str(len(script)))
        self._dialogue.send([line, b"\n", script, b"end\n"])
        gone = self._answered(stage, list(groups))
        for place in gone:
            for change in groups[place]:
                self._record[change.target] = sent.digests[change.target] = ""
        return [change for place, files in groups.items() if place not in gone for change in files]

    def _send_one(self, change: Sending, sent: Sent) -> None:
        assert change.source is not None
        try:
            status = change.source.lstat()
            if stat.S_ISLNK(status.st_mode):
                self._link(change, str(change.source.readlink()), sent)
            elif not stat.S_ISREG(status.st_mode):
                sent.failed[change.target] = "neither a file nor a link"
            elif status.st_size > LARGE:
                self._put_large(change, sent)
            elif (content := _read(change)) is None:
                sent.failed[change.target] = "changes while it is read"
            else:
                self._put(change, content, sent)
        except (FileNotFoundError, NotADirectoryError):
            self._delete(change, sent)
        except OSError as error:
            sent.failed[change.target] = (error.strerror or str(error)).lower()

    def _put(self, change: Sending, content: _Content, sent: Sent) -> None:
        size, mode = str(len(content.data)), f"{content.mode:o}"
        end = b"end" + _line(content.digest, change.target) + b"\n"
        answer = self._call(
            "put", change, _line(UNKNOWN, change.target), size, mode, body=[content.data, end]
        )
        self._finish(change, content.digest, answer, sent)
        sent.bytes += len(content.data)

    def _put_large(self, change: Sending, sent: Sent) -> None:
        assert change.source is not None
        if self._privileged is not None and self._put_archived(change, self._privileged, sent):
            return
        with change.source.open("rb") as file:
            reading = _Reading(file, change)
            mode = f"{reading.mode:o}"
            answer = self._call(
                "put", change, _line(UNKNOWN, change.target), str(reading.size), mode, body=reading.parts()
            )
        self._finish(change, reading.digest, answer, sent)
        sent.bytes += reading.size

    def _put_archived(self, change: Sending, privileged: Privileged, sent: Sent) -> bool:
        """Put a large file into the stage through the engine, which is faster, and rename it from there."""
        assert change.source is not None
        folder = f"{self._stage(change.place)}/{self._pid}"
        with change.source.open("rb") as file:
            reading = _Reading(file, change)
            header = TarInfo("large")
            header.size, header.mode, header.mtime = reading.size, reading.mode, int(time.time())
            header.uid, header.gid = self.hello.uid, self.hello.gid
            try:
                privileged.put(
                    folder, chain([_header(header)], reading.blocks(), [_padding(reading.size), END])
                )
            except DevenvError:  # a read-only container; the stream reaches what can be written
                return False
            if not reading.whole:
                sent.failed[change.target] = "changed while it was read"
                return True
        # The engine says yes to a tmpfs, and the file is nowhere.
        before, after = _line(UNKNOWN, change.target), _line(reading.digest, change.target)
        answer = self._call("adopt", change, before, after)
        if answer.word == "ok":
            self._finish(change, reading.digest, answer, sent)
            sent.bytes += reading.size
        return answer.word == "ok"

    def _link(self, change: Sending, text: str, sent: Sent) -> None:
        if not _stays(change, text):
            sent.failed[change.target] = f"a link to {text}, outside of {change.place.root}"
            return
        digest = f"->{text}"
        before, after = _line(UNKNOWN, change.target), _line(digest, change.target)
        self._finish(change, digest, self._call("link", change, before, after, text), sent)

    def _delete(self, change: Sending, sent: Sent) -> None:
        before, after = _line(UNKNOWN, change.target), _line(GONE, change.target)
        self._finish(change, "", self._call("delete", change, before, after), sent)

    def _call(
        self, function: str, change: Sending, *words: str | bytes, body: Iterable[bytes] = ()
    ) -> Answer:
        """Have the script do one thing with one target; the body is read in any case."""
        place = change.place
        stage = self._stage(place)
        line = _command(function, stage, place.root, place.folder, change.name, *words)
        return self._dialogue.ask(line, body)

    def _finish(self, change: Sending, digest: str, answer: Answer, sent: Sent) -> None:
        self._note_made(self._stage(change.place), change.place, int(answer.words[0]))
        if answer.word == "ok":
            self._record[change.target] = digest
            sent.digests[change.target] = digest
        else:
            self._record[change.target] = UNKNOWN
            sent.failed[change.target] = answer.reason
            if self._uid and answer.reason in DENIED:
                self._denied.add(change.place)

    def _note_made(self, stage: str, place: Place, count: int) -> None:
        """Record the folders that had to be made: they go when they are empty again."""
        if count:
            names = place.folder.split("/")
            made = ["/".join((place.root.rstrip("/"), *names[: len(names) - n])) for n in range(count)]
            self._made.update(made)
            text = b"\n".join(_line(FOLDER, folder) for folder in made)
            self._dialogue.send([_command("made", stage, text), b"\n"])

    def _stage(self, place: Place) -> str:
        """The folder in which files for a place are made: on the same mount, so that they can be renamed."""
        if place not in self._stage_of:
            self._stage_of[place] = self._found_stage(place)
        return self._stage_of[place]

    def _found_stage(self, place: Place) -> str:
        if place.root not in self._physical:
            path = os.fsdecode(self._dialogue.ask(_command("where", place.root)).text)
            self._physical[place.root] = posixpath.normpath(path).replace("//", "/")
        physical = self._physical[place.root]
        mount = _mount_of(self._mounts, posixpath.join(physical, place.folder))
        if mount not in self._stages:
            shared = _mount_of(self._mounts, posixpath.dirname(self._shared))
            candidates = [self._shared] if mount == shared else []
            candidates.append(f"{physical if physical.startswith(mount) else mount}/{STAGE}")
            self._stages[mount] = next(filter(self._open_stage, candidates), candidates[-1])
        return self._stages[mount]

    def _open_stage(self, folder: str) -> bool:
        answer = self._dialogue.ask(_command("stage", folder))
        lines = answer.text.count(b"\n")
        entries = _recorded(answer.text)
        for target, digest in entries.items():
            if digest == FOLDER:
                self._made.add(target)
            else:
                self._record[target] = "" if digest == GONE else digest
        if answer.word != "ok":
            self._closed[folder] = answer.reason if self._uid else ""
            return False
        if lines > 1000 + 4 * len(entries) and answer.words == ["0"]:
            text = b"\n".join(_line(digest, target) for target, digest in entries.items()) + b"\n"
            self._dialogue.ask(_command("compact", folder, str(len(text))), [text, b"end\n"])
        return True

    # -- commands

    def run(self, argv: Sequence[str], *, output: Callable[[str], None]) -> int:
        """Run a command in the container's own folder; `output` takes each line. Returns the exit code."""

        def lines(text: bytes) -> None:
            for line in text.decode(errors="replace").splitlines():
                output(line)

        self._dialogue.send([_command("run", *argv), b"\n"])
        return int(self._dialogue.answer(lines).words[0])

    # -- the program

    def restart(self, grace: float) -> Program:
        """End the program, with all that it started, and start it again; returns when it was started."""
        return self._tell("restart", f"{grace:g}")

    def release(self) -> Program:
        """Start a program that was held."""
        return self._tell("release")

    def program(self) -> Program:
        """How the program is."""
        return self._tell("state")

    def _tell(self, *words: str) -> Program:
        if not self.hello.supervised:
            raise DevenvError(
                "the container's program cannot be restarted in place", why="no supervisor runs in it"
            )
        answer = self._dialogue.ask(_command("tell", *words))
        if answer.word != "ok":
            raise DevenvError("the supervisor in the container does not answer", why=answer.reason)
        state, pid, code, starts = answer.words
        return Program(state, int(pid), int(code), int(starts))


class _Reading:
    """A large file that is sent while it is read."""

    def __init__(self, file: IO[bytes], change: Sending) -> None:
        self._file, self._target = file, change.target
        self._status = os.fstat(file.fileno())
        self.size, self.mode, self.digest = self._status.st_size, _mode(self._status, change), ""

        self.whole = False

    def blocks(self) -> Iterator[bytes]:
        """As many bytes as were announced, whatever happens to the file."""
        left, digest = self.size, hashlib.sha256()
        while left and (block := self._file.read(min(BLOCK, left))):
            digest.update(block)
            left -= len(block)
            yield block
        self.whole = not left and _stamp(os.fstat(self._file.fileno())) == _stamp(self._status)
        self.digest = _digest(digest.hexdigest(), self.mode)
        while left:
            yield bytes(min(BLOCK, left))
            left -= min(BLOCK, left)

    def parts(self) -> Iterator[bytes]:
        """The same, and a line that says whether they are whole."""
        yield from self.blocks()
        yield b"end" + _line(self.digest, self._target) + b"\n" if self.whole else b"cut\n"


class _Batch:
    """Small files: a tar in which every folder of the container is a numbered one."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.groups: dict[Place, list[tuple[Sending, _Stamped]]] = {}
        self._numbers: dict[Place, int] = {}
        self._parts: list[bytes] = []
        self._size = self._count = 0

    @property
    def full(self) -> bool:
        return self._size >= LARGE or self._count >= MANY

    def add(self, change: Sending, content: _Content) -> None:
        place = change.place
        number = self._numbers.setdefault(place, len(self._numbers))
        self.groups.setdefault(place, []).append((change, _Stamped(content.digest, len(content.data))))
        self._append(f"{number}/{change.name}", content.data, content.mode)
        self._count += 1

    def tar(self) -> list[bytes]:
        """Its parts, with the script that moves the files."""
        lines = []
        for number, (place, files) in enumerate(self.groups.items()):
            changes = [change for change, _ in files]
            names = (b'"$own"/%d/' % number + _quoted(change.name) for change in changes)
            group = _group("group", number, place, changes, [content.digest for _, content in files])
            lines.append(b" ".join((group, *names)))
        self._append("go", b"\n".join(lines), 0o644)
        return [*self._parts, END]

    def _append(self, name: str, data: bytes, mode: int) -> None:
        self._parts += [_quick_header(name, len(data), mode), data, _padding(len(data))]
        self._size += len(data)


def _header(header: TarInfo) -> bytes:
    return header.tobuf(GNU_FORMAT, "utf-8", "surrogateescape")


def _quick_header(name: str, size: int, mode: int) -> bytes:
    """A small file's header, as `TarInfo` makes it in five times the time."""
    raw = os.fsencode(name)
    if len(raw) > NAME:
        header = TarInfo(name)
        header.size, header.mode = size, mode
        return _header(header)
    before = b"%b%07o\0" % (raw.ljust(NAME, b"\0"), mode) + b"0000000\0" * 2 + b"%011o\0%011o\0" % (size, 0)
    after = b"0".ljust(NAME + 1, b"\0") + GNU_MAGIC
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return (before + b"%06o\0 " % checksum + after).ljust(BLOCKSIZE, b"\0")


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCKSIZE)


def _group(
    function: str, number: int, place: Place, changes: Sequence[Sending], digests: Sequence[str]
) -> bytes:
    targets = [_encoded(change.target) for change in changes]
    before = b"\n".join(_row(UNKNOWN, target) for target in targets)
    after = b"\n".join(_row(digest, target) for digest, target in zip(digests, targets, strict=True))
    return _command(function, str(number), *place, before, after)


def _dotted(changes: Iterable[Sending]) -> Iterator[bytes]:
    """Names that are no options, for the shell."""
    return (b"./" + _quoted(change.name) for change in changes)


def _small(change: Sending) -> _Content | None:
    """A small file's content; None for all that is something else, or cannot be read."""
    assert change.source is not None
    try:
        status = os.lstat(change.source)
        regular = stat.S_ISREG(status.st_mode) and status.st_size <= LARGE
        return _read(change) if regular else None
    except OSError:
        return None


def _read(change: Sending) -> _Content | None:
    """A file that did not change while it was read. Raises `OSError`."""
    assert change.source is not None
    for _ in range(READS):
        with open(change.source, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            data = file.read(before.st_size + 1) or b""
            after = os.fstat(file.fileno())
        if _stamp(before) == _stamp(after) and len(data) == after.st_size:
            mode = _mode(after, change)
            return _Content(data, mode, _digest(hashlib.sha256(data).hexdigest(), mode))
    return None


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_mode


def _mode(status: os.stat_result, change: Sending) -> int:
    """The file's own mode; executable where the Dockerfile makes it so, which its digest tells."""
    return stat.S_IMODE(status.st_mode) & 0o777 | (0o111 if change.digest.endswith("x") else 0)


def _digest(hexdigest: str, mode: int) -> str:
    """As `sources` has it."""
    return hexdigest[:16] + ("x" if mode & 0o100 else "")


def _wanted(changes: Iterable[Sending], sent: Sent) -> dict[str, Sending]:
    """The last change of each target; what leaves its root has failed."""
    wanted = {}
    for change in changes:
        if _is_below(change.target, change.place):
            wanted[change.target] = change
        else:
            sent.failed[change.target] = f"not a file below {change.root}"
    return wanted


def _is_below(target: str, place: Place) -> bool:
    """Whether a path is absolute, written without detours, and in a folder below the root."""
    return (
        target == posixpath.normpath(target)
        and target.startswith("/")
        and ".." not in place.folder.split("/")
    )


def _stays(change: Sending, text: str) -> bool:
    """Whether a link leads to something below its root, wherever links on its way lead."""
    names = text.split("/")
    if text.startswith("/"):
        root = change.place.root.rstrip("/")
        return ".." not in names and text.startswith(f"{root}/")
    up = next((count for count, name in enumerate(names) if name != ".."), len(names))
    depth = len(change.place.folder.split("/")) if change.place.folder else 0
    return up <= depth and ".." not in names[up:]


def _script(name: str) -> str:
    return (assets.root() / f"templates/reload/{name}.sh").read_text(encoding="utf-8")


def _command(function: str, *words: str | bytes) -> bytes:
    return b" ".join((function.encode(), *map(_quoted, words)))


def _quoted(word: str | bytes) -> bytes:
    """A word for the shell, on one line."""
    raw = os.fsencode(word)
    return b"'" + raw.replace(b"'", b"'\\''").replace(b"\n", b"'\"$nl\"'") + b"'"


def _line(digest: str, target: str) -> bytes:
    """A line of the record, without its end."""
    return _row(digest, _encoded(target))


def _row(digest: str, target: bytes) -> bytes:
    return b"\t".join((_encoded(digest), target, b"."))


def _encoded(text: str) -> bytes:
    raw = os.fsencode(text)
    return raw if PLAIN(raw) else quote_from_bytes(raw, safe="/>?").encode()


def _recorded(text: bytes) -> dict[str, str]:
    """Target -> digest, UNKNOWN, GONE or FOLDER."""
    rows = (line.split(b"\t") for line in text.split(b"\n"))
    return {
        os.fsdecode(unquote_to_bytes(row[1])): os.fsdecode(unquote_to_bytes(row[0]))
        for row in rows
        if len(row) == 3 and row[2] == b"."
    }


def _mount_points(mountinfo: bytes) -> tuple[str, ...]:
    """What /proc/self/mountinfo lists; spaces and their like are octal in it."""
    rows = (line.split(b" ") for line in mountinfo.splitlines())
    return tuple(
        os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), row[4]))
        for row in rows
        if len(row) > 4
    )


def _mount_of(mounts: Iterable[str], path: str) -> str:
    path = posixpath.normpath(path)
    above = [mount for mount in mounts if mount == "/" or f"{path}/".startswith(f"{mount}/")]
    return max(above, key=len, default="/")
