"""The registry that takes one push, spoken to as Docker does it."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from devenv.backends.kube.sink import listening


def ask(
    registry: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(registry, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(registry: str, content: bytes) -> int:
    upload = ask(registry, "POST", "/v2/x/blobs/uploads/")
    location = str(upload.getheader("Location"))
    ask(registry, "PATCH", location, content)
    return ask(registry, "PUT", f"{location}?digest={digest(content)}").status


def test_layers_that_come_at_once_are_kept_apart() -> None:
    contents = [bytes([number]) * 100_000 for number in range(60)]
    with listening({}) as (registry, pushed):
        with ThreadPoolExecutor(max_workers=8) as pool:
            assert set(pool.map(lambda content: push(registry, content), contents)) == {201}
        for content in contents:
            blob, size = pushed.blobs[digest(content)]
            blob.seek(0)
            assert (blob.read(), size) == (content, len(content))


def test_it_has_what_it_was_told_and_what_came() -> None:
    with listening({"sha256:there": 7}) as (registry, _):
        response = ask(registry, "HEAD", "/v2/x/blobs/sha256:there")
        assert (response.status, response.getheader("Content-Length")) == (200, "7")
        assert ask(registry, "HEAD", f"/v2/x/blobs/{digest(b'a')}").status == 404
        push(registry, b"a")
        assert ask(registry, "HEAD", f"/v2/x/blobs/{digest(b'a')}").status == 200


def test_an_upload_that_nobody_began_is_not_taken() -> None:
    with listening({}) as (registry, pushed):
        assert ask(registry, "PATCH", "/v2/x/blobs/uploads/none", b"a").status == 404
        assert ask(registry, "PUT", "/v2/x/blobs/uploads/none?digest=sha256:a").status == 404
        assert (pushed.blobs, pushed.uploads) == ({}, {})


def test_a_manifest_is_kept_with_its_type() -> None:
    with listening({}) as (registry, pushed):
        assert ask(registry, "PUT", "/v2/x/manifests/1", b"{}", {"Content-Type": "t"}).status == 201
        assert pushed.manifests == {digest(b"{}"): (b"{}", "t")}
