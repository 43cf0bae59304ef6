"""A container of a workload as a service of a Compose project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devenv.drafting import interpolation
from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.kubernetes.mounts import mounts
from devenv.drafting.kubernetes.objects import Item, Workload, at, rows, word
from devenv.drafting.kubernetes.variables import expanded, literal, variables
from devenv.drafting.scene import variable_of
from devenv.drafting.stores import repository

_LEFT = re.compile(r"\$\$\(([\w.-]+)\)")
CHECKS = ("readinessProbe", "startupProbe", "livenessProbe")
"""The checks of a container, the one first that says when it is ready."""

OF_NODES = (
    "nodeSelector", "affinity", "tolerations", "topologySpreadConstraints", "priorityClassName", "nodeName",
    "runtimeClassName", "schedulerName",
)  # fmt: skip
USUAL_GRACE = ("", "10", "30")  # seconds that a unit has without a word, and that a pod has
DEFAULT = "default-scheduler"
OF_A_NODE = ("hostNetwork", "hostPID", "hostIPC")


def service(imported: Imported, unit: str, workload: Workload, container: Item) -> dict[str, Any]:
    """The keys of Compose that say what a container is; what no key says goes to the fields of the unit."""
    keys = _image(imported, container)
    keys |= _commands(imported, unit, container)
    if not workload.is_job and (ports := _ports(container)):
        keys["ports"] = ports
    keys |= mounts(imported, unit, workload, container)
    keys |= _security(imported, unit, at(workload.pod, "securityContext"), at(container, "securityContext"))
    if folder := word(container, "workingDir"):
        keys["working_dir"] = folder
    if (grace := word(workload.pod, "terminationGracePeriodSeconds")) not in USUAL_GRACE:
        keys["stop_grace_period"] = f"{grace}s"
    _limits(imported, unit, container)
    if not workload.is_job:
        _health(imported, unit, container)
    _rest(imported, unit, workload.pod, container)
    return keys


def _image(imported: Imported, container: Item) -> dict[str, Any]:
    image = word(container, "image")
    whole = repository(image)
    build = imported.builds.get(whole) or imported.builds.get(whole.rpartition("/")[2])
    if build is None:
        return {"image": literal(image)}
    return {"build": {"context": build.context, "dockerfile": build.dockerfile}}


def _commands(imported: Imported, unit: str, container: Item) -> dict[str, Any]:
    """Its command, its arguments, and its variables, which may stand in either."""
    environment = variables(imported, unit, container)
    keys: dict[str, Any] = {}
    for key, theirs in (("command", "entrypoint"), ("args", "command")):
        words = [expanded(str(part), environment) for part in rows(container, key)]
        texts = [imported.addresses.here(part.value) for part in words]
        if any(part.private for part in words) and not imported.stores.of(word(container, "image")):
            note = "has the value of a Secret: have a shell fill in its variable, as sh -c 'serve \"$TOKEN\"'"
            imported.say("by hand", f"{unit}.{key}", note)
            texts = [literal(str(part)) for part in rows(container, key)]
        elif left := [name for text in texts for name in _LEFT.findall(text)]:
            imported.say("by hand", f"{unit}.{key}", f"nothing here says what {', '.join(left)} is")
        if texts:
            keys[theirs] = texts
    if environment:
        keys["environment"] = {name: variable.value for name, variable in environment.items()}
    for name, variable in environment.items():
        if variable.private:
            imported.private[unit].add(name)
            imported.hidden.setdefault(interpolation.plain(variable.value), variable_of(f"{unit}-{name}"))
    return keys


def _ports(container: Item) -> list[dict[str, Any]]:
    return [
        {"target": number, "published": "", "protocol": (word(port, "protocol") or "TCP").lower()}
        for port in rows(container, "ports")
        if (number := word(port, "containerPort")).isdecimal()
    ]


def number_of(container: Item, port: str) -> int:
    """A port of a container, by its name or its number; 0 for none."""
    if port.isdecimal():
        return int(port)
    named = {word(each, "name"): word(each, "containerPort") for each in rows(container, "ports")}
    number = named.get(port, "")
    return int(number) if number.isdecimal() else 0


def _security(imported: Imported, unit: str, pod: Item, own: Item) -> dict[str, Any]:
    both: Mapping[str, Any] = {**pod, **own}
    keys: dict[str, Any] = {}
    if user := word(both, "runAsUser"):
        group = word(both, "runAsGroup")
        keys["user"] = f"{user}:{group}" if group else user
    if at(own, "readOnlyRootFilesystem") is True:
        keys["read_only"] = True
    if at(own, "privileged") is True:
        keys["privileged"] = True
    for key in ("add", "drop"):
        if names := rows(own, "capabilities", key):
            keys[f"cap_{key}"] = [str(name) for name in names]
    if at(own, "allowPrivilegeEscalation") is False:
        imported.fields[unit]["no_new_privileges"] = True
    return keys


def _limits(imported: Imported, unit: str, container: Item) -> None:
    limits = at(container, "resources", "limits")
    own = {key: word(limits, key) for key in ("cpu", "memory") if word(limits, key)}
    if own:
        imported.fields[unit]["resources"] = own
    for key in set(limits) - {"cpu", "memory"}:
        imported.say("by hand", f"{unit}.resources.{key}", "no field says it; kubernetes: of the unit does")


def _health(imported: Imported, unit: str, container: Item) -> None:
    probe: Item = next((at(container, key) for key in CHECKS if at(container, key)), {})
    if not probe:
        return
    check = _check(container, probe)
    if isinstance(check, str):
        imported.say("by hand", f"{unit}.health", check)
        return
    imported.fields[unit]["health"] = _timed(check, container, probe)


def _check(container: Item, probe: Item) -> dict[str, Any] | str:
    """The check as `health` has it, or why it has none."""
    ports = [
        number for port in rows(container, "ports") if (number := word(port, "containerPort")).isdecimal()
    ]
    if "httpGet" in probe:
        path, port = (
            word(probe, "httpGet", "path") or "/",
            number_of(container, word(probe, "httpGet", "port")),
        )
        if word(probe, "httpGet", "scheme") == "HTTPS" or (ports and port != int(ports[0])):
            return f"{path} on port {port}: health asks the first port over HTTP, or {{exec: ...}}"
        return {"http": path}
    for key, kind in (("tcpSocket", "tcp"), ("grpc", "grpc")):
        if key in probe and (port := number_of(container, word(probe, key, "port"))):
            return {kind: port}
    if command := rows(probe, "exec", "command"):
        return {"exec": [interpolation.ours(expanded(str(part), {}).value) for part in command]}
    return "a check that no form of health says"


def _timed(check: dict[str, Any], container: Item, probe: Item) -> Any:
    """With the times that are longer than what is usual here."""
    waits = at(container, "startupProbe") or probe
    period, failures = (
        _number(waits, key, usual) for key, usual in (("periodSeconds", 10), ("failureThreshold", 3))
    )
    within = _number(waits, "initialDelaySeconds", 0) + period * failures
    timeout = _number(probe, "timeoutSeconds", 1)
    times = {"timeout": f"{timeout}s"} if timeout > 2 else {}
    times |= {"within": f"{within}s"} if within > 60 else {}
    return check["http"] if "http" in check and not times else {**check, **times}


def _number(value: Item, key: str, usual: int) -> int:
    text = word(value, key)
    return int(text) if text.isdecimal() else usual


def _rest(imported: Imported, unit: str, pod: Item, container: Item) -> None:
    """Say what of a pod has no place in a manifest."""
    if nodes := [key for key in OF_NODES if pod.get(key) not in (None, "", DEFAULT, [], {})]:
        imported.say(
            "dropped",
            f"{unit}.{', '.join(nodes)}",
            "about a cluster's nodes: kubernetes: of the unit says it",
        )
    for key in OF_A_NODE:
        if pod.get(key) is True:
            imported.say("by hand", f"{unit}.{key}", "a unit has a network and processes of its own")
    if hooks := [*at(container, "lifecycle")]:
        imported.say(
            "by hand", f"{unit}.lifecycle", f"{', '.join(hooks)}: let the program do it when it gets TERM"
        )
