"""An answer that came through a forwarded port, as far as it is there."""

from __future__ import annotations

from devenv.backends.kube.asking import read
from tests.table import each_row

HEAD = b"HTTP/1.1 %b x\r\nContent-Length: 4\r\n"
CHUNKED = b"HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n"


@each_row(
    {
        "nothing yet": (b"", None),
        "half a head": (HEAD % b"200", None),
        "a page, of which the rest is not needed": (HEAD % b"200" + b"\r\n", (200, "")),
        "half a refusal": (HEAD % b"404" + b"\r\nno", None),
        "a refusal": (HEAD % b"404" + b"\r\nnone", (404, "none")),
        "half a chunk": (CHUNKED + b"4\r\nno", None),
        "chunks": (CHUNKED + b"4\r\nnone\r\n0\r\n\r\n", (404, "none")),
    }
)
def test_an_answer_is_read_once_it_is_there(answer: bytes, expected: tuple[int, str] | None) -> None:
    assert read(answer) == expected
