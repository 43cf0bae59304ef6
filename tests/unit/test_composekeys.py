"""Each key of a Compose file has an answer here: in the error that names it, and in the table of docs/manifest.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from devenv.manifest import composekeys, fragments
from devenv.manifest.composekeys import Answer
from devenv.manifest.models import Infra, Manifest, SecretSource, SharedVolume
from devenv.manifest.workloads import Build, Health, Job, Service
from tests.conftest import ROOT
from tests.table import each_row

from .stacks import problems

# The names of the keys in the schema of the Compose Specification (github.com/compose-spec/compose-spec, 2025).
SPECIFICATION: Mapping[type[BaseModel], str] = {
    Manifest: "configs include models name networks secrets services version volumes",
    Service: """annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs
        container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus
        cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search
        domainname entrypoint env_file environment expose extends external_links extra_hosts gpus group_add
        healthcheck hostname image init ipc isolation label_file labels links logging mac_address mem_limit
        mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj
        pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
        pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open
        stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts
        volumes volumes_from working_dir""",
    Build: """additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements
        extra_hosts isolation labels network no_cache platforms privileged provenance pull sbom secrets shm_size
        ssh tags target ulimits""",
    Health: "disable interval retries start_interval start_period test timeout",
    SecretSource: "environment external file name",
    SharedVolume: "driver driver_opts external labels name",
}
OF_SERVICES = (Service, Job, Infra)
NOT_IN_THE_MODEL = {"<<", "health"}  # YAML's own, and what is written a level above


def keys() -> Iterator[tuple[type[BaseModel], str]]:
    """Each key of Compose's, at each place where somebody may write it."""
    for model, names in SPECIFICATION.items():
        for place in OF_SERVICES if model is Service else (model,):
            yield from ((place, name) for name in names.split())


@each_row(keys())
def test_a_key_of_compose_is_a_field_or_has_an_answer(model: type[BaseModel], key: str) -> None:
    assert (key in model.model_fields) != (key in composekeys.KEYS[model])


@each_row([key for key, answer in composekeys.KEYS[Infra].items() if answer.field == "compose"])
def test_what_is_left_to_compose_is_taken_there(key: str) -> None:
    assert [*fragments.findings({key: None}, infra=True)] == []


def answers() -> Iterator[tuple[type[BaseModel], str, Answer]]:
    for model, table in composekeys.KEYS.items():
        yield from ((model, key, answer) for key, answer in table.items())


@each_row(answers())
def test_an_answer_names_fields_that_exist(model: type[BaseModel], key: str, answer: Answer) -> None:
    places = {*model.model_fields, *NOT_IN_THE_MODEL}
    if "in the service" in answer.why:
        places |= {*Service.model_fields}
    if "at the top" in answer.why:
        places |= {*Manifest.model_fields}
    assert not answer.instead or answer.field in places
    assert answer.instead or answer.why


SCALARS = (None, 5, 1.5, True, "", "x", ":")
ODD = (
    *SCALARS,
    *([value] for value in (*SCALARS, [1], {}, {"source": None})),
    *(
        {key: value}
        for key in ("a", "test", "limits", "resources")
        for value in (5, None, [1], {"limits": [1]})
    ),
    {"test": ["CMD"]},
    {"test": ["CMD-SHELL", 5]},
    {1: 2},
)


@each_row(answers())
def test_an_answer_takes_whatever_somebody_wrote(model: type[BaseModel], key: str, answer: Answer) -> None:
    assert all(answer.hint(value).startswith(("write ", "remove it: ")) for value in ODD)


SAID = {  # what somebody wrote in a service -> what the error says
    "depends_on: [db, cache]": "write uses: [db, cache]",
    "depends_on: {db: {condition: service_healthy}}": "write uses: [db]",
    "links: ['db:database', cache]": "write uses: [db, cache]",
    "environment: [A=1, B]": 'write env: {A: ..., B: "${env.B}"}',
    "environment: {PASSWORD: hunter2}": "write env: {PASSWORD: ...}",
    "env: [A=1]": "write env: {A: ...}",
    "ports: ['8080:80']": "write port: 80 and publish: 8080",
    "ports: [8000]": "write port: 8000",
    "ports: ['127.0.0.1:8000:8000/tcp']": "write port: 8000",
    "ports: ['5353:53/udp']": "write port: 53/udp and publish: 5353",
    "ports: ['53:53', '53:53/udp']": "write ports: {port-53: 53, port-53-udp: 53/udp}",
    "ports: [{target: 80, published: 8080}]": "write port: 80 and publish: 8080",
    "ports: ['8080:80', '443']": "write ports: {port-80: 80, port-443: 443} and publish: {port-80: 8080}",
    "ports: ['3000-3005:3000-3005']": "write ports: {web: 8080}, or port: 8080",
    "ports: ['${WEB_PORT:-8080}:80']": 'write port: 80 and publish: "${env.WEB_PORT:-8080}"',
    "expose: [8000]": "write port: 8000",
    "container_name: shop_api": "remove it: its name in the manifest is its name everywhere: `devenv exec NAME`",
    "networks: [backend]": "remove it: the units of a stack reach each other by name",
    "healthcheck: {test: [CMD, curl, -f, 'http://localhost:8000/healthz']}": "write health: /healthz",
    "healthcheck: {test: [CMD-SHELL, 'pg_isready -U shop']}": "write health: {exec: pg_isready -U shop}",
    "healthcheck: {test: [CMD, redis-cli, ping], interval: 5s}": "write health: {exec: [redis-cli, ping]}",
    "healthcheck: {disable: true}": "write health: none",
    "healthcheck: {test: [NONE]}": "write health: none",
    "deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 512m}}}": (
        'write resources: {cpu: "0.5", memory: 512m} and replicas: 2'
    ),
    "deploy: {resources: {reservations: {devices: [{driver: nvidia}]}}}": "write compose: {deploy: ...}",
    "mem_limit: 512m": "write resources: {memory: 512m}",
    "stop_grace_period: 1m30s": "write grace: 1m30s",
    "scale: 3": "write replicas: 3",
    "network_mode: host": "write compose: {network_mode: host} (Compose alone has it)",
    "extra_hosts: ['host.docker.internal:host-gateway', 'db=10.0.0.1', 'six:[::1]']": (
        'write hosts: {host.docker.internal: host-gateway, db: "10.0.0.1", six: "::1"}'
    ),
    "sysctls: [net.core.somaxconn=1024]": 'write sysctls: {net.core.somaxconn: "1024"}',
    "security_opt: ['no-new-privileges:true', 'label=disable']": (
        "write no_new_privileges: true and compose: {security_opt: [label=disable]}"
        " (other options are compose: {security_opt: ...})"
    ),
    "labels: ['traefik.http.routers.a.rule=PathPrefix(`/api`)']": (
        "write route: /api (a proxy's labels are route: here)"
    ),
    "volumes: ['data:/var/lib/app', './app.conf:/etc/app.conf:ro']": (
        "write volumes: {data: /var/lib/app} and files: {/etc/app.conf: ./app.conf}"
    ),
    "volumes: ['.:/code', './src:/app/src', './conf:/etc/app:ro', '/var/run/docker.sock:/var/run/docker.sock']": (
        "write files: {/etc/app: ./conf} and host_paths: {/var/run/docker.sock: {path: /var/run/docker.sock, write: true}}"
        " and reload: {sync: {.: /code, ./src: /app/src}}"
    ),
    "profiles: [debug]": (
        "write profiles: {NAME: [services]} (at the top of the file; manual: true keeps it from starting otherwise)"
    ),
}


@each_row(SAID.items())
def test_the_error_says_it_for_the_value_at_hand(line: str, answer: str) -> None:
    (problem,) = problems(f"name: shop\nservices:\n  api:\n    image: a:1\n    {line}\n")
    assert problem.startswith(f"5:5: services.api.{line.partition(':')[0]}: ")
    assert problem.partition(" - ")[2] == answer


OF_A_STORE = {
    "ports: ['5433:5432']": "unknown key - write publish: 5433",
    "ports: ['5432:5432']": "unknown key - write publish: 5432",
    "environment: {POSTGRES_PASSWORD: hunter2}": "unknown key - write env: {POSTGRES_PASSWORD: ...}",
    "healthcheck: {test: pg_isready}": (
        "unknown key - remove it: the kind has a check; compose: {healthcheck: ...} tunes it"
    ),
    "mem_limit: 512m": "unknown key - write memory: 512m",
    "command: redis-server --loglevel debug": "unknown key - write args: [--loglevel, debug] (after the kind's own)",
    "command: [postgres, -c, max_connections=300]": (
        "unknown key - write args: [-c, max_connections=300] (after the kind's own)"
    ),
    "volumes: ['pg:/var/lib/postgresql/data', './init:/docker-entrypoint-initdb.d', './pg.conf:/etc/pg.conf']": (
        "unknown key - write seed: ./init and files: {/etc/pg.conf: ./pg.conf}"
        " (the kind keeps its data in a volume of its own; seed: loads files when it is new)"
    ),
    "networks: [x]": "unknown key - remove it: the units of a stack reach each other by name",
    "shm_size: 256m": "unknown key - write compose: {shm_size: 256m} (Compose alone has it)",
}


@each_row(OF_A_STORE.items())
def test_a_store_has_answers_of_its_own(line: str, answer: str) -> None:
    where = f"4:5: infra.postgres.{line.partition(':')[0]}"
    assert problems(f"name: shop\ninfra:\n  postgres:\n    {line}\n") == [f"{where}: {answer}"]


def test_a_whole_compose_file_gets_an_answer_for_each_key() -> None:
    text = """\
        version: "3.8"
        name: shop
        services:
          web:
            build: {context: ., cache_to: [x], args: [A=1]}
            image: a:1
            gadget: x
        networks: {back: {}}
    """
    assert problems(text) == [
        "1:1: version: unknown key - remove it: there is one version only",
        "5:25: services.web.build.cache_to: unknown key - remove it: the builder's own cache is used",
        "5:40: services.web.build.args: expected a mapping, found a list - write args: {A: ...}",
        "6:5: services.web.image: cannot be combined with build - keep one of them",
        "7:5: services.web.gadget: unknown key - `devenv schema` lists the keys",
        "8:1: networks: unknown key - remove it: the units of a stack reach each other by name",
    ]


def test_a_volume_of_compose_gets_an_answer() -> None:
    text = """\
        name: a
        services:
          api: {image: x, env_file: {path: a.env}}
        volumes: {a: {external: true, name: theirs}, b: {driver: nfs}}
    """
    assert problems(text) == [
        "3:19: services.api.env_file: expected text, found a mapping - write env_file: [./api.env]",
        "4:15: volumes.a.external: expected text, found true"
        " - write external: NAME (the name of a volume that is there already)",
        "4:31: volumes.a.name: unknown key - write external: theirs (one that is there already)",
        "4:50: volumes.b.driver: unknown key - write external: NAME (a volume that you make with that driver)",
    ]


def test_what_people_guess_has_an_answer_as_well() -> None:
    text = """
    name: shop
    services:
      web: {build: {context: ., file: web.Dockerfile}, like: api, health: {path: /up}, reload: true}
      api: {image: x, resources: {limits: {memory: 1Gi}}, env: {KEY: "${DJANGO_KEY}"}}
    jobs:
      seed: {image: x, run: npm run seed, after: [api]}
    infra:
      postgres: {db: shop}
      kafka: {topics: [{name: audit}], zookeeper: true}
    secrets: [DJANGO_KEY]
    """
    anchor = "an anchor of YAML, below a key of your own such as x-common; a job has like:"
    limits = 'cpu: "0.5", memory: 256Mi (right under resources:, as the most that it may take)'
    assert [problem.partition(": ")[2] for problem in problems(text)] == [
        "services.web.build.file: unknown key - write dockerfile: web.Dockerfile",
        f"services.web.like: unknown key - write <<: *common ({anchor})",
        "services.web.health.path: unknown key - write http: /up",
        "services.web.reload: expected a mapping, found true"
        " - write reload: {restart: true} (what COPY copies is sent anyway)",
        f"services.api.resources.limits: unknown key - write {limits}",
        "services.api.env.KEY: ${DJANGO_KEY} is not a known reference - write ${env.DJANGO_KEY},"
        " ${secret.DJANGO_KEY} if it is one, or $${ for what the shell fills in",
        "jobs.seed.run: unknown key - write command: npm run seed",
        "jobs.seed.after: unknown key - write uses: [api]",
        "infra.postgres.db: unknown key - write database: shop",
        "infra.kafka.topics: expected a list of texts - write it as [one, another]",
        "infra.kafka.zookeeper: unknown key - `devenv kinds show kafka` lists the options",
        "secrets: expected a mapping, found a list"
        " - write secrets: {NAME: {ask: ...}} (or leave it out: a service lists its own)",
    ]


@each_row(
    {
        "a topic": ("kafka/orders.events", []),
        "a queue": ("activemq/orders.new", []),
        "a database": ("postgres/a.b", ['"a.b" is not a name of a database - use letters, digits, _ and -']),
    }
)
def test_topics_and_queues_may_have_dots_and_databases_may_not(use: str, refused: list[str]) -> None:
    found = problems(f"name: shop\nservices: {{api: {{image: x, uses: [{use}]}}}}\n")
    assert [problem.partition("uses[0]: ")[2] for problem in found] == refused


def _is_alone(key: str, answer: Answer) -> bool:
    return answer.instead == f"compose: {{{key}: ...}}" and answer.why == "Compose alone has it"


def _table(tables: Mapping[str, Mapping[str, Answer]]) -> Iterator[str]:
    yield "| In a Compose file | here |"
    yield "| --- | --- |"
    for place, table in tables.items():
        for key, answer in sorted(table.items()):
            if not _is_alone(key, answer):
                text = f"`{answer.instead}`" if answer.instead else f"nothing: {answer.why}"
                note = f" ({answer.why})" if answer.instead and answer.why else ""
                yield f"| {place}`{key}` | {text}{note} |"


def test_the_page_has_the_table() -> None:
    tables = {
        "": composekeys.SERVICE,
        "job: ": composekeys.JOB,
        "infra: ": composekeys.INFRA,
        "build: ": composekeys.BUILD,
        "health: ": composekeys.HEALTH,
        "top level: ": composekeys.TOP,
        "top level, secrets: ": composekeys.SECRET,
        "top level, volumes: ": composekeys.VOLUME,
    }
    page = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
    rest = sorted(key for key, answer in composekeys.SERVICE.items() if _is_alone(key, answer))
    assert "\n".join(_table(tables)) in page
    assert ", ".join(f"`{key}`" for key in rest) in " ".join(page.split())
