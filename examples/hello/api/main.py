"""Says hello and counts who came by."""

import os
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI


def database() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"])


@asynccontextmanager
async def lifespan(_: FastAPI):
    with database() as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS visits ("
            " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " at timestamptz NOT NULL DEFAULT now())"
        )
    yield


app = FastAPI(title="hello", lifespan=lifespan)


@app.get("/api")
def hello() -> dict[str, str | int]:
    with database() as db:
        (visits,) = db.execute("INSERT INTO visits DEFAULT VALUES RETURNING id").fetchone()
    return {"message": "Hello from devenv!", "visits": visits}
