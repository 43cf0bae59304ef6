"""Hot reload into the pods of a real cluster.

One stack serves all tests: a server with three replicas, a store's kind of service that runs as a user of its
own, one whose image has no shell, and one whose image holds no sources.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import docker
import pytest

from tests.e2e.checkout import Going, eventually
from tests.e2e.kube.conftest import OnCluster, cleared
from tests.serving import free_port

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

SERVER = """\
import http.server, page
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(page.TEXT.encode())
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
WEB = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY src src\nCMD ["python", "-B", "src/server.py"]\n'
KEEPER = """\
FROM busybox:1.37
COPY --chown=1000 own /app/own
COPY roots /app/roots
RUN chmod 755 /app/roots
USER 1000
CMD ["sh", "/app/own/keep.sh"]
"""
SHELL_LESS = "FROM busybox:1.37 AS made\nFROM scratch\nCOPY --from=made /bin/busybox /busybox\n"
BARE = 'FROM {base}\nCOPY page.txt /page.txt\nCMD ["/busybox", "sleep", "1000000"]\n'
SAYING = "echo {} >/tmp/said\nexec sleep 1000000\n"
ODD = ("with space.txt", 'quote".txt', "line\nbreak.txt", "-n")
MANY = 500  # files of a branch


class Stack(OnCluster):
    """A stack under watch."""

    port: int
    watch: Going

    def save(self, text: str) -> None:
        """Change what the server answers with."""
        self.write("web/src/page.py", f"TEXT = {text!r}\n")

    def answer(self) -> str:
        """What the server says through the forwarded port; nothing while it is not there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()

    def pods(self, unit: str) -> list[str]:
        """The pods of a unit that are not on their way out."""
        items = self.get("pods", "-l", f"devenv.dev/unit={unit}")["items"]
        return [item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"]]

    def read(self, unit: str, path: str) -> list[str]:
        """A file as each pod of a unit has it, "" where one has none."""
        return [self._read(pod, path) for pod in self.pods(unit)]

    def _read(self, pod: str, path: str) -> str:
        with suppress(AssertionError):  # it does not run yet, or any more
            return self.kubectl("exec", pod, "--", "cat", "--", path)
        return ""

    def arrives(self, unit: str, path: str, text: str) -> None:
        """Wait until every pod of a unit has this file."""
        count = 3 if unit == "web" else 1
        eventually(lambda: self.read(unit, path) == [text] * count, f"{path} in {unit}", within=60)

    def watches(self) -> None:
        """Follow changed files from now on; what was changed before has arrived when it returns."""
        self.watch = self.begin("watch", "--json", "-b", "kube")
        name = f"{os.urandom(4).hex()}.txt"
        (self.root / "web/src" / name).write_text(name)
        self.arrives("web", f"/app/src/{name}", name)

    def events(self, unit: str) -> list[Mapping[str, Any]]:
        """What the watcher did about a unit."""
        lines = [line for line in self.watch.output.splitlines() if line.startswith("{")]
        events = [json.loads(line) for line in lines]
        return [event for event in events if event.get("unit") == unit]

    def images(self, unit: str) -> set[str]:
        """The images of the pods of a unit that are not on their way out."""
        items = self.get("pods", "-l", f"devenv.dev/unit={unit}")["items"]
        alive = [item for item in items if "deletionTimestamp" not in item["metadata"]]
        return {str(item["spec"]["containers"][0]["image"]) for item in alive}


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[Stack]:
    with cleared(Stack, tmp_path_factory.mktemp("reload"), engine, environment) as stack:
        stack.port = free_port()
        stack.write("web/Dockerfile", WEB)
        stack.write("web/src/server.py", SERVER)
        stack.save("first")
        stack.write("keeper/Dockerfile", KEEPER)
        stack.write("keeper/own/keep.sh", SAYING.format("first"))
        stack.write("keeper/roots/note.txt", "first")
        base = f"{stack.name}-base:1"  # a name that tells nothing; `clear` removes it
        stack.write("base/Dockerfile", SHELL_LESS)
        stack.host("docker", "build", "-q", "-t", base, "base")
        stack.write("bare/Dockerfile", BARE.format(base=base))
        stack.write("bare/page.txt", "first")
        stack.write("code/say.sh", SAYING.format("first"))
        stack.manifest(
            f"""
            services:
              web: {{build: ./web, port: 8000, publish: {stack.port}, health: /, grace: 1s, replicas: 3}}
              keeper: {{build: ./keeper, volumes: {{data: /data}}, grace: 1s}}
              bare: {{build: ./bare, grace: 1s}}
              mounted:
                image: busybox:1.37
                command: [sh, /code/say.sh]
                reload: {{sync: {{code: /code}}}}
                grace: 1s
            """
        )
        stack.on("up", "-d", within=200)
        yield stack


@pytest.fixture
def watched(stack: Stack) -> Stack:
    """The stack under one watcher, which is started again where a test ended it."""
    if not hasattr(stack, "watch") or stack.watch.process.poll() is not None:
        stack.watches()
    return stack


def test_up_sends_to_all_replicas_and_to_a_container_without_sources(stack: Stack) -> None:
    eventually(lambda: stack.read("mounted", "/tmp/said") == ["first\n"])
    pods = stack.kubectl("get", "pods", "-o", "name")

    stack.save("by up")
    stack.write("code/say.sh", SAYING.format("second"))
    plan = stack.devenv("plan", "-b", "kube").stdout
    assert "sync web (web/src/page.py)" in plan
    stack.on("up", "-d")
    assert stack.read("web", "/app/src/page.py") == ["TEXT = 'by up'\n"] * 3
    assert {stack.answer() for _ in range(5)} == {"by up"}
    eventually(lambda: stack.read("mounted", "/tmp/said") == ["second\n"])
    assert stack.devenv("plan", "-b", "kube").stdout == ""

    stack.save("first")  # as the image has it: what was sent since has to go
    assert re.fullmatch(
        r".*sync web \(web/src/page.py\)\n.*", stack.devenv("plan", "-b", "kube").stdout, re.S
    )
    stack.on("up", "-d")
    assert stack.answer() == "first"
    assert stack.kubectl("get", "pods", "-o", "name") == pods


def test_up_fails_where_its_file_ends_the_program_and_the_next_mends_it(stack: Stack) -> None:
    stack.write("web/src/page.py", "raise SystemExit('no text')\n")
    failed = stack.on("up", "-d", exits=1)
    assert "web ended with exit 1" in failed.stderr.replace("x web", "web")
    assert "no text" in failed.stderr
    stack.save("mended")
    stack.on("up", "-d")
    assert stack.answer() == "mended"


def test_an_edit_is_ready_when_every_replica_has_it(watched: Stack) -> None:
    watched.save("by watch")
    eventually(lambda: any("web/src/page.py" in event["files"] for event in watched.events("web")), within=30)
    assert {watched.answer() for _ in range(5)} == {"by watch"}
    assert watched.read("web", "/app/src/page.py") == ["TEXT = 'by watch'\n"] * 3


def test_every_name_and_a_branch_of_many_files_arrive(watched: Stack) -> None:
    branch = watched.root / "web/src/branch"
    branch.mkdir()
    for number in range(MANY):
        (branch / f"{number}.txt").write_text(f"{number}\n")
    for name in ODD:
        (watched.root / "web/src" / name).write_text("odd")
    wanted = "".join(f"{number}\n" for number in range(MANY))
    count = ("sh", "-c", f"cd /app/src/branch && cat $(seq -f %g.txt 0 {MANY - 1})")

    def there() -> bool:
        try:
            return all(watched.kubectl("exec", pod, "--", *count) == wanted for pod in watched.pods("web"))
        except AssertionError:  # not all of them are there
            return False

    eventually(there, "the branch", within=60)
    for name in ODD:
        watched.arrives("web", f"/app/src/{name}", "odd")


def test_a_container_that_was_started_again_and_the_successor_of_a_pod_get_the_edits(watched: Stack) -> None:
    watched.save("kept")
    watched.arrives("web", "/app/src/page.py", "TEXT = 'kept'\n")
    crashing, deleted, _ = watched.pods("web")
    watched.kubectl("delete", "pod", deleted, "--wait=false")
    # The supervisor, as a crash of the whole; which may take the command along before it has ended.
    kill = f"kubectl -n {watched.namespace} exec {crashing} -- sh -c 'kill 1' || true"
    watched.host("sh", "-c", kill)

    def restarts() -> int:
        status = watched.get("pod", crashing)["status"]["containerStatuses"][0]
        return int(status["restartCount"]) if "running" in status["state"] else 0

    eventually(restarts, "the restart", within=60)
    watched.arrives("web", "/app/src/page.py", "TEXT = 'kept'\n")
    eventually(lambda: {watched.answer() for _ in range(5)} == {"kept"}, "the edit everywhere", within=30)


def test_edits_made_while_nobody_watched_arrive(watched: Stack) -> None:
    watched.watch.interrupt()
    watched.save("offline")
    watched.watches()
    watched.arrives("web", "/app/src/page.py", "TEXT = 'offline'\n")


def test_a_user_of_its_own_gets_what_it_may_write_and_the_rest_is_named(watched: Stack) -> None:
    pod = watched.pod("keeper")
    assert watched.get("statefulset", "keeper")["status"]["replicas"] == 1
    watched.write("keeper/own/keep.sh", SAYING.format("second"))
    eventually(lambda: watched.read("keeper", "/tmp/said") == ["second\n"], "the restart", within=30)
    watched.write("keeper/roots/note.txt", "second")
    unsent = eventually(lambda: [event["unsent"] for event in watched.events("keeper") if event["unsent"]])
    assert set(unsent[0]) == {"/app/roots/note.txt"}
    assert "denied" in unsent[0]["/app/roots/note.txt"].lower()
    assert watched.read("keeper", "/app/roots/note.txt") == ["first"]
    assert watched.pod("keeper") == pod


def test_an_image_without_a_shell_is_made_anew(watched: Stack) -> None:
    (before,) = watched.images("bare")
    watched.write("bare/page.txt", "second")
    eventually(lambda: (names := watched.images("bare")) and before not in names, "the new image", within=60)
    watched.kubectl("rollout", "status", "deployment/bare", "--timeout=60s")
    page = watched.kubectl("exec", watched.pod("bare"), "--", "/busybox", "cat", "/page.txt")
    assert page == "second"
