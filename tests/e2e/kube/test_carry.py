"""`up --with-data`: everything that the stores hold goes from one backend to the other, and back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from devenv.backends import load
from devenv.backends.base import Site
from devenv.engine import carry
from devenv.errors import DevenvError
from devenv.plan.carrying import stores
from tests.e2e.kube.conftest import OnCluster
from tests.unit.stacks import stack

pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.long]

JUNK = b"1.2\njunk\n"  # the version of who wrote it comes first

MANIFEST = """
services:
  api:
    image: busybox:1.37
    command: [sh, -c, "trap exit TERM; sleep 900 & wait"]
    uses: [postgres, postgres/billing, mysql, mysql/billing, mongo, mongo/billing, minio/uploads, valkey]
    volumes: {cache: /cache}
"""

# What is written in the beginning: in the main database, in a part, and bytes that no text survives.
FIRST = {
    "postgres": r"""
        export PGUSER=app
        psql -qd app -c 'CREATE TABLE orders (id serial PRIMARY KEY, raw bytea)' \
            -c "INSERT INTO orders (raw) VALUES (decode('00ff0a0d5c', 'hex'))" -c 'CREATE EXTENSION pg_trgm' \
            -c 'CREATE ROLE reader'
        psql -qd billing -c 'CREATE TABLE bills (id int)' -c 'INSERT INTO bills VALUES (1)' \
            -c 'ALTER TABLE bills OWNER TO reader'
    """,
    "mysql": r"""
        export MYSQL_PWD="$MYSQL_ROOT_PASSWORD"
        mysql -uroot app -e "CREATE TABLE orders (id int, raw blob); INSERT INTO orders VALUES (1, x'00ff0a0d5c')"
        mysql -uroot billing -e "CREATE TABLE bills (id int); INSERT INTO bills VALUES (1)"
        mysql -uroot billing -e "CREATE PROCEDURE pay() SELECT 1"
    """,
    "mongo": r"""
        mongosh --quiet --eval '
            db.getSiblingDB("app").orders.insertOne({_id: 1, sku: "tea"})
            db.getSiblingDB("billing").bills.insertOne({_id: 1})
            db.getSiblingDB("billing").bills.createIndex({sku: 1}, {unique: true})'
    """,
    "minio": r"""
        mc alias set -q local http://127.0.0.1:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD"
        printf '\0\377\n' >/tmp/raw
        mc cp -q --attr 'Content-Type=image/png;colour=blue' /tmp/raw local/uploads/a/face
        mc mb -q local/empty
    """,
    "valkey": r"""
        printf '\0\377\r\n' | valkey-cli -x set raw
        valkey-cli set short-lived 1 EX 90000
        valkey-cli -n 3 rpush queue one two
    """,
}

SHOWN = {
    "postgres": r"""
        export PGUSER=app
        psql -Atd app -c 'SELECT id, raw FROM orders' -c '\dx' -c '\l'
        psql -Atd billing -c '\dt' -c 'SELECT * FROM bills'
    """,
    "mysql": r"""
        export MYSQL_PWD="$MYSQL_PASSWORD"
        mysql -uapp app -BNe 'SHOW DATABASES; SELECT id, hex(raw) FROM orders; SELECT * FROM billing.bills'
        mysql -uapp billing -BNe 'CALL pay()'
    """,
    "mongo": r"""
        mongosh --quiet --eval '
            for (const {name} of db.adminCommand({listDatabases: 1}).databases) {
                if (["admin", "config", "local"].includes(name)) continue
                const one = db.getSiblingDB(name)
                for (const each of one.getCollectionNames().sort()) {
                    print(name, each, JSON.stringify(one[each].find().toArray()))
                    print(JSON.stringify(one[each].getIndexes().map((index) => index.name)))
                }
            }'
    """,
    "minio": r"""
        mc alias set -q local http://127.0.0.1:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" >/dev/null
        rm -rf /tmp/held && mkdir /tmp/held && mc mirror -q local /tmp/held >/dev/null
        cd /tmp/held
        for file in * */*/*; do
            echo "$file"
            test -d "$file" || od -c "$file"
        done
        mc stat local/uploads/a/face | while read -r line; do
            case $line in Content-Type* | *olour*) echo "$line" ;; esac
        done | sort
    """,
    "valkey": r"""
        for database in 0 3; do
            valkey-cli -n $database --scan | sort
            valkey-cli -n $database dump raw
        done
        test "$(valkey-cli ttl short-lived)" -gt 80000 && valkey-cli -n 3 lrange queue 0 -1
    """,
}

# What is different when it goes back: something new, and something gone that is still where it goes to.
SECOND = {
    "postgres": "psql -qU app billing -c 'DROP TABLE bills' -c 'CREATE TABLE bills AS SELECT 7 AS sum'",
    "mysql": 'MYSQL_PWD="$MYSQL_PASSWORD" mysql -uapp -e "DROP TABLE app.orders; CREATE TABLE app.orders AS SELECT 2 id, 3 raw"',
    "mongo": """
        mongosh --quiet --eval 'db.getSiblingDB("billing").bills.drop(); db.getSiblingDB("app").two.insertOne({_id: 2})'
    """,
    "minio": """
        mc alias set -q local http://127.0.0.1:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD"
        mc rb -q local/empty && mc cp -q /etc/passwd local/app/b/passwd
    """,
    "valkey": "valkey-cli -n 3 del queue && valkey-cli -n 3 rpush queue three && valkey-cli -n 5 set five 5",
}


def replies(cluster: OnCluster, scripts: dict[str, str]) -> dict[str, str]:
    """What a script in each store prints; all run at once."""

    def reply(unit: str) -> str:
        return cluster.devenv("exec", unit, "sh", "-ec", scripts[unit]).stdout

    with ThreadPoolExecutor() as pool:
        return dict(zip(scripts, pool.map(reply, scripts), strict=True))


def test_everything_the_stores_hold_comes_along_and_nothing_that_was_there_stays(
    cluster: OnCluster, tmp_path: Path
) -> None:
    cluster.manifest(MANIFEST)
    cluster.devenv("up", "-d", "-b", "compose", "--remap-ports", within=200)
    replies(cluster, FIRST)
    before = replies(cluster, SHOWN)

    over = cluster.on("up", "-d", "--with-data", within=400)
    assert "api cannot export its data: it stays on compose" in over.stderr
    assert over.stderr.count("carried from compose") == len(FIRST)
    assert replies(cluster, SHOWN) == before

    replies(cluster, SECOND)
    changed = replies(cluster, SHOWN)
    assert all(changed[unit] != before[unit] for unit in FIRST)
    cluster.devenv("up", "-d", "-b", "compose", "--with-data", within=200)
    assert replies(cluster, SHOWN) == changed

    with closing(load("compose", Site(cluster.root))) as backend:
        running = backend.observe(cluster.checkout).units
        for unit in stores(stack(f"name: any\n{MANIFEST}")):
            if unit.load:
                (tmp_path / unit.name).write_bytes(JUNK)
                with pytest.raises(DevenvError, match=f"{unit.name} did not accept the data"):
                    carry.load(backend, running[unit.name], unit, tmp_path, Event(), source="kube")
                assert (tmp_path / unit.name).read_bytes() == JUNK
