"""The guestbook's API: entries in PostgreSQL, hearts and visits in Valkey, pictures in S3.

Where the stores are, and with which passwords, is in variables that devenv sets: `devenv env api` shows them.
"""

import logging
import os
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import uuid4

from fastapi import FastAPI, Form, HTTPException, Response, UploadFile
from minio import Minio
from minio.error import S3Error
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from redis import Redis

logging.getLogger("uvicorn.access").addFilter(lambda line: "/healthz" not in line.getMessage())

TABLE = """
CREATE TABLE IF NOT EXISTS entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    message text NOT NULL,
    picture text NOT NULL DEFAULT '',
    written_at timestamptz NOT NULL DEFAULT now()
)
"""

PICTURES = {"image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml"}
LARGEST = 4 * 2**20

database = ConnectionPool(
    os.environ["DATABASE_URL"],
    kwargs={"row_factory": dict_row},
    check=ConnectionPool.check_connection,
    min_size=1,
    timeout=5,
    open=False,
)
valkey = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
s3 = urlsplit(os.environ["AWS_ENDPOINT_URL_S3"])
pictures = Minio(
    s3.netloc,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    region=os.environ["AWS_REGION"],
    secure=s3.scheme == "https",
)
BUCKET = os.environ["S3_BUCKET"]


@asynccontextmanager
async def lifespan(_: FastAPI):
    database.open()
    with database.connection() as db:
        db.execute(TABLE)
    yield
    database.close()


app = FastAPI(title="guestbook", lifespan=lifespan)

Entry = dict[str, Any]


@app.get("/entries")
def newest() -> list[Entry]:
    """The newest 60 entries, each with its hearts."""
    with database.connection() as db:
        entries = db.execute("SELECT * FROM entries ORDER BY id DESC LIMIT 60").fetchall()
    hearts = valkey.hgetall("hearts")
    return [{**entry, "hearts": int(hearts.get(str(entry["id"]), 0))} for entry in entries]


@app.post("/entries", status_code=201)
def write(
    name: Annotated[str, Form(min_length=1, max_length=40)],
    message: Annotated[str, Form(min_length=1, max_length=280)],
    picture: UploadFile | None = None,
) -> Entry:
    """A new entry; its picture is stored first, so that no entry shows one that is not there."""
    key = keep(picture) if picture and picture.filename else ""
    with database.connection() as db:
        return db.execute(
            "INSERT INTO entries (name, message, picture) VALUES (%s, %s, %s) RETURNING *", [name, message, key]
        ).fetchone()


def keep(picture: UploadFile) -> str:
    """Put a picture into the bucket, and return its key there."""
    if picture.content_type not in PICTURES:
        raise HTTPException(415, "a picture is a PNG, JPEG, WebP, GIF or SVG")
    if picture.size > LARGEST:
        raise HTTPException(413, "a picture has 4 MiB at most")
    key = uuid4().hex
    pictures.put_object(BUCKET, key, picture.file, picture.size, content_type=picture.content_type)
    return key


@app.get("/pictures/{key}")
def picture(key: str) -> Response:
    try:
        with pictures.get_object(BUCKET, key) as stored:
            return Response(stored.read(), media_type=stored.headers["content-type"])
    except S3Error as error:
        raise HTTPException(404, "there is no such picture") from error


@app.post("/entries/{id}/hearts")
def like(id: int) -> dict[str, int]:
    """One heart more."""
    with database.connection() as db:
        if db.execute("SELECT 1 FROM entries WHERE id = %s", [id]).fetchone() is None:
            raise HTTPException(404, f"there is no entry {id}")
    return {"hearts": valkey.hincrby("hearts", str(id), 1)}


@app.post("/visits")
def visit() -> dict[str, int]:
    """One visit more."""
    return {"visits": valkey.incr("visits")}


@app.get("/healthz")
def health() -> dict[str, bool]:
    with database.connection(timeout=2) as db:
        db.execute("SELECT 1")
    return {"ok": valkey.ping()}
