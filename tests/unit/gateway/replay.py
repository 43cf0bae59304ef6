"""Recorded requests to a real Kong 3.9.3, asked again of the embedded gateway, and what differs.

The upstream here is the one Kong had: it echoes, or answers by the last part of the path. What changes
from one run to the next is levelled out on both sides: products, ports, ids, times.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.gateway.config import load
from devenv.gateway.draft import Refused
from devenv.gateway.listen import Address, Settings
from devenv.gateway.proxy import Gateway
from devenv.gateway.registry import Loaded
from devenv.gateway.server import listening

DATA = Path(__file__).parent / "data"
MOMENT = 1795630691.0  # when Kong was asked: tokens of then are still good
PATIENCE = 5.0
SILENCE = 0.2  # long enough to know that a request which Kong let hang is not answered here either
LISTENERS = {name: (Address("127.0.0.1", 0),) for name in ("proxy", "admin", "admin_gui", "status")}
Headers = list[tuple[str, str]]


def recorded() -> Any:
    """The recordings: configurations by name, and requests with Kong's answers in the order they were sent."""
    return json.loads(gzip.decompress((DATA / "recorded.json.gz").read_bytes()))


def as_bytes(text: str) -> bytes:
    """A recorded text as it was sent: Latin-1 stands for what was no UTF-8."""
    raw = text.encode()
    length = re.search(r"(?i)\r\nContent-Length: (\d+)\r\n", text)
    body = text.partition("\r\n\r\n")[2]
    if length and len(body) == int(length[1]) < len(body.encode()):
        return text.encode("latin-1")
    return raw


def as_text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@dataclass
class Message:
    """A request or a response as it came over the wire."""

    line: str = ""
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    framing: str = ""

    def first(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


async def read_head(reader: asyncio.StreamReader) -> Message:
    head = as_text(await reader.readuntil(b"\r\n\r\n"))
    line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Message(line, pairs)


async def read_chunks(reader: asyncio.StreamReader, body: bytearray) -> None:
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass


# What Kong's upstream answered, by the last part of the path.
PLAIN = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKS = "3\r\none\r\n4\r\n-two\r\n6\r\n-three\r\n0\r\n"
GZIPPED = bytes.fromhex("1f8b0800000000000203cb48cdc9c95748afca2c50c818658e32b13301cb186b8726020000")
ANSWERS: Mapping[str, bytes] = {
    name: text.encode("latin-1")
    for name, text in {
        "chunked": f"{PLAIN}Transfer-Encoding: chunked\r\n\r\n{CHUNKS}\r\n",
        "trailers": f"{PLAIN}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{CHUNKS}X-Sum: 1\r\n\r\n",
        "cookies": f"{PLAIN}Content-Length: 1\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\n"
        "X-Multi: 1\r\nX-Multi: 2\r\n\r\nc",
        "hop": f"{PLAIN}Content-Length: 3\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
        "Proxy-Authenticate: Basic\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n\r\nhop",
        "named": f"{PLAIN}Content-Length: 5\r\nServer: up/1.0\r\nVia: 1.0 other\r\nRateLimit-Limit: 5\r\n\r\nnamed",
        "accel": f"{PLAIN}Content-Length: 0\r\nX-Accel-Redirect: /up/accel\r\n\r\n",
        "noreason": "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        "bigheader": f"{PLAIN}Content-Length: 0\r\nX-Big: {'x' * 70000}\r\n\r\n",
        "header6k": f"{PLAIN}Content-Length: 0\r\nX-Big: {'x' * 6000}\r\n\r\n",
        "hints": f"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{PLAIN}Content-Length: 0\r\n\r\n",
        "redirect": "HTTP/1.1 302 Found\r\nLocation: /there?x=1\r\nContent-Length: 0\r\n\r\n",
        "redirect-abs": "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:UPSTREAM/there\r\nContent-Length: 0\r\n\r\n",
        "sse": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        "9\r\ndata: 0\n\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n",
        "corsup": f"{PLAIN}Content-Length: 1\r\nAccess-Control-Allow-Origin: http://upstream\r\n"
        "Access-Control-Allow-Methods: GET\r\nVary: Accept\r\n\r\nc",
        "slow": f"{PLAIN}Content-Length: 4\r\n\r\nslow",
        "large": "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3000000\r\n\r\n"
        + "x" * 3000000,
    }.items()
}
ENDINGS: Mapping[str, bytes] = {
    name: text.encode()
    for name, text in {
        "http10": "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold style",
        "half": f"{PLAIN}Content-Length: 1000\r\n\r\n{'x' * 400}",
        "halfchunk": f"{PLAIN}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "garbage": "this is not http",
        "close": "",
    }.items()
}


def status_answer(status: int) -> bytes:
    if status in (204, 304):
        return f"HTTP/1.1 {status} Nothing\r\nX-Up: 1\r\n\r\n".encode()
    text = f"upstream says {status}"
    head = (
        f"HTTP/1.1 {status} Own Reason\r\nX-Up: 1\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}"
    )
    return f"{head}\r\n\r\n{text}".encode()


class Upstream:
    """The upstream Kong had, on a port of its own; it remembers what it got."""

    def __init__(self) -> None:
        self.saw: list[Message] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.answer(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_head(reader)
        self.saw.append(request)
        if "chunked" in request.first("transfer-encoding"):
            body = bytearray()
            await read_chunks(reader, body)
            request.framing, request.body = "chunked", bytes(body)
        else:
            request.framing = "length or none"
            request.body = await reader.readexactly(int(request.first("content-length") or 0))
        method, target = request.line.split(" ")[:2]
        name = target.partition("?")[0].rpartition("/")[2]
        if name == "ws":
            await self.talk(request, reader, writer)
            return False
        if name == "reset":
            writer.transport.abort()
            return False
        if name == "slow":
            await asyncio.sleep(0.15)
        if name in ENDINGS:
            writer.write(ENDINGS[name])
            return False
        raw = self.named(name, request).replace(b"UPSTREAM", str(self.port).encode())
        writer.write(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else raw)
        return True

    def named(self, name: str, request: Message) -> bytes:
        if name.startswith("status-"):
            return status_answer(int(name.removeprefix("status-")))
        if name == "gzip":
            head = f'{PLAIN}Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nETag: "abc"\r\n'
            return f"{head}Content-Length: {len(GZIPPED)}\r\n\r\n".encode() + GZIPPED
        if name in ANSWERS:
            return ANSWERS[name]
        echoed = shortened(request.body.decode("latin-1"), request.body)
        body = json.dumps({"line": request.line, "body": echoed}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Upstream: yes\r\nContent-Length: {len(body)}"
        return head.encode() + b"\r\n\r\n" + body

    async def talk(
        self, request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Say hello, then echo WebSocket frames until one closes."""
        key = request.first("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Ws: up\r\nSec-WebSocket-Accept: {accept}\r\n"
        if request.first("sec-websocket-protocol"):
            head += "Sec-WebSocket-Protocol: chat\r\n"
        writer.write(head.encode() + b"\r\n" + frame(0x81, b"hello"))
        while True:
            kind, payload = await read_frame(reader)
            writer.write(frame(0x8A if kind == 0x89 else kind, payload))
            if kind == 0x88:
                return


def shortened(text: str, raw: bytes) -> str:
    """A body as it was recorded: a long one by its length and digest."""
    return text if len(raw) < 3000 else f"<{len(raw)} bytes sha256 {hashlib.sha256(raw).hexdigest()}>"


def frame(kind: int, payload: bytes, *, mask: bytes = b"") -> bytes:
    sent = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    return bytes([kind, len(payload) | (0x80 if mask else 0)]) + mask + sent


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = await reader.readexactly(2)
    mask = await reader.readexactly(4) if length & 0x80 else b""
    payload = await reader.readexactly(length & 0x7F)
    return kind, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=2**20)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()


@dataclass
class Answer:
    """What a client got: a response, or why there is none."""

    status: int | None = None
    reason: str | None = None
    headers: Headers = field(default_factory=list)
    body: str = ""
    framing: str | None = None
    error: str = ""
    interim: list[int] = field(default_factory=list)
    frames: list[Any] = field(default_factory=list)


async def ask(port: int, request: bytes, *, patience: float = PATIENCE) -> Answer:
    """Send a recorded request and read the answer to its end."""
    answer = Answer()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        async with asyncio.timeout(patience):
            writer.write(request)
            await read_answer(reader, writer, request, answer)
            for _ in range(request.count(b" HTTP/1.1\r\n") - 1):
                await read_answer(reader, writer, request, Answer())
    except TimeoutError:
        answer.error = "TimeoutError"
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        answer.error = "cut" if answer.status else "closed without response"
    finally:
        writer.close()
    return answer


async def read_answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, answer: Answer
) -> None:
    while True:
        head = await read_head(reader)
        version, _, rest = head.line.partition(" ")
        if not version.startswith("HTTP/"):
            raise ValueError(head.line)
        status, _, reason = rest.partition(" ")
        if status != "100":
            break
        answer.interim.append(100)
    answer.status, answer.reason, answer.headers = int(status), reason, head.headers
    if status == "101":
        answer.framing = "upgrade"
        await converse(reader, writer, answer)
        return
    body = bytearray()
    try:
        if request.startswith((b"HEAD ", b"CONNECT ")) or status in ("204", "304"):
            answer.framing = "none"
        elif "chunked" in head.first("transfer-encoding"):
            answer.framing = "chunked"
            await read_chunks(reader, body)
        elif length := head.first("content-length"):
            answer.framing = "length"
            body += await reader.readexactly(int(length))
        else:
            answer.framing = "close"
            body += await reader.read()
    except asyncio.IncompleteReadError as cut:
        body += cut.partial
        raise
    finally:
        answer.body = as_text(bytes(body))


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    sent = [(0x81, b"text"), (0x82, b"\x00\xff"), (0x89, b"pp"), (0x88, b"\x03\xe8bye")]
    for kind, payload in sent:
        writer.write(frame(kind, payload, mask=b"abcd"))
    while True:
        try:
            kind, payload = await read_frame(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            answer.frames.append("eof")
            return
        answer.frames.append([kind, as_text(payload)])


UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b(?:#\d+)?")
LEVELLED = (
    (re.compile(r"kong/3\.9\.3|devenv-gateway"), "<product>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<request-id>"),
    (UUID, "<uuid>"),
    (re.compile(r"\"(created_at|updated_at)\":\d+"), r'"\1":0'),
)
IGNORED = frozenset({"date", "keep-alive"})


def level(text: str, ports: Mapping[int, int]) -> str:
    for pattern, stands_for in LEVELLED:
        text = pattern.sub(stands_for, text)
    for own, theirs in ports.items():
        text = re.sub(rf"\b{own}\b", str(theirs), text)
    return text


def level_headers(headers: Sequence[Sequence[str]], ports: Mapping[int, int]) -> dict[str, list[str]]:
    """Headers by lower-case name; latencies and what is left of a window are only there or not."""
    levelled: dict[str, list[str]] = {}
    for name, value in headers:
        key = name.lower()
        if (
            key in IGNORED
            or (key, value) == ("content-length", "0")
            or (key == "connection" and "upgrade" not in value.lower())
        ):
            continue
        if key.endswith("-latency") or key in ("ratelimit-reset", "retry-after"):
            value = "<time>"
        levelled.setdefault(key, []).append(level(value, ports)[:600])
    return levelled


def level_body(body: str, ports: Mapping[int, int]) -> Any:
    text = level(body, ports)
    if text.startswith(("{", "[")):
        try:
            document = json.loads(text)
        except ValueError:
            return text
        if isinstance(document, dict) and isinstance(echoed := document.get("body"), str):
            document["body"] = level_body(echoed, ports)
        return document
    return text


def differences(case: Any, answer: Answer, saw: list[Message], ports: Mapping[int, int]) -> list[str]:
    """The parts in which the embedded gateway's answer is not Kong's."""
    real = case["real"]
    parts = []
    if (answer.status, bool(answer.error)) != (real["status"], bool(real.get("error") or real.get("cut"))):
        parts.append("status")
    elif answer.status is None:
        return parts
    if (answer.reason or "") != (real["reason"] or ""):
        parts.append("reason")
    if level_headers(answer.headers, ports) != level_headers(real["headers"], {}):
        parts.append("headers")
    if not same_body(real["body"] or "", answer.body, ports):
        parts.append("body")
    if answer.framing != real["framing"]:
        parts.append("framing")
    if answer.interim != real.get("interim", []):
        parts.append("interim")
    if answer.frames != real.get("ws", []):
        parts.append("frames")
    return parts + upstream_differences(case["upstream_saw"], saw, ports)


def same_body(real: str, body: str, ports: Mapping[int, int]) -> bool:
    digest = re.fullmatch(r"<(\d+) bytes sha256 (\w+)>", real)
    if digest:
        raw = body.encode()
        # A list with times in it cannot be the same; one that is as long has the same members.
        return (
            len(raw) == int(digest[1])
            if '"created_at"' in body
            else hashlib.sha256(raw).hexdigest() == digest[2]
        )
    return bool(level_body(real, {}) == level_body(body, ports))


def upstream_differences(real: Any, saw: list[Message], ports: Mapping[int, int]) -> list[str]:
    if isinstance(real, str) or len(real) != len(saw):
        return ["upstream requests"]
    parts = set()
    for theirs, ours in zip(real, saw, strict=True):
        if theirs["line"] != ours.line:
            parts.add("upstream line")
        if level_headers(theirs["headers"], {}) != level_headers(ours.headers, ports):
            parts.add("upstream headers")
        if level_body(theirs["body"], {}) != level_body(shortened(as_text(ours.body), ours.body), ports):
            parts.add("upstream body")
        if theirs["framing"] != ours.framing:
            parts.add("upstream framing")
    return sorted(parts)


async def replay(configs: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every recorded request that is answered in another way: its configuration and name -> the parts."""
    data = recorded()
    differing: dict[str, list[str]] = {}
    async with upstream() as server:
        for name in configs or data["configs"]:
            cases = [case for case in data["cases"] if case["config"] == name]
            text = data["configs"][name].replace("10.255.255.1:81", "127.0.0.1:1")
            text = text.replace(":19090", f":{server.port}")
            text = re.sub(r"read_timeout: \d+", "read_timeout: 50", text)
            differing |= await replay_config(text, cases, server)
    return differing


async def replay_config(text: str, cases: Sequence[Any], upstream: Upstream) -> dict[str, list[str]]:
    differing: dict[str, list[str]] = {}
    try:
        loaded = Loaded.of(load(text))
    except Refused as refused:
        return {key(case): [f"refused: {refused.problems[0]}"] for case in cases}
    gateway = Gateway(loaded, lambda line: None, lambda line: None)
    gateway.counters.now = lambda: MOMENT
    async with listening(gateway, Settings(None, None, LISTENERS)) as own:
        ports = {own["proxy"]: 18000, own["admin"]: 18001, upstream.port: 19090}
        for case in cases:
            upstream.saw.clear()
            request = as_bytes(re.sub(r"(:|%3A)19090", rf"\g<1>{upstream.port}", case["request"]))
            patience = SILENCE if case["real"].get("error") == "TimeoutError" else PATIENCE
            answer = await ask(own[case["listener"]], request, patience=patience)
            if parts := differences(case, answer, list(upstream.saw), ports):
                differing[key(case)] = parts
    return differing


def key(case: Any) -> str:
    return f"{case['config']}: {case['name']}"
