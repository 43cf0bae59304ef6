"""A store's data lies in its volume, whichever image runs it."""

from __future__ import annotations

import posixpath
import subprocess
from pathlib import Path

import pytest

from devenv import assets
from devenv.backends.base import Work
from devenv.engine.runner import Workbench, run
from devenv.errors import DevenvError
from devenv.manifest.versions import name_and_tag, numbers
from devenv.plan.model import Observed
from devenv.plan.planner import Intent, Situation, plan_up
from devenv.render import kubernetes
from devenv.render.bundle import Source
from devenv.stack.model import Unit
from devenv.stack.mounts import unkept
from tests.fakes import FakeBackend, Machine
from tests.table import each_row

from .stacks import fingerprints, problems, stack, unit

STORE = "name: a\ninfra:\n  store: {{kind: {}}}\n"
OLD, NEW = "/var/lib/postgresql/data", "/var/lib/postgresql"


@each_row(
    [
        ("postgres:15", "15", OLD),
        ("postgres:15-alpine", "15-alpine", OLD),
        ("docker.io/library/postgres:9.6.24", "9.6.24", OLD),
        ("postgis/postgis:16-3.4", "16-3.4", OLD),
        ("pgvector/pgvector:pg16", "16", OLD),
        ("pgvector/pgvector:0.8.0-pg18", "18", NEW),
        ("timescale/timescaledb:2.17.2-pg16", "16", OLD),
        ("citusdata/citus:postgres_15", "15", OLD),
        ("percona/percona-distribution-postgresql:17.2", "17.2", OLD),
        (f"registry.acme.io:5000/db/postgres:17@sha256:{'0f' * 32}", "17", OLD),
        ("postgres:18.6-trixie", "18.6-trixie", NEW),
        ("postgres", "", NEW),
        ("postgres:latest", "", NEW),
        ("acme/shop-db:3", "", NEW),
    ]
)
def test_data_lies_where_the_version_in_the_tag_keeps_it(image: str, version: str, folder: str) -> None:
    store = unit(STORE.format(f'postgres, image: "{image}"'), "store")
    assert (store.image, store.version) == (image, version)
    assert [volume.target for volume in store.volumes] == [folder]


def test_a_version_beside_an_image_says_what_the_tag_does_not() -> None:
    store = unit(STORE.format('postgres, image: "acme/shop-db:3", version: "15"'), "store")
    assert store.version == "15"
    assert [volume.target for volume in store.volumes] == [OLD]


@pytest.mark.parametrize(("image", "inside"), [("postgres:15", True), ("postgres:18", False)])
def test_a_cluster_gets_what_differs_for_the_version_in_the_tag(image: str, inside: bool) -> None:
    app = stack(STORE.format(f"postgres, image: '{image}'"))
    overrides = assets.overrides(kubernetes.override_names(app))
    secrets = dict.fromkeys(app.generated, "p")
    rendered = kubernetes.render(app, Source(secrets=secrets, overrides=overrides)).files["stack.yaml"]
    assert ("/var/lib/postgresql/data/pgdata" in rendered) is inside


TOO_OLD = {
    'mongo, version: "3.4"': "version: the kind mongo does not support version 3.4: its check needs mongosh, which comes with 5 - use 5.0 or newer",
    "mongo, image: 'mongo:4.4-focal'": "image: the kind mongo does not support version 4.4-focal: its check needs mongosh, which comes with 5 - use 5.0 or newer",
    "postgres, image: 'postgres:9.4'": "image: the kind postgres does not support version 9.4: load needs \\gexec of psql, which comes with 9.6 - use 9.6 or newer",
    "mysql, image: 'mysql:5.6'": "image: the kind mysql does not support version 5.6: its check needs CREATE USER IF NOT EXISTS and what came with it - use 5.7 or newer",
    "mysql, image: 'mariadb:10.1'": "image: the kind mysql does not support version 10.1: its check needs CREATE USER IF NOT EXISTS and what came with it - use 10.3 or newer",
    "mysql, image: 'percona/percona-server:5.6'": "image: the kind mysql does not support version 5.6: its check needs CREATE USER IF NOT EXISTS and what came with it - use 5.7 or newer",
    "mongo, image: 'mongodb/mongodb-community-server:4.4.1-ubuntu2004'": "image: the kind mongo does not support version 4.4.1-ubuntu2004: its check needs mongosh, which comes with 5 - use 5.0 or newer",
    "valkey, image: 'redis:4-alpine'": "image: the kind valkey does not support version 4-alpine: load needs RESTORE with ABSTTL, which Redis has since 5 - use 5.0 or newer",
    "minio, image: 'minio/minio:RELEASE.2021-04-22T15-44-28Z'": (
        "image: the kind minio does not support version RELEASE.2021-04-22T15-44-28Z: its check needs mc in the image"
        " - use RELEASE.2023-11-01T01-57-10Z or newer"
    ),
}


@each_row([*TOO_OLD])
def test_a_version_that_a_kind_cannot_run_is_refused(options: str) -> None:
    (problem,) = problems(STORE.format(options))
    assert problem.startswith("3:")
    assert f"infra.store.{TOO_OLD[options]}, or run the old version as a service" in problem


@each_row(
    [
        'mongo, version: "5"',
        "mongo, image: 'mongo:7.0'",
        "mysql, image: 'mariadb:10.11'",
        "mysql, image: 'mysql:5.7'",
        "valkey, image: 'redis:8.10.1'",
        "valkey, image: 'acme/cache:1'",
        "minio, image: 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z'",
        "postgres, image: 'postgres:${stack.name}'",
        "postgres, image: 'postgres:latest'",
    ]
)
def test_what_is_new_enough_or_says_no_version_is_taken(options: str) -> None:
    assert problems(STORE.format(options)) == []


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("postgres", ("postgres", "")),
        ("localhost:5000/a/postgis:16-3.4", ("postgis", "16-3.4")),
        ("localhost:5000/a/postgis", ("postgis", "")),
        ("mongo@sha256:0f", ("mongo", "")),
    ],
)
def test_an_image_has_a_name_and_a_tag(image: str, parts: tuple[str, str]) -> None:
    assert name_and_tag(image) == parts


def test_a_release_named_by_its_day_compares_by_it() -> None:
    assert numbers("RELEASE.2026-09-16T00-00-00Z") == (2026, 9, 16)


@each_row(
    [
        ("postgres", (NEW,), ()),
        ("postgres", (), ()),
        ("postgres", (OLD,), (OLD,)),
        ("postgres, image: 'postgres:15'", (OLD,), ()),
        ("postgres, image: 'postgres:15'", (NEW,), (NEW,)),
        ("postgres, image: 'acme/pg:1', version: '15'", (f"{OLD}/",), ()),
        ("postgres", ("/bitnami/postgresql",), ("/bitnami/postgresql",)),
        ("mysql", ("/var/lib/mysql", "/var/log/mysql"), ()),
        ("mongo", ("/data/db", "/data/configdb"), ()),
        (f"postgres, compose: {{volumes: ['own:{OLD}']}}", (OLD,), ()),
        (f"postgres, compose: {{volumes: [{{type: volume, target: {OLD}}}]}}", (OLD,), ()),
        ("mailpit", ("/data",), ()),
    ]
)
def test_what_an_image_declares_is_mounted_or_would_be_lost(
    options: str, declared: tuple[str, ...], lost: tuple[str, ...]
) -> None:
    assert unkept(unit(STORE.format(options), "store"), declared, "compose") == lost


@pytest.mark.parametrize(
    ("options", "lost"),
    [
        ("postgres", (OLD,)),
        ("postgres, image: 'postgres:15'", ()),
        (f"postgres, compose: {{volumes: ['own:{OLD}']}}", (OLD,)),
        (
            "postgres, kubernetes: {StatefulSet: {spec: {template: {spec: {containers:"
            f" [{{volumeMounts: [{{name: store-data, mountPath: {OLD}}}]}}]}}}}}}}}}}",
            (),
        ),
    ],
)
def test_on_kubernetes_what_its_own_fragment_mounts_counts(options: str, lost: tuple[str, ...]) -> None:
    assert unkept(unit(STORE.format(options), "store"), (OLD,), "kubernetes") == lost


@pytest.mark.parametrize("before", ["nothing", "another image"])
def test_a_store_that_would_lose_its_data_is_refused_before_it_is_made(before: str, tmp_path: Path) -> None:
    FakeBackend.machine = machine = Machine(declared={"acme/db:latest": (OLD,)})
    app = stack(STORE.format("postgres, image: 'acme/db:latest'"))
    wanted = fingerprints(app)
    backend = FakeBackend()
    observed = Observed()
    if before == "another image":
        backend.open(Work(app, tmp_path, {"store": "image:old"})).apply(app.unit("store"), recreate=False)
        observed = Observed(units=dict(machine.units), prepared=True)
        machine.done.clear()

    plan = plan_up(app, Situation("fake", observed, wanted), Intent())
    (refused,) = run(plan, Workbench(app, backend, backend.open(Work(app, tmp_path, wanted))), print)

    assert isinstance(refused, DevenvError)
    assert str(refused) == f"store would lose its data: nothing is mounted on {OLD}"
    assert refused.where == "infra.store.image"
    assert refused.why == f"acme/db:latest keeps its data there, and the volume is mounted on {NEW}"
    assert refused.hint == 'say which version of postgres it holds: infra: {store: {version: "..."}}'
    assert machine.done == []
    assert machine.units == dict(observed.units)


def seeded(kind: str, seed: str = "seed: [seed.sql, more.sql], ") -> Unit:
    files = {name: ((name, name),) for name in ("seed.sql", "more.sql")}
    return unit(f"name: a\ninfra:\n  store: {{kind: {kind}, {seed}memory: 1Gi}}\n", "store", files=files)


@pytest.mark.programs
@pytest.mark.parametrize("kind", ["postgres", "postgres, version: '16'", "mysql", "mongo"])
def test_a_seeded_store_has_a_mark_in_its_data_from_before_the_first_script_to_after_the_last(
    kind: str, tmp_path: Path
) -> None:
    store = seeded(kind)
    assert store.data is not None
    assert posixpath.dirname(store.data.unfinished) == store.volumes[0].target
    scripts = [file for file in store.files if file.target.startswith("/docker-entrypoint-initdb.d/")]
    for language in ("C", "en_US.UTF-8"):
        folder = tmp_path / language
        folder.mkdir()
        for name in [*(file.target.rpartition("/")[2] for file in scripts), "000_image.sh", "10_image.sh"]:
            (folder / name).touch()
        listed = subprocess.run(
            ["sh", "-c", "echo *"], cwd=folder, env={"LC_ALL": language}, capture_output=True, check=True
        )
        first, *_, last = listed.stdout.decode().split()
        contents = {file.target.rpartition("/")[2]: file.content for file in scripts}
        assert str(contents[first]).startswith(f"touch {store.data.unfinished}")
        assert str(contents[last]).startswith(f"rm -f {store.data.unfinished}")


@pytest.mark.programs
def test_the_check_of_a_seeded_store_refuses_while_the_mark_is_there(tmp_path: Path) -> None:
    store = seeded("postgres")
    assert store.probe is not None
    assert store.data is not None
    mark = tmp_path / "mark"
    wrapped = [str(word).replace(store.data.unfinished, str(mark)) for word in store.probe.command[:4]]

    def checked(own: str) -> tuple[int, str]:
        ended = subprocess.run([*wrapped, "sh", "-c", own], capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout.strip()

    assert (checked("exit 0"), checked("exit 4")) == ((0, ""), (4, ""))
    mark.touch()
    assert checked("exit 0") == (1, "the first start did not finish: the data is half made")
    assert checked("exit 4") == (4, "")


@pytest.mark.parametrize("kind", ["postgres", "mysql", "mongo", "valkey", "minio"])
def test_a_store_without_a_seed_runs_nothing_more_than_its_image_does(kind: str) -> None:
    store = seeded(kind, seed="")
    assert store.files == ()
    assert store.data is None or store.data.unfinished == ""
