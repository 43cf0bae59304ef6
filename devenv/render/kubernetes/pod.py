"""The pod template of a unit: its container, volumes and security settings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from devenv.errors import UsageError
from devenv.manifest.fragments import GATEWAY
from devenv.render.kubernetes.content import Content, inline
from devenv.stack import labels as tags
from devenv.stack import shell, text
from devenv.stack.labels import LABEL
from devenv.stack.model import HostPath, Probe, Stack, Unit
from devenv.stack.text import Text

STEADY = 5  # seconds between checks of a ready unit, as on Compose
MAY_EXECUTE = 0o755
ASKED = 0.25  # of its limits is requested for a unit: on a laptop, the sum of all limits exceeds the memory

LOGS = (
    ("logs", "/var/log/pods", ""),
    ("containers", "/var/lib/docker/containers", "/var/lib/docker/containers"),
)
"""What a node keeps of its pods' logs, and where links in it lead if Docker runs them."""

SAFE_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
    )
)  # fmt: skip
"""Those that every node allows; a pod with another one is rejected unless its node was told to."""

BECOME_ANOTHER = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]
"""Capabilities that an image needs to start as root and switch to its own user, as most do."""


def template(
    stack: Stack,
    unit: Unit,
    contents: Content,
    *,
    account: str,
    labels: Mapping[str, str],
    fingerprint: str,
    registry: str,
) -> dict[str, Any]:
    """The template. It has `fingerprint` and the contents' digest, so that a change replaces the pods."""
    notes = tags.description(stack, unit, fingerprint)
    if contents.digest:
        notes[LABEL + "content"] = contents.digest
    volumes, mounts = _volumes(unit, contents)
    spec: dict[str, Any] = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # POSTGRES_PORT=tcp://... of other units would shadow our own variables
        "terminationGracePeriodSeconds": math.ceil(unit.grace),
        "securityContext": _pod_security(unit),
        "containers": [_container(unit, mounts, registry)],
    }
    if unit.init:
        spec["shareProcessNamespace"] = True  # a program that runs as PID 1 without handlers ignores TERM
    if unit.one_shot:
        spec["restartPolicy"] = "Never"
    if unit.hostname:
        spec["hostname"] = unit.hostname
    if aliases := _host_aliases(unit):
        spec["hostAliases"] = aliases
    if volumes:
        spec["volumes"] = volumes
    if unit.shared_volumes:
        spec["affinity"] = together(stack.beside(unit), {LABEL + "stack": stack.id})
    return {"metadata": {"labels": dict(labels), "annotations": notes}, "spec": spec}


def _host_aliases(unit: Unit) -> list[dict[str, Any]]:
    """The names that it knows beyond those of the cluster; of this machine no node knows the address."""
    names: dict[str, list[str]] = {}
    for name, address in unit.hosts:
        if address != GATEWAY:
            names.setdefault(address, []).append(name)
    return [{"ip": address, "hostnames": hostnames} for address, hostnames in names.items()]


def together(units: Sequence[str], stack: Mapping[str, str]) -> dict[str, Any]:
    """The affinity that brings these units to one node: few storage classes serve several at once."""
    selector = {
        "matchLabels": dict(stack),
        "matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": list(units)}],
    }
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def image(unit: Unit, registry: str) -> str:
    """The name of the unit's image on a node."""
    return f"{registry.rstrip('/')}/{unit.image}" if unit.build and registry else unit.image


def _container(unit: Unit, mounts: list[dict[str, Any]], registry: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": unit.name,
        "image": image(unit, registry),
        "imagePullPolicy": "IfNotPresent",  # a tag stands for the content
    }
    container |= {key: words for key, words in _run(unit).items() if words is not None}
    if (folder := unit.workdir or unit.extra.get("working_dir")) is not None:
        container["workingDir"] = folder
    if env := _env(unit):
        container["env"] = env
    if unit.ports:
        container["ports"] = [
            {"containerPort": port.container, **({"protocol": "UDP"} if port.udp else {})}
            for port in unit.ports
        ]
    if resources := _resources(unit):
        container["resources"] = resources
    if unit.probe is not None and not unit.one_shot:
        container |= _probes(unit.probe)
    if mounts:
        container["volumeMounts"] = mounts
    container["securityContext"] = _security(unit)
    return container


def _env(unit: Unit) -> list[dict[str, Any]]:
    return [
        {"name": key, "value": literal(value)}
        if isinstance(value, str)
        else {"name": key, "valueFrom": _from_secret(unit, key)}
        for key, value in {**dict(unit.env), **inline(unit)}.items()
    ]


def _from_secret(unit: Unit, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": unit.name, "key": key}}


def literal(value: str) -> str:
    """Kubernetes expands `$(NAME)` and `$$`, also in probes: a dollar that begins either is doubled."""
    return re.sub(r"\$(?=[$(])", "$$", value)


def _expandable(word: Text) -> str:
    if isinstance(word, str):
        return literal(word)
    return text.rewrite(word, lambda secret: f"$({secret.variable})", lambda plain: plain.replace("$", "$$"))


def _resources(unit: Unit) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    requests: dict[str, Any] = {}
    if unit.cpu is not None:
        limits["cpu"] = f"{math.ceil(unit.cpu * 1000)}m"
        requests["cpu"] = f"{math.ceil(unit.cpu * 1000 * ASKED)}m"
    if unit.memory is not None:
        limits["memory"] = unit.memory if unit.memory % 2**20 else f"{unit.memory // 2**20}Mi"
        requests["memory"] = f"{math.ceil(unit.memory * ASKED / 2**20)}Mi"
    return {"requests": requests, "limits": limits} if limits else {}


def _probes(probe: Probe) -> dict[str, Any]:
    """Frequent checks until it is ready, rare ones from then on. Kubernetes counts in whole seconds."""
    every = max(1, round(probe.every))
    check = _check(probe) | {"timeoutSeconds": max(1, math.ceil(probe.timeout))}
    tries = max(1, math.ceil(probe.within / every))
    return {
        "startupProbe": {**check, "periodSeconds": every, "failureThreshold": tries},
        "readinessProbe": {**check, "periodSeconds": STEADY, "failureThreshold": 3},
    }


def _check(probe: Probe) -> dict[str, Any]:
    match probe.kind:
        case "http":
            headers = [{"name": "Host", "value": "localhost"}]  # as on other backends
            return {"httpGet": {"path": probe.path, "port": probe.port, "httpHeaders": headers}}
        case "tcp":
            return {"tcpSocket": {"port": probe.port}}
        case "grpc":
            return {"grpc": {"port": probe.port}}
        case "exec":
            return {"exec": {"command": list(map(literal, shell.call(probe.command)))}}


def _pod_security(unit: Unit) -> dict[str, Any]:
    context: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    user, _, group = _numbers(unit).partition(":")
    uid = int(user) if user.isdecimal() else unit.uid
    if uid is not None:
        gid = int(group) if group.isdecimal() else uid
        # The group makes volumes writable if the storage supports it.
        context |= {"runAsNonRoot": uid != 0, "runAsUser": uid, "runAsGroup": gid, "fsGroup": gid}
    elif not user and (image_user := _number(unit.image_user)):
        context |= {"fsGroup": image_user, "runAsNonRoot": True}
    if sysctls := [{"name": name, "value": value} for name, value in unit.sysctls if name in SAFE_SYSCTLS]:
        context["sysctls"] = sysctls
    return context


def _numbers(unit: Unit) -> str:
    """The user as Kubernetes takes it. Raises `UsageError` for a name, which only the image can tell."""
    user = "0" if unit.user == "root" else unit.user or ""
    if unit.role in ("service", "job") and user and not user.partition(":")[0].isdecimal():
        raise UsageError(
            f"{unit.section}.{unit.name}.user: {user} is a name, and Kubernetes takes numbers only",
            hint=f"its number is what this prints: docker run --rm --entrypoint id {unit.image} -u {user}",
        )
    return user


def _security(unit: Unit) -> dict[str, Any]:
    user = _numbers(unit).partition(":")[0]
    has_uid = unit.uid is not None or (user.isdecimal() and (unit.role == "infra" or int(user) != 0))
    has_uid = has_uid or (not unit.user and bool(_number(unit.image_user)))
    kept = [] if has_uid or "ALL" in unit.cap_drop else BECOME_ANOTHER
    usual = [name for name in kept if name not in (*unit.cap_drop, *unit.cap_add)]
    added = [*usual, *unit.cap_add, *map(str, unit.extra.get("cap_add", ()))]
    capabilities: dict[str, Any] = {"drop": ["ALL"]}
    if added:
        capabilities["add"] = added
    context: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": capabilities}
    if unit.privileged:
        context = {"privileged": True}
    if unit.read_only or unit.extra.get("read_only"):
        context["readOnlyRootFilesystem"] = True
    return context


def _number(user: str) -> int:
    """The number of a `USER`, 0 for root and for a name: whose that is only the image knows."""
    uid = user.partition(":")[0]
    return int(uid) if uid.isdecimal() else 0


def as_image(unit: Unit, workload: Mapping[str, Any], imaged: Unit) -> dict[str, Any]:
    """A rendered workload as its image (`imaged`) asks for it; a `kubernetes:` fragment is left alone."""
    workload = as_image_user(workload, imaged.image_user)
    template = workload["spec"]["template"]
    container, *others = template["spec"]["containers"]
    container = dict(container)
    before, after = _run(unit), _run(imaged)
    if before != after and {key: container.get(key) for key in before} == before:
        container |= {key: words or [] for key, words in after.items() if words != before[key]}
    rendered = _probes(unit.probe) if unit.probe else {}
    own = {key: container[key] for key in ("startupProbe", "readinessProbe") if key in container}
    if imaged.probe and own == rendered and not unit.one_shot:
        container |= _probes(imaged.probe)
    spec = {**template["spec"], "containers": [container, *others]}
    return {**workload, "spec": {**workload["spec"], "template": {**template, "spec": spec}}}


def _run(unit: Unit) -> dict[str, list[str] | None]:
    """What a unit runs, as it is rendered."""
    words = {"command": unit.entrypoint, "args": unit.command}
    return {key: None if value is None else list(map(_expandable, value)) for key, value in words.items()}


def as_image_user(workload: Mapping[str, Any], user: str) -> dict[str, Any]:
    """The workload of an image whose USER is this; a number other than 0 needs no way to become another.

    A `kubernetes:` fragment that says whom the pod runs as, or what it may, is left alone.
    """
    uid = _number(user)
    template = workload["spec"]["template"]
    spec = template["spec"]
    pod, container = spec.get("securityContext") or {}, spec["containers"][0]
    security = container.get("securityContext") or {}
    capabilities = security.get("capabilities") or {}
    ours = capabilities.get("add") == BECOME_ANOTHER and "runAsUser" not in {**pod, **security}
    if not uid or not ours:
        return dict(workload)
    fewer = {key: value for key, value in capabilities.items() if key != "add"}
    # The group makes volumes writable where the storage honours it.
    pod = {"fsGroup": uid, **pod, "runAsNonRoot": True}
    container = {**container, "securityContext": {**security, "capabilities": fewer}}
    spec = {**spec, "securityContext": pod, "containers": [container, *spec["containers"][1:]]}
    return {**workload, "spec": {**workload["spec"], "template": {**template, "spec": spec}}}


def _volumes(unit: Unit, contents: Content) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The pod's volumes, and the container's mounts.

    No name of our own can be `UNIT-KEY`, as those of the unit's volumes are.
    """
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for volume in unit.volumes:
        mounts.append({"name": volume.name, "mountPath": volume.target})
        if unit.one_shot or volume.shared:
            claim = {"claimName": volume.external or volume.name}
            volumes.append({"name": volume.name, "persistentVolumeClaim": claim})
    shm = unit.shm or unit.extra.get("shm_size")
    shared = {"/dev/shm": str(shm)} if shm else {}
    memory = dict(entry.partition(":")[::2] for entry in unit.tmpfs) | shared
    for index, (target, options) in enumerate(memory.items()):
        size = options if target == "/dev/shm" else _size_option(options)
        limit = {"sizeLimit": _quantity(size)} if size else {}
        volumes.append({"name": f"memory-{index}", "emptyDir": {"medium": "Memory", **limit}})
        mounts.append({"name": f"memory-{index}", "mountPath": target})
    runs = contents.executable.intersection(key for _, key in contents.mounts.values())
    mode = {"defaultMode": MAY_EXECUTE} if runs else {}  # of all of them: only a list of all has single ones
    for name, hidden, holder in (
        ("files", False, {"configMap": {"name": unit.name, **mode}}),
        ("secrets", True, {"secret": {"secretName": unit.name}}),
    ):
        inside = {target: key for target, (secret, key) in contents.mounts.items() if secret is hidden}
        if inside:
            volumes.append({"name": name, **holder})
        for target, key in inside.items():
            mounts.append({"name": name, "mountPath": target, "subPath": key, "readOnly": True})
    for index, own in enumerate(of_node(unit)):
        volumes.append({"name": f"host-{index}", "hostPath": {"path": own.path}})
        mount: dict[str, Any] = {"name": f"host-{index}", "mountPath": own.target}
        mounts.append(mount if own.write else {**mount, "readOnly": True})
    for name, path, target in LOGS if unit.logs else ():
        volumes.append({"name": name, "hostPath": {"path": path}})
        mounts.append({"name": name, "mountPath": target or unit.logs, "readOnly": True})
    for index, (target, keys) in enumerate(contents.folders.items()):
        items = [
            {"key": key, "path": path, **({"mode": MAY_EXECUTE} if key in contents.executable else {})}
            for path, key in keys.items()
        ]
        volumes.append({"name": f"folder-{index}", "configMap": {"name": unit.name, "items": items}})
        mounts.append({"name": f"folder-{index}", "mountPath": target, "readOnly": True})
    return volumes, mounts


def of_node(unit: Unit) -> list[HostPath]:
    """Its paths that a node can have: those of a home, or beside the project, are this machine's alone."""
    return [own for own in unit.host_paths if own.path.startswith("/")]


def _size_option(options: str) -> str:
    """The size in a tmpfs's options, such as `mode=1777,size=64m`; "" for a share of a machine's memory."""
    size = next((part[5:] for part in options.split(",") if part.startswith("size=")), "")
    return "" if size.endswith("%") else size


def _quantity(size: str) -> str:
    """Docker's `256m` or `1g` as Kubernetes writes it."""
    number = size.lower().rstrip("b")
    unit = {"k": "Ki", "m": "Mi", "g": "Gi"}.get(number[-1], "")
    return number[:-1] + unit if unit else number
