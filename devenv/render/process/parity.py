"""What plain processes do with every field of the manifest, as data for the parity report."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.plan.parity import SAME, Fields, Support, emulated, lost

_IMAGE = lost("a process has no image of its own")
_CONTAINER = lost("it is for containers")
_ENDED = lost("what ended stays down; devenv up starts it again")
_HOSTS = lost("the names are this machine's: /etc/hosts")
_WORKLOAD: Mapping[str, Support] = {
    "build": emulated(
        "packages of its lock file are installed below .devenv; it runs in the folder of its context"
    ),
    "image": lost("nothing is taken from an image: host: says how it runs"),
    "command": emulated("on this machine, with its port there, and 127.0.0.1 for 0.0.0.0"),
    "entrypoint": emulated("on this machine, with its port there, and 127.0.0.1 for 0.0.0.0"),
    "uses": SAME,
    "env": SAME,
    "env_file": SAME,
    "secrets": SAME,
    "resources": lost("a process takes what it wants"),
    "volumes": lost("the path is the container's"),
    "files": lost("the path is the container's"),
    "user": lost("it runs as you"),
    "workdir": lost("it runs in the folder of its build's context"),
    "read_only": _CONTAINER,
    "capabilities": _CONTAINER,
    "privileged": _CONTAINER,
    "no_new_privileges": _CONTAINER,
    "ulimits": lost("a process has your own limits"),
    "sysctls": lost("the settings are this machine's"),
    "hosts": _HOSTS,
    "host_paths": lost("it sees this machine's own paths, none of the container's"),
    "platform": lost("nothing is taken from an image: host: says how it runs"),
    "init": _CONTAINER,
    "tmpfs": _CONTAINER,
    "shm": _CONTAINER,
    "stop_signal": SAME,
    "grace": SAME,
    "compose": lost("it is for Compose"),
    "kubernetes": lost("it is for Kubernetes"),
}

FIELDS: Fields = {
    "Manifest": {
        "name": SAME,
        "namespace": lost("other units are at 127.0.0.1, whatever their names"),
        "backend": SAME,
        "registry": _IMAGE,
        "services": SAME,
        "jobs": SAME,
        "infra": SAME,
        "gateway": emulated("devenv's own gateway reads the same kong.yml"),
        "kinds": SAME,
        "profiles": SAME,
        "secrets": SAME,
        "volumes": lost("the path is the container's"),
        "smoke": SAME,
        "logs": lost("its collector needs a container; devenv logs has what programs write"),
        "tracing": lost("its collector needs a container, unless infra.NAME.external has one elsewhere"),
    },
    "SharedVolume": dict.fromkeys(("size", "external"), lost("the path is the container's")),
    "SecretSource": {"ask": SAME},
    "Shipping": {"to": SAME},
    "Metrics": {"port": SAME, "path": SAME},
    "Service": {
        **_WORKLOAD,
        "host": SAME,
        "port": emulated("it gets the one on this machine, in $PORT, and HOST=127.0.0.1"),
        "ports": emulated("it gets those on this machine; $PORT is the first, and HOST is 127.0.0.1"),
        "publish": emulated("it listens on this machine, with false too"),
        "restart": _ENDED,
        "aliases": lost("other units are at 127.0.0.1, whatever their names"),
        "manual": SAME,
        "route": SAME,
        "health": SAME,
        "metrics": SAME,
        "reload": emulated("its program reads the project's own files; a save restarts it"),
        "replicas": emulated("one runs, however many are asked for"),
    },
    "Job": {**_WORKLOAD, "like": SAME, "manual": SAME, "within": SAME},
    "Infra": {
        "kind": SAME,
        "image": lost("its programs are those of this machine"),
        "version": emulated("programs of this major"),
        "external": SAME,
        "publish": emulated("it listens on this machine, with false too"),
        "restart": _ENDED,
        "memory": lost("a process takes what it wants"),
        "resources": lost("a process takes what it wants"),
        "args": lost("its program starts as the kind says"),
        "files": lost("the path is the container's"),
        "env": SAME,
        "seed": SAME,
        "hosts": _HOSTS,
        "platform": lost("its programs are those of this machine"),
        "compose": lost("it is for Compose"),
        "kubernetes": lost("it is for Kubernetes"),
    },
    "Build": {
        "context": SAME,
        "dockerfile": emulated("only what it runs, and its variables"),
        **dict.fromkeys(
            ("target", "args", "secrets", "ssh", "additional_contexts", "cache_from", "platform", "network"),
            _IMAGE,
        ),
    },
    "Health": {
        **dict.fromkeys(("http", "tcp", "every", "timeout", "within"), SAME),
        "grpc": emulated("checked as an open port"),
        "exec": emulated("run on this machine"),
    },
    "Resources": dict.fromkeys(("cpu", "memory"), _CONTAINER),
    "Capabilities": {"add": _CONTAINER, "drop": _CONTAINER},
    "Ulimit": dict.fromkeys(("soft", "hard"), lost("a process has your own limits")),
    "HostPath": dict.fromkeys(("path", "write"), lost("it sees this machine's own paths")),
    "FileSource": dict.fromkeys(("secret", "content"), lost("the path is the container's")),
    "Route": dict.fromkeys(("path", "host", "methods", "strip", "plugins"), SAME),
    "Plugin": {"name": SAME, "config": SAME},
    "Gateway": {"plugins": SAME, "consumers": SAME, "extra": SAME},
    "Consumer": dict.fromkeys(("key", "basic", "jwt", "groups", "custom_id", "plugins"), SAME),
}
"""Model -> field -> support."""
