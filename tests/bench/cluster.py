"""Rows against `kubectl` and `minikube`, on the cluster that the kubeconfig's current context leads to."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devenv.backends import load
from devenv.backends.base import Site, Stream
from devenv.backends.kube.delivery import Nodes
from devenv.workspace import Workspace
from tests.bench import reload
from tests.bench.measure import (
    DEVENV,
    MIB,
    Command,
    Race,
    Result,
    limit,
    lines,
    mebibytes_of,
    race,
    seconds_of,
)
from tests.bench.stacks import wide

KILOBYTE = os.urandom(1024)
# Takes a file's size on a line and then the file, puts it in place whole, and says so.
TAKES = 'while read -r n; do head -c "$n" >/tmp/.new && mv /tmp/.new /tmp/file && echo ok; done'


def missing() -> str:
    """Why nothing can be measured here; empty when it can."""
    try:
        lines("kubectl", "version", "--request-timeout=10s")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no cluster answers ({error}); see tests/machine/cluster.sh"
    return ""


def helm_missing() -> str:
    """The same for what is promoted."""
    if shutil.which("helm"):
        return ""
    return "no helm on PATH: PATH=$(dirname $(bash tests/machine/helm.sh 4)):$PATH has that of the tests"


def five(ports: list[int]) -> str:
    """A manifest of services with a check and a port on this machine."""
    services = "\n".join(
        f"  web{number}: {{image: 'busybox:1.37', port: 8080, publish: {port}, health: /, grace: 1s,"
        " command: sh -c 'hostname >/tmp/index.html && exec httpd -f -p 8080 -h /tmp'}"
        for number, port in enumerate(ports)
    )
    return f"services:\n{services}\n"


@dataclass(frozen=True)
class Stack:
    """A project on the cluster, and the same for `kubectl`. Its namespace is the folder's name."""

    folder: Path
    ports: list[int]

    def devenv(self, verb: str, *argv: str) -> Command:
        return Command((DEVENV, verb, "-b", "kube", *argv), self.folder)

    def kubectl(self, *argv: str) -> Command:
        return Command(("kubectl", "-n", self.folder.name, *argv), self.folder)

    def applied(self) -> Command:
        """What somebody does who has the bundle and no devenv."""
        self.devenv("render", "-o", "bundle").run()
        wait = f"kubectl -n {self.folder.name} wait --for=condition=Available deployment --all --timeout=120s"
        return Command(("sh", "-c", f"kubectl apply -f bundle && {wait}"), self.folder)

    def clear(self) -> None:
        self.devenv("down", "--volumes", "-y").run()
        lines("kubectl", "delete", "namespace", self.folder.name, "--ignore-not-found", "--wait")

    def ready(self) -> None:
        """Fails unless every pod is ready; a kubelet may take that back for a moment after it has said so."""
        until = time.monotonic() + 10
        while True:
            response = lines("kubectl", "-n", self.folder.name, "get", "pods", "-o", "json")
            pods = {pod["metadata"]["name"]: pod["status"] for pod in json.loads(" ".join(response))["items"]}
            ready = [name for name, status in pods.items() if status["containerStatuses"][0]["ready"]]
            if len(ready) == len(self.ports):
                return
            if time.monotonic() > until:
                raise SystemExit(f"not ready after a cold run: {json.dumps(pods, indent=1)}")
            time.sleep(0.2)

    def answers(self) -> str:
        """Which pod answers at the first port of this machine; empty where none does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/", timeout=10) as answer:
                return str(answer.read().decode().strip())
        except (urllib.error.URLError, OSError):
            return ""

    @contextmanager
    def stream(self, unit: str, *argv: str) -> Iterator[Stream]:
        """A command's bytes, through the backend that `devenv` has."""
        backend = load("kube", Site(root=self.folder, state=self.folder / ".devenv"))
        with closing(backend):
            observed = backend.observe(Workspace(self.folder / "devenv.yaml").checkout).units[unit]
            with closing(backend.attach(observed, argv)) as stream:
                yield stream


@contextmanager
def stack(work: Path) -> Iterator[Stack]:
    """Five services that are up; nothing of them is left in the end."""
    folder = work / "devenv-bench"
    folder.mkdir(exist_ok=True)
    with contextmanager(_free_ports)(5) as ports:
        (folder / "devenv.yaml").write_text(five(ports))
    stack = Stack(folder, ports)
    stack.devenv("up", "-d").run()
    try:
        yield stack
    finally:
        stack.clear()


def _free_ports(count: int) -> Iterator[list[int]]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    yield [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()


@dataclass
class Written:
    """A file written through an open stream, and acknowledged."""

    stream: Stream

    def run(self) -> float:
        began = time.perf_counter()
        self.stream.send(b"%d\n" % len(KILOBYTE) + KILOBYTE)
        if self.stream.receive() != b"ok\n":
            raise SystemExit(f"the file was not taken: {self.stream.complaints!r}")
        return time.perf_counter() - began


@dataclass
class Changing:
    """An image whose last layer is another one every time."""

    folder: Path
    image: str = ""
    made: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def change(self) -> None:
        (self.folder / "layer").write_bytes(os.urandom(5 * MIB))
        (self.folder / "Dockerfile").write_text("FROM python:3.13-slim\nCOPY layer /srv/layer\n")
        self.image = f"devenv-bench:{next(self.numbers)}"
        self.made.append(self.image)
        lines("docker", "build", "--quiet", "--tag", self.image, str(self.folder))

    def through(self, bring: Callable[[str], object]) -> Brought:
        return Brought(self, bring)


@dataclass
class Brought:
    """The image as it is now, brought into the node."""

    changing: Changing
    bring: Callable[[str], object]

    def run(self) -> float:
        began = time.perf_counter()
        self.bring(self.changing.image)
        return time.perf_counter() - began


# -- the table


def up_again(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as web:
        what = "up -d -b kube, nothing to do / kubectl get pods"
        yield race(Race(what, web.devenv("up", "-d"), web.kubectl("get", "pods"), more=0.6), runs)
        what = "first kube command (status) / --help"
        theirs = Command((DEVENV, "--help"), work)
        yield race(Race(what, web.devenv("status"), theirs, more=0.5), runs)


def cold(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as web:
        what = "cold up -d -b kube of 5 services / kubectl apply of the bundle + wait"
        ours, theirs = web.devenv("up", "-d"), web.applied()
        yield race(Race(what, ours, theirs, 1.2, 1.0, web.clear, web.ready, most=10), runs)


def attach(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as web, web.stream("web0", "sh", "-c", TAKES) as stream:
        (web.folder / "file").write_bytes(KILOBYTE)
        pod = "deployment/web0"
        into = shlex.join(["kubectl", "-n", web.folder.name, "exec", "-i", pod, "--", "tar", "-xC", "/tmp"])
        theirs = Command(("sh", "-c", f"tar -c file | {into}"), web.folder)
        yield race(
            Race("1 KB through an open stream / tar | kubectl exec", Written(stream), theirs, 0.05), runs
        )


def saved(runs: int, work: Path) -> Iterator[Result]:
    """A save on this machine until its bytes are in a pod of a node that is a container here."""
    folder = work / "devenv-bench-pod"
    (folder / "src").mkdir(parents=True)
    for name in ("f0.py", "f1.py"):
        (folder / "src" / name).write_bytes(KILOBYTE)
    (folder / "Dockerfile").write_text(reload.DOCKERFILE.format(base=reload.BASES[0]))
    seconds = 10**9 + os.getpid()  # by which its process is found
    (folder / "devenv.yaml").write_text(
        f"services: {{app: {{build: ., command: sleep {seconds}, reload: {{restart: false}}}}}}\n"
    )
    Command((DEVENV, "up", "-d", "-b", "kube"), folder).run()
    watcher = reload.watching((DEVENV, "watch", "--json"), folder)
    try:
        pid = lines("pgrep", "-x", "-f", f"sleep {seconds}")[0]
        side = InPod(folder, "the pod", watcher, pid=pid)
        reload.settled(side)
        into = f"kubectl -n {folder.name} exec -i deployment/app -- tar -xC /tmp"
        theirs = Command(("sh", "-c", f"tar -c src/f1.py | {into}"), folder)
        what = "save of 1 KB to bytes in a pod / tar | kubectl exec"
        yield race(Race(what, reload.Save(side, ("f1.py",), 1024), theirs, 0.15, 0.08), runs)
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.wait(20)
        Command((DEVENV, "down", "--volumes", "-y"), folder).run()
        lines("kubectl", "delete", "namespace", folder.name, "--ignore-not-found", "--wait")


@dataclass
class InPod(reload.Side):
    """Sources here, and a process of a pod that they go to."""

    pid: str = ""

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self.pid}/root/app/src")


def forward(runs: int, work: Path) -> Iterator[Result]:
    with stack(work) as web:
        waits = [_until_back(web) for _ in range(min(runs, 5))]
        what = f"a port answers after its pod was deleted, from ready on, worst of {len(waits)}"
        yield limit(what, max(waits), 1.0, seconds_of)


def _until_back(web: Stack) -> float:
    old = web.answers()
    web.kubectl("delete", "pod", old, "--wait=false").run()
    new = old
    while new == old:
        names = [
            "get",
            "pods",
            "-l",
            "devenv.dev/unit=web0",
            "--sort-by=.metadata.creationTimestamp",
            "-o",
            "name",
        ]
        new = lines("kubectl", "-n", web.folder.name, *names)[-1].removeprefix("pod/")
    web.kubectl("wait", "pod", new, "--for=condition=Ready", "--timeout=60s").run()
    ready = time.perf_counter()
    while web.answers() != new:
        time.sleep(0.01)
    return time.perf_counter() - ready


def image(runs: int, work: Path) -> Iterator[Result]:
    profile = lines("kubectl", "config", "current-context")[0]
    folder = work / "image"
    folder.mkdir(exist_ok=True)
    changing = Changing(folder)
    ours = changing.through(lambda image: Nodes([profile]).bring(image, lambda line: None))
    theirs = changing.through(lambda image: lines("minikube", "image", "load", image, "-p", profile))
    what = "a changed image into the node / minikube image load"
    try:
        yield race(Race(what, ours, theirs, 0.5, 0.2, changing.change, most=3), runs)
    finally:
        lines("docker", "rmi", *changing.made)
        lines("minikube", "image", "rm", *changing.made, "-p", profile)


def render(runs: int, work: Path) -> Iterator[Result]:
    folder = work / "hundred-on-kube"
    folder.mkdir(exist_ok=True)
    (folder / "devenv.yaml").write_text(wide(100))
    ours = Command((DEVENV, "render", "-b", "kube"), folder)

    def once() -> float:
        (folder / "devenv.yaml").write_text(wide(100) + f"# {time.time_ns()}\n")
        return ours.run()

    yield limit("render -b kube of 100 services, just edited", min(once() for _ in range(5)), 1.0, seconds_of)
    yield limit("memory of that", ours.peak(), 250 * MIB, mebibytes_of)


SHOP = Path(__file__).parents[2] / "examples/shop"
BY_HAND = ("--install", "--create-namespace", "--atomic", "--wait", "--wait-for-jobs")


@contextmanager
def environment(folder: Path, text: str, *more: str) -> Iterator[Command]:
    """A manifest whose environment `bench` is this cluster; the command that upgrades its release by hand."""
    context = lines("kubectl", "config", "current-context")[0]
    place = f"{{context: {context}, namespace: {folder.name}, {', '.join(more)}}}"
    (folder / "devenv.yaml").write_text(f"{text}environments: {{bench: {place}}}\n")
    Command((DEVENV, "render", "--chart", "chart", "--environment", "bench"), folder).run()
    files = ("chart", "--values", "chart/values-bench.yaml")
    argv = ("helm", "upgrade", "bench", *files, "--namespace", folder.name, "--kube-context", context)
    try:
        yield Command(argv, folder)
    finally:
        lines("kubectl", "delete", "namespace", folder.name, "--ignore-not-found", "--wait")


def promoted_again(runs: int, work: Path) -> Iterator[Result]:
    folder = work / "devenv-bench-promote"
    folder.mkdir(exist_ok=True)
    with contextmanager(_free_ports)(5) as ports:
        text = "name: bench\n" + five(ports)
    with environment(folder, text) as upgrade:
        ours = Command((DEVENV, "promote", "bench", "--yes"), folder)
        ours.run()
        theirs = Command((*upgrade.argv, *BY_HAND), folder)
        what = "promote with nothing changed / helm upgrade of the same chart by hand"
        yield race(Race(what, ours, theirs, 1.3, more=2.6), runs)


def difference(runs: int, work: Path) -> Iterator[Result]:
    """The shop as a release, of images that are there: no registry is asked, and nothing has to run."""
    folder = work / "devenv-bench-shop"
    shutil.copytree(SHOP, folder)
    text = (folder / "devenv.yaml").read_text().replace("name: shop", "name: bench", 1)
    stores = ", ".join(f"{store}: deploy" for store in ("postgres", "mysql", "mongo", "minio", "cache"))
    text = re.sub(r"build: \S+", "image: 'busybox:1.37'", text[: text.index("environments:")])
    with environment(folder, text, f"infra: {{{stores}}}") as upgrade:
        Command((*upgrade.argv, "--install", "--create-namespace"), folder).run()
        ours = Command((DEVENV, "diff", "bench"), folder)
        taken = statistics.median(ours.run() for _ in range(runs))
        yield limit("diff of the shop", taken, 3.0, seconds_of)


ROWS: dict[str, Callable[[int, Path], Iterator[Result]]] = {
    "kube-up": up_again,
    "kube-cold": cold,
    "kube-attach": attach,
    "kube-saved": saved,
    "kube-forward": forward,
    "kube-image": image,
    "kube-render": render,
    "kube-promote": promoted_again,
    "kube-diff": difference,
}
WITH_HELM = ("kube-promote", "kube-diff")
