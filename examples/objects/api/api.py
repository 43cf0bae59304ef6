"""Keeps what it is sent in S3. boto3 reads endpoint and keys from the environment by itself."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["S3_BUCKET"]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))


def make_bucket():
    try:
        s3.create_bucket(Bucket=BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists", "AccessDenied"):
            raise


class Objects(BaseHTTPRequestHandler):
    def do_PUT(self):
        s3.put_object(Bucket=BUCKET, Key=self.path[1:], Body=self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(201, b"")

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, b"ok")
        try:
            self.answer(200, s3.get_object(Bucket=BUCKET, Key=self.path[1:])["Body"].read())
        except s3.exceptions.NoSuchKey:
            self.answer(404, b"no such object\n")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


make_bucket()
ThreadingHTTPServer(("", 8080), Objects).serve_forever()
