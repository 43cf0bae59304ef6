"""What goes wrong with plain processes."""

from __future__ import annotations

import os
import signal
import smtplib
import urllib.request
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

from tests.e2e.checkout import eventually
from tests.e2e.process.conftest import API, Processes, processes


def one(plain: Processes, host: str, more: str = "") -> None:
    """A stack of one service."""
    plain.manifest(f"services:\n  web:\n    image: web\n    host: {host}\n    grace: 1s\n{more}")
    plain.write("server.py", API)


def test_a_program_that_ends_at_once_is_a_card_with_what_it_printed(plain: Processes) -> None:
    one(plain, "'echo cannot find it; exit 3'")
    ended = plain.on("up", "-d", exits=1)
    assert "x web ended with exit 3" in ended.stderr
    assert "cannot find it" in ended.stderr


def test_a_command_that_is_not_there_is_a_card(plain: Processes) -> None:
    one(plain, "no-such-program --port $PORT")
    assert "no-such-program" in plain.on("up", "-d", exits=1).stderr


def test_what_cannot_run_here_is_refused_before_anything_is_started(plain: Processes) -> None:
    plain.manifest("""
        services:
          web: {image: nginx, uses: [db, jaeger]}
          worker: {image: worker, host: sleep 600}
        infra:
          db: {kind: postgres, version: "13"}
    """)
    refused = plain.on("up", "-d", exits=2).stderr
    assert "db, jaeger, web cannot run as plain processes" in refused
    assert "is there, but 13 is asked for" in refused
    assert "nothing says how jaeger runs without a container" in refused
    assert plain.records() == {}


def test_a_program_that_ignores_term_and_one_that_leaves_its_group_are_gone_after_down(
    plain: Processes,
) -> None:
    leaves = "{ setsid sleep 600 & }; trap '' TERM; while :; do sleep 0.1; done"
    one(plain, f'"{leaves}"')
    plain.on("up", "-d")
    alive = eventually(lambda: [pid for pid in plain.alive() if len(plain.alive()) >= 2], "both")
    plain.devenv("down")
    assert plain.gone(alive)


def test_a_pid_that_means_another_process_by_now_is_never_signalled(plain: Processes) -> None:
    one(plain, "sleep 600")
    plain.on("up", "-d")
    record = plain.records()["web"]
    os.kill(plain.folder.supervisor(), signal.SIGKILL)
    os.kill(record.pid, signal.SIGKILL)
    stranger = plain.begin("logs", "-f")  # any process of ours that is no part of the stack
    file = plain.folder.path / "run/web.json"
    file.write_text(file.read_text().replace(f'"pid": {record.pid}', f'"pid": {stranger.process.pid}'))
    plain.devenv("down")
    assert stranger.process.poll() is None


def test_a_restart_keeps_the_port_and_the_log_tells_both_runs(plain: Processes) -> None:
    one(plain, "python server.py", "    port: 8000\n")
    plain.on("up", "-d")
    port = plain.port("web")
    plain.devenv("restart", "web")
    assert plain.port("web") == port
    assert plain.devenv("logs", "web").stdout.count("begins") == 2


def test_a_folder_that_is_deleted_ends_its_stack(plain: Processes) -> None:
    one(plain, "sleep 600")
    plain.on("up", "-d")
    alive = plain.alive()
    plain.host("rm", "-rf", ".devenv")
    eventually(lambda: plain.gone(alive), "the end", within=20)


def test_another_terminal_may_keep_temporary_files_elsewhere(plain: Processes, tmp_path: Path) -> None:
    one(plain, "python server.py", "    port: 8000\n")
    plain.on("up", "-d")
    elsewhere = {"TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    plain.devenv("restart", "web", env=elsewhere)
    assert plain.states() == {"web": "healthy"}
    alive = plain.alive()
    plain.devenv("down", env=elsewhere)
    assert plain.gone(alive)


def test_down_ends_what_a_killed_supervisor_left(plain: Processes) -> None:
    one(plain, "sleep 600")
    plain.on("up", "-d")
    alive = plain.alive()
    assert alive
    os.kill(plain.folder.supervisor(), signal.SIGKILL)
    plain.devenv("down")
    assert plain.gone(alive)


def test_down_says_that_it_waits_for_a_frozen_supervisor_and_ends_it(plain: Processes) -> None:
    one(plain, "sleep 600")
    plain.on("up", "-d")
    alive, supervisor = plain.alive(), plain.folder.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    ended = plain.devenv("down")
    assert f"waiting for the supervisor, process {supervisor}: in 5 s it is ended" in ended.stderr
    assert plain.gone([supervisor, *alive])
    plain.on("up", "-d")
    assert plain.states() == {"web": "running"}


def test_a_stack_has_a_long_path_with_blanks_and_letters_of_all_kinds(
    tmp_path: Path, environment: Mapping[str, str]
) -> None:
    folder = tmp_path / "Übung für später" / ("lang" * 25)
    with processes(folder, environment) as checkout:
        checkout.manifest("infra: {postgres: {}}\n")
        checkout.on("up", "-d")
        assert checkout.states() == {"postgres": "healthy"}


def test_mail_is_kept_by_a_stand_in_that_says_so(plain: Processes) -> None:
    plain.manifest("infra: {mailpit: {}}\n")
    ended = plain.on("up", "-d")
    assert "inbox" in ended.stdout + ended.stderr
    assert "mailpit: the last 200 mails are kept in memory" in ended.stderr
    values = plain.devenv("env", "--json").json
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "a@example.org", "b@example.org", "Größe <b>"
    letter.set_content("Straße")
    with smtplib.SMTP(values["SMTP_HOST"], int(values["SMTP_PORT"]), timeout=5) as smtp:
        smtp.send_message(letter)
    (row,) = plain.devenv("status", "--json").json["units"]
    assert row["stand_in"]
    with urllib.request.urlopen(row["urls"][0], timeout=5) as page:
        text = page.read().decode()
    assert "Größe &lt;b&gt;" in text
    assert "Straße" in text
