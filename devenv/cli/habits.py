"""What people type out of habit from Compose and kubectl, and what does the same here."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.errors import UsageError

COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("ps", "ls", "get", "describe", "top"), "devenv status"),
    **dict.fromkeys(("start", "create", "apply"), "devenv up"),
    "build": "devenv up --build",
    **dict.fromkeys(("stop", "rm", "kill", "delete"), "devenv down   keeps the data"),
    **dict.fromkeys(("config", "convert", "template"), "devenv render"),
    "attach": "devenv logs -f NAME",
    **dict.fromkeys(("sh", "shell", "ssh"), "devenv exec NAME"),
    **dict.fromkeys(("port", "port-forward"), "devenv status   ports are open while the stack is up"),
}

ACCEPTED = ""
"""The hint for an option that asks for what is done anyway."""

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "": {
        "--profile": "devenv up --profile NAME",
        "--project-name": "name: in devenv.yaml",
        "--namespace": "namespace: in devenv.yaml",
        "--env-file": "a file .env beside devenv.yaml, or env_file: of a service",
        "--dry-run": "devenv plan",
    },
    "up": {
        "--wait": ACCEPTED,
        "--remove-orphans": ACCEPTED,
        "--force-recreate": "devenv restart NAME",
        "--scale": "replicas: of the service in devenv.yaml",
        "--dry-run": "devenv plan",
        "--namespace": "namespace: in devenv.yaml",
    },
    "down": {
        "-v": "devenv down --volumes   removes the data; --verbose prints more",
        "--remove-orphans": ACCEPTED,
        "--timeout": "grace: of the service in devenv.yaml",
    },
    "exec": {
        "-i": ACCEPTED,
        "-t": ACCEPTED,
        "-w": 'devenv exec NAME sh -c "cd FOLDER && COMMAND"',
    },
    "run": {
        "-i": ACCEPTED,
        "-t": ACCEPTED,
        "--rm": ACCEPTED,
        "--build": ACCEPTED,
        "-e": "devenv run NAME env KEY=VALUE COMMAND",
        "-w": 'devenv run NAME sh -c "cd FOLDER && COMMAND"',
    },
}
"""Command, or "" for `devenv` itself -> option -> what to type instead."""


def refuse_command(name: str) -> None:
    """Raise `UsageError` for a command of Compose or kubectl."""
    if name in COMMANDS:
        raise UsageError(f"devenv has no command {name}", hint=COMMANDS[name])


def refuse_variable(environment: str) -> None:
    """Raise `UsageError` for a variable in place of an environment, as Docker's `exec -e` takes one."""
    if "=" in environment:
        what = "devenv exec sets no variables; its -e names an environment"
        raise UsageError(what, hint="devenv exec NAME env KEY=VALUE COMMAND")


def refuse_option(command: str, option: str) -> None:
    """Raise `UsageError` for an option of Compose or kubectl, unless it asks for what is done anyway."""
    if hint := OPTIONS[command][option]:
        raise UsageError(f"{f'devenv {command}'.strip()} has no option {option}", hint=hint)
