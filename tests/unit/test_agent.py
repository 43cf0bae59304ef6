"""The agent's script in every shell that this machine has, on folders of this machine."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.backends.agent import Agent, Sending
from devenv.backends.agent.contents import LARGE
from devenv.backends.base import Stream, StreamEnded
from devenv.sources.digests import Digests
from devenv.sources.folder import Folder
from tests.conftest import MACHINE, no_engine

pytestmark = pytest.mark.programs

SHELLS = ("dash", "bash", "busybox")
BUSYBOX = "busybox:1.37"
Connect = Callable[[], Agent]


def from_image(image: str, file: str, folder: Path) -> str:
    """The path of a file that was copied out of an image."""

    def docker(*argv: str) -> str:
        ended = subprocess.run(["docker", *argv], env=MACHINE, capture_output=True, text=True, check=True)
        return ended.stdout.strip()

    container = docker("create", image)
    docker("cp", f"{container}:{file}", str(folder))
    docker("rm", container)
    return str(folder / Path(file).name)


class Pipes:
    """`Stream` to a shell of this machine, in place of the container's."""

    def __init__(self, shell: Path, folder: Path, argv: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            ["sh" if word == "sh" else word for word in argv],
            executable=shell / "sh",
            env={"PATH": str(shell)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self.complaints, self.exit_code = b"", None
        self.killed = False

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._process.stdin.write(view) :]
        except (OSError, ValueError) as error:
            raise StreamEnded(str(error)) from error

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def receive(self) -> bytes:
        assert self._process.stdout is not None
        part: bytes = self._process.stdout.read(1 << 16)
        if not part:
            self.exit_code = self._process.wait()
            self._process.stdout.close()
        return part

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.end()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH on which `sh` is this shell, with the tools of the machine or of busybox."""
    folder = tmp_path_factory.mktemp(request.param)
    program = shutil.which(request.param)
    if program is None and request.param == "busybox" and sys.platform == "linux" and not no_engine():
        program = from_image(BUSYBOX, "/bin/busybox", tmp_path_factory.mktemp("image"))
    if program is None:
        missing = pytest.fail if os.environ.get("DEVENV_TEST_REQUIRE_ENGINE") else pytest.skip
        missing(f"{request.param} is not on this machine")
    if request.param == "busybox":
        applets = subprocess.run(
            [program, "--list"], capture_output=True, text=True, check=True
        ).stdout.split()
        for applet in applets:
            (folder / applet).symlink_to(program)
        return folder
    for tool in (
        "dd",
        "mv",
        "rm",
        "mkdir",
        "rmdir",
        "tar",
        "ln",
        "chmod",
        "cat",
        "env",
        "setsid",
        "sleep",
        "true",
        "touch",
        "ls",
    ):
        (folder / tool).symlink_to(shutil.which(tool) or "/missing")
    (folder / "sh").symlink_to(program)
    return folder


class Container:
    """Folders that stand for a container's and the project's."""

    def __init__(self, root: Path, shell: Path) -> None:
        self.root, self.shell = root, shell
        self.app, self.project, self.stage = root / "app", root / "project", root / "tmp" / ".devenv"
        for folder in (self.app, self.project, self.stage.parent):
            folder.mkdir()
        self.streams: list[Pipes] = []
        self.agent = self.connect()

    def attach(self, argv: Sequence[str]) -> Stream:
        self.streams.append(Pipes(self.shell, self.root, argv))
        return self.streams[-1]

    def connect(self) -> Agent:
        return Agent.start(self.attach, roots=[str(self.app)], shared=str(self.stage))

    def sending(self, name: str, *, delete: bool = False) -> Sending:
        source = None if delete else self.project / name
        return Sending(f"{self.app}/{name}", source, root=str(self.app))

    def write(self, name: str, content: bytes | str, mode: int = 0o644) -> None:
        file = self.project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def put(self, name: str, content: bytes | str, mode: int = 0o644) -> None:
        """Write a file of the project and send it."""
        self.write(name, content, mode)
        sent = self.agent.send([self.sending(name)])
        assert not sent.failed

    def failed(self, *changes: Sending) -> dict[str, str]:
        """Name -> reason of what could not be sent."""
        failed = self.agent.send(changes).failed
        return {os.path.relpath(target, self.app): reason for target, reason in failed.items()}

    def leftovers(self) -> list[str]:
        return sorted(
            path.name
            for path in self.stage.rglob("*")
            if path.is_file() and path.name != "record" and path.stat().st_size
        )


@pytest.fixture
def container(tmp_path: Path, shell: Path) -> Iterator[Container]:
    container = Container(tmp_path, shell)
    yield container
    container.agent.close()
    for stream in container.streams:
        stream.kill()


def test_it_says_what_the_container_is_like(container: Container) -> None:
    hello = container.agent.hello
    assert hello.uid == os.getuid()
    assert hello.gid == os.getgid()
    assert {"tar", "dd"} <= hello.tools
    assert "/" in hello.mounts
    assert not hello.supervised
    assert hello.record == {}


ODD = (
    "plain.py", " spaces  in it ", "new\nline\n", "'single' and \"double\"", "-rf", "--", "*", "$HOME`id`$(id)\\",
    "#end", "end", "ümläut", os.fsdecode(bytes(range(1, 256)).replace(b"/", b"")[:254]), os.fsdecode(b"\x81\x88\xff"),
    "deep/er/-x/\t/file", ".hidden", "...", "[a-z]?", "~",
)  # fmt: skip


@pytest.mark.parametrize("together", [False, True])
def test_any_name_arrives(container: Container, together: bool) -> None:
    for name in ODD:
        container.write(name, f"content of {name!r}")
    changes = [container.sending(name) for name in ODD]
    if together:
        assert container.agent.send(changes).failed == {}
    else:
        assert [container.agent.send([change]).failed for change in changes] == [{}] * len(ODD)
    for name in ODD:
        assert (container.app / name).read_text() == f"content of {name!r}"
    assert {Path(target).name for target in container.agent.record} == {Path(name).name for name in ODD}
    assert container.leftovers() == []


@pytest.mark.parametrize("size", [0, 1, 1024, 65536, 65537, (1 << 20) - 1, 1 << 20, (5 << 20) + 3])
def test_any_size_arrives_whole(container: Container, size: int) -> None:
    content = random.Random(size).randbytes(size)
    container.put("file", content)
    assert (container.app / "file").read_bytes() == content
    assert container.leftovers() == []


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o444])
def test_the_mode_comes_along(container: Container, mode: int) -> None:
    container.put("file", "text", mode)
    assert (container.app / "file").stat().st_mode & 0o777 == mode
    container.put("file", "text", 0o644)
    assert (container.app / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("together", [False, True])
def test_no_two_versions_of_a_file_have_the_time_of_one_second(container: Container, together: bool) -> None:
    """Python runs what it compiled before if a source has its size and, in whole seconds, its time."""
    names = ["a.py", "b.py", "lib/c.py"] if together else ["a.py"]
    seconds: dict[str, list[int]] = {name: [] for name in names}
    for version in "1234":
        for name in names:
            container.write(name, version)
        assert container.agent.send(list(map(container.sending, names))).failed == {}
        for name in names:
            seconds[name].append(int((container.app / name).stat().st_mtime))
    for times in seconds.values():
        assert sorted(set(times)) == times
        assert times[-1] <= time.time() + len(times)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("size", [10, LARGE + 1])
def test_what_the_dockerfile_makes_executable_stays_so(
    container: Container, size: int, together: bool
) -> None:
    names = ["a", "b", "c", "d"] if together else ["a"]
    for name in names:
        container.write(name, bytes(size), 0o644)
    changes = [replace(container.sending(name), digest="0123456789abcdefx") for name in names]
    sent = container.agent.send(changes)
    for name in names:
        assert (container.app / name).stat().st_mode & 0o777 == 0o755
        assert sent.digests[f"{container.app}/{name}"].endswith("x")


def test_the_digest_is_of_the_bytes_that_arrived_as_sources_has_it(container: Container) -> None:
    container.put("run.sh", "echo 1", 0o755)
    (container.project / "link").symlink_to("run.sh")
    container.agent.send([container.sending("link")])
    contents = Folder(container.project).contents(Digests({}))
    assert container.agent.record == {f"{container.app}/{name}": digest for name, digest in contents.items()}


def test_the_record_is_there_for_the_next_agent(container: Container) -> None:
    container.put("kept", "1")
    container.put("deleted", "1")
    container.agent.send([container.sending("deleted", delete=True)])
    container.put("kept", "2")
    container.agent.close()
    again = container.connect()
    assert again.hello.record == container.agent.record
    assert again.hello.record[f"{container.app}/deleted"] == ""
    again.close()


def test_a_record_that_was_cut_off_counts_as_far_as_it_is_whole(container: Container) -> None:
    container.put("first", "1")
    record = container.stage / "record"
    whole = dict(container.agent.record)
    with record.open("ab") as file:
        file.write(b"\nabcdef\t/app/cut-of")
    container.put("second", "2")
    container.agent.close()
    again = container.connect()
    assert again.hello.record == {
        **whole,
        f"{container.app}/second": container.agent.record[f"{container.app}/second"],
    }
    again.close()


def test_a_long_record_is_made_short_at_the_next_start(container: Container) -> None:
    container.put("file", "1")
    line = (container.stage / "record").read_bytes().splitlines()[-1]
    with (container.stage / "record").open("ab") as file:
        file.write((b"\n" + line) * 3000)
    before = container.agent.record
    container.agent.close()
    container.streams[0].kill()
    for _ in range(2):
        again = container.connect()
        assert again.hello.record == before
        assert len((container.stage / "record").read_bytes()) < 1000
        again.close()


def test_deleting_takes_the_file_and_what_is_gone_already_is_fine(container: Container) -> None:
    container.put("a/file", "1")
    for _ in range(2):
        assert container.failed(container.sending("a/file", delete=True)) == {}
        assert not (container.app / "a/file").exists()
    assert container.failed(container.sending("never/was", delete=True)) == {}


def test_links_arrive_as_links_if_they_stay_inside(container: Container) -> None:
    container.put("d/file", "x")
    inside = {"link": "d/file", "d/up": "../d/file", "dangling": "nowhere", "folder": "d"}
    outside = {
        "out": "../project",
        "absolute": "/etc/passwd",
        "d/round": "../../app/d/file",
        "d/later": "x/../../..",
    }
    for name, text in (inside | outside).items():
        (container.project / name).symlink_to(text)
    failed = container.failed(*map(container.sending, inside | outside))
    assert set(failed) == set(outside)
    assert failed["absolute"] == f"a link to /etc/passwd, outside of {container.app}"
    assert {name: os.readlink(container.app / name) for name in inside} == inside
    container.put("link2", "x")
    (container.project / "link2").unlink()
    (container.project / "link2").symlink_to("d")
    for _ in range(2):
        assert container.failed(container.sending("link2")) == {}
    assert os.readlink(container.app / "link2") == "d"
    (container.project / "link2").unlink()
    container.put("link2", "a file again")
    assert not (container.app / "link2").is_symlink()
    assert sorted(os.listdir(container.app / "d")) == ["file", "up"]


def test_nothing_is_written_or_deleted_through_a_link_that_leads_out(container: Container) -> None:
    outside = container.root / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    (container.app / "way").symlink_to(outside)
    container.write("way/file", "overwritten")
    container.write("way/new/file", "new")
    reason = "a link leads out of the synced folder"
    assert container.failed(container.sending("way/file"), container.sending("way/new/file")) == {
        "way/file": reason, "way/new/file": reason,
    }  # fmt: skip
    assert container.failed(container.sending("way/file", delete=True)) == {"way/file": reason}
    assert (outside / "file").read_text() == "precious"
    assert os.listdir(outside) == ["file"]


def test_a_link_at_the_target_is_replaced_and_not_followed(container: Container) -> None:
    outside = container.root / "outside"
    outside.mkdir()
    (container.app / "name").symlink_to(outside)
    container.put("name", "text")
    assert os.listdir(outside) == []
    assert (container.app / "name").read_text() == "text"


def test_a_target_above_its_root_is_refused(container: Container) -> None:
    container.write("file", "x")
    failed = container.agent.send(
        [Sending(f"{container.app}/../x", container.project / "file", root=str(container.app))]
    )
    assert list(failed.failed) == [f"{container.app}/../x"]
    assert not (container.root / "x").exists()


def test_a_file_becomes_a_folder_and_a_file_again(container: Container) -> None:
    container.put("name", "file")
    (container.project / "name").unlink()
    container.write("name/inner", "x")
    assert container.failed(container.sending("name", delete=True), container.sending("name/inner")) == {}
    assert (container.app / "name/inner").read_text() == "x"
    shutil.rmtree(container.project / "name")
    container.write("name", "file again")
    assert container.failed(container.sending("name/inner", delete=True), container.sending("name")) == {}
    assert (container.app / "name").read_text() == "file again"


def test_a_folder_with_files_of_others_is_not_replaced(container: Container) -> None:
    (container.app / "data").mkdir()
    (container.app / "data/precious").write_text("x")
    container.write("data", "a file")
    assert "data" in container.failed(container.sending("data"))
    assert (container.app / "data/precious").read_text() == "x"


def test_what_vanished_on_the_host_is_deleted_and_others_go_on(container: Container) -> None:
    container.put("gone", "1")
    (container.project / "gone").unlink()
    container.write("other", "2")
    sent = container.agent.send([container.sending("gone"), container.sending("other")])
    assert sent.failed == {}
    assert os.listdir(container.app) == ["other"]


def test_what_is_no_file_is_refused_with_a_reason(container: Container) -> None:
    os.mkfifo(container.project / "pipe")
    container.write("other", "2")
    assert container.failed(container.sending("pipe"), container.sending("other")) == {
        "pipe": "neither a file nor a link"
    }
    assert os.listdir(container.app) == ["other"]


def test_a_large_file_that_shrinks_while_it_is_read_leaves_the_old_one(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    container.put("big", "old")
    container.write("big", bytes(6 << 20))
    real, shrunk = os.fstat, []

    def shrink(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        if status.st_size == 6 << 20 and not shrunk:
            shrunk.append(1)
            os.truncate(container.project / "big", 3 << 20)
        return status

    monkeypatch.setattr(os, "fstat", shrink)
    assert container.failed(container.sending("big")) == {"big": "changed while it was read"}
    assert (container.app / "big").read_text() == "old"
    assert container.failed(container.sending("big")) == {}
    assert (container.app / "big").stat().st_size == 3 << 20


def test_a_predecessor_that_was_killed_leaves_nothing_behind(container: Container) -> None:
    container.put("file", "old")
    stream = container.streams[0]
    stream.send(f"put '{container.stage}' '{container.app}' '' 'file' 'x' 1000 644\n".encode() + b"half")
    stream.kill()
    again = container.connect()
    assert container.leftovers() == []
    assert (container.app / "file").read_text() == "old"
    again.close()


def test_a_stream_that_ends_in_the_middle_changes_nothing(container: Container) -> None:
    container.put("file", "old")
    stream = container.streams[0]
    stream.send(f"put '{container.stage}' '{container.app}' '' 'file' 'x' 1000 644\n".encode() + b"half")
    stream.end()
    with pytest.raises(StreamEnded):
        container.agent.run(["true"], output=print)
    assert (container.app / "file").read_text() == "old"


READER = """
import os, sys
file, end = sys.argv[1:]
contents = {letter * 20_000 for letter in (b"A", b"B")}
reads, faults = 0, []
while not os.path.exists(end):
    try:
        with open(file, "rb") as opened:
            content = opened.read()
    except OSError as error:
        faults.append(str(error))
    else:
        if content not in contents:
            faults.append(f"{len(content)} bytes")
    if not reads:
        print("reads", flush=True)
    reads += 1
print(reads, faults)
"""


def test_a_reader_never_sees_less_than_a_whole_file(container: Container) -> None:
    end = container.root / "end"
    container.put("file", b"A" * 20_000)
    argv = [sys.executable, "-I", "-S", "-c", READER, str(container.app / "file"), str(end)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reads\n"
            for number in range(100):
                container.put("file", (b"B" if number % 2 == 0 else b"A") * 20_000)
        finally:
            end.touch()
        reads, _, faults = reader.stdout.read().strip().partition(" ")
    assert faults == "[]"
    assert int(reads) > 100


def batches_of_files(container: Container, count: int) -> list[Sending]:
    """Files for so many batches of twenty, of ten folders, one of each in turn."""
    names = [f"d{number % 10}/f{number}" for number in range(20 * count)]
    for name in names:
        container.write(name, name.ljust(LARGE // 20 + 1))
    return [container.sending(name) for name in names]


def test_the_files_of_a_folder_are_moved_together_however_they_are_listed(container: Container) -> None:
    changes, stream, sent = batches_of_files(container, 3), container.streams[0], bytearray()
    pass_on = stream.send

    def send(data: bytes) -> None:
        sent.extend(data)
        pass_on(data)

    stream.send = send  # type: ignore[method-assign]
    assert container.agent.send(changes).failed == {}
    batches = sent.count(b"batch '")
    assert batches == 3
    assert sent.count(b"group '") < 10 + batches


def test_a_batch_is_sent_before_the_answer_to_the_one_before_it(container: Container) -> None:
    changes, stream = batches_of_files(container, 2), container.streams[0]
    second, late = threading.Event(), []
    pass_on, receive, batches = stream.send, stream.receive, []

    def send(data: bytes) -> None:
        batches.extend([b""] * data.count(b"batch '"))
        if len(batches) == 2:
            second.set()
        pass_on(data)

    def answer() -> bytes:
        part = receive()
        late.extend([part] if b"moved" in part and not second.wait(60) else [])
        return part

    stream.send, stream.receive = send, answer  # type: ignore[method-assign]
    assert container.agent.send(changes).failed == {}
    assert late == []
    assert container.leftovers() == []


def test_a_stage_that_somebody_deletes_is_made_anew(container: Container) -> None:
    shutil.rmtree(container.stage)
    names = ["a", "b", "c"]
    for name in names:
        container.write(name, name)
    assert container.failed(*map(container.sending, names)) == {}
    assert [(container.app / name).read_text() for name in names] == names


def test_a_command_runs_in_the_containers_folder_with_its_output_and_code(container: Container) -> None:
    lines: list[str] = []
    assert (
        container.agent.run(
            ["sh", "-c", "echo one; echo two >&2; echo; printf three; exit 3"], output=lines.append
        )
        == 3
    )
    assert lines == ["one", "two", "", "three"]
    assert container.agent.run(["ls"], output=lines.append) == 0
    assert lines[4:] == ["app", "project", "tmp"]
    assert container.agent.run(["cat"], output=lines.append) == 0  # its stdin is empty, not ours
    assert container.agent.run(["no-such-command"], output=lines.append) == 127
    container.put("file", "and it goes on")


def test_random_edits_converge(container: Container) -> None:
    dice = random.Random(7)
    names = ["a", "b/c", "b/d", "b", "x y/z\n", "-q/'", "e/f/g/h", "e/f", "E/f", os.fsdecode(b"\xff\xfe")]
    for _ in range(40):
        changed = set()
        for name in dice.sample(names, 4):
            file = container.project / name
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            elif os.path.lexists(file):
                file.unlink()
            with contextlib.suppress(NotADirectoryError, FileExistsError):
                if dice.random() < 0.6:
                    container.write(
                        name, dice.randbytes(dice.choice([0, 10, 5000])), dice.choice([0o644, 0o755])
                    )
                elif dice.random() < 0.5:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.symlink_to("a")
            changed.add(name)
        present = Folder(container.project).contents(Digests({}))
        gone = {
            os.path.relpath(target, container.app)
            for target, digest in container.agent.record.items()
            if digest
        }
        changes = [container.sending(name, delete=True) for name in gone - set(present)]
        failed = container.failed(*changes, *map(container.sending, present))
        assert failed == {}
        assert Folder(container.app).contents(Digests({})) == present
    assert container.leftovers() == []
