"""What runs in a pod before its program: waiting that `uses` does, and work that is a job."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from devenv.drafting.addresses import named_in
from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.kubernetes.objects import Item, Workload, rows, word
from devenv.manifest.rules.names import as_label

_WAITS = re.compile(r"\b(until|while|wait|sleep|nc -z|pg_isready|wait-for\S*|dockerize)\b")
Service = Callable[[Imported, str, Workload, Item], dict[str, Any]]
"""Makes a service of Compose's of a container."""


def needed(result: Imported, unit: str, workload: Workload, service: Service) -> dict[str, Any]:
    """What a unit depends on for its init containers: others that are up, or jobs that have run."""
    conditions: dict[str, Any] = {}
    for container in rows(workload.pod, "initContainers"):
        what = f"{unit}: init container {word(container, 'name')}"
        if hosts := _awaited(result, unit, container):
            conditions |= {host: {"condition": "service_started"} for host in hosts}
            result.say("derived", what, f"{unit} waits for {', '.join(hosts)} by itself: uses says it")
        elif note := _beside(workload, container):
            result.say("by hand", what, note)
        else:
            job = as_label(f"{unit}-{word(container, 'name')}") or f"{unit}-init"
            ended = replace(workload, kind="Job")
            result.services[job] = service(result, job, ended, container)
            result.jobs.add(job)
            conditions[job] = {"condition": "service_completed_successfully"}
            result.say("derived", what, f"the job {job}, which {unit} waits for")
    return conditions


def _awaited(result: Imported, unit: str, container: Item) -> list[str]:
    """The units that a container does nothing but wait for."""
    values = (word(variable, "value") for variable in rows(container, "env"))
    line = " ".join(map(str, (*rows(container, "command"), *rows(container, "args"), *values)))
    if not _WAITS.search(line):
        return []
    named = [
        own
        for host, own in result.addresses.units.items()
        if own != unit
        and (named_in(line, host) or re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", line))
    ]
    return list(dict.fromkeys(named))


def _beside(workload: Workload, container: Item) -> str:
    """What to do about one that is no job, as it shares more with the program; "" for one that is."""
    if word(container, "restartPolicy") == "Always":
        return "it runs beside the service: make it one of its own, or leave it out"
    folders = {word(volume, "name") for volume in rows(workload.pod, "volumes") if "emptyDir" in volume}
    if folders & {word(mount, "name") for mount in rows(container, "volumeMounts")}:
        return "it leaves files in a folder of its pod: do that in the image, or in the command"
    return ""
