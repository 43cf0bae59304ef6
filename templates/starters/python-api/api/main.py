"""Keeps notes."""

import os
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI
from pydantic import BaseModel


def database() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"])


@asynccontextmanager
async def lifespan(_: FastAPI):
    with database() as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS notes ("
            " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " text text NOT NULL)"
        )
    yield


app = FastAPI(title="notes", lifespan=lifespan, docs_url="/api", openapi_url="/api/openapi.json")


class Note(BaseModel):
    text: str


@app.get("/api/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/api/notes")
def notes() -> list[dict[str, int | str]]:
    with database() as db:
        rows = db.execute("SELECT id, text FROM notes ORDER BY id").fetchall()
    return [{"id": number, "text": text} for number, text in rows]


@app.post("/api/notes", status_code=201)
def add(note: Note) -> dict[str, int | str]:
    with database() as db:
        (number,) = db.execute("INSERT INTO notes (text) VALUES (%s) RETURNING id", [note.text]).fetchone()
    return {"id": number, "text": note.text}
