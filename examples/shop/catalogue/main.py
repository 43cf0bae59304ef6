"""The catalogue: which teas there are, kept in MongoDB."""

import logging
import os
from typing import Any

from fastapi import FastAPI, HTTPException
from pymongo import MongoClient

logging.getLogger("uvicorn.access").addFilter(lambda line: "/healthz" not in line.getMessage())

products = MongoClient(os.environ["MONGO_URL"], serverSelectionTimeoutMS=3000).get_default_database().products

app = FastAPI(title="catalogue")

Product = dict[str, Any]


@app.get("/api/catalogue")
def every_product() -> list[Product]:
    return list(products.find({}, {"_id": False}).sort("name"))


@app.get("/api/catalogue/{sku}")
def one_product(sku: str) -> Product:
    product = products.find_one({"sku": sku}, {"_id": False})
    if product is None:
        raise HTTPException(404, f"there is no {sku!r} in the catalogue")
    return product


@app.get("/healthz")
def health() -> dict[str, bool]:
    products.database.command("ping")
    return {"ok": True}
