"""What a swarm does with every field of the manifest, as data for the parity report."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.plan.parity import Fields, Support, emulated, lost
from devenv.render.compose.parity import FIELDS as COMPOSE

_FOR_ONE_MACHINE = "for development: the gateway's port is published, on every node"
_PLATFORM = lost("its nodes run what the image has for them")
_DIFFERENT: Fields = {
    "Manifest": {
        "backend": emulated("for development"),
        "registry": emulated("the environment's"),
        "volumes": emulated("on the node that is labelled devenv.data=true"),
        "profiles": emulated("for development: the stack has every service"),
        "secrets": emulated("for development"),
        "logs": emulated("for development: the nodes' own collector reads what containers write"),
        "smoke": emulated("for development"),
    },
    "Service": {
        "publish": emulated(_FOR_ONE_MACHINE),
        "reload": emulated("for development: the image has the files"),
        "replicas": Support(),
        "manual": emulated("docker service scale -d STACK_SERVICE=1"),
    },
    "Job": {
        "manual": emulated("docker service scale -d STACK_JOB=1"),
        "within": emulated("a swarm sets a job no end"),
    },
    "Infra": {
        "publish": emulated(_FOR_ONE_MACHINE),
        "seed": emulated("a config for each file, of at most 1 MB"),
        "files": emulated("a config for each, of at most 1 MB"),
        "platform": _PLATFORM,
        "compose": emulated("what a swarm does not take is refused, by name"),
    },
    "Health": {
        "http": emulated("asked in the container, with a program of the image, if it has one"),
        "tcp": emulated("asked in the container, with a program of the image, if it has one"),
    },
}
_WORKLOAD: Mapping[str, Support] = {
    "build": emulated("docker compose -f images.yaml build --push, before"),
    "uses": emulated("all start together; what comes too early is started again"),
    "secrets": emulated("given by whoever deploys; in files, from secrets of the swarm"),
    "volumes": emulated("on the node that is labelled devenv.data=true"),
    "files": emulated("a config for each, of at most 1 MB"),
    "compose": emulated("what a swarm does not take is refused, by name"),
    "privileged": lost("refused: a task has no more rights than its capabilities"),
    "no_new_privileges": lost("a swarm has no such setting"),
    "host_paths": emulated("each node's own; ~, and what is beside the project, is refused"),
    "platform": _PLATFORM,
}

FIELDS: Fields = {
    model: {**fields, **(_WORKLOAD if model in ("Service", "Job") else {}), **_DIFFERENT.get(model, {})}
    for model, fields in COMPOSE.items()
}
"""Model -> field -> support: as on Compose, but for these."""
