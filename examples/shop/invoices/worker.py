"""Writes an invoice for every order: takes jobs from Valkey, puts a page into the bucket, tells orders."""

import io
import json
import os
import signal
import sys
import time
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import httpx
from minio import Minio
from redis import Redis

WAITING, WORKING = "invoices", "invoices:working"
PAGE = Template(Path(__file__).with_name("invoice.html").read_text())

queue = Redis.from_url(os.environ["REDIS_URL"])
s3 = urlsplit(os.environ["AWS_ENDPOINT_URL_S3"])
store = Minio(
    s3.netloc,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    region=os.environ["AWS_REGION"],
    secure=s3.scheme == "https",
)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print("waiting for orders")
    while True:
        try:
            work()
        except Exception as error:  # whatever is down now, the order keeps its place in the queue
            print(f"trying again: {error}")
            time.sleep(1)


def work() -> None:
    """Take jobs until something fails; a job is forgotten only when orders has its invoice."""
    while True:
        while queue.lmove(WORKING, WAITING, "RIGHT", "LEFT"):
            pass  # what was left half done: to write an invoice twice does no harm
        job = queue.blmove(WAITING, WORKING, timeout=2)  # shorter than the client's own patience of 5 s
        if job:
            write_invoice(json.loads(job))
            queue.lrem(WORKING, 1, job)


def write_invoice(order: dict) -> None:
    key = f"orders/{order['id']}.html"
    page = render(order).encode()
    store.put_object(os.environ["S3_BUCKET"], key, io.BytesIO(page), len(page), content_type="text/html")
    url = f"{os.environ['ORDERS_URL']}/internal/orders/{order['id']}/invoice"
    answer = httpx.put(url, json={"object": key})
    if answer.status_code == 404:
        print(f"order {order['id']} is gone, its invoice stays")
        return
    answer.raise_for_status()
    print(f"order {order['id']}: wrote {key}")


def render(order: dict) -> str:
    words = {name: escape(str(value)) for name, value in order.items()}
    return PAGE.substitute(words, date=order["created_at"][:10], total=f"{order['total'] / 100:.2f}")


if __name__ == "__main__":
    main()
