"""What Kubernetes does with every field of the manifest, as data for the parity report."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.plan.parity import BUILT, SAME, Fields, Support, emulated, lost
from devenv.stack.model import Stack

_RESTART = emulated("the kubelet starts whatever ended again, after a pause")
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
    "SecretFile": {"secret": SAME},
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
    "platform": emulated("the nodes run what the image has for them"),
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
