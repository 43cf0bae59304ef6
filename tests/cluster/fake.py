"""A cluster without nodes: the API server's HTTP and websockets on a port of this machine, a process for each pod.

Answers have the shape of those recorded from a real cluster (`recorded.json`). What a pod runs is run here as it
is, so only commands that any machine has, and that change nothing, are of use.
"""

from __future__ import annotations

import copy
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests import serving
from tests.cluster.websockets import Websocket
from tests.serving import PortServer, rfc3339, signal_group

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
PATH = re.compile(
    r"/(?P<api>api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/.))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<part>[^/]+))?)?"
)
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, SIZE, CLOSE = 0, 1, 2, 3, 4, 255
Object = dict[str, Any]


def now() -> str:
    """This second, as timestamps of objects have it."""
    return f"{rfc3339(time.time_ns())[:19]}Z"


def merged(base: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in change.items():
        result[key] = merged(result.get(key), value)
        if value is None:
            del result[key]
    return result


class Refusal(Exception):
    """An answer of 400 and more: one that was recorded, about another object."""

    def __init__(self, recorded: str, name: str) -> None:
        super().__init__(recorded)
        self.body: Object = json.loads(
            json.dumps(RECORDED["refusals"][recorded]).replace("no-such-pod", name)
        )


@dataclass
class Run:
    """A pod's one container as a process, what it printed, and what was started in it since."""

    process: subprocess.Popen[bytes]
    terminal: int | None = None
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    guests: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ended: bool = False

    def close(self) -> None:
        """Let go of what leads to it, once it is over."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


class Cluster:
    """Objects by their path in the API, and the controllers that make pods of workloads."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[str, Object] = {}
        self.patches: dict[str, Object] = {}
        self.runs: dict[str, Run] = {}
        self.events: list[tuple[str, str, Object]] = []  # path, type, the object as it was
        self.closed = False
        self._controlling = threading.Lock()

    # -- objects

    def put(self, path: str, item: Object, kind: str = "MODIFIED") -> None:
        with self.changed:
            item["metadata"]["resourceVersion"] = str(len(self.events) + 1)
            self.objects[path] = item
            self.events.append((path, kind, copy.deepcopy(item)))
            self.changed.notify_all()

    def drop(self, path: str) -> None:
        with self.changed:
            item = self.objects.pop(path, None)
            self.patches.pop(path, None)
            if item is not None:
                item["metadata"]["resourceVersion"] = str(len(self.events) + 1)
                self.events.append((path, "DELETED", item))
                self.changed.notify_all()

    def apply(self, path: str, wanted: Object) -> Object:
        with self.changed:
            there = self.objects.get(path)
            item = merged(wanted, self.patches.get(path, {}))
            own = there["metadata"] if there else {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
            item["metadata"] |= {key: own[key] for key in ("uid", "creationTimestamp")}
            item["status"] = there["status"] if there else {"phase": "Active"}
            if there and {**item, "metadata": there["metadata"]} == there:
                return there
            self.put(path, item, "MODIFIED" if there else "ADDED")
        if item["kind"] == "Pod":
            self._start(path, item)
        elif "template" in item.get("spec", {}):
            threading.Thread(target=self._control, args=(path,), daemon=True).start()
        return item

    def patch(self, path: str, change: Object) -> Object:
        with self.changed:
            item = self.objects[path]
            if item["kind"] == "Pod":  # only what is written on it can change
                self.put(path, merged(item, change))
                return self.objects[path]
            self.patches[path] = merged(self.patches.get(path, {}), change)
            return self.apply(path, merged(item, change))

    def delete(self, path: str) -> None:
        """The object with all that it owns; pods have their time to end."""
        with self.changed:
            uid = self.objects[path]["metadata"]["uid"]
            if not path.partition("/pods/")[2]:
                self.drop(path)
            within = [other for other in self.objects if other.startswith(f"{path}/")]
            owned = [other for other, item in self.objects.items() if uid in _owners(item)]
        for other in (*within, *owned, path):
            if "/pods/" in other:
                threading.Thread(target=self.end, args=(other,), daemon=True).start()
            else:
                self.drop(other)

    # -- workloads

    def _control(self, path: str) -> None:
        """Pods as a workload wants them: a Deployment's new one comes first, a StatefulSet's old one goes first."""
        with self._controlling:
            with self.changed:
                if (workload := self.objects.get(path)) is None:
                    return
                pods = {
                    name: pod
                    for name, pod in self.objects.items()
                    if workload["metadata"]["uid"] in _owners(pod)
                }
            template, kind = workload["spec"]["template"], workload["kind"]
            old = [name for name, pod in pods.items() if not _notes(template) <= _notes(pod)]
            if kind == "Job" and pods:
                return
            if kind == "StatefulSet":
                for name in old:
                    self.end(name)
            if not workload["spec"].get("suspend") and len(old) == len(pods):
                self._make(workload)
            for name in old:
                self.end(name)

    def _make(self, workload: Object) -> None:
        metadata, template = workload["metadata"], copy.deepcopy(workload["spec"]["template"])
        name, namespace = f"{metadata['name']}-{uuid.uuid4().hex[:5]}", metadata["namespace"]
        if workload["kind"] == "StatefulSet":
            name = f"{metadata['name']}-0"
            for claim in workload["spec"].get("volumeClaimTemplates") or ():
                own = f"{claim['metadata']['name']}-{name}"
                volume = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **copy.deepcopy(claim)}
                volume["metadata"] |= {"name": own, "namespace": namespace}
                self.apply(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{own}", volume)
        owner = {
            "apiVersion": workload["apiVersion"],
            "kind": workload["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        template["metadata"] |= {"name": name, "namespace": namespace, "ownerReferences": [owner]}
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        self.apply(f"/api/v1/namespaces/{namespace}/pods/{name}", pod)

    # -- pods

    def _start(self, path: str, pod: Object) -> None:
        container = pod["spec"]["containers"][0]
        argv = [word.replace("$$", "$") for word in (*container.get("command", ()), *container["args"])]
        env = os.environ | {
            entry["name"]: entry["value"] for entry in container.get("env", ()) if "value" in entry
        }
        run = started(argv, env, tty=bool(container.get("tty")))
        with self.changed:
            self.runs[path] = run
            self._report(path, "running")
        threading.Thread(target=self._follow, args=(path, run), daemon=True).start()

    def _report(self, path: str, state: str, code: int = 0) -> None:
        """The pod's status, as a real cluster's was."""
        pod = self.objects.get(path)
        if pod is None:
            return
        status = copy.deepcopy(RECORDED["pods"][state])
        for row in status["containerStatuses"]:
            container = pod["spec"]["containers"][0]
            row |= {
                "name": container["name"],
                "image": container["image"],
                "containerID": f"fake://{uuid.uuid4().hex}",
            }
            if "terminated" in row["state"]:
                row["state"]["terminated"] |= {"exitCode": code, "containerID": row["containerID"]}
        self.put(path, {**pod, "status": status})

    def _follow(self, path: str, run: Run) -> None:
        """What a container prints, then its end."""
        for data in printed(run):
            with self.changed:
                run.lines += [(time.time_ns(), line) for line in data.splitlines(keepends=True)]
                self.changed.notify_all()
        code = run.process.wait()
        run.close()
        with self.changed:
            run.ended = True
            for guest in run.guests:
                _kill(guest, signal.SIGKILL)
            code = code if code >= 0 else 128 - code
            self._report(path, "failed" if code else "succeeded", code)
            for owner in _owners(self.objects.get(path, {"metadata": {}})):
                self._ended(owner, code)

    def _ended(self, owner: str, code: int) -> None:
        for path, item in list(self.objects.items()):
            if item["metadata"]["uid"] == owner and item["kind"] == "Job":
                self.put(path, {**item, "status": {"failed": 1} if code else {"succeeded": 1}})

    def end(self, path: str) -> None:
        """Ask a pod to end, wait for it, and forget it."""
        with self.changed:
            pod, run = self.objects.get(path), self.runs.get(path)
            if pod is None or run is None:
                return
            self.put(path, {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": now()}})
        _kill(run.process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            run.process.wait(pod["spec"].get("terminationGracePeriodSeconds", 30))
        _kill(run.process, signal.SIGKILL)
        with self.changed:
            self.changed.wait_for(lambda: run.ended, 5)
        self.drop(path)

    def close(self) -> None:
        with self.changed:
            self.closed = True
            for run in self.runs.values():
                for process in (run.process, *run.guests):
                    _kill(process, signal.SIGKILL)
            self.changed.notify_all()


def _notes(item: Object) -> set[tuple[str, str]]:
    return set((item["metadata"].get("annotations") or {}).items())


def _owners(item: Mapping[str, Any]) -> list[str]:
    return [owner["uid"] for owner in item["metadata"].get("ownerReferences", ())]


def _kill(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        signal_group(process, how)


def started(argv: Sequence[str], env: Mapping[str, str], *, tty: bool, stdin: bool = False) -> Run:
    """A command of this machine; on a terminal of its own its output is what comes out of that."""
    if not tty:
        where = subprocess.PIPE if stdin else subprocess.DEVNULL
        pipes = {
            "stdin": where,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE if stdin else subprocess.STDOUT,
        }
        return Run(subprocess.Popen(argv, **pipes, env=env, bufsize=0, start_new_session=True))  # type: ignore[call-overload]
    ours, theirs = pty.openpty()
    try:
        take = partial(os.login_tty, theirs)  # a session of its own, with this terminal
        process = subprocess.Popen(argv, env=env, pass_fds=[theirs], preexec_fn=take)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return Run(process, terminal=ours)


def printed(run: Run) -> Iterator[bytes]:
    """What comes out of a command, until it is over."""
    handle = run.terminal if run.terminal is not None else run.process.stdout.fileno()  # type: ignore[union-attr]
    with suppress(OSError):  # a terminal that nobody holds any more
        while data := os.read(handle, 1 << 15):
            yield data


class Handler(serving.Handler):
    """The API, as far as devenv asks."""

    protocol_version = "HTTP/1.1"
    server: Server

    def _answer(self) -> None:
        cluster, url = self.server.cluster, urlsplit(self.path)
        self.query = parse_qs(url.query)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if url.path in RECORDED["discovery"]:
                return self.send_json(RECORDED["discovery"][url.path])
            match = PATH.fullmatch(url.path)
            assert match, url.path
            path = url.path if not match["part"] else url.path.rpartition("/")[0]
            if match["name"] and path not in cluster.objects and self.command != "PATCH":
                raise Refusal("no pod", match["name"])
            match self.command, match["part"]:
                case "GET", "log":
                    self._log(cluster.runs[path])
                case "GET", "exec" | "attach" as part:
                    self._stream(path, match["name"], part)
                case "GET", None:
                    self._look(match, path)
                case "PATCH", None:
                    body = json.loads(raw)
                    change = cluster.apply if "apply-patch" in self.headers["Content-Type"] else cluster.patch
                    self.send_json(change(path, body))
                case "DELETE", None:
                    uid = (json.loads(raw or b"{}").get("preconditions") or {}).get("uid")
                    if uid and cluster.objects[path]["metadata"]["uid"] != uid:
                        raise Refusal("another uid", match["name"])
                    cluster.delete(path)
                    self.send_json({"kind": "Status", "status": "Success"})
        except Refusal as refusal:
            self.send_json(refusal.body, refusal.body["code"])

    do_GET = do_PATCH = do_DELETE = do_POST = _answer

    # -- objects

    def _look(self, match: re.Match[str], path: str) -> None:
        cluster = self.server.cluster
        if match["name"]:
            return self.send_json(cluster.objects[path])
        if match["plural"] == "nodes":
            names = ["docker.io/library/busybox:1.37"]
            runs = {"operatingSystem": "linux", "architecture": "amd64"}
            status = {"images": [{"names": names}], "nodeInfo": runs}
            return self.send_json({"items": [{"metadata": {"name": "fake"}, "status": status}]})
        if "watch" in self.query:
            return self._watch(match)
        with cluster.changed:
            items = [item for where, item in cluster.objects.items() if self._selects(match, where, item)]
            return self.send_json({"metadata": {"resourceVersion": str(len(cluster.events))}, "items": items})

    def _selects(self, match: re.Match[str], path: str, item: Object) -> bool:
        its = PATH.fullmatch(path)
        assert its
        selector = self.query.get("labelSelector", [""])[0]
        labels = item["metadata"].get("labels") or {}
        return (
            (its["api"], its["plural"]) == (match["api"], match["plural"])
            and match["namespace"] in (None, its["namespace"])
            and all(labels.get(key) in values for key, values in _terms(selector))
        )

    def _watch(self, match: re.Match[str]) -> None:
        cluster, at = self.server.cluster, int(self.query["resourceVersion"][0])
        self.begin()
        while not cluster.closed:
            with cluster.changed:
                cluster.changed.wait_for(lambda at=at: len(cluster.events) > at or cluster.closed)
                more = cluster.events[at:]
                at += len(more)
            for path, kind, item in more:
                if self._selects(match, path, item):
                    self.send(json.dumps({"type": kind, "object": item}).encode() + b"\n")
        self.end()

    # -- streams

    def _log(self, run: Run) -> None:
        cluster, at = self.server.cluster, 0
        follow, times = (
            "follow" in self.query and self.query["follow"] != ["false"],
            "timestamps" in self.query,
        )
        since = self.query.get("sinceTime", [""])[0].rstrip("Z")
        if tail := self.query.get("tailLines"):
            at = max(0, len(run.lines) - int(tail[0]))
        self.begin()
        while True:
            with cluster.changed:
                if follow:
                    cluster.changed.wait_for(lambda at=at: len(run.lines) > at or run.ended or cluster.closed)
                more = run.lines[at:]
                at += len(more)
            for moment, line in more:
                if rfc3339(moment) >= since:
                    self.send((rfc3339(moment).encode() + b" " if times else b"") + line)
            if not more:
                return self.end()

    def _stream(self, path: str, name: str, part: str) -> None:
        offered = self.headers["Sec-WebSocket-Protocol"].replace(" ", "").split(",")
        channels = Websocket(self, next(protocol for protocol in PROTOCOLS if protocol in offered))
        run = self.server.cluster.runs[path]
        ending = self._exec(channels, run, name) if part == "exec" else self._attach(channels, run)
        channels.send(STATUS, ending)
        channels.close()

    def _exec(self, channels: Websocket, run: Run, name: str) -> str:
        """The command as a process of this machine; returns what the status channel says at its end."""
        argv, tty = self.query["command"], self.query["tty"] == ["true"]
        argv = ["echo", name] if argv == ["hostname"] else argv  # all by which a pod knows itself here
        try:
            guest = started(argv, os.environ, tty=tty, stdin=True)
        except OSError:
            return str(RECORDED["statuses"]["missing"])
        run.guests.append(guest.process)
        threading.Thread(target=self._type_and_end, args=(channels, guest), daemon=True).start()
        complaints = threading.Thread(target=self._complain, args=(channels, guest), daemon=True)
        complaints.start()
        for data in printed(guest):
            channels.send(STDOUT, data)
        complaints.join()
        code = guest.process.wait()
        guest.close()
        code = code if code >= 0 else 128 - code
        return str(RECORDED["statuses"]["3" if code else "0"]).replace("3", str(code))

    def _attach(self, channels: Websocket, run: Run) -> str:
        """What a pod prints from now on."""
        threading.Thread(target=self._type, args=(channels, run), daemon=True).start()
        changed, at = self.server.cluster.changed, len(run.lines)
        while True:
            with changed:
                changed.wait_for(lambda at=at: len(run.lines) > at or run.ended)
                more = run.lines[at:]
            if not more:
                return str(RECORDED["statuses"]["0"])
            at += len(more)
            for _, line in more:
                channels.send(STDOUT, line)

    def _type(self, channels: Websocket, run: Run) -> None:
        """What comes in goes to the command."""
        stdin = run.process.stdin
        with suppress(OSError, ValueError):
            for channel, data in channels.frames():
                if channel == STDIN and run.terminal is not None:
                    os.write(run.terminal, data)
                elif channel == STDIN and stdin is not None:
                    stdin.write(data)
                elif channel == SIZE and run.terminal is not None:
                    size = json.loads(data)
                    rows = struct.pack("HHHH", size["Height"], size["Width"], 0, 0)
                    fcntl.ioctl(run.terminal, termios.TIOCSWINSZ, rows)
                elif channel == CLOSE and data == bytes([STDIN]) and stdin is not None:
                    stdin.close()

    def _type_and_end(self, channels: Websocket, run: Run) -> None:
        """Who hangs up ends what they started."""
        self._type(channels, run)
        _kill(run.process, signal.SIGKILL)

    @staticmethod
    def _complain(channels: Websocket, run: Run) -> None:
        """What comes out on stderr; on a terminal it comes with the rest."""
        while run.process.stderr is not None and (data := run.process.stderr.read(1 << 15)):
            channels.send(STDERR, data)


class Server(PortServer):
    """The port. Closing it ends everything that was started."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        super().__init__(Handler)
        self.serve()

    def close(self) -> None:
        self.cluster.close()
        self.halt()
        self.server_close()


def _terms(selector: str) -> Iterator[tuple[str, list[str]]]:
    """The terms `key=value` and `key in (a,b)` of a selector, each with the values that it allows."""
    for key, value, values in re.findall(r"([^,=\s]+)(?:=([^,]*)| in \(([^)]*)\))", selector):
        yield key, values.split(",") if values else [value]
