"""An engine without containers: Docker's HTTP API on a unix socket, a process of this machine for each container.

Answers have the shape of those recorded from a real engine (`recorded.json`). What a container runs is run here as
it is, so only commands that any machine has, and that change nothing, are of use.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests import serving
from tests.serving import Background, rfc3339, signal_group

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
HEADER = struct.Struct(">BxxxL")
OUT, ERR = 1, 2


@dataclass
class Line:
    """Something a container printed."""

    moment: int
    stream: int
    text: bytes


@dataclass
class Container:
    """A container: what it was made of, and its run."""

    id: str
    name: str
    image: str
    argv: tuple[str, ...]
    labels: dict[str, str]
    environment: dict[str, str]
    check: tuple[str, ...] = ()
    made: int = 0
    status: str = "created"
    exit_code: int = 0
    began: int = 0
    health: str = ""
    tty: bool = False
    endless: bool = False  # following its log goes on after its run
    lines: list[Line] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.status == "running"


class Engine:
    """What the engine has: containers, volumes, images, networks; and those who listen to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.containers: dict[str, Container] = {}
        self.volumes: dict[str, dict[str, str]] = {}
        self.images = ["busybox:1.37"]
        self.details: dict[str, Any] = {}  # of images, by name
        self.published: dict[str, Any] = {}  # what registries say of images, by name
        self.execs: dict[str, tuple[Container, list[str], list[int | None]]] = {}
        self.events: list[dict[str, Any]] = []
        self.sent: list[str] = []  # the actions of those that somebody asked for and got
        self.held = threading.Event()  # while it is not set, events are not sent
        self.held.set()
        self.closed = False
        self.refusal: tuple[str, int, str] | None = None  # resource, status and message of what is refused

    # -- containers

    def create(self, container: Container) -> None:
        with self.changed:
            container.made = time.time_ns()
            self.containers[container.id] = container
            self.event(container, "create")

    def start(self, container: Container) -> None:
        with self.changed:
            if container.running:
                return
            container.began = time.time_ns()
            container.process = subprocess.Popen(
                container.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **container.environment},
                start_new_session=True,
            )
            container.status, container.exit_code = "running", 0
            container.health = "starting" if container.check else ""
            self.event(container, "start")
        threading.Thread(target=self._run, args=(container, container.process), daemon=True).start()
        if container.check:
            threading.Thread(target=self._check, args=(container, container.began), daemon=True).start()

    def _run(self, container: Container, process: subprocess.Popen[bytes]) -> None:
        readers = [
            threading.Thread(target=self._read, args=(container, pipe, stream), daemon=True)
            for stream, pipe in ((OUT, process.stdout), (ERR, process.stderr))
        ]
        for reader in readers:
            reader.start()
        code = process.wait()
        signal_group(process, signal.SIGKILL)  # everything in a container ends with its first process
        for reader in readers:
            reader.join()
        with self.changed:
            container.status, container.exit_code = "exited", code if code >= 0 else 128 - code
            self.event(container, "die", exitCode=str(container.exit_code))

    def _read(self, container: Container, pipe: Any, stream: int) -> None:
        with pipe:
            for text in pipe:
                with self.changed:
                    container.lines.append(Line(time.time_ns(), stream, text))
                    self.changed.notify_all()

    def _check(self, container: Container, began: int) -> None:
        code = subprocess.run(container.check, capture_output=True, check=False).returncode
        with self.changed:
            if container.running and container.began == began:
                container.health = "unhealthy" if code else "healthy"
                self.event(container, f"health_status: {container.health}")

    def stop(self, container: Container, grace: float = 10) -> None:
        process = container.process
        if process is not None and container.running:
            process.terminate()
            with self.changed:
                ended = self.changed.wait_for(lambda: not container.running, grace)
            if not ended:
                process.kill()
                with self.changed:
                    self.changed.wait_for(lambda: not container.running)

    def remove(self, container: Container) -> None:
        self.stop(container, 0)
        with self.changed:
            del self.containers[container.id]
            self.event(container, "destroy")

    def event(self, container: Container, action: str, **attributes: str) -> None:
        recorded = next(
            item
            for item in RECORDED["events"]
            if item["Action"].partition(":")[0] == action.partition(":")[0]
        )
        event = copy.deepcopy(recorded)
        moment = time.time_ns()
        names = {"image": container.image, "name": container.name}
        event["Actor"] = {"ID": container.id, "Attributes": {**container.labels, **names, **attributes}}
        event |= {"Action": action, "status": action, "id": container.id, "from": container.image}
        event |= {"time": moment // 10**9, "timeNano": moment}
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def close(self) -> None:
        for container in list(self.containers.values()):
            self.stop(container, 0)
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self.held.set()

    # -- as the API shows it

    def listed(self, container: Container) -> dict[str, Any]:
        row = copy.deepcopy(RECORDED["listed" if container.running else "listed exited"])
        health = {
            "healthy": " (healthy)",
            "unhealthy": " (unhealthy)",
            "starting": " (health: starting)",
            "": "",
        }
        status = {
            "running": f"Up 1 second{health[container.health]}",
            "exited": f"Exited ({container.exit_code}) 1 second ago",
            "created": "Created",
        }
        return row | {
            "Id": container.id,
            "Names": [f"/{container.name}"],
            "Image": container.image,
            "Labels": container.labels,
            "State": container.status,
            "Status": status[container.status],
            "Created": container.made // 10**9,
        }

    def inspected(self, container: Container) -> dict[str, Any]:
        row = copy.deepcopy(RECORDED[container.status])
        row |= {"Id": container.id, "Name": f"/{container.name}"}
        row["State"] |= {"ExitCode": container.exit_code, "OOMKilled": False}
        if container.began:
            row["State"]["StartedAt"] = rfc3339(container.began)
        row["State"].pop("Health", None)
        if container.check:
            row["State"]["Health"] = {"Status": container.health or "starting", "FailingStreak": 0, "Log": []}
        row["Config"] |= {"Labels": container.labels, "Image": container.image, "Tty": container.tty}
        return row

    def chosen(self, filters: Mapping[str, Any]) -> list[Container]:
        """Containers that the filters let through, the newest first."""
        wanted = _labels(filters)
        rows = [item for item in self.containers.values() if wanted.items() <= item.labels.items()]
        return sorted(rows, key=lambda item: item.made, reverse=True)


def _labels(filters: Mapping[str, Any]) -> dict[str, str]:
    return dict(label.split("=", 1) for label in filters.get("label", ()))


class Refusal(Exception):
    """The engine answers no: status and message."""


class Handler(serving.Handler):
    """One connection to the fake engine."""

    server: Server
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "unix"

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_DELETE = do_HEAD = do_GET

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        parts = [part for part in url.path.split("/") if part]
        if parts and parts[0].startswith("v1."):
            parts = parts[1:]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        engine = self.server.engine
        try:
            refusal = engine.refusal
            if refusal and "/".join(parts).endswith(refusal[0]):
                raise Refusal(*refusal[1:])
            self._route(self.command, parts, query, json.loads(body or b"{}"))
        except Refusal as error:
            status, message = error.args
            self.send_json({"message": message}, status)

    def _route(self, verb: str, parts: Sequence[str], query: Mapping[str, str], body: Any) -> None:
        engine = self.server.engine
        filters = json.loads(query.get("filters", "{}"))
        match verb, *parts:
            case "GET", "version":
                self.send_json(RECORDED["version"])
            case "GET", "info":
                self.send_json(RECORDED["info"] | {"SystemTime": rfc3339(time.time_ns())})
            case "GET", "containers", "json":
                with engine.changed:
                    self.send_json([engine.listed(item) for item in engine.chosen(filters)])
            case "GET", "images", "json":
                rows = [RECORDED["image"] | {"RepoTags": [name], "RepoDigests": []} for name in engine.images]
                self.send_json(rows)
            case "GET", "images", *name, "json" if "/".join(name) in engine.details:
                self.send_json(engine.details["/".join(name)])
            case "GET", "distribution", *name, "json" if "/".join(name) in engine.published:
                self.send_json(engine.published["/".join(name)])
            case "POST", "containers", "create":
                self._create(query["name"], body)
            case "POST", "volumes", "create":
                engine.volumes[body["Name"]] = body["Labels"]
                self.send_json(RECORDED["volume"] | body, 201)
            case "GET", "containers", name, "json":
                self.send_json(engine.inspected(self._container(name)))
            case "GET", "containers", name, "top":
                if not (container := self._container(name)).running:
                    raise Refusal(409, f"container {name} is not running")
                there = container.process is not None and container.process.poll() is None
                self.send_json({"Titles": ["PID"], "Processes": [["1"]] if there else []})
            case "GET", "containers", name, "archive":
                self._container(name)
                raise Refusal(404, f"Could not find the file {query['path']} in container {name}")
            case "GET", "containers", name, "logs":
                self._logs(self._container(name), query)
            case "POST", "containers", name, "exec":
                self._new_exec(self._container(name), body)
            case "POST", "containers", name, ("start" | "stop" | "restart") as action:
                self._act(self._container(name), action)
            case "DELETE", "containers", name:
                engine.remove(self._container(name))
                self._empty()
            case "POST", "exec", name, "start":
                self._exec(name)
            case "GET", "exec", name, "json":
                codes = engine.execs[name][2]
                self.send_json({"ID": name, "ExitCode": codes[0] if codes else None, "Running": not codes})
            case "GET", "events":
                self._events(query, filters)
            case "GET", "volumes":
                wanted = _labels(filters)
                names = [name for name, labels in engine.volumes.items() if wanted.items() <= labels.items()]
                self.send_json(
                    {"Volumes": [RECORDED["volume"] | {"Name": name} for name in names], "Warnings": None}
                )
            case "DELETE", "volumes", name:
                del engine.volumes[name]
                self._empty()
            case "GET", "networks":
                self.send_json([])
            case _:
                raise Refusal(501, f"the fake engine has no {verb} /{'/'.join(parts)}")

    def _create(self, name: str, body: Mapping[str, Any]) -> None:
        engine = self.server.engine
        if body["Image"] not in engine.images:
            raise Refusal(404, f"No such image: {body['Image']}")
        container = Container(
            id=uuid.uuid4().hex * 2,
            name=name,
            image=body["Image"],
            argv=tuple(body["Cmd"]),
            labels=body["Labels"],
            environment=body["Env"],
            check=tuple(body["Healthcheck"]),
            tty=body["Tty"],
        )
        engine.create(container)
        self.send_json({"Id": container.id, "Warnings": []}, 201)

    def _container(self, name: str) -> Container:
        with self.server.engine.changed:
            for container in self.server.engine.containers.values():
                if container.name == name or container.id.startswith(name):
                    return container
        status, body = RECORDED["refusals"]["no container"]
        raise Refusal(status, body["message"].replace("no-such-container", name))

    def _act(self, container: Container, action: str) -> None:
        engine = self.server.engine
        if action in ("stop", "restart"):
            engine.stop(container)
        if action in ("start", "restart"):
            engine.start(container)
        self._empty()

    # -- streams

    def _logs(self, container: Container, query: Mapping[str, str]) -> None:
        engine, follow = self.server.engine, query.get("follow") in ("1", "true", "True")
        kind = "raw" if container.tty else "multiplexed"
        self.begin({"Content-Type": f"application/vnd.docker.{kind}-stream"})
        tail, since = query.get("tail", "all"), float(query.get("since") or 0) * 10**9
        with engine.changed:
            lines = [line for line in container.lines if line.moment >= since]
            at = len(container.lines) if follow else 0
        for line in lines if tail == "all" else lines[len(lines) - min(int(tail), len(lines)) :]:
            self.send(self._framed(container, line))
        while follow:
            with engine.changed:
                engine.changed.wait_for(
                    lambda at=at: (
                        len(container.lines) > at
                        or not (container.running or container.endless)
                        or engine.closed
                    )
                )
                more = container.lines[at:]
                at += len(more)
            for line in more:
                self.send(self._framed(container, line))
            if not more:
                break
        self.end()

    @staticmethod
    def _framed(container: Container, line: Line) -> bytes:
        """Lines longer than 16 KiB come in parts, each with the time."""
        moment = rfc3339(line.moment).encode() + b" "
        if container.tty:
            return moment + line.text
        whole = line.text if line.text.endswith(b"\n") else line.text + b"\n"
        parts = [whole[start : start + (1 << 14)] for start in range(0, len(whole), 1 << 14)]
        return b"".join(HEADER.pack(line.stream, len(moment + part)) + moment + part for part in parts)

    def _events(self, query: Mapping[str, str], filters: Mapping[str, Any]) -> None:
        engine, since = self.server.engine, float(query.get("since") or 0) * 10**9
        kinds, labels = filters.get("event", ()), _labels(filters)
        self.begin({"Content-Type": "application/json"})
        at = 0
        while True:
            with engine.changed:
                engine.changed.wait_for(lambda at=at: len(engine.events) > at or engine.closed)
                more, closed = engine.events[at:], engine.closed
                at += len(more)
            engine.held.wait()
            for event in more:
                attributes = event["Actor"]["Attributes"].items()
                if (
                    event["timeNano"] >= since
                    and labels.items() <= attributes
                    and (not kinds or event["Action"].partition(":")[0] in kinds)
                ):
                    engine.sent.append(event["Action"])
                    self.send(json.dumps(event).encode() + b"\n")
            if closed:
                break
        self.end()

    def _new_exec(self, container: Container, body: Mapping[str, Any]) -> None:
        if not container.running:
            status, answer = RECORDED["refusals"]["not running"]
            raise Refusal(status, answer["message"])
        name = uuid.uuid4().hex
        argv = body["Cmd"]
        if argv == ["hostname"]:  # the only thing here by which a container knows itself
            argv = ["echo", container.id[:12]]
        self.server.engine.execs[name] = (container, argv, [])
        self.send_json({"Id": name}, 201)

    def _exec(self, name: str) -> None:
        """The command as a process of this machine; its streams over the connection, as the engine does it."""
        container, argv, codes = self.server.engine.execs[name]
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            codes.append(127)
            raise Refusal(400, f"exec: {argv[0]!r}: {error.strerror}") from error
        self.send_response(101, "UPGRADED")
        self.send_header("Content-Type", "application/vnd.docker.multiplexed-stream")
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        self.close_connection = True
        lock = threading.Lock()
        passing = [
            threading.Thread(target=self._pass_out, args=(pipe, stream, lock), daemon=True)
            for stream, pipe in ((OUT, process.stdout), (ERR, process.stderr))
        ]
        threading.Thread(target=self._pass_in, args=(process,), daemon=True).start()
        threading.Thread(target=self._end_with, args=(container, process), daemon=True).start()
        for thread in passing:
            thread.start()
        codes.append(process.wait())
        for thread in passing:
            thread.join()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _pass_in(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with suppress(OSError, ValueError), process.stdin:
            while data := self.rfile.read1(1 << 16):  # type: ignore[attr-defined]
                process.stdin.write(data)

    def _pass_out(self, pipe: Any, stream: int, lock: threading.Lock) -> None:
        with suppress(OSError), pipe:
            while data := pipe.read(1 << 15):
                with lock:
                    self.connection.sendall(HEADER.pack(stream, len(data)) + data)

    def _end_with(self, container: Container, process: subprocess.Popen[bytes]) -> None:
        """What runs in a container ends with the container's run."""
        engine, began = self.server.engine, container.began
        while process.poll() is None:
            with engine.changed:
                over = engine.changed.wait_for(
                    lambda: not container.running or container.began != began or engine.closed, 0.1
                )
            if over:
                signal_group(process, signal.SIGKILL)
                return

    def _empty(self) -> None:
        self.send_response(204)
        self.end_headers()


class Server(Background, ThreadingMixIn, UnixStreamServer):
    """The socket. Closing it hangs up on everybody and ends what was started."""

    def __init__(self, path: str) -> None:
        self.engine = Engine()
        self._connections: set[Any] = set()
        super().__init__(path, Handler)
        self.serve()

    @property
    def address(self) -> str:
        return f"unix://{self.server_address}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._connections.discard(request)

    def close(self) -> None:
        self.halt()
        self.engine.close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()  # waits for every answer to end
