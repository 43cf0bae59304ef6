"""A registry for one push: it claims the given layers, keeps what is pushed, and is gone afterwards.

Docker asks a registry layer by layer what is there already, and neither reads nor compresses that. As the
registry claims the layers of the node, Docker pushes only those that the node lacks.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any

IN_MEMORY = 16 * 1024 * 1024  # bytes of a layer; larger ones wait in a file
UPLOADS = "/v2/x/blobs/uploads/"


@dataclass
class Pushed:
    """What a push left: blobs with their sizes, and manifests, the image's own last; all by digest."""

    present: Mapping[str, int]
    blobs: dict[str, tuple[IO[bytes], int]] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    uploads: dict[str, IO[bytes]] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pushed: Pushed

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: a push that breaks off reports it itself."""


@contextlib.contextmanager
def listening(present: Mapping[str, int]) -> Iterator[tuple[str, Pushed]]:
    """Listen on a port of 127.0.0.1, which Docker takes as it is, without TLS; `present`: digest -> size."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.pushed = Pushed(present)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", server.pushed
        finally:
            server.shutdown()
            thread.join()
            blobs = (blob for blob, _ in server.pushed.blobs.values())
            for file in (*blobs, *server.pushed.uploads.values()):  # the latter of a push that broke off
                file.close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # a TLS greeting gets a status line: Docker then speaks plain HTTP
    wbufsize = -1

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def _answer(self, code: int, **headers: Any) -> None:
        self.send_response(code)
        for key, value in ({"Content_Length": 0} | headers).items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()

    def _read_into(self, out: IO[bytes]) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                out.write(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        elif size := int(self.headers.get("Content-Length") or 0):
            out.write(self.rfile.read(size))

    def _unknown(self) -> None:
        """Answer 404 to an upload that was never started; its body is not read."""
        self.close_connection = True
        self._answer(404)

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        pushed, digest = self.server.pushed, self.path.rpartition("/")[2]
        size = pushed.present.get(digest)
        if size is None and digest in pushed.blobs:
            size = pushed.blobs[digest][1]
        if size is None:
            self._answer(404)
        else:
            self._answer(200, Content_Length=size, Docker_Content_Digest=digest)

    def do_POST(self) -> None:
        name = uuid.uuid4().hex
        self.server.pushed.uploads[name] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._answer(202, Location=UPLOADS + name, Docker_Upload_UUID=name, Range="0-0")

    def do_PATCH(self) -> None:
        name = self.path.rpartition("/")[2].partition("?")[0]
        out = self.server.pushed.uploads.get(name)
        if out is None:
            self._unknown()
            return
        self._read_into(out)
        location, range_ = UPLOADS + name, f"0-{out.tell() - 1}"
        self._answer(202, Location=location, Docker_Upload_UUID=name, Range=range_)

    def do_PUT(self) -> None:
        pushed = self.server.pushed
        if "/manifests/" in self.path:
            out = io.BytesIO()
            self._read_into(out)
            digest = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
            pushed.manifests[digest] = out.getvalue(), self.headers.get("Content-Type", "")
        else:
            match = re.search(r"uploads/([^?/]+)\?.*digest=([^&]+)", self.path)
            if match is None:
                self._answer(400)
                return
            digest = match[2].replace("%3A", ":")
            blob = pushed.uploads.pop(match[1], None)
            if blob is None:
                self._unknown()
                return
            self._read_into(blob)
            pushed.blobs[digest] = blob, blob.tell()
        self._answer(201, Docker_Content_Digest=digest, Location=self.path)
