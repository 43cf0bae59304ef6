"""What Kubernetes does with every field of the manifest, as data for the parity report."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.manifest.fragments import GATEWAY
from devenv.plan.parity import BUILT, SAME, Fields, Support, emulated, lost
from devenv.render.kubernetes.pod import SAFE_SYSCTLS, of_node
from devenv.stack.model import Stack

_RESTART = emulated("the kubelet starts whatever ended again, after a pause")
_HOSTS = emulated("for host-gateway none: no node has this machine's address")
_PLATFORM = emulated("the nodes run what the image has for them")
_WORKLOAD: Mapping[str, Support] = {
    "build": emulated("built on this machine, then carried to the nodes or pushed to the registry"),
    "image": SAME,
    "command": SAME,
    "entrypoint": SAME,
    "uses": emulated("devenv applies in order; with kubectl alone, what comes too early is started again"),
    "env": SAME,
    "env_file": SAME,
    "secrets": SAME,
    "resources": emulated("the limits; a quarter of them is requested of the scheduler"),
    "volumes": emulated("a claim of 1 GiB for each, kept by `down`"),
    "files": emulated("in a ConfigMap or Secret: at most 1 MiB for all files of a unit"),
    "user": emulated("by number; the group also owns its volumes"),
    "workdir": SAME,
    "read_only": SAME,
    "capabilities": SAME,
    "privileged": SAME,
    "no_new_privileges": emulated("of every unit, but one that is privileged"),
    "ulimits": lost("a pod has the limits of its node"),
    "sysctls": emulated("those that every node allows; the rest is left out"),
    "hosts": _HOSTS,
    "host_paths": emulated("the node's own path; none for ~, or what is beside the project"),
    "platform": _PLATFORM,
    "init": emulated("the containers of a pod share its process 1"),
    "tmpfs": emulated("memory of the pod; of the options only size"),
    "shm": emulated("memory of the pod"),
    "stop_signal": lost("it gets what its image says with STOPSIGNAL, or TERM"),
    "grace": SAME,
    "compose": lost("it is for Compose"),
    "kubernetes": SAME,
}

FIELDS: Fields = {
    "Manifest": {
        "name": SAME,
        "namespace": SAME,
        "backend": SAME,
        "registry": SAME,
        "services": SAME,
        "jobs": SAME,
        "infra": SAME,
        "gateway": SAME,
        "kinds": SAME,
        "profiles": SAME,
        "secrets": SAME,
        "volumes": emulated("a claim each; what shares one runs on one node"),
        "smoke": SAME,
        "logs": emulated("one collector reads the files of the node that it is on"),
        "tracing": SAME,
    },
    "SharedVolume": {"size": SAME, "external": SAME},
    "SecretSource": {"ask": SAME},
    "Shipping": {"to": SAME},
    "Metrics": {"port": SAME, "path": SAME},
    "Service": {
        **_WORKLOAD,
        "host": SAME,
        "port": SAME,
        "ports": SAME,
        "publish": emulated(
            "a port-forward that devenv holds, on the same port of this machine; none for UDP"
        ),
        "aliases": emulated("a Service for each, if it has a port"),
        "manual": SAME,
        "route": SAME,
        "health": SAME,
        "metrics": emulated("through the Service: of several pods, one answers each time"),
        "reload": SAME,
        "replicas": SAME,
        "restart": _RESTART,
    },
    "Job": {
        **_WORKLOAD,
        "like": SAME,
        "manual": SAME,
        "within": SAME,
    },
    "Infra": {
        "kind": SAME,
        "image": SAME,
        "version": SAME,
        "external": SAME,
        "publish": emulated("a port-forward that devenv holds, on the same port of this machine"),
        "restart": _RESTART,
        "memory": emulated("the limit; a quarter of it is requested of the scheduler"),
        "resources": emulated("the limits; a quarter of them is requested of the scheduler"),
        "args": SAME,
        "files": emulated("in a ConfigMap or Secret: at most 1 MiB for all files of a unit"),
        "env": SAME,
        "seed": emulated("in a ConfigMap: at most 1 MiB for all files of a store"),
        "hosts": _HOSTS,
        "platform": _PLATFORM,
        "compose": lost("it is for Compose"),
        "kubernetes": SAME,
    },
    "Build": BUILT,
    "Health": {
        "http": emulated("a redirect within the service is followed"),
        "tcp": SAME,
        "grpc": SAME,
        "exec": SAME,
        "every": emulated("Kubernetes checks once a second at most"),
        "timeout": emulated("in whole seconds"),
        "within": SAME,
    },
    "Resources": {"cpu": SAME, "memory": SAME},
    "Capabilities": {
        "add": SAME,
        "drop": emulated("all are dropped, but those with which root becomes another user"),
    },
    "Ulimit": dict.fromkeys(("soft", "hard"), lost("a pod has the limits of its node")),
    "HostPath": {"path": emulated("the node's own"), "write": SAME},
    "FileSource": {"secret": SAME, "content": SAME},
    "Route": dict.fromkeys(("path", "host", "methods", "strip", "plugins"), SAME),
    "Plugin": {"name": SAME, "config": SAME},
    "Gateway": {"plugins": SAME, "consumers": SAME, "extra": SAME},
    "Consumer": dict.fromkeys(("key", "basic", "jwt", "groups", "custom_id", "plugins"), SAME),
}
"""Model -> field -> support. `reload` has a model of its own; no backend reads `environments`."""

EXTRA: Mapping[str, Support] = {
    "shm_size": SAME,
    "working_dir": SAME,
    "cap_add": SAME,
    "read_only": SAME,
}
"""Compose keys of the catalogue that have no neutral form; any other one is lost."""


def of_extra(key: str) -> Support:
    """How far a Compose key of a catalogue file is honoured."""
    return EXTRA.get(key) or lost(f"Kubernetes has nothing like {key}")


def lost_extras(stack: Stack) -> list[str]:
    """What kinds ask for in Compose's keys and a cluster does not do, a line each."""
    return [
        f"{unit.name}: {key} does nothing here: {of_extra(key).reason}"
        for unit in stack.units
        for key in unit.extra
        if of_extra(key).level == "lost"
    ]


def lost_of_machine(stack: Stack) -> list[str]:
    """What units ask for of this machine and no node of a cluster has, a line each."""
    lines = []
    for unit in stack.units:
        at = f"{unit.section}.{unit.name}"
        lines += [
            f"{at}.sysctls.{name} does nothing here: not every node allows it"
            for name, _ in unit.sysctls
            if name not in SAFE_SYSCTLS
        ]
        lines += [
            f"{at}.hosts.{name} does nothing here: no node has this machine's address"
            for name, address in unit.hosts
            if address == GATEWAY
        ]
        lines += [
            f"{at}.host_paths.{own.target} does nothing here: {own.path} is of this machine alone"
            for own in unit.host_paths
            if own not in of_node(unit)
        ]
    return lines
