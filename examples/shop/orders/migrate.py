"""Brings the database to the newest schema: runs each file in migrations/ once, in order of name."""

import os
from pathlib import Path

import psycopg

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(db: psycopg.Connection) -> list[str]:
    """Apply what is missing, all or nothing, and return the names of the files applied."""
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(hashtext('migrate'))")  # one at a time, others wait
        db.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
        done = {name for (name,) in db.execute("SELECT name FROM migrations")}
        missing = [path for path in sorted(MIGRATIONS.glob("*.sql")) if path.name not in done]
        for path in missing:
            db.execute(path.read_bytes())
            db.execute("INSERT INTO migrations (name) VALUES (%s)", [path.name])
    return [path.name for path in missing]


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        applied = migrate(db)
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do")
