"""What people and programs see of hot reload, as text and values; and the file that `why` reads."""

from __future__ import annotations

import fcntl
import io
import json
import os
import struct
import termios
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.console import Console, plain
from devenv.console.reload import (
    Applied,
    duration,
    history,
    note_json,
    reload_json,
    reload_line,
    reload_lines,
    rules_json,
    rules_table,
    summary,
)
from devenv.engine.reloading.journal import FILE, KEPT, SHOWN, Journal
from devenv.errors import Card, DevenvError, UnitFailed
from devenv.events import Done, Failed, Reloaded, Started
from devenv.plan.model import Op, Step
from devenv.stack.reloading.decisions import Action
from devenv.stack.reloading.rules import Unmatched, infer

RESTARTED = Reloaded(
    "orders",
    ("orders/main.py",),
    Action.RESTART,
    "orders/main.py: restart rule *.py",
    "the program read it when it started",
    synced=0.009,
    ready=0.8,
)
DOCKERFILE = (
    "FROM python:3\nWORKDIR /app\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\n"
)


@pytest.fixture
def console() -> Console:
    """A console without colours."""
    return Console(out=io.StringIO(), err=io.StringIO(), colour=False)


LINES = {
    "a restart": (
        RESTARTED,
        ["~ orders  orders/main.py  synced 9 ms  ready 800 ms  (restart rule *.py)"],
    ),
    "several files": (
        replace(RESTARTED, files=("a.py", "b.py"), reason="a.py: restart rule *.py (and 1 more)"),
        ["~ orders  2 files  synced 9 ms  ready 800 ms  (a.py: restart rule *.py (and 1 more))"],
    ),
    "only sent": (
        replace(RESTARTED, action=Action.SYNC, ready=None, reason="orders/main.py: uvicorn --reload"),
        ["~ orders  orders/main.py  synced 9 ms  (uvicorn --reload)"],
    ),
    "a new image": (
        Reloaded("orders", ("Dockerfile",), Action.REBUILD, "Dockerfile: it says how the image is built"),
        ["~ orders  Dockerfile  needs a new image  (it says how the image is built)"],
    ),
    "nothing was taken": (
        Reloaded("orders", (), Action.NONE, unsent={"/app/main.py": "no space left on device"}),
        ["~ orders  1 file not sent", "  not sent  /app/main.py: no space left on device"],
    ),
    "an echo": (
        Reloaded("orders", ("a.json",), Action.NONE, "it changed 9 times", "r or another file goes on"),
        ["~ orders  a.json  left alone  (it changed 9 times)", "  r or another file goes on"],
    ),
    "asked for": (
        replace(RESTARTED, files=(), reason="asked for"),
        ["~ orders  ready 800 ms  (asked for)"],
    ),
    "files that did not get there": (
        replace(RESTARTED, unsent={f"/app/{name}": "read-only file system" for name in "abcdefg"}),
        [
            "~ orders  orders/main.py  synced 9 ms  ready 800 ms  (restart rule *.py)",
            *(f"  not sent  /app/{name}: read-only file system" for name in "abcde"),
            "  and 2 more",
        ],
    ),
}


@pytest.mark.parametrize(("event", "lines"), LINES.values(), ids=LINES)
def test_an_action_is_one_line(console: Console, event: Reloaded, lines: list[str]) -> None:
    assert reload_lines(console, event) == lines


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (
            100,
            "~ api  12 files  synced 23 ms  ready 539 ms  (api/f1.txt: node server.js does not reload by itse...)",
        ),
        (80, "~ api  12 files  synced 23 ms  ready 539 ms  (api/f1.txt: node server.js doe...)"),
        (60, "~ api  12 files  synced 23 ms  ready 539 ms  (api/f1.txt...)"),
        (58, "~ api  12 files  synced 23 ms  ready 539 ms"),
    ],
)
def test_a_line_fits_the_terminal(columns: int, line: str) -> None:
    console = Console(out=io.StringIO(), err=io.StringIO(), colour=True, width=columns)
    event = Reloaded(
        "api",
        tuple(f"api/f{number}.txt" for number in range(12)),
        Action.RESTART,
        "api/f1.txt: node server.js does not reload by itself (and 11 more)",
        synced=0.023,
        ready=0.539,
    )
    (shown,) = reload_lines(console, event)
    assert plain(shown) == line
    assert len(line) <= columns


def test_a_line_that_is_cut_within_one_that_was_cut_before_ends_like_any_other() -> None:
    console = Console(out=io.StringIO(), err=io.StringIO(), colour=True, width=95)
    reason = "main.py: uvicorn main:app --host 0.0.0.0 --port 8... does not reload by itself"
    event = Reloaded("orders", ("main.py",), Action.RESTART, reason, synced=0.011, ready=2.0)
    (shown,) = reload_lines(console, event)
    assert plain(shown).endswith("--port 8...)")


def test_a_failure_shows_its_card_and_no_times(console: Console) -> None:
    error = DevenvError("orders did not start again", hint="devenv logs orders")
    first, *card = reload_lines(console, replace(RESTARTED, error=error))
    assert first == "~ orders  orders/main.py  (restart rule *.py)"
    assert card == console.error_lines(error)
    assert "devenv logs orders" in "\n".join(card)


def test_an_event_is_a_value_that_names_few_files() -> None:
    event = replace(RESTARTED, files=tuple(f"{number}.py" for number in range(50)), unsent={"/a": "full"})
    value = json.loads(json.dumps(reload_json(event, 12.3456)))
    assert value.pop("files") == [f"{number}.py" for number in range(20)]
    assert value == {
        "event": "reload",
        "time": 12.346,
        "unit": "orders",
        "action": "restart",
        "count": 50,
        "reason": "orders/main.py: restart rule *.py",
        "synced": 0.009,
        "ready": 0.8,
        "unsent": {"/a": "full"},
        "error": None,
        "output": [],
    }


def test_the_history_says_why_less_was_not_enough(console: Console, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(RESTARTED, 0.0)
    journal.add(replace(RESTARTED, files=("a", "b"), error=DevenvError("it ended with 1")), 1.0)
    good, bad = history(console, journal.entries())
    assert good.split("  ")[1:] == [
        "orders",
        "restart",
        "orders/main.py",
        "synced 9 ms",
        "ready 800 ms",
        "restart rule *.py; the program read it when it started",
    ]
    assert "2 files" in bad
    assert bad.endswith("it ended with 1")


def test_the_history_names_no_files_where_a_restart_was_asked_for(console: Console, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(replace(RESTARTED, files=(), reason="asked for", synced=0.0, cheaper=""), 0.0)
    (row,) = history(console, journal.entries())
    assert row.split()[1:] == ["orders", "restart", "ready", "800", "ms", "asked", "for"]


def test_a_window_that_was_made_narrower_is_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = os.openpty()
    with os.fdopen(ours, "wb"), os.fdopen(theirs, "w") as terminal:
        console = Console(out=io.StringIO(), err=terminal, width=110)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 60, 0, 0))
        console.measure()
        assert console.width == 60
        assert len(plain(reload_line(console, RESTARTED))) <= 60
    never = Console(out=io.StringIO(), err=io.StringIO())
    never.measure()
    assert never.width == 0


def test_a_note_and_what_a_plan_did_are_events() -> None:
    assert note_json("the engine answers again", 12.3456) == {
        "event": "note",
        "time": 12.346,
        "text": "the engine answers again",
    }
    build, start = Step(1, Op.BUILD, "orders", "sources changed"), Step(2, Op.APPLY, "orders", "new image")
    applied = Applied()
    failure = UnitFailed(Card("orders", "ended with 1", output=("Traceback", "KeyError: 'DB'")))
    for event in (Started(build), Done(build, 2.5), Failed(start, failure)):
        applied(event)
    assert applied.json(12.0) == {
        "event": "applied",
        "time": 12.0,
        "steps": [{"op": "build", "target": "orders", "seconds": 2.5}],
        "error": "orders ended with 1",
        "output": ["Traceback", "KeyError: 'DB'"],
    }
    assert Applied().json(1.0, DevenvError("1 problem"))["error"] == "1 problem"
    assert json.dumps(applied.json(12.0))


def test_the_times_of_a_session_are_one_line() -> None:
    assert summary([]) == ""
    assert summary([0.006, 0.009, 0.001, 0.030]).startswith("4 edits  synced p50 8 ms")
    assert summary([0.006]) == "1 edit  synced p50 6 ms  p95 6 ms"
    assert (
        summary([number / 1000 for number in range(100, 0, -1)]) == "100 edits  synced p50 50 ms  p95 96 ms"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (75, "75.0 s")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rules_are_a_table_for_each_service(console: Console) -> None:
    rules = {"orders": infer(DOCKERFILE, context="orders", command=["python", "main.py"])}
    unmatched = {"orders": [Unmatched("reload.run", "deps.txt", "orders/deps.txt")]}
    assert rules_table(console, rules, {"proxy": "it has no build"}, unmatched) == [
        "orders",
        "  orders/Dockerfile        rebuild         it says how the image is built",
        "  orders/requirements.txt  rebuild         "
        "COPY requirements.txt . before RUN pip install -r requirements.txt (Dockerfile:3)",
        "  orders                   restart  /app/  "
        "COPY . . (Dockerfile:5); python main.py does not reload by itself",
        "  deps.txt matches no file (reload.run); orders/deps.txt does",
        "",
        "proxy",
        "  nothing is sent: it has no build",
    ]
    value = rules_json(rules, {"proxy": "it has no build"}, unmatched)
    assert value["orders"]["unmatched"] == [
        {"rule": "reload.run", "pattern": "deps.txt", "instead": "orders/deps.txt"}
    ]
    assert [row["action"] for row in value["orders"]["rules"]] == ["rebuild", "rebuild", "restart"]
    assert value["proxy"] == {"rules": [], "unmatched": [], "why": "it has no build"}


def test_where_nothing_can_be_sent_the_table_says_which_line_of_the_dockerfile_is_why(
    console: Console,
) -> None:
    dockerfile = "FROM php:8.3-cli\nWORKDIR /app\nCOPY . .\nRUN composer dump-autoload\n"
    unsent = replace(infer(dockerfile, context="web"), unsent="only a build brings its files into the image")
    assert rules_table(console, {"web": unsent}, {"web": unsent.unsent}, {}) == [
        "web",
        "  web/Dockerfile  rebuild  it says how the image is built",
        "  web             rebuild  COPY . . before RUN composer dump-autoload (Dockerfile:3)",
        "  nothing is sent: only a build brings its files into the image",
    ]


def test_the_journal_keeps_the_last_actions_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(3 * KEPT):
        journal.add(replace(RESTARTED, files=(f"{number}.py",)), float(number))
    entries = Journal(tmp_path).entries()
    assert [entry.time for entry in entries] == [float(number) for number in range(2 * KEPT, 3 * KEPT)]
    assert len((tmp_path / FILE).read_text(encoding="utf-8").splitlines()) < 2 * KEPT + 1


def test_the_journal_names_few_files_of_an_action(tmp_path: Path) -> None:
    Journal(tmp_path).add(replace(RESTARTED, files=tuple(map(str, range(500)))), 1.0)
    (entry,) = Journal(tmp_path).entries()
    assert (len(entry.files), entry.count) == (SHOWN, 500)


def test_the_journal_survives_broken_lines_and_odd_names(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(replace(RESTARTED, files=("caf\udce9.py",)), 1.0)
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write('{"time": 2.0, "un\n[]\nnull\n{"files": 3}\n{"time": 1, "files": [], "later": 1}\n')
    journal.add(RESTARTED, 3.0)
    assert [entry.time for entry in Journal(tmp_path).entries()] == [1.0, 3.0]


def test_a_journal_that_cannot_be_written_or_read_stops_nothing(tmp_path: Path) -> None:
    Journal(tmp_path / "missing").add(RESTARTED, 1.0)
    assert Journal(tmp_path / "missing").entries() == ()
    (tmp_path / FILE).write_bytes(b"\xff\xfe\n")
    Journal(tmp_path).add(RESTARTED, 1.0)
    assert Journal(tmp_path).entries() == ()
