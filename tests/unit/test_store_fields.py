"""What every store takes, whatever its kind: args, files, resources and env, in each renderer."""

from __future__ import annotations

from pathlib import Path

from devenv import sources
from devenv.render import compose, kubernetes
from devenv.render.bundle import Source
from devenv.sources.digests import Digests
from devenv.stack.text import masked
from devenv.stack.world import Want
from tests import documents
from tests.table import each_row

from .stacks import CATALOGUE, fingerprints, problems, stack, unit

STORE = "name: shop\ninfra:\n  {}: {{{}}}\n"
STORES = [kind for kind in CATALOGUE if not CATALOGUE[kind].facts.gateway]


@each_row(STORES)
def test_every_kind_takes_them(kind: str) -> None:
    line = (
        "args: [--more, '${secret.MORE}'], files: {/etc/more.conf: ./more.conf, /run/key: {secret: KEY}}, "
        "resources: {cpu: 500m, memory: 1Gi}, env: {MORE: yes}"
    )
    plain, store = unit(STORE.format(kind, ""), kind), unit(STORE.format(kind, line), kind)
    assert [masked(word) for word in store.command or ()][:-1] == [
        *map(masked, plain.command or ()),
        "--more",
    ]
    added = [file for file in store.files if file not in plain.files]
    assert {file.target: file.source or file.secret for file in added} == {
        "/etc/more.conf": "./more.conf",
        "/run/key": "KEY",
    }
    assert (store.cpu, store.memory, dict(store.env)["MORE"]) == (0.5, 1 << 30, "yes")


@each_row(STORES)
def test_memory_is_short_for_that_of_resources(kind: str) -> None:
    short, long = (
        unit(STORE.format(kind, line), kind) for line in ("memory: 1Gi", "resources: {memory: 1Gi}")
    )
    assert short == long
    assert short.memory == 1 << 30


def test_args_may_be_a_line() -> None:
    store = unit(STORE.format("valkey", "args: --loglevel 'very verbose'"), "valkey")
    assert (store.command or ())[-2:] == ("--loglevel", "very verbose")


def test_they_reach_compose_and_kubernetes() -> None:
    app = stack(
        STORE.format(
            "postgres", "args: [-c, fsync=off], resources: {cpu: 250m}, files: {/run/key: {secret: KEY}}"
        )
    )
    secrets = {**dict.fromkeys(app.generated, "p"), "KEY": "k"}
    service = documents.load(compose.render(app, Source(secrets=secrets)).files["compose.yaml"])["services"][
        "postgres"
    ]
    assert (service["command"], service["cpus"]) == (["-c", "fsync=off"], 0.25)
    assert [mount["target"] for mount in service["volumes"] if isinstance(mount, dict)] == ["/run/key"]
    objects = documents.load_all(kubernetes.render(app, Source(secrets=secrets)).files["stack.yaml"])
    (pods,) = [item["spec"]["template"]["spec"] for item in objects if item["kind"] == "StatefulSet"]
    container = pods["containers"][0]
    assert (container["args"], container["resources"]["limits"]["cpu"]) == (["-c", "fsync=off"], "250m")
    assert "/run/key" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_a_changed_argument_or_file_makes_the_store_stale() -> None:
    before = fingerprints(stack(STORE.format("postgres", "")))
    for line in ("args: [-c, fsync=off]", "files: {/etc/x: ./x}", "resources: {cpu: 1}"):
        assert fingerprints(stack(STORE.format("postgres", line))) != before


REFUSED = {
    "memory: 1Gi, resources: {memory: 2Gi}": "infra.postgres.memory: is resources.memory in short - keep one of them",
    "files: {etc/x: ./x}": 'infra.postgres.files.etc/x: "etc/x" is not a path in a container'
    " - write an absolute path below /",
    "files: {/etc/x: ../x}": 'infra.postgres.files./etc/x: "../x" is outside the project'
    " - write a path beside or below devenv.yaml",
    "files: {/var/lib/postgresql: ./x}": "infra.postgres.files./var/lib/postgresql: the kind mounts something"
    " of its own there - give it another path",
    "files: {/etc/x: './${stack.name}'}": 'infra.postgres.files./etc/x: "${stack.name}" is not replaced here'
    " - write the value itself",
}


@each_row(REFUSED.items())
def test_what_cannot_be_is_refused(line: str, message: str) -> None:
    (problem,) = problems(STORE.format("postgres", line))
    assert problem.partition(": ")[2] == message


def test_a_seed_may_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "seeds" / "more").mkdir(parents=True)
    for name in ("2.sql", "1.sh", ".hidden", "more/3.sql"):
        (tmp_path / "seeds" / name).write_text(name)
    wants = [Want("pattern", "./seeds", ("infra", "postgres", "seed", 0))]
    read = sources.read(tmp_path, wants, Digests({}))
    assert [name for name, _ in read.files["./seeds"]] == ["seeds/1.sh", "seeds/2.sql"]
    assert read.findings == []
