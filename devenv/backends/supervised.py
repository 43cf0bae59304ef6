"""A unit's program under the supervisor, which restarts it without losing what its container holds.

Pure: how a rendered service or workload changes. Production never sees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from devenv.backends.agent import supervised
from devenv.manifest.fragments import pairs
from devenv.stack.model import Unit

_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def program(
    image: Mapping[str, Any], entrypoint: Sequence[str] | None, command: Sequence[str] | None
) -> list[str]:
    """What runs as PID 1: an entrypoint that is set drops the image's command, as everywhere.

    `image` is the image's configuration; nothing where neither says what runs.
    """
    config = image.get("Config") or {}
    first = config.get("Entrypoint") if entrypoint is None else entrypoint
    rest = (config.get("Cmd") if entrypoint is None else ()) if command is None else command
    return [*(first or ()), *(rest or ())]


def on_compose(unit: Unit, spec: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """What is laid over a rendered Compose service; nothing where it is not known what runs.

    Compose and Kubernetes fill in variables, so dollars are doubled where no renderer did that.
    """
    words = program(_escaped(image), spec.get("entrypoint"), spec.get("command"))
    if not words or not (image or spec.get("entrypoint")):
        return {}
    values = pairs(spec.get("environment") or {})
    words = [*_past_the_shell({name: value for name, value in values.items() if value is not None}), *words]
    return {"entrypoint": list(map(_doubled, _supervisor(unit))), "command": words, "init": False}


def on_kubernetes(unit: Unit, workload: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The workload with its program under the supervisor; the same where it is not known what runs."""
    template = workload["spec"]["template"]
    container, *others = template["spec"]["containers"]
    words = words_of(container, image)
    if not words:
        return dict(workload)
    names = [entry["name"] for entry in container.get("env") or ()]
    words = [*_past_the_shell({name: f"$({name})" for name in names}), *words]
    container = {**container, "command": list(map(_doubled, _supervisor(unit))), "args": words}
    pod = {key: value for key, value in template["spec"].items() if key != "shareProcessNamespace"}
    spec = {**workload["spec"], "template": {**template, "spec": {**pod, "containers": [container, *others]}}}
    return {**workload, "spec": spec}


def words_of(container: Mapping[str, Any], image: Mapping[str, Any]) -> list[str]:
    """What a rendered container of a pod runs, written as there; nothing where that is not known."""
    command = container.get("command")
    return program(_escaped(image), command, container.get("args")) if image or command else []


def _past_the_shell(values: Mapping[str, str]) -> list[str]:
    """What gives the program those of its variables that the supervisor, a shell script, would drop."""
    lost = [f"{name}={value}" for name, value in values.items() if not _SHELL_NAME.fullmatch(name)]
    return ["env", "--", *lost] if lost else []


def _supervisor(unit: Unit) -> list[str]:
    return supervised((), grace=unit.grace, hold=unit.sourceless)


def _escaped(image: Mapping[str, Any]) -> dict[str, Any]:
    config = image.get("Config") or {}
    return {"Config": {key: list(map(_doubled, config.get(key) or ())) for key in ("Entrypoint", "Cmd")}}


def _doubled(word: str) -> str:
    return word.replace("$", "$$")
