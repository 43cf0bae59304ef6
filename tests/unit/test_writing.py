"""Files that are replaced whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.backends.kube import config
from devenv.engine.onboarding import keep
from devenv.errors import DevenvError
from devenv.workspace import Workspace
from devenv.writing import write_whole


@pytest.mark.parametrize(("before", "after"), [("a\r\n", "a\n"), ("a\n", "a\r\n")])
def test_a_file_that_only_ends_its_lines_otherwise_is_another(
    tmp_path: Path, before: str, after: str
) -> None:
    file = tmp_path / "run.sh"
    write_whole(file, before, mode=0o644)
    write_whole(file, after, mode=0o644)
    assert file.read_bytes() == after.encode()


def test_a_file_that_is_as_it_should_be_is_left_alone(tmp_path: Path) -> None:
    """A container that has it mounted keeps the very file that it was started with."""
    file = tmp_path / "run.cmd"
    write_whole(file, "a\r\n", mode=0o644)
    before = file.stat()
    write_whole(file, "a\r\n", mode=0o644)
    after = file.stat()  # when it was read, alone, may differ
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_link_stays_one(tmp_path: Path) -> None:
    """People keep a kubeconfig and `.env` elsewhere, and link them to where they are looked for."""
    (tmp_path / "kept").mkdir()
    kubeconfig, env = tmp_path / "kept/kubeconfig", tmp_path / "kept/env"
    kubeconfig.write_text("current-context: shop\n", encoding="utf-8")
    env.write_text("A=1\n", encoding="utf-8")
    (tmp_path / "config").symlink_to(kubeconfig)
    (tmp_path / ".env").symlink_to(env)

    config.keep_current("mine", {"KUBECONFIG": str(tmp_path / "config")})
    keep(Workspace(tmp_path / "devenv.yaml"), "B", "2")

    assert kubeconfig.read_text(encoding="utf-8") == 'current-context: "mine"\n'
    assert env.read_text(encoding="utf-8") == "A=1\nB='2'\n"
    assert (tmp_path / "config").is_symlink()
    assert (tmp_path / ".env").is_symlink()


def test_a_file_where_a_folder_has_to_be_is_named(tmp_path: Path) -> None:
    (tmp_path / ".devenv").touch()
    with pytest.raises(DevenvError) as refused:
        Workspace(tmp_path / "devenv.yaml").keep_secrets({"KEY": "sesame"})
    assert refused.value.hint == f"ls -ld {tmp_path / '.devenv'}   shows what stands where a folder has to be"
