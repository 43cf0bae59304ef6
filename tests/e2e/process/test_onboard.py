"""`devenv onboard` in a terminal, on plain processes: to the first green, and to the first edit."""

from __future__ import annotations

import re

from tests.e2e.process.conftest import API, Processes
from tests.e2e.screen import Screen, needs_a_terminal

MANIFEST = """
services:
  api: {build: ./api, host: python server.py, port: 8000}
smoke: [api/]
"""


def project(plain: Processes) -> None:
    plain.manifest(MANIFEST)
    plain.write("api/server.py", API)
    plain.write("api/Dockerfile", "FROM python:3.13\nCOPY . .\n")


@needs_a_terminal
def test_the_first_edit_is_timed_and_stands_on_the_page(plain: Processes) -> None:
    project(plain)
    screen = Screen(plain, "onboard", "-b", "process", "--report", "page.md", columns=100)
    screen.shows("change a file of api and save it; Enter goes on without")
    assert "first green in" in screen.shown
    beside = plain.write("api/sedXyz", API.replace("begins", "begins anew"))
    beside.replace(plain.root / "api/server.py")
    assert screen.end() == 0
    assert re.search(r"api/server.py was in use \d+\.\d s after it was saved", screen.shown)
    assert screen.left == screen.modes
    page = (plain.root / "page.md").read_text()
    assert re.search(r"^First edit: `api/server.py` was in use \d+\.\d s", page, re.MULTILINE)
    assert "begins anew" in plain.devenv("logs", "api").stdout

    again = Screen(plain, "onboard", "-b", "process", columns=100)
    assert again.end() == 0
    assert "change a file" not in again.shown


@needs_a_terminal
def test_enter_goes_on_without_an_edit_and_the_next_time_it_asks_again(plain: Processes) -> None:
    project(plain)
    screen = Screen(plain, "onboard", "-b", "process", "--report", "page.md", columns=100)
    screen.shows("Enter goes on without")
    screen.type("\r")
    assert screen.end() == 0
    page = (plain.root / "page.md").read_text()
    assert "first green in" in page
    assert "First edit" not in page
    again = Screen(plain, "onboard", "-b", "process", columns=100)
    again.shows("Enter goes on without")
    again.press(b"\x03")
    assert again.end() == 130
