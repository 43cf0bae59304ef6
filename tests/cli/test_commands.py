"""What people type and what they see, whole."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.fakes import Machine

from .conftest import Devenv


def lines(text: str) -> list[str]:
    """Without times, which differ."""
    return [re.sub(r"\d+\.\d s", "0.0 s", line).rstrip() for line in text.strip().splitlines()]


def expect(text: str) -> list[str]:
    return dedent(text).strip("\n").splitlines()


def test_up_says_what_it_does_and_where_to_look(devenv: Devenv) -> None:
    ended = devenv("up", "-d")
    assert ended.exit_code == 0
    assert ended.stdout == ""
    said = lines(ended.stderr)
    assert said[0] == "shop on fake (a fake machine)   plan: 5 to pull, 5 to start"
    assert said[-1] == "ready in 0.0 s    open http://localhost:8000/    stop: devenv down"
    assert "  valkey   healthy  0.0 s  localhost:6379" in said
    assert "  orders   healthy  0.0 s  http://localhost:18000" in said
    assert "  migrate  done  0.0 s" in said


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
          said      boom
          try       devenv logs migrate"""
    ) == [line for line in lines(ended.stderr) if line.startswith(("x ", "  said", "  try"))]
    assert "  web      not started" in lines(ended.stderr)
    assert set(machine.units) >= {"kong", "valkey"}
    assert "apply kong" in machine.done


def test_a_profile_is_these_and_what_they_use(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d", "--profile", "lite")
    assert set(machine.units) == {"valkey", "migrate", "orders"}


def test_status_is_a_table_for_people_and_an_object_for_programs(devenv: Devenv) -> None:
    devenv("up", "-d")
    assert lines(devenv("status").stdout) == expect(
        """\
        kong     kong 3.9.3    healthy  localhost:8000   manager http://localhost:8002
        valkey   valkey 9.1.1  healthy  localhost:6379
        migrate  job           done
        orders   service       healthy  http://localhost:18000
        web      service       healthy  http://localhost:3000   /"""
    )
    said = json.loads(devenv("status", "--json").stdout)
    assert (said["backend"], said["stack"][:5]) == ("fake", "shop-")
    (orders,) = [unit for unit in said["units"] if unit["name"] == "orders"]
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
        assert ended.stderr == "nothing of this checkout is up; begin with: devenv up\n"
    assert json.loads(devenv("status", "--json").stdout)["units"] == []


def test_down_keeps_the_data_and_says_so(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    ended = devenv("down")
    assert lines(ended.stderr) == [
        "removed 5 containers",
        "data kept in 1 volume; devenv down --volumes removes it",
    ]
    assert machine.volumes
    assert lines(devenv("down").stderr)[0] == "nothing of this checkout was up"


def test_data_is_only_removed_by_somebody_who_says_yes(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    refused = devenv("down", "--volumes")
    assert refused.exit_code == 2
    assert "add --yes" in refused.stderr
    assert machine.units
    assert devenv("down", "--volumes", "--yes").exit_code == 0
    assert not machine.volumes


def test_logs_name_who_said_what(devenv: Devenv) -> None:
    devenv("up", "-d")
    assert lines(devenv("logs", "web", "orders").stdout) == [
        "web    | web says hello",
        "orders | orders says hello",
    ]
    assert devenv("logs", "web").stdout == "web says hello\n"
    assert devenv("logs", "-t", "web").stdout == "2026-01-01T00:00:00.000 web says hello\n"


def test_exec_passes_the_command_and_its_exit_code(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    assert devenv("exec", "web", "ls", "-q", "--all").exit_code == 0
    assert devenv("exec", "web", "--", "false").exit_code == 7
    assert devenv("exec", "web").exit_code == 0
    assert machine.done[-3:] == ["exec web: ls -q --all", "exec web: false", "exec web: sh"]


def test_run_brings_up_what_a_job_uses_and_nothing_else(devenv: Devenv, machine: Machine) -> None:
    assert devenv("run", "migrate", "--", "now", "-v").exit_code == 0
    assert machine.done == ["apply valkey", "run migrate: now -v"]
    assert "migrate:1" in machine.images


def test_restart_waits_until_it_is_healthy_again(devenv: Devenv, machine: Machine) -> None:
    devenv("up", "-d")
    ended = devenv("restart", "web")
    assert ended.exit_code == 0
    assert machine.done[-1] == "restart web"
    assert lines(ended.stderr)[0] == "shop on fake (a fake machine)   plan: 1 to restart"


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
        "VALKEY_URL=redis://localhost:6379/0",
        "REDIS_URL=redis://localhost:6379/0",
        "KEY=******",
    ]
    assert "export KEY=sesame-open" in devenv("env", "orders", "--export").stdout
    assert json.loads(devenv("env", "orders", "--json").stdout)["KEY"] == "******"
    assert json.loads(devenv("env", "--json").stdout)["ORDERS_URL"] == "http://localhost:18000"


def test_plan_is_the_plan(devenv: Devenv) -> None:
    said = devenv("plan", "migrate").stdout
    assert lines(said) == expect(
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
        "after": [1, 2],
    }


def test_the_parity_report_fails_on_what_it_is_told_to(devenv: Devenv, project: Path) -> None:
    assert devenv("plan", "--parity", "--fail-on", "lost").exit_code == 0
    assert devenv("plan", "--parity", "--fail-on", "emulated").exit_code == 1
    (project / "devenv.yaml").write_text("name: a\nservices:\n  api: {image: x, host: run it}\n")
    ended = devenv("plan", "--parity", "--fail-on", "lost")
    assert ended.exit_code == 1
    assert "services.api.host  lost" in ended.stdout


def test_render_writes_a_folder_and_prints_its_path(devenv: Devenv, project: Path) -> None:
    assert devenv("render", "-o", "out").stdout == "out\n"
    assert {file.name for file in (project / "out").iterdir()} == {"compose.yaml", ".env", "files"}
    assert (project / "out" / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for(shell: str, devenv: Devenv) -> None:
    assert "_DEVENV_COMPLETE" in devenv("completion", shell).stdout


REFUSED = {
    ("up", "ordres"): ('nothing is called "ordres"', 'did you mean "orders"?'),
    ("up", "--profile", "light"): ('no profile "light"', 'did you mean "lite"?'),
    ("exec", "web", "ls"): ('"web" is not up', "devenv up web"),
    ("logs", "web"): ('"web" is not up', "devenv up web"),
    ("logs", "--since", "yesterday"): ('"yesterday" is not a time', "--since 10m"),
    ("env", "nobody"): ('no service or job "nobody"', "there are: web, orders"),
    ("completion", "csh"): ('no completion for "csh"', "bash, zsh or fish"),
    ("status", "-b", "podman"): ('no backend "podman"', "one of: "),
    ("status", "-f", "no.yaml"): ("no file no.yaml", "-f takes the path"),
    ("plan", "--parity", "--fail-on", "x"): ('no level "x"', "--fail-on lost"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.items(), ids=[" ".join(one) for one in REFUSED])
def test_a_wrong_word_ends_in_2_with_the_right_one(
    devenv: Devenv, arguments: tuple[str, ...], said: tuple[str, str]
) -> None:
    ended = devenv(*arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    for part in said:
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
    (project / "devenv.yaml").write_text("name: a\nservices:\n  api: {image: x, host: run it}\n")
    assert lines(devenv("plan").stderr) == [
        "note  services.api.host does nothing on fake: it is for the process backend"
    ]


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


def test_help_and_looking_import_nothing_that_they_do_not_need() -> None:
    heavy = ["pydantic", "yaml", "docker", "python_on_whales", "kubernetes", "rich", "requests"]
    script = f"import sys; import devenv.cli; print([one for one in {heavy} if one in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
