"""Data that is listed already, on a cluster: pods are started again by themselves, and ends leave no trace."""

from __future__ import annotations

import pytest

from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

BROKEN, WHOLE = "CREATE TABLE kept (id int);\nSELECT 1/0;\n", "CREATE TABLE kept (id int);\n"
ASK = ("exec", "db", "psql", "-XAt", "-U", "app", "-c")


def postgres(cluster: OnCluster, options: str) -> None:
    ask = 'psql -XAt "$DATABASE_URL" -c "SELECT 1"'
    cluster.manifest(f"""
        infra: {{db: {{kind: postgres, seed: seed.sql, {options}}}}}
        jobs: {{ask: {{image: 'postgres:18.6', uses: [db], command: [sh, -c, '{ask}']}}}}
    """)


def test_a_seed_that_failed_never_counts_as_healthy_and_its_data_is_made_anew_and_kept(
    cluster: OnCluster,
) -> None:
    cluster.write("seed.sql", BROKEN)
    postgres(cluster, "password: one")
    cluster.on("up", "-d", exits=1)
    (claim,) = cluster.get("pvc")["items"]
    half_made = "unhealthy  the first start did not finish"  # the pod is started again, and a server answers
    eventually(lambda: half_made in cluster.on("status", exits=1).stdout, within=60)
    cluster.write("seed.sql", WHOLE)
    plan = cluster.on("plan").stdout
    assert "clear db (its first start did not finish: the data is half made)" in plan
    cluster.on("up", "-d")
    (new,) = cluster.get("pvc")["items"]
    assert new["metadata"]["uid"] != claim["metadata"]["uid"]
    cluster.on(*ASK, "INSERT INTO kept VALUES (1)")
    postgres(cluster, "password: two")
    assert "password is set in the existing data" in cluster.on("plan").stdout
    cluster.on("up", "-d")
    cluster.on("down")
    another_user_is_no_reason_to_wait(cluster)
    postgres(cluster, "password: two")
    cluster.on("up", "-d")
    assert cluster.on(*ASK, "TABLE kept").stdout == "1\n"


def another_user_is_no_reason_to_wait(cluster: OnCluster) -> None:
    postgres(cluster, "user: other, password: two")
    failed = cluster.on("up", "-d", exits=1)
    assert 'role "other" does not exist' in failed.stderr
    assert failed.seconds < 60


def test_half_made_data_whose_workload_is_gone_is_made_anew_by_one_up(cluster: OnCluster) -> None:
    cluster.write("seed.sql", BROKEN)
    postgres(cluster, "password: one")
    cluster.on("up", "-d", exits=1)
    cluster.kubectl("delete", "statefulset", "db", "--cascade=foreground")
    cluster.write("seed.sql", WHOLE)
    assert "x db" not in cluster.on("up", "-d").stderr
    assert cluster.on(*ASK, "TABLE kept").stdout == ""
