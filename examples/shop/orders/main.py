"""Orders: checks the price, reserves the stock, remembers the order and asks for its invoice."""

import json
import logging
import os
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI, HTTPException, Response
from minio import Minio
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, Field
from redis import Redis

logging.getLogger("uvicorn.access").addFilter(lambda line: "/healthz" not in line.getMessage())

CATALOGUE_URL = os.environ["CATALOGUE_URL"]
STOCK_URL = os.environ["STOCK_URL"]

ORDER = """
    id, sku, name, quantity, total, created_at,
    CASE WHEN invoice IS NULL THEN 'placed' ELSE 'invoiced' END AS state
"""

database = ConnectionPool(
    os.environ["DATABASE_URL"],
    kwargs={"row_factory": dict_row},
    check=ConnectionPool.check_connection,
    min_size=1,
    timeout=5,
    open=False,
)
jobs = Redis.from_url(os.environ["REDIS_URL"])
http = httpx.Client(timeout=5)
s3 = urlsplit(os.environ["AWS_ENDPOINT_URL_S3"])
store = Minio(
    s3.netloc,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    region=os.environ["AWS_REGION"],
    secure=s3.scheme == "https",
)


@asynccontextmanager
async def lifespan(_: FastAPI):
    database.open()
    yield
    database.close()


app = FastAPI(title="orders", lifespan=lifespan)

Order = dict[str, Any]


class NewOrder(BaseModel):
    sku: str
    quantity: int = Field(ge=1, le=20)


class Invoice(BaseModel):
    object: str


@app.post("/api/orders", status_code=201)
def place(new: NewOrder) -> Order:
    product = ask("catalogue", "GET", f"{CATALOGUE_URL}/api/catalogue/{new.sku}")
    with database.connection() as db:  # one transaction: no stock, no order
        order = db.execute(
            f"INSERT INTO orders (sku, name, quantity, total) VALUES (%s, %s, %s, %s) RETURNING {ORDER}",
            [new.sku, product["name"], new.quantity, product["price"] * new.quantity],
        ).fetchone()
        ask("stock", "POST", f"{STOCK_URL}/stock/{new.sku}/reserve", json={"quantity": new.quantity})
    jobs.rpush("invoices", json.dumps(order, default=str))
    return order


@app.get("/api/orders")
def newest() -> list[Order]:
    with database.connection() as db:
        return db.execute(f"SELECT {ORDER} FROM orders ORDER BY id DESC LIMIT 50").fetchall()


@app.get("/api/orders/{id}")
def one(id: int) -> Order:
    return find(id, ORDER)


@app.get("/api/orders/{id}/invoice")
def invoice(id: int) -> Response:
    key = find(id, "invoice")["invoice"]
    if key is None:
        raise HTTPException(404, f"the invoice of order {id} is not written yet")
    with store.get_object(os.environ["S3_BUCKET"], key) as found:
        return Response(found.read(), media_type="text/html")


# Outside /api/orders, so the gateway lets nobody in.
@app.put("/internal/orders/{id}/invoice", status_code=204)
def invoiced(id: int, invoice: Invoice) -> None:
    with database.connection() as db:
        if not db.execute("UPDATE orders SET invoice = %s WHERE id = %s", [invoice.object, id]).rowcount:
            raise HTTPException(404, f"there is no order {id}")


@app.get("/healthz")
def health() -> dict[str, bool]:
    with database.connection(timeout=2) as db:
        db.execute("SELECT 1")
    return {"ok": True}


def find(id: int, columns: str) -> Order:
    with database.connection() as db:
        order = db.execute(f"SELECT {columns} FROM orders WHERE id = %s", [id]).fetchone()
    if order is None:
        raise HTTPException(404, f"there is no order {id}")
    return order


def ask(service: str, method: str, url: str, **request: Any) -> Any:
    """What another service answers; its refusals (404, 409) become ours, its failures a 502."""
    try:
        answer = http.request(method, url, **request)
    except httpx.TransportError as error:
        raise HTTPException(502, f"{service} does not answer: {error}") from error
    if answer.is_client_error:
        raise HTTPException(answer.status_code, answer.json()["detail"])
    if answer.is_error:
        raise HTTPException(502, f"{service} failed with {answer.status_code}")
    return answer.json()
