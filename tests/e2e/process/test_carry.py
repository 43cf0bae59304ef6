"""`up --with-data` between containers and plain processes, both ways."""

from __future__ import annotations

import pytest

from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.engine

FILL = "CREATE TABLE pet (name text); INSERT INTO pet VALUES ('Größe'), (NULL);"
READ = "SELECT string_agg(coalesce(name, '-'), ' ' ORDER BY name) FROM pet"
PSQL = 'PGPASSWORD="$POSTGRES_PASSWORD" psql -h "${ASKED_AT:-localhost}" -U "$POSTGRES_USER" -XAtc "$0" "$POSTGRES_DB"'
KEYS = 'SET k v\r\nSELECT 3\r\nSET blob "\\x00\\r\\n\\xff" EX 9999\r\n'


def test_rows_and_keys_go_there_and_back(checkout: Checkout) -> None:
    checkout.manifest("infra: {postgres: {}, valkey: {}}\n")
    checkout.devenv("up", "-d", "-b", "compose")
    checkout.devenv("exec", "-T", "postgres", "--", "sh", "-c", PSQL, FILL)
    checkout.devenv("exec", "-T", "valkey", "--", "sh", "-c", f"printf '%s' '{KEYS}' | valkey-cli")
    checkout.devenv("up", "-d", "-b", "process", "--with-data")
    assert checkout.devenv("exec", "-T", "postgres", "--", "sh", "-c", PSQL, READ).stdout == "Größe -\n"
    checkout.devenv("up", "-d", "-b", "compose", "--with-data")
    assert checkout.devenv("exec", "-T", "postgres", "--", "sh", "-c", PSQL, READ).stdout == "Größe -\n"
    read = "valkey-cli get k; valkey-cli -n 3 strlen blob; valkey-cli -n 3 ttl blob"
    word, length, left = checkout.devenv("exec", "-T", "valkey", "--", "sh", "-c", read).stdout.split()
    assert (word, length) == ("v", "4")
    assert 9000 < int(left) <= 9999
