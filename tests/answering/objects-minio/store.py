import io
import os
import resource
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

from minio import Minio

bucket = os.environ["BUCKET"]
store = Minio(
    urlsplit(os.environ["S3_ENDPOINT"]).netloc,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    secure=False,
)


class Pictures(BaseHTTPRequestHandler):
    def do_PUT(self):
        content = self.rfile.read(int(self.headers["content-length"]))
        store.put_object(bucket, self.path[1:], io.BytesIO(content), len(content))
        self.answer(b"kept")

    def do_GET(self):
        if self.path == "/files":
            return self.answer(str(resource.getrlimit(resource.RLIMIT_NOFILE)).encode())
        return self.answer(store.get_object(bucket, self.path[1:]).read())

    def answer(self, content):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)


def make():
    for _ in range(60):
        try:
            return store.bucket_exists(bucket) or store.make_bucket(bucket)
        except Exception:
            time.sleep(1)
    raise SystemExit("the store does not answer")


if sys.argv[1] == "make":
    make()
else:
    HTTPServer(("", 8000), Pictures).serve_forever()
