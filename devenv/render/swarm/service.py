"""Compose's words for a service in those of a swarm, which says some elsewhere and lacks others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devenv.manifest.fields import size
from devenv.manifest.fragments import mount
from devenv.render.compose import NO_NEW_PRIVILEGES
from devenv.stack.world import merge

TAKEN = frozenset(
    (
        "cap_add", "cap_drop", "command", "configs", "credential_spec", "dns", "dns_search", "entrypoint",
        "env_file", "environment", "extra_hosts", "healthcheck", "hostname", "image", "init", "isolation",
        "labels", "logging", "networks", "read_only", "secrets", "stdin_open", "stop_grace_period",
        "stop_signal", "sysctls", "tty", "ulimits", "user", "working_dir",
    )
)  # fmt: skip

LOST: Mapping[str, str] = {
    "annotations": "a swarm has labels only",
    "container_name": "a swarm names its tasks itself",
    "expose": "on the stack's network every port is reached",
    "oom_score_adj": "a swarm has no such setting",
    "platform": "its nodes run what the image has for them",
    "pull_policy": "a swarm pulls what a node lacks",
}
"""Keys without which a service still does its work, and why they are left out."""

REFUSED: Mapping[str, str] = {
    "devices": "a task runs on any node, and gets no device of it",
    "ipc": "a task has a namespace of its own",
    "links": "services find each other by name",
    "network_mode": "a task is on the networks of its stack",
    "pid": "a task has a namespace of its own",
    "privileged": "a task has no more rights than its capabilities",
    "security_opt": "a task has the engine's own profiles",
    "userns_mode": "a task has the engine's own users",
}
"""Keys without which a service would be another one, and what a swarm does; as any key not named here."""

RESOURCES: Mapping[str, tuple[str, str]] = {
    "mem_limit": ("limits", "memory"),
    "cpus": ("limits", "cpus"),
    "pids_limit": ("limits", "pids"),
    "mem_reservation": ("reservations", "memory"),
}
CONDITIONS: Mapping[str, str] = {"no": "none", "on-failure": "on-failure"}  # else: any

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Lack:
    """A key of Compose that a swarm does not take. Where it is not `refused`, the service does without."""

    path: Path
    why: str
    hint: str = ""
    refused: bool = True


@dataclass(frozen=True, slots=True)
class Deployed:
    """A service as a swarm takes it, and what it lacks."""

    spec: Mapping[str, Any]
    lacks: tuple[Lack, ...] = ()


def deployed(spec: Mapping[str, Any]) -> Deployed:
    """A service of Compose, merged with the user's fragment, as a service of a swarm."""
    mounts = [*spec.get("volumes", ()), *_in_memory(spec)]
    ports = [_port(port) for port in spec.get("ports", ())]
    taken = {key: value for key, value in spec.items() if key in TAKEN and value not in ({}, [])}
    taken |= {key: value for key, value in (("ports", ports), ("volumes", mounts)) if value}
    deploy = merge(_deploy(spec), spec.get("deploy", {}))
    return Deployed({**taken, "deploy": deploy}, (*_lacking(spec), *_unreachable(spec)))


def _deploy(spec: Mapping[str, Any]) -> dict[str, Any]:
    condition, _, attempts = str(spec.get("restart", "no")).partition(":")
    policy: dict[str, Any] = {"condition": CONDITIONS.get(condition, "any")}
    if attempts:
        policy["max_attempts"] = int(attempts)
    deploy: dict[str, Any] = {"restart_policy": policy}
    for key, (kind, resource) in RESOURCES.items():
        if key in spec:
            value = spec[key] if resource == "pids" else str(spec[key])
            deploy.setdefault("resources", {}).setdefault(kind, {})[resource] = value
    return deploy


def _in_memory(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Folders in memory. A swarm gives them mode 1777, which is what is asked for."""
    if "shm_size" in spec:
        yield {"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": _bytes(spec["shm_size"])}}
    folders = spec.get("tmpfs", ())
    for folder in [folders] if isinstance(folders, str) else folders:
        target, _, options = str(folder).partition(":")
        limits = [option.partition("=")[2] for option in options.split(",") if option.startswith("size=")]
        more = {"tmpfs": {"size": _bytes(limits[0])}} if limits else {}
        yield {"type": "tmpfs", "target": target, **more}


def _bytes(amount: Any) -> Any:
    """An amount of memory in bytes, which a swarm wants; another text is for it to refuse."""
    try:
        return size(amount)
    except ValueError:
        return amount


def _port(port: Any) -> Any:
    """A port whose numbers are numbers, as a swarm wants them."""
    if not isinstance(port, Mapping):
        return str(port)
    numbers = {key: int(value) for key, value in port.items() if key in ("target", "published")}
    return {**port, **numbers}


ELSEWHERE = frozenset(("ports", "volumes", "deploy", "restart", "shm_size", "tmpfs", *RESOURCES))


def _lacking(spec: Mapping[str, Any]) -> Iterator[Lack]:
    for key in spec:
        if key == "security_opt" and spec[key] == [NO_NEW_PRIVILEGES]:
            yield Lack((key,), "does nothing in a swarm: it cannot forbid new privileges", refused=False)
        elif key in LOST:
            yield Lack((key,), f"does nothing in a swarm: {LOST[key]}", refused=False)
        elif key not in TAKEN and key not in ELSEWHERE:
            yield Lack((key,), f"a swarm does not take it{f': {REFUSED[key]}' if key in REFUSED else ''}")


def _unreachable(spec: Mapping[str, Any]) -> Iterator[Lack]:
    """Addresses and folders of one machine, which a service on any node cannot have."""
    for port in spec.get("ports", ()):
        address = port.get("host_ip") if isinstance(port, Mapping) else _address(str(port))
        if address:
            why = f"a swarm publishes on every address of its nodes, not on {address} alone"
            yield Lack(("ports",), why, "leave the address out, or publish nothing: the gateway leads there")
    for volume in spec.get("volumes", ()):
        source, target = mount(volume)
        if source.startswith((".", "~", "$")):
            why = f"{target} would be a folder of this machine, which the nodes of a swarm lack"
            yield Lack(("volumes",), why, "write files: for single files, or put it into the image")


def _address(port: str) -> str:
    """The host's address in Compose's short form of a port."""
    host, colon, _ = port.rpartition(":")
    address, colon, _ = host.rpartition(":")
    return address if colon else ""
