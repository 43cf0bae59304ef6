"""What the keys of a Compose file are called in the manifest, or why nothing takes their place.

Errors show the answer for the value at hand, docs/manifest.md shows all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from devenv.errors import did_you_mean
from devenv.manifest import rewriting
from devenv.manifest.base import Resources
from devenv.manifest.models import Infra, Manifest, SecretSource, SharedVolume
from devenv.manifest.workloads import Build, Health, Job, Service, Workload

SHORT_LIST = 8  # keys that an error still lists
LISTED = "`devenv schema` lists the keys"
LONGEST = 160  # characters of a rewritten value: what is longer is shown in general


def _nothing(value: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What to write instead of a key, in general and for a value; or why it is not needed."""

    instead: str = ""
    why: str = ""
    rewrite: Callable[[Any], str] = _nothing

    @property
    def field(self) -> str:
        """The key of the manifest that takes its place, "" if none does."""
        return self.instead.partition(":")[0]

    def hint(self, value: Any) -> str:
        """What to do about the key with this value."""
        if not self.instead:
            return f"remove it: {self.why}"
        text = self.rewrite(value)
        text = text if 0 < len(text) <= LONGEST else self.instead
        return f"write {text}" + (f" ({self.why})" if self.why else "")


def _hatch(key: str) -> Answer:
    return Answer(
        f"compose: {{{key}: ...}}", "Compose alone has it", lambda value: rewriting.hatch(key, value)
    )


_ALONE = """
    attach blkio_config cgroup cgroup_parent cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period
    cpu_rt_runtime cpu_shares cpuset credential_spec device_cgroup_rules devices dns dns_opt dns_search
    domainname external_links gpus group_add hostname ipc isolation label_file mac_address
    mem_reservation mem_swappiness memswap_limit network_mode oom_kill_disable oom_score_adj pid pids_limit
    post_start pre_stop runtime security_opt storage_opt use_api_socket userns_mode uts
"""
_BY_NAME = "the units of a stack reach each other by name"

TOP: Mapping[str, Answer] = {
    "configs": Answer("files: {/in/the/container: ./in/the/project}", "in the service that reads it"),
    "include": Answer(why="a stack is one file; `devenv init --from-compose` reads what it includes"),
    "models": Answer(why="run the model as a service, or give its address in env:"),
    "networks": Answer(why=_BY_NAME),
    "version": Answer(why="there is one version only"),
}

SERVICE: Mapping[str, Answer] = {
    **{key: _hatch(key) for key in _ALONE.split()},
    "annotations": _hatch("annotations"),
    "configs": Answer("files: {/in/the/container: ./in/the/project}"),
    "container_name": Answer(why="its name in the manifest is its name everywhere: `devenv exec NAME`"),
    "cpus": Answer('resources: {cpu: "0.5"}', rewrite=lambda value: rewriting.limits(value, None)),
    "depends_on": Answer("uses: [db]", rewrite=rewriting.uses),
    "deploy": Answer('resources: {cpu: "0.5", memory: 256Mi}, replicas: 2', rewrite=rewriting.deploy),
    "develop": Answer(
        "reload: {sync: {./src: /app/src}}", "what COPY copies is sent after each change anyway"
    ),
    "environment": Answer("env: {NAME: value}", rewrite=rewriting.env),
    "expose": Answer("port: 8000", rewrite=rewriting.ports),
    "extends": Answer("<<: *common", "an anchor of YAML, below a key of your own such as x-common"),
    "extra_hosts": Answer("hosts: {db.legacy: 10.0.0.5}", rewrite=rewriting.hosts),
    "healthcheck": Answer(
        "health: /healthz, or health: {exec: [...]}, or health: none", rewrite=rewriting.health
    ),
    "labels": Answer("compose: {labels: ...}", "a proxy's labels are route: here", rewriting.labels),
    "links": Answer("uses: [db]", rewrite=rewriting.uses),
    "logging": Answer(why="`devenv logs` shows the output; a driver of your own is compose: {logging: ...}"),
    "mem_limit": Answer("resources: {memory: 256Mi}", rewrite=lambda value: rewriting.limits(None, value)),
    "models": Answer(why="run the model as a service, or give its address in env:"),
    "networks": Answer(why=_BY_NAME),
    "profiles": Answer(
        "profiles: {NAME: [services]}",
        "at the top of the file; manual: true keeps it from starting otherwise",
    ),
    "provider": Answer(why="devenv runs containers and processes only"),
    "pull_policy": Answer(why="an image is pulled when it is missing"),
    "pull_refresh_after": Answer(why="an image is pulled when it is missing"),
    "scale": Answer("replicas: 2", rewrite=lambda value: rewriting.scalar("replicas", value)),
    "security_opt": Answer(
        "no_new_privileges: true", "other options are compose: {security_opt: ...}", rewriting.security
    ),
    "stdin_open": Answer(why="`devenv exec NAME` has a terminal; else compose: {stdin_open: true}"),
    "stop_grace_period": Answer("grace: 30s", rewrite=lambda value: rewriting.scalar("grace", value)),
    "tty": Answer(why="`devenv exec NAME` has a terminal; else compose: {tty: true}"),
    "cap_add": Answer("capabilities: {add: [NET_ADMIN]}"),
    "cap_drop": Answer("capabilities: {drop: [ALL]}"),
    "shm_size": Answer("shm: 256Mi", rewrite=lambda value: rewriting.scalar("shm", value)),
    "working_dir": Answer("workdir: /app", rewrite=lambda value: rewriting.scalar("workdir", value)),
    "volumes_from": Answer("volumes: {data: /folder}"),
}

JOB: Mapping[str, Answer] = {
    "expose": Answer(why="a job has no port; what listens is a service"),
    "healthcheck": Answer(why="whoever uses a job waits until it ended with 0"),
    "ports": Answer(why="a job has no port; what listens is a service"),
    "restart": Answer(why="a job runs once, until it ended with 0"),
    "scale": Answer(why="a job runs once"),
    "deploy": Answer('resources: {cpu: "0.5", memory: 256Mi}', rewrite=rewriting.limits_of),
    "develop": Answer(why="a job runs once, with what its image holds"),
}

_OF_SERVICES = ("init", "privileged", "read_only", "stop_signal", "sysctls", "tmpfs", "ulimits", "user")
_STORE = "services that need it say uses: [NAME]"
INFRA: Mapping[str, Answer] = {
    **{key: _hatch(key) for key in _OF_SERVICES},
    "build": Answer("image: NAME:TAG", "a store that is built is a service"),
    "command": Answer("args: [--option]", "after the kind's own", rewriting.args),
    "depends_on": Answer(why=_STORE),
    "deploy": Answer('resources: {cpu: "0.5", memory: 512Mi}', rewrite=rewriting.limits_of),
    "develop": Answer(why="a store has no sources"),
    "entrypoint": _hatch("entrypoint"),
    "env_file": Answer("env: {NAME: value}"),
    "extends": SERVICE["extends"],
    "profiles": Answer(why="a store starts when something that uses it does"),
    "expose": Answer(why="the kind knows its ports"),
    "healthcheck": Answer(why="the kind has a check; compose: {healthcheck: ...} tunes it"),
    "links": Answer(why=_STORE),
    "mem_limit": Answer("memory: 512Mi", rewrite=lambda value: rewriting.scalar("memory", value)),
    "ports": Answer("publish: 15432", rewrite=rewriting.publish),
    "secrets": Answer(why="the kind makes its password up, or takes ${secret.NAME} as an option"),
    "scale": Answer(why="a store runs once"),
    "stop_grace_period": _hatch("stop_grace_period"),
    "volumes": Answer(
        "files: {/in/the/container: ./in/the/project}",
        "the kind keeps its data in a volume of its own; seed: loads files when it is new",
        rewriting.store_files,
    ),
}

BUILD: Mapping[str, Answer] = {
    "cache_to": Answer(why="the builder's own cache is used"),
    "dockerfile_inline": Answer("dockerfile: Dockerfile", "as a file of the project"),
    "entitlements": Answer(why="a build has no more rights than the builder gives"),
    "extra_hosts": Answer(why="a build reaches what the builder reaches"),
    "isolation": Answer(why="devenv builds Linux images only"),
    "labels": Answer(why="write LABEL in the Dockerfile"),
    "no_cache": Answer(why="`devenv up --build` builds anew"),
    "platforms": Answer("platform: linux/amd64", rewrite=rewriting.platform),
    "privileged": Answer(why="a build has no more rights than the builder gives"),
    "provenance": Answer(why="an image for this machine needs none"),
    "pull": Answer(why="`docker pull` fetches a base image anew"),
    "sbom": Answer(why="an image for this machine needs none"),
    "shm_size": Answer(why="the builder decides that"),
    "tags": Answer(why="devenv names images itself; registry: says where they are pushed"),
    "ulimits": Answer(why="the builder decides that"),
}

HEALTH: Mapping[str, Answer] = {
    "disable": Answer("health: none", "it is ready as soon as it runs"),
    "interval": Answer("every: 1s", rewrite=lambda value: rewriting.scalar("every", value)),
    "retries": Answer(why="a service has until `within` to be ready"),
    "start_interval": Answer("every: 1s", rewrite=lambda value: rewriting.scalar("every", value)),
    "start_period": Answer("within: 60s", rewrite=lambda value: rewriting.scalar("within", value)),
    "test": Answer("exec: [...]", rewrite=rewriting.check),
}

VOLUME: Mapping[str, Answer] = {
    "driver": Answer("external: NAME", "a volume that you make with that driver"),
    "driver_opts": Answer("external: NAME", "a volume that you make with these options"),
    "labels": Answer(why="devenv labels the volumes that it makes itself"),
    "name": Answer(
        "external: NAME", "one that is there already", lambda value: rewriting.scalar("external", value)
    ),
}

SECRET: Mapping[str, Answer] = {
    "environment": Answer(why="secrets: [NAME] of a service takes NAME from the environment or .env"),
    "external": Answer(why="secrets: [NAME] of a service is enough; `ask` says where to get the value"),
    "file": Answer(
        why="put the value into .devenv/secrets.env, and "
        "files: {/run/secrets/NAME: {secret: NAME}} into the service"
    ),
    "name": Answer(why="secrets: [NAME] of a service is enough"),
}

_ORDER = dict.fromkeys(
    ("after", "needs", "requires", "wait_for"), Answer("uses: [NAME]", rewrite=rewriting.uses)
)
_COMMAND = dict.fromkeys(
    ("run", "start", "script"),
    Answer("command: ...", rewrite=lambda value: rewriting.scalar("command", value)),
)
_PROGRAM: Mapping[str, Answer] = {
    **_ORDER,
    **_COMMAND,
    "before": Answer("uses: [NAME]", "in the unit that waits for this one"),
    "dockerfile": Answer("build: {context: ., dockerfile: ...}"),
    "context": Answer("build: {context: ...}"),
    "memory": Answer("resources: {memory: 256Mi}", rewrite=lambda value: rewriting.limits(None, value)),
    "cpu": Answer('resources: {cpu: "0.5"}', rewrite=lambda value: rewriting.limits(value, None)),
}

GUESSED: Mapping[type[BaseModel], Mapping[str, Answer]] = {
    Service: {
        **_PROGRAM,
        "like": Answer(
            "<<: *common", "an anchor of YAML, below a key of your own such as x-common; a job has like:"
        ),
        "schedule": Answer(why="a service runs all the time; `devenv run NAME` runs a job when you say so"),
    },
    Job: {**_PROGRAM, "depends": Answer("uses: [NAME]")},
    Health: {
        "path": Answer("http: /healthz", rewrite=lambda value: rewriting.scalar("http", value)),
        "port": Answer("tcp: 8000", rewrite=lambda value: rewriting.scalar("tcp", value)),
        "command": Answer("exec: ...", rewrite=lambda value: rewriting.scalar("exec", value)),
    },
    Resources: dict.fromkeys(
        ("limits", "requests"),
        Answer('cpu: "0.5", memory: 256Mi', "right under resources:, as the most that it may take"),
    ),
    Build: {
        "file": Answer("dockerfile: ...", rewrite=lambda value: rewriting.scalar("dockerfile", value)),
        "path": Answer("context: ...", rewrite=lambda value: rewriting.scalar("context", value)),
    },
    Infra: {
        "db": Answer("database: NAME", rewrite=lambda value: rewriting.scalar("database", value)),
        "type": Answer("kind: NAME", rewrite=lambda value: rewriting.scalar("kind", value)),
    },
}
"""What people write who have read neither page, as others call it so."""

KEYS: Mapping[type[BaseModel], Mapping[str, Answer]] = {
    Manifest: TOP,
    Service: SERVICE,
    Job: {**SERVICE, **JOB},
    Infra: {
        **{
            key: answer if not answer.instead or answer.field in Infra.model_fields else _hatch(key)
            for key, answer in SERVICE.items()
        },
        **INFRA,
    },
    Build: BUILD,
    Health: HEALTH,
    SecretSource: SECRET,
    SharedVolume: VOLUME,
}

FORMS: Mapping[tuple[type[BaseModel], str], Answer] = {
    (Manifest, "secrets"): Answer("secrets: {NAME: {ask: ...}}", "or leave it out: a service lists its own"),
    (Service, "reload"): Answer("reload: {restart: true}", "what COPY copies is sent anyway"),
    (Service, "ports"): Answer("ports: {web: 8080}, or port: 8080", rewrite=rewriting.ports),
    (Workload, "volumes"): Answer("volumes: {data: /folder}, files: {/file: ./file}", "", rewriting.volumes),
    (Workload, "sysctls"): Answer("sysctls: {net.core.somaxconn: 1024}", rewrite=rewriting.sysctls),
    (Workload, "env"): Answer("env: {NAME: value}", rewrite=rewriting.env),
    (Workload, "secrets"): Answer("files: {/run/secrets/NAME: {secret: NAME}}", "or its name alone"),
    (Workload, "env_file"): Answer("env_file: [./api.env]"),
    (SharedVolume, "external"): Answer("external: NAME", "the name of a volume that is there already"),
    (Infra, "env"): Answer("env: {NAME: value}", rewrite=rewriting.env),
    (Build, "additional_contexts"): Answer(
        "additional_contexts: {NAME: ./folder}", rewrite=rewriting.contexts
    ),
    (Build, "args"): Answer("args: {NAME: value}", rewrite=lambda value: rewriting.env(value, key="args")),
}
"""A key that both have, in a form that is Compose's alone."""


def answer_for(model: type[BaseModel], key: str, value: Any) -> str:
    """What to do about a key that the model does not have, "" if it is none of Compose's.

    Models of other files than the manifest, such as a kind's, say so themselves.
    """
    answer = KEYS.get(model, {}).get(key) or GUESSED.get(model, {}).get(key)
    return answer.hint(value) if answer else getattr(model, "instead", {}).get(key, "")


def form_of(model: type[BaseModel], key: str, value: Any) -> str:
    """How the value of a key that both have is written here, "" if its form is none of Compose's."""
    if not isinstance(value, (list, dict, bool)):
        return ""
    answers = (FORMS.get((owner, key)) for owner in model.__mro__ if issubclass(owner, BaseModel))
    return next((answer.hint(value) for answer in answers if answer), "")


def near(word: str, keys: Collection[str], listed: str = LISTED) -> str:
    """The key that was probably meant, else all of them if they are few, else where they are listed."""
    few = f"known here: {', '.join(sorted(keys))}" if len(keys) <= SHORT_LIST else listed
    return did_you_mean(word, keys, few)
