"""`devenv onboard`, whole, over a backend that only remembers and a service that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.cli import onboarding
from devenv.engine import onboarding as engine
from tests.fakes import Machine
from tests.serving import Handler, listening

from .conftest import Devenv

pytestmark = pytest.mark.programs

GOES_ON = "interrupted: devenv onboard   goes on from here"


class Api(Handler):
    """A service with one page."""

    def do_GET(self) -> None:
        self.send_json({}, 200 if self.path == "/health" else 404)


@pytest.fixture
def port(project: Path) -> Iterator[int]:
    """The port of a service, which the manifest of a fresh clone publishes."""
    with listening(Api) as server:
        number = int(server.address.rpartition(":")[2])
        (project / ".env").unlink()
        (project / "devenv.yaml").write_text(
            f"""
name: shop
services:
  api: {{image: "api:1", port: 80, publish: {number}, secrets: [KEY, TOKEN]}}
jobs:
  seed: {{image: "seed:1", manual: true}}
secrets:
  KEY: {{ask: dashboard.acme.io > API keys}}
smoke: [GET api/health 200, api/none 404]
"""
        )
        yield number


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have somebody there to ask, who types the command's input."""
    monkeypatch.setattr(onboarding, "answers", lambda: True)


def test_nobody_there_to_ask_learns_what_is_missing_and_where_it_comes_from(
    devenv: Devenv, port: int
) -> None:
    ended = devenv("onboard")
    assert ended.exit_code == 2
    assert "no value for the secrets KEY, TOKEN" in ended.stderr
    assert "KEY: dashboard.acme.io > API keys" in ended.stderr
    assert not [line for line in ended.stderr.splitlines() if line.strip() == "TOKEN"]
    assert "  try   echo 'KEY=...' >> .env" in ended.stderr


def test_a_fresh_clone_gets_to_its_first_green_and_the_next_time_asks_nothing(
    devenv: Devenv, machine: Machine, port: int, project: Path, somebody: None
) -> None:
    ended = devenv("onboard", "--report", "page.md", input="sesame-open\nsecond-secret\n")
    assert ended.exit_code == 0, ended.output
    assert "KEY   from dashboard.acme.io > API keys" in ended.stderr
    assert "sesame-open" not in ended.output
    assert (project / ".env").read_text() == "KEY='sesame-open'\nTOKEN='second-secret'\n"
    assert "smoke    GET api/health  200 OK" in ended.stderr
    assert "first green in " in ended.stderr.splitlines()[-1]
    assert "| seed |" in (project / "page.md").read_text()
    assert "run seed: " in machine.done

    machine.done.clear()
    again = devenv("onboard")
    assert again.exit_code == 0, again.output
    assert "all have values" in again.stderr
    assert "run seed: " not in machine.done


def test_an_answer_that_is_broken_off_ends_it_and_the_next_time_asks_for_what_is_left(
    devenv: Devenv, port: int, project: Path, somebody: None
) -> None:
    ended = devenv("onboard", input="sesame-open\n")
    assert ended.exit_code == 130
    assert ended.stderr.splitlines()[-1] == GOES_ON
    assert (project / ".env").read_text() == "KEY='sesame-open'\n"
    again = devenv("onboard", input="second-secret\n")
    assert again.exit_code == 0, again.output
    assert "KEY   from" not in again.stderr


def test_a_page_that_finds_no_place_is_refused_before_anything_is_done(devenv: Devenv, port: int) -> None:
    for report, why in {"devenv.yaml/page.md": "devenv.yaml is a file", ".": "it is a folder"}.items():
        ended = devenv("onboard", "--report", report)
        assert ended.exit_code == 2
        assert f"cannot write {report}" in ended.stderr
        assert why in ended.stderr
        assert "doctor" not in ended.stderr


def test_a_seed_that_fails_or_is_broken_off_is_run_again_by_the_next_one(
    devenv: Devenv, machine: Machine, port: int, project: Path
) -> None:
    (project / ".env").write_text("KEY=1\nTOKEN=2\n")
    for code, exits, last in ((4, 1, "  try   devenv run seed; then devenv onboard"), (130, 130, GOES_ON)):
        machine.exits = code
        ended = devenv("onboard")
        assert ended.exit_code == exits
        assert ended.stderr.splitlines()[-1] == last
    machine.exits = 0
    assert "seed     seed  done" in devenv("onboard").stderr


def test_stores_whose_data_were_removed_are_seeded_again(
    devenv: Devenv, machine: Machine, port: int, project: Path
) -> None:
    (project / ".env").write_text("KEY=1\nTOKEN=2\n")
    devenv("onboard")
    for data, again in (((), False), (("--volumes", "-y"), True)):
        assert devenv("down", *data).exit_code == 0
        assert ("seed     seed  done" in devenv("onboard").stderr) is again


def test_a_request_that_is_answered_otherwise_ends_it_and_the_next_time_goes_on(
    devenv: Devenv, port: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "TRIES", 1)
    (project / ".env").write_text("KEY=1\nTOKEN=2\n")
    manifest = project / "devenv.yaml"
    manifest.write_text(manifest.read_text().replace("api/none 404", "api/none 200"))
    ended = devenv("onboard")
    assert ended.exit_code == 1
    assert "GET api/none does not answer with 200" in ended.stderr
    assert "404 Not Found" in ended.stderr
    manifest.write_text(manifest.read_text().replace("api/none 200", "api/none 404"))
    assert devenv("onboard").exit_code == 0
