"""A stack on macOS as far as Linux can be it: started, followed and stopped, without FSEvents."""

from __future__ import annotations

import urllib.request
from contextlib import suppress
from pathlib import Path

from tests import mac
from tests.e2e.checkout import eventually
from tests.e2e.process.conftest import API, Processes

DOCKERFILE = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "main.py"]\n'


def test_a_save_is_live_though_no_change_is_told(plain: Processes, tmp_path: Path) -> None:
    plain.write("app/Dockerfile", DOCKERFILE)
    plain.write("app/main.py", API)
    plain.manifest("services: {api: {build: app, port: 8080}}")
    plain.environment = mac.environment(tmp_path, plain.environment, fsevents=False)
    up = plain.begin("up", "-b", "process")
    up.wait_for("all are compared every second")
    assert "macOS" in up.output
    save(plain, "compared")
    eventually(lambda: answers(plain, "compared"), "the answer of what was saved")
    ended = up.interrupt()
    assert (ended.code, "Traceback" in ended.stderr) == (130, False)
    save(plain, "unwatched")
    watch = plain.begin("watch")
    eventually(lambda: answers(plain, "unwatched"), "the answer of what was saved while nobody watched")
    assert watch.interrupt().code == 130
    plain.on("down")
    assert plain.states() == {}


def save(plain: Processes, answer: str) -> None:
    """Save a program that gives another answer."""
    plain.write("app/main.py", API.replace("{self.path}", answer))


def answers(plain: Processes, answer: str) -> bool:
    """Whether that is what the service says. It is unhealthy, or has no URL, while it is started again."""
    status = plain.devenv("status", "--json", exits=None)
    for url in status.json["units"][0]["urls"]:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as page:
            return bytes(page.read()).startswith(answer.encode())
    return False
