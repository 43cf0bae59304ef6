"""Data that is there already: what changes in it, what does not, and what was never finished."""

from __future__ import annotations

import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine


def postgres(checkout: Checkout, options: str) -> None:
    ask = 'psql -XAt "$DATABASE_URL" -c "SELECT 1"'
    checkout.manifest(f"""
        infra: {{db: {{kind: postgres, {options}}}}}
        jobs: {{ask: {{image: 'postgres:18.6', uses: [db], command: [sh, -c, '{ask}']}}}}
    """)


def test_a_changed_password_is_set_in_the_data_of_postgres_and_who_uses_it_connects(
    checkout: Checkout,
) -> None:
    postgres(checkout, "password: one")
    checkout.devenv("up", "-d")
    postgres(checkout, "password: 'an''other \\ one'")
    plan = checkout.devenv("plan").stdout
    assert "apply db (env changed; password is set in the data that is there)" in plan
    checkout.devenv("up", "-d")
    checkout.devenv("down")
    postgres(checkout, "password: three")  # nothing but the data knows the one before
    checkout.devenv("up", "-d")


def test_another_name_for_the_database_makes_one_in_the_data_of_postgres(checkout: Checkout) -> None:
    postgres(checkout, "database: shop")
    checkout.devenv("up", "-d")
    postgres(checkout, "database: store")
    assert "database is made in the data that is there" in checkout.devenv("plan").stdout
    checkout.devenv("up", "-d")
    listed = ("psql", "-XAt", "-U", "app", "-c", "SELECT datname FROM pg_database", "store")
    assert {"shop", "store"} <= set(checkout.devenv("exec", "db", *listed).stdout.split())


def test_another_user_counts_only_for_new_data_and_the_ways_out_are_said(checkout: Checkout) -> None:
    postgres(checkout, "user: one")
    checkout.devenv("up", "-d")
    postgres(checkout, "user: other")
    plan = checkout.devenv("plan")
    assert "apply db (env changed; user counts only for new data)" in plan.stdout
    assert "set it back, or make all data anew: devenv down --volumes" in plan.stderr
    checkout.devenv("down")  # the container that told is gone
    failed = checkout.devenv("up", "-d", exits=1)
    assert failed.seconds < 30  # the check has 90
    assert 'FATAL:  role "other" does not exist' in failed.stderr
    assert "set them back, or devenv down --volumes" in failed.stderr
    postgres(checkout, "user: one")
    checkout.devenv("up", "-d")


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


def test_user_password_and_database_are_made_in_the_data_of_mysql(checkout: Checkout) -> None:
    mysql(checkout, "password: one, root_password: top")
    checkout.devenv("up", "-d")
    mysql(checkout, 'user: other, password: "an\'o\\\\ther", database: store, root_password: top')
    plan = checkout.devenv("plan").stdout
    assert (
        "database and user are made in the data that is there; password is set in the data that is there"
        in plan
    )
    checkout.devenv("up", "-d")
    mysql(checkout, "user: third, root_password: changed")
    failed = checkout.devenv("up", "-d", exits=1)
    assert failed.seconds < 60  # the check has 180
    assert "Access denied for user 'root'@'localhost'" in failed.stderr
    assert "user and root_password count only for new data" in failed.stderr
