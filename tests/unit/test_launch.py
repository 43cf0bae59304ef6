"""Files with which editors and direnv start a service: what is in them, and what of the user's stays."""

from __future__ import annotations

import json
import resource
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from devenv.cli.launching import write_envrc
from devenv.errors import DevenvError, UsageError
from devenv.render.launch import Launch, env_file, envrc, idea, vscode, vscode_entry


def launch(command: str) -> Launch:
    return Launch("orders", command, "orders", ".devenv/env/orders.env")


UVICORN = launch("uv run uvicorn main:app --port 8123")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "uv run uvicorn main:app --port 8123",
            {"type": "debugpy", "module": "uvicorn", "args": ["main:app", "--port", "8123"]},
        ),
        ("python -m shop.web", {"type": "debugpy", "module": "shop.web", "args": []}),
        (
            "python3 main.py 'two words'",
            {"type": "debugpy", "program": "${workspaceFolder}/orders/main.py", "args": ["two words"]},
        ),
        ("node server.js", {"type": "node", "program": "${workspaceFolder}/orders/server.js", "args": []}),
        ("go run .", {"type": "go", "mode": "debug", "program": "${workspaceFolder}/orders", "args": []}),
        (
            "go run ./cmd/api -v",
            {"type": "go", "program": "${workspaceFolder}/orders/cmd/api", "args": ["-v"]},
        ),
    ],
)
def test_vscode_starts_what_it_has_a_debugger_for(command: str, expected: dict[str, object]) -> None:
    entry = vscode_entry(launch(command))
    assert expected.items() <= entry.items()
    assert entry["cwd"] == "${workspaceFolder}/orders"
    assert entry["envFile"] == "${workspaceFolder}/.devenv/env/orders.env"


@pytest.mark.parametrize(
    "command", ["npm run dev", "go run -race .", "make dev && ./run", "node --inspect x.js"]
)
def test_anything_else_runs_in_a_debug_terminal_of_vscode(command: str) -> None:
    entry = vscode_entry(launch(command))
    assert entry["type"] == "node-terminal"
    assert entry["command"] == f'eval "$(devenv env orders --export)" && {command}'


def test_what_stands_in_launch_json_stays_and_ours_is_replaced_in_its_place() -> None:
    theirs = {"name": "mine", "type": "go", "request": "launch"}
    first = json.loads(vscode(UVICORN, ""))
    assert [entry["name"] for entry in first["configurations"]] == ["orders (devenv)"]

    mine = json.dumps({"version": "0.2.0", "compounds": [], "configurations": [theirs]}, indent="\t")
    merged = vscode(UVICORN, mine)
    assert json.loads(merged)["configurations"][0] == theirs
    assert json.loads(merged)["compounds"] == []
    assert "\n\t" in merged

    again = json.loads(vscode(launch("node x.js"), vscode(UVICORN, vscode(launch("node y.js"), merged))))
    assert [entry["name"] for entry in again["configurations"]] == ["mine", "orders (devenv)"]
    assert again["configurations"][1]["type"] == "node"
    assert vscode(UVICORN, merged) == merged


@pytest.mark.parametrize("text", ['{"configurations": [], // mine\n}', "[]", '{"configurations": {"a": 1}}'])
def test_a_launch_json_that_cannot_be_merged_is_left_and_the_entry_is_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        vscode(UVICORN, text)
    assert '"name": "orders (devenv)"' in caught.value.hint


def test_a_run_configuration_starts_python_with_its_file_of_variables() -> None:
    (configuration,) = ElementTree.fromstring(idea(UVICORN, ""))
    options = {option.get("name"): option.get("value") for option in configuration.iter("option")}
    assert configuration.get("type") == "PythonConfigurationType"
    assert (options["SCRIPT_NAME"], options["MODULE_MODE"]) == ("uvicorn", "true")
    assert options["PARAMETERS"] == "main:app --port 8123"
    assert options["ENV_FILES"] == "$PROJECT_DIR$/.devenv/env/orders.env"
    assert options["WORKING_DIRECTORY"] == "$PROJECT_DIR$/orders"


def test_a_run_configuration_of_anything_else_is_a_line_for_a_shell() -> None:
    (configuration,) = ElementTree.fromstring(idea(launch('go run . --name "a & b"'), ""))
    options = {option.get("name"): option.get("value") for option in configuration.iter("option")}
    assert configuration.get("type") == "ShConfigurationType"
    assert options["SCRIPT_TEXT"] == 'eval "$(devenv env orders --export)" && go run . --name "a & b"'


def test_a_run_configuration_of_somebody_else_is_left() -> None:
    assert idea(UVICORN, idea(launch("node x.js"), "")) == idea(UVICORN, "")
    with pytest.raises(UsageError, match="left as it is"):
        idea(UVICORN, idea(Launch("web", "node x.js", ".", "x"), ""))


def test_an_envrc_keeps_what_is_in_it() -> None:
    first = envrc("orders", "source_up\n")
    assert first == 'source_up\neval "$(devenv env orders --export)"  # devenv\n'
    assert envrc("orders", first) == first
    assert envrc("", first + "layout python\n") == (
        'source_up\neval "$(devenv env --export)"  # devenv\nlayout python\n'
    )


@pytest.mark.programs
def test_a_file_of_variables_is_what_a_shell_reads_too() -> None:
    values = {
        "A": "plain",
        "URL": "http://x:1/?a=b&c",
        "SPACED": "two words",
        "JSON": '{"a": "$b"}',
        "EMPTY": "",
    }
    names = " ".join(f'"${key}"' for key in values)
    script = f"{env_file(values)}\nprintf '%s|' {names}"
    assert subprocess.check_output(["sh", "-c", script], text=True).split("|")[:-1] == list(values.values())
    assert shlex.split(env_file({"Q": "it's"}).splitlines()[1]) == ["Q=it's"]


def test_a_file_of_the_user_is_whole_although_the_disk_is_full(tmp_path: Path) -> None:
    file, own = tmp_path / ".envrc", "source_up\n" * 10
    file.write_text(own)
    file.chmod(0o600)
    context: Any = SimpleNamespace(
        workspace=SimpleNamespace(root=tmp_path), console=SimpleNamespace(say=print, print=print)
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(DevenvError):
            write_envrc(context, "orders")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.read_text() == own
    write_envrc(context, "orders")
    assert file.read_text().startswith(own)
    assert file.stat().st_mode & 0o777 == 0o600
