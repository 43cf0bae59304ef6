"""How an editor or a shell starts a service on this machine: files as text, merged into what is there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devenv.errors import UsageError

MARK = "# devenv"
"""Ends the one line of ours in an .envrc."""

_PLAIN = re.compile(r"[\w@%+=:,./-]*")
_WRAPPERS = (("uv", "run"), ("poetry", "run"), ("pipenv", "run"))  # the editor knows the environment
_MODULES = ("uvicorn", "gunicorn", "hypercorn", "flask", "fastapi", "celery", "streamlit")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;"})
_SHELL = re.compile(r"[$`|&;<>(){}*?\n]")


@dataclass(frozen=True, slots=True)
class Launch:
    """A service that runs on this machine.

    `command` is what its manifest says, with the port filled in; `folder` and `env_file` are paths in the
    project.
    """

    service: str
    command: str
    folder: str
    env_file: str

    @property
    def name(self) -> str:
        """What editors call it."""
        return f"{self.service} (devenv)"

    @property
    def line(self) -> str:
        """The command for a shell, with all variables."""
        return f"{export(self.service)} && {self.command}"

    @property
    def words(self) -> list[str]:
        """The command without what only picks an environment; none where it takes a shell."""
        if _SHELL.search(self.command):
            return []
        try:
            words = shlex.split(self.command)
        except ValueError:  # an open quote
            return []
        return words[2:] if tuple(words[:2]) in _WRAPPERS else words


def export(service: str) -> str:
    """What sets the variables in a shell."""
    return f'eval "$(devenv env {service} --export)"' if service else 'eval "$(devenv env --export)"'


@dataclass(frozen=True, slots=True)
class _Python:
    """A program in Python: a module, or a file."""

    target: str
    arguments: list[str]
    module: bool


def _python(words: list[str]) -> _Python | None:
    match words:
        case ["python" | "python3", "-m", module, *rest]:
            return _Python(module, rest, module=True)
        case ["python" | "python3", file, *rest] if not file.startswith("-"):
            return _Python(file, rest, module=False)
        case [program, *rest] if program in _MODULES:
            return _Python(program, rest, module=True)
    return None


# -- Visual Studio Code


def vscode_entry(launch: Launch) -> dict[str, Any]:
    """The configuration in launch.json. What is not Python, Node or Go runs in a debug terminal."""
    cwd = _under("${workspaceFolder}", launch.folder)
    entry: dict[str, Any] = {"name": launch.name, "request": "launch", "cwd": cwd}
    words = launch.words
    if python := _python(words):
        target = {"module": python.target} if python.module else {"program": f"{cwd}/{python.target}"}
        program = {"type": "debugpy", **target, "args": python.arguments, "console": "integratedTerminal"}
    elif words[:1] == ["node"] and len(words) > 1 and not words[1].startswith("-"):
        program = {"type": "node", "program": f"{cwd}/{words[1]}", "args": words[2:]}
    elif words[:2] == ["go", "run"] and len(words) > 2 and not words[2].startswith("-"):
        package = _under(cwd, words[2].removeprefix("./"))
        program = {"type": "go", "mode": "debug", "program": package, "args": words[3:]}
    else:
        return {**entry, "type": "node-terminal", "command": launch.line}
    return {**entry, **program, "envFile": _under("${workspaceFolder}", launch.env_file)}


def vscode(launch: Launch, existing: str) -> str:
    """launch.json with our entry in it. Raises `UsageError` with the entry where it cannot be merged."""
    entry = vscode_entry(launch)
    if not existing.strip():
        return _json({"version": "0.2.0", "configurations": [entry]})
    try:
        document = json.loads(existing)
        entries = document.setdefault("configurations", [])
        others = [other for other in entries if other.get("name") != launch.name]
    except (ValueError, AttributeError, TypeError):
        raise UsageError(
            "launch.json has comments or is no plain JSON, and is left as it is",
            hint=f"paste this into its configurations:\n\n{_json(entry)}",
        ) from None
    at = next((index for index, other in enumerate(entries) if other.get("name") == launch.name), len(others))
    return _json({**document, "configurations": [*others[:at], entry, *others[at:]]}, like=existing)


def _json(value: Any, *, like: str = "") -> str:
    indent = re.search(r"\n([ \t]+)\S", like)
    return json.dumps(value, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"


def _under(root: str, path: str) -> str:
    return root if path == "." else f"{root}/{path}"


# -- IntelliJ IDEA, PyCharm and the like


def idea(launch: Launch, existing: str) -> str:
    """A run configuration, in a file of its own. Raises `UsageError` where the file holds another one."""
    if existing.strip() and f"name={_attribute(launch.name)}" not in existing:
        raise UsageError(
            "the file holds another run configuration, and is left as it is", hint="move it away"
        )
    folder = _under("$PROJECT_DIR$", launch.folder)
    if python := _python(launch.words):
        kind = 'type="PythonConfigurationType" factoryName="Python"'
        options = {
            "ENV_FILES": _under("$PROJECT_DIR$", launch.env_file),
            "PARENT_ENVS": "true",
            "WORKING_DIRECTORY": folder,
            "IS_MODULE_SDK": "true",
            "SCRIPT_NAME": python.target if python.module else f"{folder}/{python.target}",
            "PARAMETERS": shlex.join(python.arguments),
            "MODULE_MODE": "true" if python.module else "false",
        }
    else:
        kind = 'type="ShConfigurationType"'
        options = {
            "SCRIPT_TEXT": launch.line,
            "INDEPENDENT_SCRIPT_WORKING_DIRECTORY": "true",
            "SCRIPT_WORKING_DIRECTORY": folder,
            "EXECUTE_IN_TERMINAL": "true",
            "EXECUTE_SCRIPT_FILE": "false",
        }
    lines = [f'    <option name="{key}" value={_attribute(value)} />' for key, value in options.items()]
    return "\n".join(
        [
            '<component name="ProjectRunConfigurationManager">',
            f'  <configuration default="false" name={_attribute(launch.name)} {kind}>',
            *lines,
            '    <method v="2" />',
            "  </configuration>",
            "</component>\n",
        ]
    )


def _attribute(value: str) -> str:
    return '"' + value.translate(_ESCAPES) + '"'


# -- direnv, and files of variables


def envrc(service: str, existing: str) -> str:
    """An .envrc with our line in it; the user's lines stay."""
    ours = f"{export(service)}  {MARK}"
    lines = existing.splitlines()
    at = next((index for index, line in enumerate(lines) if line.endswith(MARK)), None)
    if at is None:
        lines.append(ours)
    else:
        lines[at] = ours
    return "\n".join(lines) + "\n"


def env_file(variables: Mapping[str, str]) -> str:
    """Variables as debuggers and dotenv libraries read them."""
    lines = [f"{key}={_quoted(value)}" for key, value in variables.items()]
    return "\n".join(["# Written by devenv, with secrets; never commit this file.", *lines]) + "\n"


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
