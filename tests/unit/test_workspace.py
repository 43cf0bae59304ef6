"""The project on disk: found, read, written whole or not at all, and locked."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from devenv import hostports, workspace
from devenv.errors import DevenvError, UsageError
from devenv.render.bundle import Bundle
from devenv.workspace import Workspace
from devenv.writing import export


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    (tmp_path / "devenv.yaml").write_text("name: a\n")
    return Workspace(tmp_path / "devenv.yaml")


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_the_manifest_is_found_from_below(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    below = space.root / "api" / "src"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert workspace.find(None, {}) == space
    assert workspace.find(str(space.root), {}) == space
    assert workspace.find(None, {"DEVENV_FILE": str(space.file)}) == space


def test_where_there_is_none_it_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        workspace.find(None, {})
    assert refused.value.what.startswith("no devenv.yaml here")
    assert "uses: [postgres]" in refused.value.hint


def test_a_file_too_large_or_not_text_is_refused_without_being_read_whole(space: Workspace) -> None:
    space.file.write_bytes(b"a" * 10_000_000)
    with pytest.raises(UsageError, match="has 10 MB"):
        space.text()
    space.file.write_bytes(b"name: a\nb: \xff\n")
    with pytest.raises(UsageError, match=":2: not text") as refused:
        space.text()
    assert refused.value.hint.startswith("iconv -f latin1 -t utf-8 ")
    space.file.write_text("name: a\n", encoding="utf-16")
    with pytest.raises(UsageError, match=":1: not text") as refused:
        space.text()
    assert refused.value.hint.startswith("iconv -f utf-16 -t utf-8 ")
    space.file.write_bytes(b"\x7fELF\0\xff")
    with pytest.raises(UsageError, match=":1: not text") as refused:
        space.text()
    assert refused.value.hint.startswith("file ")


def test_a_mark_of_its_encoding_is_no_part_of_a_manifest(tmp_path: Path) -> None:
    file = tmp_path / "devenv.yaml"
    file.write_text("\ufeffkinds: own\n", encoding="utf-8")
    text = workspace.Workspace(file).text()
    assert (text, workspace.Workspace.kinds_folder(text)) == ("kinds: own\n", "own")


def test_passwords_are_made_once_and_kept_from_others(space: Workspace) -> None:
    def values() -> dict[str, str]:
        return space.secret_values(wanted=[], generated=["POSTGRES_PASSWORD"], environment={}, strict=True)

    first = values()
    assert values() == first
    assert len(first["POSTGRES_PASSWORD"]) >= 24
    assert mode(space.state / "secrets.env") == 0o600
    assert mode(space.state) == 0o700


def test_a_cleaned_checkout_gets_the_password_its_data_was_made_with(space: Workspace) -> None:
    def values() -> dict[str, str]:
        return space.secret_values(wanted=[], generated=["DB"], environment={}, strict=True)

    first = values()
    (space.state / "secrets.env").unlink()
    assert values() == first


def test_a_secret_comes_from_the_environment_then_env_then_secrets_env(space: Workspace) -> None:
    def value(environment: dict[str, str]) -> str:
        return space.secret_values(wanted=["KEY"], generated=[], environment=environment, strict=True)["KEY"]

    space.write({"secrets.env": "KEY=third\n"})
    assert value({}) == "third"
    (space.root / ".env").write_text('export KEY="sec$nd # ${X}"\n')
    assert value({}) == "sec$nd # ${X}"
    assert value({"KEY": "first"}) == "first"


def test_what_people_wrote_into_secrets_env_stays_as_they_wrote_it(space: Workspace) -> None:
    mine = "# mine\nKEY='a # b'\nPEM=\"one\ntwo\"\nexport LAST=x"
    space.write({"secrets.env": mine}, private={"secrets.env"})
    (password,) = space.secret_values(wanted=[], generated=["DB"], environment={}, strict=True).values()
    assert (space.state / "secrets.env").read_text() == f"{mine}\nDB={password}\n"
    wanted = ["KEY", "PEM", "LAST"]
    values = space.secret_values(wanted=wanted, generated=["DB"], environment={}, strict=True)
    assert values == {"KEY": "a # b", "PEM": "one\ntwo", "LAST": "x", "DB": password}


def test_two_checkouts_never_share_a_password(space: Workspace, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other" / "devenv.yaml")
    other.root.mkdir()
    first, second = (
        each.secret_values(wanted=[], generated=["A", "B"], environment={}, strict=True)
        for each in (space, other)
    )
    assert len({*first.values(), *second.values()}) == 4
    assert space.checkout != other.checkout


def test_an_env_file_that_is_no_text_is_named(space: Workspace) -> None:
    (space.root / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(UsageError, match=r"cannot read .*/\.env$") as refused:
        space.secret_values(wanted=["A"], generated=[], environment={}, strict=True)
    assert refused.value.why == "it is not UTF-8"


def test_every_secret_without_a_value_is_named(space: Workspace) -> None:
    with pytest.raises(UsageError, match="no value for the secrets A, B"):
        space.secret_values(wanted=["B", "A"], generated=[], environment={}, strict=True)
    assert space.secret_values(wanted=["A"], generated=[], environment={}, strict=False) == {"A": ""}


def test_a_lock_that_cannot_be_had_is_an_error_that_says_why(space: Workspace) -> None:
    """As in a project that is mounted read-only."""
    space.state.write_text("")
    for lock in (space.only_one("watch", "up"), space.lock(purpose="devenv up", on_wait=print)):
        with pytest.raises(DevenvError, match="cannot write to"), lock:
            pass


@pytest.mark.usefixtures("no_locks")
def test_a_share_without_locks_is_an_error_that_says_what_to_do(space: Workspace) -> None:
    for lock in (space.only_one("watch", "up"), space.lock(purpose="devenv up", on_wait=print)):
        with pytest.raises(DevenvError, match="cannot lock") as refused, lock:
            pass
        assert (refused.value.why or "").startswith("No locks available; without locks, two")
        assert "local_lock=flock" in (refused.value.hint or "")


def test_what_has_not_changed_is_not_written_again(space: Workspace) -> None:
    bundle = Bundle({"compose.yaml": "x", "files/a": "y"}, private=frozenset({"compose.yaml"}))
    folder = space.write_bundle(bundle, "compose", {})
    before = (folder / "compose.yaml").stat()
    space.write_bundle(bundle, "compose", {})
    assert (folder / "compose.yaml").stat().st_ino == before.st_ino
    assert (mode(folder / "compose.yaml"), mode(folder / "files/a")) == (0o600, 0o644)


def test_what_a_bundles_secrets_are_is_known_without_a_manifest(space: Workspace) -> None:
    assert space.hidden() == ([], [])
    space.write({"secrets.env": "MADE=abc\n"})
    space.write_bundle(Bundle({"stack.yaml": "x"}), "kube", {"TOKEN": "a\nb$'\"", "MADE": "abc"}, {"web"})
    values, words = space.hidden()
    assert (sorted(set(values)), words) == (["a\nb$'\"", "abc"], ["web"])
    assert mode(space.state / "hidden.json") == 0o600
    (space.state / "hidden.json").write_text("[half")
    assert space.hidden() == (["abc"], [])


def test_what_is_generated_stays_out_of_git_without_a_word_in_the_projects_own_gitignore(
    space: Workspace,
) -> None:
    space.write({"a/b": "c"})
    assert (space.state / ".gitignore").read_text() == "*\n"


def test_it_is_called_as_people_would_call_it_from_where_they_are(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(space.root)
    assert space.shown == "devenv.yaml"
    monkeypatch.chdir("/")
    assert space.shown == str(space.file).removeprefix("/")
    monkeypatch.chdir(os.path.dirname(sys.executable))
    assert space.shown == str(space.file)


def test_the_backend_it_was_last_brought_up_on_is_known(space: Workspace) -> None:
    assert space.backends == ()
    space.write({"backend": "minikube\n"})
    assert space.backends == ("minikube",)


@pytest.mark.programs
@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="a small disk has to be mounted")
def test_a_full_disk_is_called_one_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        space = Workspace(disk / "devenv.yaml")
        space.write({"compose/compose.yaml": "old"})
        with space.lock(purpose="devenv up", on_wait=pytest.fail):
            pass
        with pytest.raises(DevenvError) as refused:
            space.write({"compose/compose.yaml": "n" * 100_000})
        assert (refused.value.what, refused.value.where) == ("the disk is full", str(space.state))
        assert (space.state / "compose" / "compose.yaml").read_text() == "old"
        assert sorted(path.name for path in (space.state / "compose").iterdir()) == ["compose.yaml"]
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with space.lock(purpose="devenv down", on_wait=pytest.fail):
            assert (space.state / "lock").read_text().startswith("devenv up ")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_password_that_comes_again_need_not_be_stored(
    space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def value(*, strict: bool) -> str:
        return space.secret_values(wanted=[], generated=["DB"], environment={}, strict=strict)["DB"]

    space.state.write_text("in the way")
    assert value(strict=True) == value(strict=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(space.state))  # no key of the machine either
    assert value(strict=False)
    with pytest.raises(DevenvError, match="cannot write to"):
        value(strict=True)


@pytest.mark.programs
def test_a_write_that_fails_leaves_the_old_file(space: Workspace) -> None:
    space.write({"a": "old"})
    script = (
        "import resource, sys; from pathlib import Path; from devenv.workspace import Workspace\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from devenv.errors import DevenvError\n"
        f"try: Workspace(Path({str(space.file)!r})).write({{'a': 'n' * 1000}})\n"
        "except DevenvError as error: sys.exit(error.what)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "cannot write to" in ended.stderr
    assert (space.state / "a").read_text() == "old"
    assert sorted(path.name for path in space.state.iterdir()) == [".gitignore", "a"]


@pytest.mark.programs
def test_the_second_waits_for_the_first_and_knows_its_name(space: Workspace) -> None:
    script = (
        "import sys; from pathlib import Path; from devenv.workspace import Workspace\n"
        f"with Workspace(Path({str(space.file)!r})).lock(purpose='devenv up', on_wait=print):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holders: list[str] = []

    def let_go(whom: str) -> None:
        holders.append(whom)
        holder.kill()  # the kernel lets go of the lock, however the holder ends

    with space.lock(purpose="devenv down", on_wait=let_go):
        assert holders == [f"devenv up (pid {holder.pid})"]
    holder.communicate()


def test_a_port_is_taken_by_whoever_listens(unused_port: int) -> None:
    import socket

    assert hostports.taken([unused_port]) == {}
    with socket.create_server(("127.0.0.1", unused_port)):
        (owner,) = hostports.taken([unused_port]).values()
        assert owner.endswith(f"(pid {os.getpid()})")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::1"])
def test_a_port_is_taken_on_whichever_address_somebody_listens(address: str, unused_port: int) -> None:
    import socket

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        server = socket.create_server((address, unused_port), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        owners = hostports.taken([unused_port, 1])
        assert owners.keys() - {1} == {unused_port}
        assert owners[unused_port].endswith(f"(pid {os.getpid()})")


def test_a_machine_without_ipv6_has_free_ports(unused_port: int) -> None:
    import socket

    nowhere = (socket.AF_INET6, "2001:db8::1")  # nobody's address, as ::1 is there
    assert hostports.taken([unused_port], (hostports.LOOPBACKS[0], nowhere)) == {}


def test_a_folder_that_cannot_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / ".devenv").write_text("a file, not a folder")
    with pytest.raises(DevenvError) as refused:
        Workspace(tmp_path / "devenv.yaml").write({"a": "b"})
    assert refused.value.hint.startswith("ls -ld")


BUNDLE = Bundle(
    {"compose.yaml": "a", ".env": "A=b", "files/api/key": "b"}, private=frozenset({"compose.yaml", ".env"})
)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.programs
def test_what_is_rendered_into_a_new_folder_is_for_nobody_else_and_not_for_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for _ in range(2):
        export(BUNDLE, tmp_path / "a" / "out")

    paths = modes(tmp_path / "a" / "out")
    assert (paths["."], paths[".env"], paths["compose.yaml"]) == (0o700, 0o600, 0o600)
    assert paths["files/api/key"] == 0o644  # a container runs as another user
    git = ["git", "-C", str(tmp_path), "status", "--porcelain", "-uall"]
    assert subprocess.run(git, capture_output=True, text=True, check=True).stdout == ""


def test_what_is_rendered_into_a_folder_of_the_users_is_closed_to_others_file_by_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    export(BUNDLE, tmp_path)

    paths = modes(tmp_path)
    assert (paths["."], paths[".env"], paths["compose.yaml"]) == (0o755, 0o600, 0o600)
    assert paths["files"] == 0o700
    assert not (tmp_path / ".gitignore").exists()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DevenvError, match=f"cannot write to {tmp_path}/file/out"):
        export(BUNDLE, tmp_path / "file" / "out")


def test_passwords_of_this_machines_stores_never_leave_it(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "devenv.yaml")
    space.secret_values(wanted=(), generated=("DB",), environment={}, strict=True)
    with (space.state / "secrets.env").open("a") as stored:
        stored.write("OWN=mine\n")
    (tmp_path / ".env").write_text("KEY=file\nBOTH=file\n")
    values = space.secret_values_elsewhere(
        wanted=("DB", "KEY", "BOTH", "OWN", "NONE"), generated=("DB",), environment={"BOTH": "environment"}
    )
    assert values == {"KEY": "file", "BOTH": "environment", "OWN": "mine"}
    (tmp_path / ".env").write_text("DB=given\n")
    assert space.secret_values_elsewhere(wanted=("DB",), generated=("DB",), environment={}) == {"DB": "given"}
