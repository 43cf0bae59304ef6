"""What Compose does with every field of the manifest, as data for the parity report."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.plan.parity import SAME, Fields, Support, emulated, lost

_WORKLOAD: Mapping[str, Support] = {
    "build": SAME,
    "image": SAME,
    "command": SAME,
    "entrypoint": SAME,
    "uses": SAME,
    "env": SAME,
    "env_file": SAME,
    "secrets": SAME,
    "resources": SAME,
    "volumes": SAME,
    "files": SAME,
    "grace": SAME,
    "compose": SAME,
    "kubernetes": lost("it is for Kubernetes"),
}

FIELDS: Fields = {
    "Manifest": {
        "name": SAME,
        "namespace": emulated("names of the network: orders.<namespace>.svc.cluster.local"),
        "backend": SAME,
        "registry": lost("images stay on this machine"),
        "services": SAME,
        "jobs": SAME,
        "infra": SAME,
        "gateway": SAME,
        "kinds": SAME,
        "profiles": SAME,
        "secrets": SAME,
        "volumes": SAME,
        "smoke": SAME,
    },
    "SharedVolume": {"size": emulated("it takes what it needs"), "external": SAME},
    "SecretSource": {"ask": SAME},
    "Service": {
        **_WORKLOAD,
        "host": SAME,
        "port": SAME,
        "ports": SAME,
        "publish": SAME,
        "manual": SAME,
        "route": SAME,
        "health": SAME,
        "reload": SAME,
        "restart": SAME,
        "replicas": emulated("one runs, however many are asked for"),
    },
    "Job": {**_WORKLOAD, "like": SAME, "manual": SAME, "within": SAME},
    "Infra": {
        "kind": SAME,
        "image": SAME,
        "version": SAME,
        "publish": SAME,
        "memory": SAME,
        "restart": SAME,
        "resources": SAME,
        "args": SAME,
        "files": SAME,
        "env": SAME,
        "seed": SAME,
        "compose": SAME,
        "kubernetes": lost("it is for Kubernetes"),
    },
    "Build": dict.fromkeys(("context", "dockerfile", "target", "args", "secrets", "ssh"), SAME),
    "Health": {
        "http": emulated("asked from this machine, through the published port"),
        "tcp": emulated("asked from this machine, through the published port"),
        "grpc": emulated("checked as an open port"),
        "exec": SAME,
        "every": SAME,
        "timeout": SAME,
        "within": SAME,
    },
    "Resources": {"cpu": SAME, "memory": SAME},
    "SecretFile": {"secret": SAME},
    "Route": dict.fromkeys(("path", "host", "methods", "strip", "plugins"), SAME),
    "Plugin": {"name": SAME, "config": SAME},
    "Gateway": {"plugins": SAME, "consumers": SAME, "extra": SAME},
    "Consumer": dict.fromkeys(("key", "basic", "jwt", "groups", "custom_id", "plugins"), SAME),
}
"""Model -> field -> support. `reload` has a model of its own; nothing reads `environments`.
"""
