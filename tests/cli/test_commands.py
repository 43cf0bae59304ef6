"""What people type and what they see, whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from xml.etree import ElementTree

import pytest
from typer._completion_classes import completion_init
from typer.testing import CliRunner

from devenv.__main__ import main
from devenv.cli import app
from devenv.cli.arguments import names_known
from devenv.engine.reloading.journal import Journal
from devenv.events import Reloaded
from devenv.stack.reloading.decisions import Action
from devenv.workspace import Workspace
from tests.engine.fake import Container, Line, Server
from tests.fakes import Machine

from .conftest import SHOP, Devenv


def lines(text: str) -> list[str]:
    """Without times, which differ."""
    return [re.sub(r"\d+\.\d s", "0.0 s", line).rstrip() for line in text.strip().splitlines()]


def expect(text: str) -> list[str]:
    return dedent(text).strip("\n").splitlines()


def test_up_says_what_it_does_and_where_to_look(devenv: Devenv) -> None:
    ended = devenv("up", "-d")
    assert (ended.exit_code, ended.stdout) == (0, "")
    first, *between, last = lines(ended.stderr)
    assert first == "shop on fake (a fake machine; from DEVENV_BACKEND)   plan: 5 to pull, 5 to start"
    assert sorted(line for line in between if not line.endswith(("pulling", "starting"))) == [
        "  kong     healthy  0.0 s  http://localhost:8000   manager http://localhost:8002",
        "  migrate  done  0.0 s",
        "  orders   healthy  0.0 s  http://localhost:18000",
        "  valkey   healthy  0.0 s  localhost:6379",
        "  web      healthy  0.0 s  http://localhost:3000   /",
    ]
    assert last == "ready in 0.0 s    open http://localhost:8000/    stop: devenv down"


def test_a_second_up_has_nothing_to_do(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    machine.done.clear()
    ended = devenv("up", "-d")
    assert lines(ended.stderr) == [
        "shop is up, nothing to do    open http://localhost:8000/    stop: devenv down"
    ]
    assert machine.done == []
    assert devenv("plan").output == ""


def test_units_start_after_what_they_use(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    order = [step.removeprefix("apply ") for step in machine.done]
    assert order.index("valkey") < order.index("migrate") < order.index("orders") < order.index("web")


def test_a_failure_is_a_card_and_what_does_not_need_it_goes_on(devenv: Devenv, machine: Machine) -> None:
    machine.failing.add("migrate")
    ended = devenv("up", "-d")
    assert ended.exit_code == 1
    assert expect(
        """\
        x migrate ended with exit 3 - orders and web wait for it
          output    boom
          try       devenv logs migrate"""
    ) == [line for line in lines(ended.stderr) if line.startswith(("x ", "  output", "  try"))]
    assert "  web      not started" in lines(ended.stderr)
    assert set(machine.units) >= {"kong", "valkey"}
    assert "apply kong" in machine.done


def test_in_the_foreground_logs_follow_and_ctrl_c_leaves_everything_running(
    devenv: Devenv, machine: Machine
) -> None:
    ended = devenv("up", "orders")
    assert ended.exit_code == 130
    assert lines(ended.stdout) == ["valkey | valkey says hello", "orders | orders says hello"]
    assert lines(ended.stderr)[-4:] == [
        "ready in 0.0 s    open http://localhost:18000    stop: devenv down",
        "logs follow; Ctrl-C leaves everything running",
        "",
        "still running; `devenv down` stops it, `devenv logs -f` shows the logs again",
    ]
    assert {name for name, unit in machine.units.items() if unit.running} == {"valkey", "orders"}


def test_ctrl_c_while_it_waits_says_what_may_still_be_starting_and_up_goes_on(
    devenv: Devenv, machine: Machine
) -> None:
    machine.interrupting.add("orders")
    ended = devenv("up", "-d", "orders")  # without Kong, which starts at the same time
    assert (ended.exit_code, ended.stdout) == (130, "")
    assert lines(ended.stderr)[-1] == (
        "note  interrupted: orders may still be starting; `devenv status` shows what runs,"
        " `devenv up` resumes, `devenv down` stops it"
    )
    machine.interrupting.clear()
    machine.done.clear()
    assert devenv("up", "-d").exit_code == 0
    assert set(machine.done) == {"apply kong", "apply web"}


def test_a_port_that_is_taken_stops_up_before_anything_is_created(devenv: Devenv, machine: Machine) -> None:
    machine.taken[18000] = "nginx (pid 7)"
    ended = devenv("up", "-d")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert lines(ended.stderr) == expect(
        """\
        error  port 18000 is taken by nginx (pid 7)
          where devenv.yaml: orders publishes 18000
          why   checked before anything was created; nothing was changed
          try   devenv up --remap-ports   picks free ports, the same each time"""
    )
    assert (machine.units, machine.done) == ({}, [])
    planned = devenv("plan", "orders")
    assert planned.exit_code == 0
    assert planned.stderr == (
        "note  18000 is taken by nginx (pid 7): orders publishes it, and up would refuse\n"
    )
    rendered = devenv("render")
    assert rendered.exit_code == 0
    assert rendered.stderr.startswith(planned.stderr)


def test_a_port_that_moved_is_told_once_and_kept(devenv: Devenv, machine: Machine) -> None:
    machine.taken[18000] = "nginx (pid 7)"
    first = lines(devenv("up", "-d", "--remap-ports").stderr)[1]
    (port,) = (host for _, host in machine.units["orders"].ports.values())
    assert first == f"note  18000 is taken by nginx (pid 7): orders is on {port}"
    again = devenv("up", "-d")
    assert again.exit_code == 0
    assert lines(again.stderr)[0].startswith("shop is up, nothing to do")
    assert json.loads(devenv("env", "--json").stdout)["ORDERS_URL"] == f"http://localhost:{port}"


def test_a_stack_runs_on_one_backend_and_stays_there_until_another_is_asked_for(
    devenv: Devenv, machine: Machine, elsewhere: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEVENV_BACKEND")
    devenv("up", "-d", "-b", "fake")
    switched = devenv("up", "-d", "-b", "elsewhere")
    assert "note  the stack ran on fake: stopped there, its data kept" in lines(switched.stderr)
    assert (machine.units, machine.volumes) == ({}, {"valkey-data"})
    assert set(elsewhere.units) == {"valkey", "kong", "migrate", "orders", "web"}
    assert json.loads(devenv("status", "--json").stdout)["backend"] == "elsewhere"
    assert lines(devenv("up", "-d").stderr)[0].startswith("shop is up, nothing to do")


def test_a_changed_source_is_named_and_only_what_is_built_from_it_is_replaced(
    devenv: Devenv, machine: Machine, project: Path
) -> None:
    (project / "devenv.yaml").write_text(
        "name: shop\nservices:\n  api: {build: ./api}\n  web: {build: ./web}\n"
    )
    for name in ("api", "web"):
        (project / name).mkdir()
        (project / name / "Dockerfile").write_text("FROM scratch\n")
        (project / name / "main.py").write_text("1\n")
    assert devenv("up", "-d").exit_code == 0
    machine.done.clear()
    (project / "api" / "main.py").write_text("2\n")
    assert lines(devenv("plan").stdout) == [
        "[] -> #1 prepare shop (has steps to run)",
        "[] -> #2 build api (sources changed: main.py)",
        "[1,2] -> #3 apply api (image changed)",
        "[3] -> #4 wait api",
    ]
    assert "  api  built 0.0 s" in lines(devenv("up", "-d").stderr)
    assert machine.done == ["apply api"]
    assert devenv("plan").output == ""


def test_a_profile_is_these_and_what_they_use(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d", "--profile", "lite")
    assert set(machine.units) == {"valkey", "migrate", "orders"}


def test_status_is_a_table_for_people_and_an_object_for_programs(devenv: Devenv) -> None:
    devenv("up", "-d")
    assert lines(devenv("status").stdout) == expect(
        """\
        kong     kong 3.9.3    healthy  http://localhost:8000   manager http://localhost:8002
        valkey   valkey 9.1.1  healthy  localhost:6379
        migrate  job           done
        orders   service       healthy  http://localhost:18000
        web      service       healthy  http://localhost:3000   /"""
    )
    status = json.loads(devenv("status", "--json").stdout)
    assert (status["backend"], status["stack"][:5]) == ("fake", "shop-")
    (orders,) = [unit for unit in status["units"] if unit["name"] == "orders"]
    assert {key: orders[key] for key in ("name", "kind", "state", "healthy", "urls", "ports")} == {
        "name": "orders",
        "kind": "service",
        "state": "healthy",
        "healthy": True,
        "urls": ["http://localhost:18000"],
        "ports": {"http": 18000},
    }


def test_with_nothing_up_it_says_how_to_begin(devenv: Devenv) -> None:
    for command in ("status", "logs"):
        ended = devenv(command)
        assert (ended.exit_code, ended.stdout) == (0, "")
        assert ended.stderr == "nothing of this checkout is running; start it with: devenv up\n"
    assert json.loads(devenv("status", "--json").stdout)["units"] == []


def test_with_nothing_up_after_a_move_was_cut_short_it_says_where_the_stack_may_be(
    devenv: Devenv, project: Path, elsewhere: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    devenv("up", "-d")
    monkeypatch.delenv("DEVENV_BACKEND")
    (project / ".devenv" / "backend").write_text("elsewhere\nfake\n")
    for command in ("status", "logs"):
        assert devenv(command).stderr.splitlines()[1] == (
            "an `up` was cut short: the stack may still be on fake; devenv -b fake status   shows it"
        )


def test_down_keeps_the_data_and_says_so(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    ended = devenv("down")
    assert lines(ended.stderr) == [
        "removed kong, migrate, orders, valkey, web",
        "data kept in 1 volume; devenv down --volumes removes it",
    ]
    assert machine.volumes
    assert lines(devenv("down").stderr)[0] == "nothing of this checkout was running"


def test_what_a_backend_began_goes_on_until_it_is_asked_to_stop(devenv: Devenv, machine: Machine) -> None:
    refused = devenv("down", "--stop")
    assert refused.exit_code == 2
    assert lines(refused.stderr)[0] == "error  --stop does nothing on fake"
    machine.idle = "the cluster"
    devenv("up", "-d")
    assert (
        lines(devenv("down").stderr)[-1]
        == "the cluster keeps running; stop it with: devenv down -b fake --stop"
    )
    assert lines(devenv("down", "--stop").stderr)[0] == "stopping the cluster"
    assert machine.idle == ""


def test_data_is_only_removed_by_somebody_who_says_yes(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    refused = devenv("down", "--volumes")
    assert refused.exit_code == 2
    assert "add --yes" in refused.stderr
    assert machine.units
    assert devenv("down", "--volumes", "--yes").exit_code == 0
    assert not machine.volumes


def test_the_data_stays_when_the_question_is_answered_with_no(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    assert devenv("down", "--volumes", input="y\n").exit_code == 2  # a pipe is nobody
    assert machine.volumes


def test_logs_name_who_said_what(devenv: Devenv) -> None:
    devenv("up", "-d")
    assert lines(devenv("logs", "web", "orders").stdout) == [
        "web    | web says hello",
        "orders | orders says hello",
    ]
    assert devenv("logs", "web").stdout == "web says hello\n"
    assert devenv("logs", "-t", "web").stdout == "2026-01-01T00:00:00.000 web says hello\n"


def test_logs_are_saved_in_a_file_for_each_unit(devenv: Devenv, project: Path) -> None:
    devenv("up", "-d")
    ended = devenv("logs", "--save", "logs/ci", "web", "orders")
    assert (ended.exit_code, lines(ended.stdout)) == (0, ["logs/ci/web.log", "logs/ci/orders.log"])
    saved = project / "logs/ci"
    assert {file.name: file.read_text() for file in saved.iterdir()} == {
        "web.log": "web says hello\n",
        "orders.log": "orders says hello\n",
    }
    ended = devenv("logs", "--save", "devenv.yaml")
    assert (ended.exit_code, lines(ended.stderr)) == (
        2,
        ["error  cannot write logs: File exists", "  where devenv.yaml"],
    )
    assert devenv("logs", "--save", "logs", "-f").exit_code == 2


def test_up_reports_each_unit_as_a_test_case_of_junit(
    devenv: Devenv, machine: Machine, project: Path
) -> None:
    machine.failing.add("migrate")
    assert devenv("up", "-d", "--junit", "out/units.xml").exit_code == 1
    suite = ElementTree.parse(project / "out/units.xml").getroot()
    verdicts = {case.attrib["name"]: [child.tag for child in case] for case in suite}
    assert verdicts == {
        "kong": [], "migrate": ["failure"], "orders": ["skipped"], "valkey": [], "web": ["skipped"]
    }  # fmt: skip
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("5", "1", "2")
    failure = suite.find(".//failure")
    assert failure is not None
    assert failure.attrib["message"] == "x migrate ended with exit 3 - orders and web wait for it"
    assert "boom" in str(failure.text)
    machine.failing.clear()
    assert devenv("up", "-d", "--junit", "out/units.xml").exit_code == 0
    assert ElementTree.parse(project / "out/units.xml").getroot().attrib["failures"] == "0"


@pytest.mark.programs
def test_init_writes_a_pipeline_once_where_its_system_looks(devenv: Devenv, project: Path) -> None:
    ended = devenv("init", "--ci", "github")
    assert (ended.exit_code, ended.stdout) == (0, ".github/workflows/devenv.yml\n")
    assert lines(ended.stderr) == ["note  it promotes nowhere yet, as devenv.yaml has no environments:"]
    text = (project / ".github/workflows/devenv.yml").read_text()
    assert "KEY: ${{ secrets.KEY }}" in text
    assert "sesame" not in text
    again = devenv("init", "--ci", "github")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert devenv("init", "--ci", "github", "-o", "other.yml").exit_code == 0
    assert (project / "other.yml").read_text() == text


def test_init_says_what_it_can_write(devenv: Devenv) -> None:
    assert 'did you mean "gitlab"?' in devenv("init", "--ci", "gitlb").stderr


def test_exec_passes_the_command_and_its_exit_code(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    assert devenv("exec", "web", "ls", "-q", "--all").exit_code == 0
    assert devenv("exec", "web", "--", "false").exit_code == 7
    assert devenv("exec", "web").exit_code == 0
    assert machine.done[-3:] == ["exec web: ls -q --all", "exec web: false", "exec web: sh"]


def test_exec_passes_stdin_on_unless_it_is_the_null_device(
    devenv: Devenv, machine: Machine, tmp_path: Path
) -> None:
    devenv("up", "-d")
    (tmp_path / "piped").write_text("typed")
    before = os.dup(0)
    try:
        for file in (tmp_path / "piped", Path(os.devnull)):
            with file.open() as stdin:
                os.dup2(stdin.fileno(), 0)
            assert devenv("exec", "web", "cat").exit_code == 0
        os.close(0)
        assert devenv("exec", "web", "cat").exit_code == 0
    finally:
        os.dup2(before, 0)
        os.close(before)
    assert machine.interactive == [True, False, False]


def test_a_command_needs_a_unit_that_runs(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    ended = devenv("exec", "migrate", "ls")
    assert (ended.exit_code, lines(ended.stderr)) == (
        2,
        ["error  migrate is done", "  try   devenv run migrate ls"],
    )
    machine.units["web"] = replace(machine.units["web"], state="paused")
    ended = devenv("exec", "web", "ls")
    assert (ended.exit_code, lines(ended.stderr)) == (2, ["error  web is paused", "  try   devenv up web"])


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_ctrl_c_is_heard_where_python_can_raise_nothing(
    monkeypatch: pytest.MonkeyPatch, *, busy: bool
) -> None:
    start = threading.Thread.start

    def start_late(thread: threading.Thread) -> None:
        """As on a busy machine: the thread has run for a while when whoever started it goes on."""
        start(thread)
        thread.join(0.1)

    if busy:
        monkeypatch.setattr(threading.Thread, "start", start_late)

    class Freed:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def command() -> None:
        Freed()
        threading.Event().wait(10)

    hook, before = sys.unraisablehook, signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as ended:
            main(command)
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130


def test_logs_go_on_until_ctrl_c(devenv: Devenv) -> None:
    devenv("up", "-d", "orders")
    ended = devenv("logs", "-f", "orders")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (130, "orders says hello\n", "")


def test_run_brings_up_what_a_job_uses_and_nothing_else(devenv: Devenv, machine: Machine) -> None:
    assert devenv("run", "migrate", "--", "now", "-v").exit_code == 0
    assert machine.done == ["apply valkey", "run migrate: now -v"]
    assert "migrate:1" in machine.images


def test_a_run_that_needs_nothing_is_found_by_down_as_well(
    devenv: Devenv, project: Path, elsewhere: Machine
) -> None:
    elsewhere.images.add("votes:1")
    assert devenv("run", "-b", "elsewhere", "votes").exit_code == 0
    assert elsewhere.done == ["run votes: "]
    assert (project / ".devenv" / "backend").read_text() == "elsewhere\n"


def test_restart_waits_until_it_is_healthy_again(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    ended = devenv("restart", "web")
    assert ended.exit_code == 0
    assert machine.done[-1] == "restart web"
    assert lines(ended.stderr)[0] == "shop on fake (a fake machine)   plan: 1 to restart"


def test_restart_of_everything_leaves_jobs_alone(devenv: Devenv, machine: Machine) -> None:
    assert lines(devenv("restart").stderr) == [
        "nothing of this checkout is running; start it with: devenv up"
    ]
    devenv("up", "-d")
    machine.done.clear()
    assert devenv("restart").exit_code == 0
    assert sorted(machine.done) == ["restart kong", "restart orders", "restart valkey", "restart web"]


def test_open_prints_where_the_front_page_is(devenv: Devenv) -> None:
    devenv("up", "-d")
    assert devenv("open").stdout == "http://localhost:8000/\n"
    assert devenv("open", "orders").stdout == "http://localhost:18000\n"
    refused = devenv("open", "valkey")
    assert refused.exit_code == 2
    assert "valkey has no page" in refused.stderr


def test_env_shows_addresses_of_this_machine_and_hides_secrets_unless_they_are_wanted(devenv: Devenv) -> None:
    shown = devenv("env", "orders").stdout.splitlines()
    assert shown == [
        "PORT=18000",
        "VALKEY_URL=redis://localhost:6379/0",
        "REDIS_URL=redis://localhost:6379/0",
        "KEY=******",
    ]
    assert "export KEY=sesame-open" in devenv("env", "orders", "--export").stdout
    assert json.loads(devenv("env", "orders", "--json").stdout)["KEY"] == "******"
    assert json.loads(devenv("env", "--json").stdout)["ORDERS_URL"] == "http://localhost:18000"


def test_a_store_called_as_its_password_keeps_its_name_in_all_output(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").write_text("services: {api: {image: x, uses: [postgres]}}\n")
    (project / ".devenv").mkdir()
    (project / ".devenv/secrets.env").write_text("POSTGRES_PASSWORD=postgres\n")
    assert "apply postgres (not found)" in devenv("plan").stdout
    assert "DATABASE_URL=postgresql://app:******@" in devenv("env").stdout
    assert "******" not in devenv("up", "-d").stderr


def test_variables_that_no_shell_can_name_are_shown_and_not_exported(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").write_text("services: {api: {image: x, env: {node.env: a, B: b}}}\n")
    assert devenv("env", "api").stdout == "node.env=a\nB=b\n"
    assert devenv("env", "api", "--export").stdout == "# node.env is no name to a shell\nexport B=b\n"


def test_plan_is_the_plan(devenv: Devenv) -> None:
    output = devenv("plan", "migrate").stdout
    assert lines(output) == expect(
        """\
        [] -> #1 pull valkey/valkey:9.1.1 (not on this machine)
        [] -> #2 pull migrate:1 (not on this machine)
        [1,2] -> #3 prepare shop (network missing)
        [3] -> #4 apply valkey (not found)
        [4] -> #5 wait valkey
        [5] -> #6 apply migrate (not found)
        [6] -> #7 wait migrate"""
    )
    steps = json.loads(devenv("plan", "migrate", "--json").stdout)["steps"]
    assert steps[2] == {
        "step": 3,
        "op": "prepare",
        "target": "shop",
        "cause": "network missing",
        "recreate": False,
        "after": [1, 2],
    }


def test_a_plan_of_nothing_is_nothing_and_an_empty_list_for_programs(devenv: Devenv) -> None:
    devenv("up", "-d")
    assert (devenv("plan").output, devenv("plan").exit_code) == ("", 0)
    assert json.loads(devenv("plan", "--json").stdout)["steps"] == []


def test_the_plan_shows_what_a_changed_file_causes(devenv: Devenv, project: Path) -> None:
    (project / "api").mkdir()
    (project / "api" / "Dockerfile").write_text("FROM python:3\nWORKDIR /app\nCOPY . .\nCMD python main.py\n")
    (project / "bare").mkdir()
    (project / "bare" / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (project / "devenv.yaml").write_text(
        dedent("""
            services:
              api: {build: ./api}
              bare: {build: ./bare}
              proxy: {image: nginx}
        """)
    )
    lines = devenv("plan", "--reload").stdout.splitlines()
    assert [line.split("  ")[1:][0] for line in lines if line.startswith("  api")] == [
        "api/Dockerfile",
        "api",
    ]
    assert "python main.py does not reload by itself" in "\n".join(lines)
    assert lines[-1] == "  nothing is sent: it has no build, and no reload: says what to send"
    value = json.loads(devenv("plan", "--reload", "--json", "api").stdout)
    assert list(value) == ["api"]
    assert value["api"]["rules"][-1]["target"] == "/app/"
    unknown = devenv("plan", "--reload", "nobody")
    assert (unknown.exit_code, "nobody" in unknown.stderr) == (2, True)


def test_a_reload_pattern_that_matches_no_file_is_told(devenv: Devenv, project: Path) -> None:
    (project / "api" / "src").mkdir(parents=True)
    (project / "api" / "src" / "main.py").write_text("")
    (project / "api" / "Dockerfile").write_text("FROM python:3\nCOPY . /app\nCMD python main.py\n")
    (project / "devenv.yaml").write_text(
        "services: {api: {build: ./api, reload: {restart: ['src/*.py'], ignore: ['*.later']}}}"
    )
    expected = 'api: reload.restart "src/*.py" matches no file; "api/src/*.py" does'
    assert expected in " ".join(devenv("up", "-d").output.split())
    lines = devenv("plan", "--reload").stdout.splitlines()
    assert lines[-2:] == [
        "  src/*.py matches no file (reload.restart); api/src/*.py does",
        "  *.later matches no file (reload.ignore)",
    ]


def test_plan_reload_says_how_files_are_sent_that_a_build_uses(devenv: Devenv, project: Path) -> None:
    (project / "web").mkdir()
    (project / "web/Dockerfile").write_text("FROM node:24\nCOPY . /app\nRUN make\n")
    (project / "devenv.yaml").write_text("services: {web: {build: ./web}}")
    *_, last = devenv("plan", "--reload").stdout.splitlines()
    assert last == (
        "  nothing is sent: only a build brings its files into the image; a change builds it, "
        "but for what reload: {sync: {FOLDER: /place}} names"
    )


def test_pull_says_what_it_needs(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").write_text("services: {api: {image: nginx}}")
    assert "devenv pull NAME" in devenv("pull").stderr
    assert 'no service, job or store "web"' in devenv("pull", "web").stderr
    assert "api" in devenv("pull", "api").stderr
    devenv("up", "-d")
    refused = devenv("pull", "api", "src")
    assert (refused.exit_code, "it has no build" in refused.stderr) == (2, True)


def test_why_has_nothing_to_tell_before_the_first_edit(devenv: Devenv, project: Path) -> None:
    assert "devenv plan --reload" in devenv("why").stderr
    assert json.loads(devenv("why", "--json").stdout) == []


def test_why_shows_what_was_done_to_all_services_or_to_one(devenv: Devenv, project: Path) -> None:
    devenv("up", "-d")
    for name in ("orders", "web"):
        Journal(project / ".devenv").add(Reloaded(name, (f"{name}/main.py",), Action.SYNC, "a rule", ""), 0.0)
    assert [line.split()[1] for line in devenv("why").stdout.splitlines()] == ["orders", "web"]
    assert [line.split()[1] for line in devenv("why", "web").stdout.splitlines()] == ["web"]
    assert [entry["unit"] for entry in json.loads(devenv("why", "--json").stdout)] == ["orders", "web"]


def test_watch_needs_something_that_runs(devenv: Devenv) -> None:
    ended = devenv("watch")
    assert ended.exit_code == 2
    assert "nothing of this checkout is running" in ended.stderr
    assert "devenv up" in ended.stderr


def test_the_parity_report_fails_on_what_it_is_told_to(devenv: Devenv, project: Path) -> None:
    assert devenv("plan", "--parity", "--fail-on", "lost").exit_code == 0
    assert devenv("plan", "--parity", "--fail-on", "emulated").exit_code == 1
    (project / "devenv.yaml").write_text("name: a\nregistry: r.io/a\nservices:\n  api: {image: x}\n")
    ended = devenv("plan", "--parity", "--fail-on", "lost")
    assert ended.exit_code == 1
    assert "registry  lost" in ended.stdout


def test_render_writes_a_folder_and_prints_its_path(devenv: Devenv, project: Path) -> None:
    ended = devenv("render", "-o", "out")
    assert ended.stdout == "out\n"
    assert "images that are not here cannot be asked (" in " ".join(ended.stderr.split())
    assert {file.name for file in (project / "out").iterdir()} == {
        "compose.yaml",
        ".env",
        "files",
        ".gitignore",
    }
    assert (project / "out" / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for(shell: str, devenv: Devenv) -> None:
    assert "_DEVENV_COMPLETE" in devenv("completion", shell).stdout


def test_names_complete_from_the_manifest_and_from_what_is_up(devenv: Devenv) -> None:
    def completed(*words: str) -> set[str]:
        line = {"COMP_WORDS": " ".join(["devenv", *words]), "COMP_CWORD": str(len(words))}
        variables = {"_DEVENV_COMPLETE": "complete_bash", **line}
        return set(CliRunner().invoke(app, [], prog_name="devenv", env=variables).stdout.split())

    completion_init()
    assert completed("up", "o") == {"orders"}
    assert completed("up", "") >= {"web", "orders", "migrate", "votes"}
    assert completed("logs", "") == set()
    devenv("up", "-d", "orders")
    assert completed("logs", "") == {"valkey", "migrate", "orders"}
    assert "status" in completed("st")
    assert completed("-b", "k") == completed("plan", "-b", "k") == {"kube"}
    assert completed("up", "--profile", "") == {"lite"}
    assert completed("init", "--template", "p") == {"python-api"}
    assert completed("init", "--ci", "j") == {"jenkins"}
    assert completed("kinds", "sh") == {"show"}
    assert completed("kinds", "show", "valk") == {"valkey"}
    assert completed("completion", "z") == {"zsh"}


def test_the_schema_is_json(devenv: Devenv) -> None:
    assert json.loads(devenv("schema").stdout)["title"] == "devenv.yaml"


def test_the_help_fits_into_a_narrow_terminal(devenv: Devenv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for words in (["--help"], ["up", "--help"]):
        assert max(map(len, devenv(*words).stdout.splitlines())) <= 40


def test_a_shell_completes_stores_that_are_only_used_and_no_name_that_up_does_not_take(
    devenv: Devenv, project: Path
) -> None:
    (project / "devenv.yaml").write_text("name: a\nservices:\n  api: {image: x, uses: [postgres]}\n")
    assert "there are: api, postgres\n" in devenv("logs", "nothing").stderr
    assert names_known("") == ["api", "postgres"]


REFUSED = {
    ("up", "ordres"): ('no service, job or store "ordres"', 'did you mean "orders"?'),
    ("up", "--profile", "light"): ('no profile "light"', 'did you mean "lite"?'),
    ("exec", "web", "ls"): ('"web" is not running', "devenv up web"),
    ("logs", "web"): ('"web" is not running', "devenv up web"),
    ("open", "nonsense"): ('"nonsense" is not running', "there are: "),
    ("logs", "--since", "yesterday"): ('"yesterday" is not a time', "--since 10m"),
    ("env", "nobody"): ('no service or job "nobody"', "there are: web, orders, migrate"),
    ("env", "migrat"): ('no service or job "migrat"', 'did you mean "migrate"?'),
    ("completion", "csh"): ('no completion for "csh"', "bash, zsh or fish"),
    ("status", "-b", "podman"): ('no backend "podman"', "one of: "),
    ("status", "-f", "no.yaml"): ("no file no.yaml", "-f takes the path"),
    ("plan", "--parity", "--fail-on", "x"): ('no level "x"', "--fail-on lost"),
    ("plan", "--fail-on", "lost"): ("--fail-on is for --parity", "devenv plan --parity --fail-on lost"),
    ("plan", "--parity", "web"): ("--parity is about the whole manifest", "devenv plan --parity"),
    ("plan", "--reload", "--parity"): ("--reload and --parity do not go together", "one command for each"),
    ("plan", "--reload", "--host", "web"): ("--host is for the plan of `devenv up`", "leave it out"),
    ("render", "--chart", "a", "-o", "b"): ("--chart and --output do not go together", "one command"),
    ("init", "--merge"): ("--merge is for --from-kong", "devenv init --from-kong FILE --merge"),
    ("init", "--ci", "github", "--template", "x"): ("--ci and --template do not go together", "one command"),
    ("kinds", "--from", "x:1"): ("--from is for kinds new", "devenv kinds new NAME --from x:1"),
    ("why", "ordres"): ('no service "ordres"', 'did you mean "orders"?'),
    ("env", "--idea"): ("an editor starts one service", "devenv env NAME --idea"),
    ("env", "--json", "--export"): ("--export and --json do not go together", "one command for each"),
    ("status", "--context", "lab"): ("--context does nothing on fake", "-b kube --context lab"),
}


@pytest.mark.parametrize(("arguments", "parts"), REFUSED.items(), ids=[" ".join(words) for words in REFUSED])
def test_a_wrong_word_ends_in_2_with_the_right_one(
    devenv: Devenv, arguments: tuple[str, ...], parts: tuple[str, str]
) -> None:
    ended = devenv(*arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    for part in parts:
        assert part in ended.stderr


def test_options_may_stand_before_and_after_the_command(devenv: Devenv) -> None:
    assert devenv("-q", "up", "-d").stderr == devenv("up", "-d", "-q").stderr == ""
    assert (
        devenv("--file", "devenv.yaml", "status").exit_code
        == devenv("status", "--file", "devenv.yaml").exit_code
    )


def test_a_broken_manifest_stops_up_and_leaves_what_runs_alone(
    devenv: Devenv, machine: Machine, project: Path
) -> None:
    devenv("up", "-d")
    before = dict(machine.units)
    (project / "devenv.yaml").write_text("name: shop\nservices:\n  web: {imag: x}\n")
    ended = devenv("up", "-d")
    assert ended.exit_code == 2
    assert lines(ended.stderr) == [
        'devenv.yaml:3:9: services.web.imag: unknown key - did you mean "image"?',
        "1 problem; nothing was changed",
    ]
    assert machine.units == before
    assert devenv("status").exit_code == devenv("logs").exit_code == devenv("down").exit_code == 0


def test_a_missing_secret_stops_only_who_needs_it(devenv: Devenv, project: Path) -> None:
    (project / ".env").unlink()
    for command in ("up", "render"):
        ended = devenv(command)
        assert ended.exit_code == 2
        assert "no value for the secret KEY" in ended.stderr
    assert devenv("plan").exit_code == devenv("env").exit_code == devenv("status").exit_code == 0


def test_what_a_backend_does_not_do_is_said(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").write_text("name: a\nregistry: r.io/a\nservices:\n  api: {image: x}\n")
    assert lines(devenv("plan").stderr) == [
        "note  registry does nothing on fake: images stay on this machine"
    ]


@pytest.mark.parametrize(
    "command", ["up", "down", "status", "logs", "plan", "env", "render", "restart", "open"]
)
def test_without_a_manifest_it_says_how_to_begin(command: str, devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").unlink()
    ended = devenv(command)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert lines(ended.stderr) == expect(
        f"""\
        error  no devenv.yaml here or in any folder above
          where {project}
          try   `devenv init` writes one, or begin with six lines:

                    services:
                      api:
                        build: ./api
                        port: 8000
                        uses: [postgres]
                        route: /api"""
    )


@pytest.mark.parametrize("file", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_beside_a_compose_file_it_says_how_to_begin_from_that(
    file: str, devenv: Devenv, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "devenv.yaml").unlink()
    (project / file).write_text("services: {}\n")
    assert f"try   `devenv init --from-compose` writes one of {file}" in devenv("up").stderr
    (project / "api" / "src").mkdir(parents=True)
    monkeypatch.chdir(project / "api" / "src")
    hint = " ".join(devenv("up").stderr.split()).partition(" try ")[2]
    assert hint == f"in {project}, `devenv init --from-compose` writes one of {file}"
    (project / "api" / ".git").mkdir()
    assert "`devenv init` writes one" in devenv("up").stderr  # another repository's file is not meant


def test_of_several_compose_files_it_names_the_one_that_compose_takes(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").unlink()
    for file in ("docker-compose.yaml", "docker-compose.yml"):
        (project / file).write_text("services: {}\n")
    assert "writes one of docker-compose.yml\n" in devenv("up").stderr


UNREADABLE = {
    "nothing": (b"", "devenv.yaml:1:1: the file is empty"),
    "bytes": (b"\xff", "error  devenv.yaml:1: not text"),
    "ten megabytes": (b"#" * 10_000_000, "error  devenv.yaml has 10 MB"),
    "a NUL byte": (b"a\0", "devenv.yaml:1:1: a NUL byte"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_manifest_that_is_none_ends_in_2(
    content: bytes, message: str, devenv: Devenv, project: Path
) -> None:
    (project / "devenv.yaml").write_bytes(content)
    for command in ("up", "plan", "env", "render"):
        ended = devenv(command)
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert ended.stderr.startswith(message)
    assert devenv("status").exit_code == devenv("logs").exit_code == devenv("down").exit_code == 0


def test_without_an_engine_it_says_what_to_start(devenv: Devenv) -> None:
    for command in ("up", "status", "down"):
        ended = devenv(command, "-b", "compose")
        assert ended.exit_code == 3
        assert ended.stderr.startswith("error  no Docker engine answers at unix://")


def test_no_command_prints_a_secret(devenv: Devenv) -> None:
    devenv("up", "-d", "-v")
    for arguments in (
        ["status"],
        ["status", "--json"],
        ["plan", "-v"],
        ["env"],
        ["env", "orders", "--json"],
        ["logs"],
    ):
        assert "sesame-open" not in devenv(*arguments).output


def test_without_a_terminal_nothing_moves_and_nothing_is_coloured(devenv: Devenv) -> None:
    assert "\x1b" not in devenv("up", "-d").output


@pytest.mark.programs
def test_whoever_reads_only_the_beginning_hears_no_complaint() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "devenv", "schema"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.programs
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk is full here")
def test_a_full_disk_under_the_output_is_said() -> None:
    command = [sys.executable, "-m", "devenv", "schema"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert lines(ended.stderr) == ["error  cannot write the output", "  why   no space left on device"]


@pytest.mark.programs
def test_help_and_looking_import_nothing_that_they_do_not_need() -> None:
    heavy = ["pydantic", "yaml", "docker", "python_on_whales", "kubernetes", "rich", "requests"]
    script = f"import sys; import devenv.cli; print([one for one in {heavy} if one in sys.modules])"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"


@pytest.mark.programs
@pytest.mark.parametrize("command", ["status", "logs"])
def test_looking_at_a_local_engine_loads_neither_models_nor_sdks(command: str, project: Path) -> None:
    with TemporaryDirectory() as folder, closing(Server(f"{folder}/docker.sock")) as server:
        checkout = Workspace(project / "devenv.yaml").checkout
        tags = {"checkout": checkout, "unit": "web", "stack": "s", "role": "service"}
        labels = {f"devenv.dev/{key}": value for key, value in tags.items()}
        container = Container("c0ffee", "s-web-1", "busybox:1.37", ("sleep", "1000"), labels, {})
        container.lines.append(Line(0, 1, b"hello\n"))
        server.engine.create(container)
        server.engine.start(container)
        environment = {**os.environ, "DEVENV_BACKEND": "compose", "DOCKER_HOST": server.address}
        argv = [sys.executable, "-X", "importtime", "-m", "devenv", command]
        ended = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=project, check=True)
    assert lines(ended.stdout) == [{"status": "web  service  running", "logs": "hello"}[command]]
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    heavy = {
        "pydantic",
        "yaml",
        "docker",
        "python_on_whales",
        "kubernetes",
        "rich",
        "requests",
        "http.client",
    }
    assert loaded & heavy == set()
    assert "devenv.backends.unix_http" in loaded


# -- one backend for a whole command, and commands that need none


def test_restart_works_where_the_stack_runs_whatever_the_manifest_says_now(
    devenv: Devenv, machine: Machine, elsewhere: Machine, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEVENV_BACKEND")
    devenv("up", "-d", "-b", "elsewhere")
    manifest = project / "devenv.yaml"
    manifest.write_text(manifest.read_text() + "backend: compose\n")
    ended = devenv("restart", "orders")
    assert ended.exit_code == 0, ended.output
    assert elsewhere.done[-1] == "restart orders"
    assert machine.done == []


def test_a_job_runs_beside_the_stack_and_moves_it_nowhere_unless_asked(
    devenv: Devenv, machine: Machine, elsewhere: Machine, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEVENV_BACKEND")
    manifest = project / "devenv.yaml"
    manifest.write_text(manifest.read_text() + "backend: compose\n")
    devenv("up", "-d", "-b", "elsewhere")
    running = set(elsewhere.units)

    ended = devenv("run", "votes")

    assert ended.exit_code == 0, ended.output
    assert elsewhere.done[-1].startswith("run votes")
    assert set(elsewhere.units) == running
    assert machine.done == []
    assert devenv("run", "-b", "fake", "votes").exit_code == 0
    assert not elsewhere.units


def test_a_plan_for_another_backend_says_that_this_one_is_left(
    devenv: Devenv, elsewhere: Machine, machine: Machine
) -> None:
    devenv("up", "-d")
    steps = lines(devenv("plan", "-b", "elsewhere").stdout)
    assert steps[0] == "[] -> #1 leave fake (the stack moves to elsewhere; its data stays)"
    assert machine.units  # nothing has happened


def test_a_place_that_could_not_be_left_is_left_by_the_next_up(
    devenv: Devenv, elsewhere: Machine, machine: Machine
) -> None:
    devenv("up", "-d")
    elsewhere.failing.add("migrate")
    machine.stuck = "the engine is busy"
    assert devenv("up", "-d", "-b", "elsewhere").exit_code == 1
    machine.stuck = ""
    elsewhere.failing.clear()
    assert devenv("up", "-d", "-b", "elsewhere").exit_code == 0
    assert machine.units == {}
    assert lines(devenv("up", "-d", "-b", "elsewhere").stderr)[0].startswith("shop is up, nothing to do")


def test_down_removes_what_a_switch_that_was_cut_short_left_behind(
    devenv: Devenv, elsewhere: Machine, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEVENV_BACKEND")
    devenv("up", "-d", "-b", "fake")
    machine.stuck = "the engine is busy"
    assert devenv("up", "-d", "-b", "elsewhere").exit_code == 1
    machine.stuck = ""
    assert machine.units
    assert devenv("down").exit_code == 0
    assert (machine.units, elsewhere.units) == ({}, {})


@pytest.mark.parametrize("command", [["up", "-d"], ["run", "migrate"]])
def test_where_no_stack_may_be_brought_up_nothing_is_asked(
    devenv: Devenv, machine: Machine, command: list[str]
) -> None:
    machine.forbidden, machine.away = "this looks like production", "nothing answers"
    ended = devenv(*command)
    assert (ended.exit_code, lines(ended.stderr)) == (2, ["error  this looks like production"])


def test_a_backend_that_is_down_is_started_and_the_rest_is_planned_then(
    devenv: Devenv, machine: Machine
) -> None:
    devenv("up", "-d")
    machine.down, machine.done = "the machine sleeps", []
    assert lines(devenv("plan").stdout)[0] == "[] -> #1 start fake (the machine sleeps)"
    ended = devenv("up", "-d")
    assert ended.exit_code == 0
    assert lines(ended.stderr)[0] == "shop on fake (from DEVENV_BACKEND)   the machine sleeps: starting it"
    assert machine.done == ["start shop"]


@pytest.mark.parametrize("command", [["plan"], ["render"], ["env"], ["schema"]])
def test_what_only_looks_at_the_manifest_needs_no_engine(
    devenv: Devenv, machine: Machine, command: list[str]
) -> None:
    machine.away = "no engine answers"
    ended = devenv(*command)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout
    if command == ["plan"]:
        assert "note  no engine answers: the plan assumes that nothing runs" in lines(ended.stderr)
    assert devenv("up", "-d").exit_code == 3


def test_status_ends_with_1_when_something_is_not_as_it_should_be(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    assert devenv("status").exit_code == 0
    machine.units["orders"] = replace(machine.units["orders"], state="exited", exit_code=3)
    ended = devenv("status")
    assert ended.exit_code == 1
    assert "exited (3)" in ended.stdout
    assert devenv("status", "--json").exit_code == 1


def test_a_new_route_is_shown_without_replacing_what_it_leads_to(
    devenv: Devenv, machine: Machine, project: Path
) -> None:
    devenv("up", "-d")
    manifest = project / "devenv.yaml"
    manifest.write_text(manifest.read_text().replace("route: /}", "route: [/, /new]}"))
    machine.done.clear()
    devenv("up", "-d")
    assert machine.done == ["apply kong"]
    web = next(line for line in lines(devenv("status").stdout) if line.startswith("web"))
    assert web.endswith("/new")


def test_another_namespace_replaces_what_answers_to_it(
    devenv: Devenv, machine: Machine, project: Path
) -> None:
    devenv("up", "-d")
    manifest = project / "devenv.yaml"
    manifest.write_text(manifest.read_text() + "namespace: other\n")
    plan = devenv("plan").stdout
    for name in ("kong", "web", "orders", "valkey", "migrate"):
        assert f"apply {name} (settings changed)" in plan


def test_up_build_replaces_what_was_built(devenv: Devenv, machine: Machine, project: Path) -> None:
    (project / "devenv.yaml").write_text("name: shop\nservices:\n  api: {build: ./api}\n")
    (project / "api").mkdir()
    (project / "api" / "Dockerfile").write_text("FROM scratch\n")
    devenv("up", "-d")
    assert devenv("up", "-d", "--build").exit_code == 0
    assert machine.recreated == ["api"]


def test_the_schema_is_written_in_every_worktree(devenv: Devenv, project: Path, tmp_path: Path) -> None:
    devenv("plan")
    second = tmp_path / project.name / project.name
    second.mkdir(parents=True)
    (second / "devenv.yaml").write_text((project / "devenv.yaml").read_text())
    (second / ".env").write_text("KEY=x\n")
    assert devenv("plan", "-f", str(second)).exit_code == 0
    assert (second / ".devenv" / "schema.json").read_text() == (project / ".devenv/schema.json").read_text()


BUILT_WHOLE = "services: {web: {build: ., command: sleep 9, secrets: [TOKEN]}}\n"


def test_what_is_rendered_does_not_get_into_an_image(
    devenv: Devenv, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "tell-nobody")
    (project / "devenv.yaml").write_text("name: shop\n" + BUILT_WHOLE)
    (project / "Dockerfile").write_text("FROM busybox:1.37\n")

    ended = devenv("render", "-o", "deploy/out")

    assert ended.exit_code == 2
    assert "deploy/out is inside the build context of web" in ended.stderr
    assert "echo deploy/out >> .dockerignore" in ended.stderr
    assert not (project / "deploy").exists()
    (project / ".dockerignore").write_text("deploy/out\n")
    devenv("render", "-o", "deploy/out")


def test_a_folder_that_git_does_not_ignore_is_said_to_hold_secrets(devenv: Devenv, project: Path) -> None:
    (project / "out").mkdir()
    assert (
        "out holds secrets in .env, compose.yaml: keep them out of Git"
        in devenv("render", "-o", "out").stderr
    )
    assert "Git" not in devenv("render", "-o", "new").stderr


HABITS = {
    "down -v": "devenv down --volumes   removes the data; --verbose prints more",
    "down -vy": "devenv down --volumes   removes the data; --verbose prints more",
    "ps": "devenv status",
    "build web": "devenv up --build",
    "stop": "devenv down   keeps the data",
    "--profile lite up": "devenv up --profile NAME",
    "up --scale web=3": "replicas: of the service in devenv.yaml",
    "exec -e A=b web env": "devenv exec NAME env KEY=VALUE COMMAND",
}


@pytest.mark.parametrize(("typed", "hint"), HABITS.items(), ids=HABITS)
def test_a_habit_from_compose_or_kubectl_is_refused_with_what_to_type(
    devenv: Devenv, machine: Machine, typed: str, hint: str
) -> None:
    devenv("up", "-d")
    before = dict(machine.units)
    ended = devenv(*typed.split())
    assert ended.exit_code == 2
    assert f"  try   {hint}" in ended.stderr
    assert machine.units == before


@pytest.mark.parametrize(
    "typed",
    [
        "up -d --wait --remove-orphans",
        "exec -it web true",
        "run --rm -it migrate true",
        "down --verbose",
        "logs --tail all",
        "logs -n 5",
    ],
)
def test_a_habit_that_asks_for_what_is_done_anyway_is_accepted(devenv: Devenv, typed: str) -> None:
    devenv("up", "-d")
    assert devenv(*typed.split()).exit_code == 0


def test_a_command_keeps_its_own_options_and_others_before_a_name_are_refused(
    devenv: Devenv, machine: Machine
) -> None:
    devenv("up", "-d")
    assert devenv("exec", "web", "ls", "-v", "--rm").exit_code == 0
    ended = devenv("exec", "--nonsense", "web", "ls")
    assert ended.exit_code == 2
    assert "error  no such option: --nonsense\n" in ended.stderr


@pytest.mark.parametrize(
    ("typed", "what", "hint"),
    [
        (
            "exec",
            "missing argument 'NAME'",
            "exec [OPTIONS] NAME [COMMAND]...   root exec --help explains it",
        ),
        ("rollback lab x", "invalid value for 'REVISION': 'x' is not a whole number", "--help explains it"),
        ("promote --timeout 0", "invalid value for '--timeout': 0 is less than 1", "--help explains it"),
        ("doctor --within x", "invalid value for '--within': 'x' is not a number", "--help explains it"),
        ("logs --since", "option '--since' requires an argument", "devenv --help"),
        (
            "nonsense",
            "no such command 'nonsense'",
            "root [OPTIONS] COMMAND [ARGS]...   root --help explains it",
        ),
    ],
)
def test_a_mistyped_command_line_is_an_error_as_any_other(
    devenv: Devenv, typed: str, what: str, hint: str
) -> None:
    ended = devenv(*typed.split())
    assert ended.exit_code == 2
    first, second = lines(ended.stderr)
    assert (first, second.endswith(hint)) == (f"error  {what}", True)


@pytest.mark.parametrize("command", ["status", "up", "init"])
def test_a_folder_that_was_removed_under_the_terminal_is_said(
    devenv: Devenv, project: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(project)
    shutil.rmtree(project)
    ended = devenv(command)
    assert ended.exit_code == 2
    assert lines(ended.stderr)[0] == "error  the folder of this terminal is gone"


def test_there_is_nothing_to_open_where_nothing_runs(devenv: Devenv) -> None:
    refused = devenv("open")
    assert (refused.exit_code, lines(refused.stderr)) == (
        2,
        ["error  nothing of this checkout is running", "  try   devenv up"],
    )


def test_an_interrupted_down_says_how_it_goes_on(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    machine.interrupting.add("web")
    ended = devenv("down", "--volumes", "-y")
    assert (ended.exit_code, ended.stderr) == (
        130,
        "note  interrupted: `devenv status` shows what still runs, `devenv down --volumes` goes on\n",
    )


def test_habits_are_not_in_the_help(devenv: Devenv) -> None:
    text = devenv("down", "--help").stdout
    assert "--remove-orphans" not in text
    assert "-v," not in text
    assert "--verbose" in text


def test_a_plan_names_the_line_of_a_secret_that_stays_in_an_image(devenv: Devenv, project: Path) -> None:
    (project / "api").mkdir()
    (project / "api" / "Dockerfile").write_text("FROM busybox\n")
    manifest = """
        name: shop
        services:
          api:
            build:
              context: ./api
              args: {TOKEN: "${secret.KEY}"}
    """
    (project / "devenv.yaml").write_text(dedent(manifest))
    for _ in range(2):  # the second time from what is remembered
        note = next(line for line in devenv("plan").stderr.splitlines() if "TOKEN" in line)
        assert note == (
            "note  devenv.yaml:7:14: services.api.build.args.TOKEN: the secret stays in the history of the image,"
            " for everybody who gets it - write it under build.secrets, and in the Dockerfile"
            " RUN --mount=type=secret,id=NAME"
        )


@pytest.mark.parametrize("command", [["up", "-d"], ["run", "votes"]])
def test_half_made_data_that_only_a_check_knows_of_is_made_anew_at_once(
    devenv: Devenv, project: Path, machine: Machine, command: list[str]
) -> None:
    (project / "devenv.yaml").write_text(dedent(SHOP).replace("manual: true", "manual: true, uses: [valkey]"))
    machine.half_made.add("valkey")
    ended = devenv(*command)
    assert ended.exit_code == 0
    assert "x valkey" not in ended.stderr
    assert machine.done.count("apply valkey") == 2
    assert machine.done.index("clear valkey") > machine.done.index("apply valkey")


def test_half_made_data_that_nobody_can_clear_is_a_card(devenv: Devenv, machine: Machine) -> None:
    machine.half_made.add("valkey")
    machine.unseen = True
    ended = devenv("up", "-d")
    assert ended.exit_code == 1
    assert ended.stderr.count("x valkey cannot be entered") == 1
    assert "  orders   not started" in lines(ended.stderr)


@pytest.mark.parametrize("lines", ["-1", "many", ""])
def test_a_tail_is_a_number_of_lines_or_all(devenv: Devenv, lines: str) -> None:
    refused = devenv("logs", f"--tail={lines}")
    assert refused.exit_code == 2
    assert f'error  "{lines}" is not a number of lines\n  try   --tail 100, or --tail all' in refused.stderr


HOSTED = """\
name: shop
services:
  api: {build: ./api, host: serve --port $PORT, port: 8000, secrets: [KEY]}
  plain: {image: x, port: 8001}
"""


def test_editors_are_given_a_service_and_no_secret_stands_in_their_files(
    devenv: Devenv, project: Path
) -> None:
    (project / "devenv.yaml").write_text(HOSTED)
    (project / "api").mkdir(exist_ok=True)
    (project / "api" / "Dockerfile").write_text("FROM scratch\n")
    (project / ".envrc").write_text("source_up\n")

    shown = devenv("env", "api", "--vscode", "--idea", "--direnv")

    assert shown.stdout.splitlines() == [".envrc", ".vscode/launch.json", ".run/devenv-api.run.xml"]
    (entry,) = json.loads((project / ".vscode" / "launch.json").read_text())["configurations"]
    assert (entry["name"], entry["cwd"]) == ("api (devenv)", "${workspaceFolder}/api")
    assert entry["command"].endswith("&& serve --port 8000")
    variables = project / ".devenv" / "env" / "api.env"
    assert "KEY=sesame-open" in variables.read_text()
    assert variables.stat().st_mode & 0o777 == 0o600
    for file in shown.stdout.splitlines():
        assert "sesame" not in (project / file).read_text()


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["--vscode"], "an editor starts one service"),
        (["plain", "--idea"], "nothing says how plain runs on this machine"),
        (["plain", "--json", "--idea"], "--json and --idea do not go together"),
    ],
)
def test_editors_need_a_service_with_a_command(
    devenv: Devenv, project: Path, argv: list[str], what: str
) -> None:
    (project / "devenv.yaml").write_text(HOSTED.replace("build: ./api", "image: y"))
    ended = devenv("env", *argv)
    assert (ended.exit_code, what in ended.stderr) == (2, True)
    assert not (project / ".vscode").exists()


@pytest.mark.parametrize(
    ("name", "what"), [("apy", 'did you mean "api"?'), ("none", "there are: api, plain")]
)
def test_what_cannot_run_on_this_machine_is_refused_before_anything(
    devenv: Devenv, project: Path, name: str, what: str
) -> None:
    (project / "devenv.yaml").write_text(HOSTED.replace("build: ./api", "image: y"))
    for command in ("up", "plan"):
        ended = devenv(command, "--host", name)
        assert (ended.exit_code, what in ended.stderr) == (2, True)


def test_among_plain_processes_there_is_no_container_to_stand_in_for(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").write_text(HOSTED.replace("build: ./api", "image: y"))
    ended = devenv("plan", "-b", "process", "--host", "api")
    assert ended.exit_code == 2
    assert "--host is for services in containers" in ended.stderr
    assert "devenv up -b compose --host api" in ended.stderr


def test_a_service_on_this_machine_has_no_commands_and_its_container_comes_back_with_a_plain_up(
    devenv: Devenv, machine: Machine
) -> None:
    devenv("up", "-d")
    machine.units["orders"] = replace(machine.units["orders"], hosted=True)

    ended = devenv("exec", "orders", "ls")
    assert ended.exit_code == 2
    assert "orders runs on this machine, not in a container" in ended.stderr
    assert 'eval "$(devenv env orders --export)"' in ended.stderr

    assert "apply orders (its container runs again)" in devenv("plan").stdout
    assert "its container runs again" not in devenv("plan", "--host", "orders").stdout


def test_what_only_looks_works_where_nothing_can_be_written(devenv: Devenv, project: Path) -> None:
    (project / ".devenv").write_text("in the way")
    assert "apply orders (not found)" in devenv("plan").stdout
    assert "VALKEY_URL=" in devenv("env", "orders").stdout
    refused = devenv("up", "-d")
    assert (refused.exit_code, "cannot write to" in refused.stderr) == (1, True)
