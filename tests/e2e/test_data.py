"""Data that is listed already: what changes in it, what does not, and what was never finished."""

from __future__ import annotations

import subprocess

import docker
import pytest

from .checkout import Checkout, Ended, eventually

pytestmark = pytest.mark.engine


def postgres(checkout: Checkout, options: str) -> None:
    ask = 'psql -XAt "$DATABASE_URL" -c "SELECT 1"'
    checkout.manifest(f"""
        infra: {{db: {{kind: postgres, {options}}}}}
        jobs: {{ask: {{image: 'postgres:18.6', uses: [db], command: [sh, -c, '{ask}']}}}}
    """)


def test_password_and_database_are_made_in_the_data_of_postgres_and_another_user_is_refused(
    checkout: Checkout, engine: docker.DockerClient
) -> None:
    postgres(checkout, "password: one")
    checkout.devenv("up", "-d")
    postgres(checkout, "password: 'an''other \\ one'")
    plan = checkout.devenv("plan").stdout
    assert "apply db (env changed; password is set in the existing data)" in plan
    checkout.devenv("up", "-d")
    checkout.devenv("down")
    postgres(checkout, "password: three")  # nothing but the data knows the one before
    checkout.devenv("up", "-d")

    postgres(checkout, "password: three, database: store")
    assert "database is made in the existing data" in checkout.devenv("plan").stdout
    checkout.devenv("up", "-d")
    listed = ("psql", "-XAt", "-U", "app", "-c", "SELECT datname FROM pg_database", "store")
    assert {"app", "store"} <= set(checkout.devenv("exec", "db", *listed).stdout.split())

    postgres(checkout, "password: three, database: store, user: other")
    plan = checkout.devenv("plan")
    assert "apply db (env changed; user counts only for new data)" in plan.stdout
    assert "set it back, or make all data anew: devenv down --volumes" in plan.stderr
    checkout.devenv("down")  # the container that told is gone
    failed = checkout.devenv("up", "-d", exits=1)
    assert failed.seconds < 30  # the check has 90
    assert 'FATAL:  role "other" does not exist' in failed.stderr
    assert "set them back, or devenv down --volumes" in failed.stderr
    postgres(checkout, "password: three, database: store")
    checkout.devenv("up", "-d")

    drop = ("psql", "-Xq", "-U", "app", "-c", "DROP DATABASE store WITH (FORCE)", "template1")
    checkout.devenv("exec", "db", *drop)
    the_check_leaves_a_dropped_database_alone(checkout)


def the_check_leaves_a_dropped_database_alone(checkout: Checkout) -> None:
    """A migration that drops a database to make it anew meets nobody who makes it in between."""
    container = checkout.units()["db"]
    _, *check = container.raw["Config"]["Healthcheck"]["Test"]
    for _ in range(2):
        # Not with the SDK: it drops what arrives in one packet with the engine's answer.
        done = subprocess.run(
            ["docker", "exec", container.id, *check], capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 1
        answer = done.stdout + done.stderr
        assert 'database "store" does not exist' in answer or "Unknown database 'store'" in answer


def mysql(checkout: Checkout, options: str) -> None:
    ask = 'MYSQL_PWD="$MYSQL_PASSWORD" mysql -h"$MYSQL_HOST" -u"$MYSQL_USER" "$MYSQL_DATABASE" -e "SELECT 1"'
    checkout.manifest(f"""
        infra: {{db: {{kind: mysql, {options}}}}}
        jobs:
          ask:
            image: mysql:9.7.2
            uses: [db]
            command: [sh, -c, '{ask}']
    """)


def refused(checkout: Checkout) -> Ended:
    """An `up` whose root the data does not let in."""
    failed = checkout.devenv("up", "-d", exits=1)
    assert failed.seconds < 60  # the check has 180
    assert "Access denied for user 'root'@'localhost'" in failed.stderr
    return failed


def test_user_password_and_database_are_made_in_the_data_of_mysql_and_another_root_is_refused(
    checkout: Checkout, engine: docker.DockerClient
) -> None:
    mysql(checkout, "password: one, root_password: top")
    checkout.devenv("up", "-d")
    mysql(checkout, "password: one, root_password: changed")  # though the user can connect
    assert "root_password counts only for new data" in checkout.devenv("plan").stdout
    checkout.devenv("down")  # the container that told is gone
    assert "set them back, or devenv down --volumes" in refused(checkout).stderr
    mysql(checkout, "password: one, root_password: top")
    checkout.devenv("up", "-d")

    mysql(checkout, 'user: other, password: "an\'o\\\\ther", database: store, root_password: top')
    plan = checkout.devenv("plan").stdout
    assert "database and user are made in the existing data; password is set in the existing data" in plan
    checkout.devenv("up", "-d")
    drop = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql -uroot -e "DROP DATABASE store"'
    checkout.devenv("exec", "db", "sh", "-c", drop)
    the_check_leaves_a_dropped_database_alone(checkout)
    mysql(checkout, "user: third, root_password: changed")
    assert "user and root_password count only for new data" in refused(checkout).stderr


BROKEN, WHOLE = "CREATE TABLE kept (id int);\nSELECT 1/0;\n", "CREATE TABLE kept (id int);\n"


def test_data_whose_seed_failed_is_made_anew_and_complete_data_never(checkout: Checkout) -> None:
    checkout.write("seed.sql", BROKEN)
    postgres(checkout, "seed: seed.sql")
    failed = checkout.devenv("up", "-d", exits=1)
    assert "division by zero" in failed.stderr
    assert "the first start did not finish" in checkout.devenv("status", exits=1).stdout
    checkout.write("seed.sql", WHOLE)
    plan = checkout.devenv("plan").stdout
    assert "clear db (its first start did not finish: the data is half made)" in plan
    assert "apply db (half-made data is made anew)" in plan
    checkout.devenv("up", "-d")
    checkout.devenv("exec", "db", "psql", "-U", "app", "-c", "INSERT INTO kept VALUES (1)")
    checkout.write("seed.sql", BROKEN)  # counts for new data only: there is none
    checkout.devenv("up", "-d")
    checkout.devenv("down")
    checkout.devenv("up", "-d")
    assert checkout.devenv("exec", "db", "psql", "-XAt", "-U", "app", "-c", "TABLE kept").stdout == "1\n"


def test_half_made_data_whose_container_is_gone_is_made_anew_by_one_up(
    checkout: Checkout, engine: docker.DockerClient
) -> None:
    checkout.write("seed.sql", BROKEN)
    postgres(checkout, "seed: seed.sql")
    checkout.devenv("up", "-d", exits=1)
    engine.api.remove_container(checkout.units()["db"].id, force=True)
    checkout.write("seed.sql", WHOLE)
    ended = checkout.devenv("up", "-d")
    assert "x db" not in ended.stderr
    assert "note  db: the first start did not finish; its data is made anew" in ended.stderr
    assert checkout.devenv("exec", "db", "psql", "-XAt", "-U", "app", "-c", "TABLE kept").stdout == ""


def test_a_server_on_half_made_data_is_not_healthy_and_down_leaves_none_of_it(
    checkout: Checkout, engine: docker.DockerClient
) -> None:
    checkout.write("seed.sql", BROKEN)
    postgres(checkout, "seed: seed.sql")
    checkout.devenv("up", "-d", exits=1)
    engine.containers.get(checkout.units()["db"].id).start()  # as a restart of the machine may
    half_made = "unhealthy  the first start did not finish"
    eventually(lambda: half_made in checkout.devenv("status", exits=1).stdout, within=40)
    assert "clear db" in checkout.devenv("plan").stdout
    assert "db: the first start did not finish" in checkout.devenv("down").stderr
    assert checkout.volumes() == []


def test_a_seed_that_fails_in_mysql_leaves_nothing_that_counts_as_complete(checkout: Checkout) -> None:
    checkout.write("seed.sql", "CREATE TABLE kept (id int);\nSELECT nonsense;\n")
    mysql(checkout, "seed: seed.sql")
    checkout.devenv("up", "-d", exits=1)
    checkout.write(
        "seed.sql", f"{WHOLE}\nCREATE TABLE names (name VARCHAR(9));\nINSERT INTO names VALUES ('Zoë');\n"
    )
    assert "apply db (half-made data is made anew)" in checkout.devenv("plan").stdout
    checkout.devenv("up", "-d")
    ask = 'MYSQL_PWD="$MYSQL_PASSWORD" mysql -u"$MYSQL_USER" -N "$MYSQL_DATABASE" -e "SELECT hex(name) FROM names"'
    assert checkout.inside("db", "sh", "-c", ask).strip() == "Zoë".encode().hex().upper()


def test_a_seed_that_fails_in_mongo_leaves_nothing_that_counts_as_complete(checkout: Checkout) -> None:
    checkout.write("seed.js", "db.kept.insertOne({a: 1})\nthrow new Error('no')\n")
    checkout.manifest("infra: {db: {kind: mongo, seed: seed.js}}")
    checkout.devenv("up", "-d", exits=1)
    checkout.write("seed.js", "db.kept.insertOne({a: 1})\n")
    assert "apply db (half-made data is made anew)" in checkout.devenv("plan").stdout
    checkout.devenv("up", "-d")


def test_where_the_data_of_a_renamed_service_stays_is_said(checkout: Checkout) -> None:
    text = "services: {{{}: {{image: 'busybox:1.37', command: sleep 1d, volumes: {{data: /data}}}}}}"
    checkout.manifest(text.format("shop"))
    checkout.devenv("up", "-d")
    (volume,) = checkout.volumes()
    checkout.manifest(text.format("store"))
    note = f"the data of shop stays in {volume}; devenv down --volumes removes it with all other"
    assert note in checkout.devenv("plan").stderr
    assert note in checkout.devenv("up", "-d").stderr
    assert note not in checkout.devenv("up", "-d").stderr
