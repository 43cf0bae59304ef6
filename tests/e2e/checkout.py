"""A checkout of a project in a folder of its own, and the real `devenv` run in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import docker
import docker.errors

from devenv.stack.labels import LABEL
from devenv.workspace import Workspace

COMMAND = str(Path(sys.executable).with_name("devenv"))
T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str = "it", *, within: float = 15) -> T:
    """What the condition returns as soon as that is true; fails after `within` seconds.

    It waits for as long as it looked: a look may start a program, and others test on this machine.
    """
    began = time.monotonic()
    deadline = began + within
    while not (value := condition()):
        now = time.monotonic()
        assert now < deadline, f"{what} did not happen within {within:g} s"
        time.sleep(max(0.01, now - began))  # the only one: between two looks at the world
        began = time.monotonic()
    return value


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Everything it said."""
        return self.stdout + self.stderr

    @property
    def json(self) -> Any:
        """Its result for programs."""
        return json.loads(self.stdout)


class Going:
    """A command that goes on, and its output so far. It leads a process group, as in a terminal."""

    def __init__(self, argv: list[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self.argv, self.began = tuple(argv), time.monotonic()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
        self._streams: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._streams
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        with getattr(self.process, name) as stream:
            while piece := os.read(stream.fileno(), 1 << 16):
                self._streams[name] += piece

    @property
    def output(self) -> str:
        """Both streams so far."""
        return "".join(raw.decode(errors="replace") for raw in map(bytes, self._streams.values()))

    def wait_for(self, text: str, *, within: float = 30) -> None:
        """Wait until it has printed this."""
        done = self.process.poll
        eventually(lambda: text in self.output or done() is not None, f'"{text}"', within=within)
        assert text in self.output, f"ended with {done()} before it printed {text!r}:\n{self.output}"

    def interrupt(self, number: signal.Signals = signal.SIGINT, *, group: bool = False) -> Ended:
        """Ctrl-C or another signal: to this process, or as a terminal does it, to its group. Ends soon."""
        began = time.monotonic()
        (os.killpg if group else os.kill)(self.process.pid, number)
        ended = self.end(within=10)
        return Ended(ended.argv, ended.code, ended.stdout, ended.stderr, time.monotonic() - began)

    def kill(self) -> None:
        """As `kill -9` does it: nobody cleans up, and its children do not hear of it."""
        self.process.kill()
        self.process.wait()

    def end(self, *, within: float = 60) -> Ended:
        """Wait until it has ended."""
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv} goes on after {within:g} s:\n{self.output}") from None
        seconds = time.monotonic() - self.began
        for reader in self._readers:
            reader.join(2)
        out, err = (bytes(raw).decode(errors="replace") for raw in self._streams.values())
        return Ended(self.argv, code, out, err, seconds)

    def leave_nothing(self) -> None:
        """End the whole group, whatever became of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for reader in self._readers:
            reader.join(5)


class Ends(Protocol):
    """A command that a test may leave running."""

    def leave_nothing(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True)
class Container:
    """A container as the engine sees it. `raw` is all of `docker inspect`."""

    id: str
    raw: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.raw["Name"]).lstrip("/")

    @property
    def status(self) -> str:
        return str(self.raw["State"]["Status"])

    @property
    def health(self) -> str:
        return str(self.raw["State"].get("Health", {}).get("Status", ""))

    @property
    def exit_code(self) -> int:
        return int(self.raw["State"]["ExitCode"])

    @property
    def life(self) -> tuple[str, str]:
        """Changes when it is recreated or restarted."""
        return self.id, str(self.raw["State"]["StartedAt"])

    @property
    def image(self) -> str:
        return str(self.raw["Config"]["Image"])

    @property
    def env(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.raw["Config"]["Env"])

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.raw["Config"]["Labels"]
        return labels


BUILT = "FROM busybox:1.37\nCOPY . /srv\nRUN cat /srv/* >/dev/null\n"
"""A Dockerfile that reads its sources: a changed one needs a new image, and is not only sent."""


class Checkout:
    """A folder with a manifest. Nothing of it is left on the engine once the test is over.

    `own_images`: nobody else builds images for a stack of this name, so they can go too.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        engine: docker.DockerClient,
        environment: Mapping[str, str],
        *,
        own_images: bool = True,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.name, self.engine, self.environment = root, name, engine, environment
        self.own_images = own_images
        self._going: list[Ends] = []

    # -- the project

    def manifest(self, text: str) -> None:
        """Write the manifest; the stack's name is this checkout's own."""
        self.write("devenv.yaml", f"name: {self.name}\n{textwrap.dedent(text)}")

    def example(self, name: str) -> str:
        """Copy an example; returns its manifest. What a run left beside it, such as secrets, stays there."""
        folder = Path(__file__).parents[2] / "examples" / name
        ignored = shutil.ignore_patterns(".devenv", "node_modules", "__pycache__")
        shutil.copytree(folder, self.root, dirs_exist_ok=True, ignore=ignored)
        manifest = (folder / "devenv.yaml").read_text(encoding="utf-8")
        own = manifest.replace(f"name: {name}\n", f"name: {self.name}\n", 1)
        self.write("devenv.yaml", own)
        return own

    def write(self, path: str, text: str) -> Path:
        """Write a file of the project."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def sources(self, service: str, *, dockerfile: str = BUILT, **files: str) -> None:
        """Write the folder of a service: a Dockerfile, and files by their name before `.txt`."""
        self.write(f"{service}/Dockerfile", dockerfile)
        for name, text in (files or {"page": "one"}).items():
            self.write(f"{service}/{name}.txt", text)

    # -- the command

    def ends_with_the_test(self, command: Ends) -> None:
        """Have a command ended with the test, however that ends."""
        self._going.append(command)

    def begin(self, *argv: str, env: Mapping[str, str] | None = None, under: tuple[str, ...] = ()) -> Going:
        """Start `devenv ARGV` and come back at once."""
        going = Going([*under, COMMAND, *argv], cwd=self.root, env={**self.environment, **(env or {})})
        self.ends_with_the_test(going)
        return going

    def devenv(
        self,
        *argv: str,
        exits: int | None = 0,
        within: float = 90,
        env: Mapping[str, str] | None = None,
        under: tuple[str, ...] = (),
    ) -> Ended:
        """Run `devenv ARGV` to its end, which has to be this exit code, and never in a traceback."""
        ended = self.begin(*argv, env=env, under=under).end(within=within)
        assert exits in (ended.code, None), (
            f"devenv {' '.join(argv)} ended with {ended.code}:\n{ended.output}"
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def variables(self, unit: str = "api") -> dict[str, str]:
        """What a program on this machine gets instead of a unit."""
        values: dict[str, str] = self.devenv("env", unit, "--json", "--reveal").json
        return values

    def host(self, *argv: str) -> str:
        """What another command, run in the project, prints on stdout; it has to end well."""
        done = subprocess.run(
            argv, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    # -- what the engine says

    @property
    def id(self) -> str:
        """What the stack's objects are called."""
        return f"{self.name}-{self.checkout[:6]}"

    @property
    def checkout(self) -> str:
        return Workspace((self.root / "devenv.yaml").resolve()).checkout

    @property
    def label(self) -> str:
        return f"{LABEL}checkout={self.checkout}"

    def containers(self) -> list[Container]:
        """Every container of this checkout, running or not."""
        summaries = self.engine.api.containers(all=True, filters={"label": self.label})
        containers = []
        for summary in summaries:
            with contextlib.suppress(docker.errors.NotFound):
                containers.append(Container(summary["Id"], self.engine.api.inspect_container(summary["Id"])))
        return containers

    def units(self) -> dict[str, Container]:
        """The containers by unit; there has to be one of each.

        One that only exists for a look into an image has no unit.
        """
        containers = [container for container in self.containers() if LABEL + "unit" in container.labels]
        units = {container.labels[LABEL + "unit"]: container for container in containers}
        assert len(units) == len(containers), (
            f"units with two containers: {[container.name for container in containers]}"
        )
        return units

    def lives(self) -> dict[str, tuple[str, str]]:
        """Equal at two times when nothing was recreated or restarted between them."""
        return {name: container.life for name, container in self.units().items()}

    def running(self) -> set[str]:
        """The units that run."""
        return {name for name, container in self.units().items() if container.status == "running"}

    def networks(self) -> list[str]:
        return sorted(network["Name"] for network in self.engine.api.networks(filters={"label": self.label}))

    def volumes(self) -> list[str]:
        volumes = self.engine.api.volumes(filters={"label": self.label})["Volumes"] or []
        return sorted(volume["Name"] for volume in volumes)

    def tags(self, unit: str) -> set[str]:
        """The tags of the images built for a unit."""
        images = self.engine.api.images(name=f"{self.name}-{unit}")
        return {tag for image in images for tag in image["RepoTags"] or ()}

    def port(self, unit: str, name: str = "http") -> int:
        """The port of this machine that leads to a unit's port."""
        status = self.devenv("status", "--json").json
        return int(next(row["ports"][name] for row in status["units"] if row["name"] == unit))

    def inside(self, unit: str, *argv: str) -> str:
        """What a command in a unit's container prints; asks the engine, not devenv.

        Not with the SDK: it drops what arrives in one packet with the engine's answer.
        """
        command = ["docker", "exec", self.units()[unit].id, *argv]
        done = subprocess.run(command, env=self.environment, capture_output=True, timeout=90)
        assert done.returncode == 0, f"{argv} in {unit} ended with {done.returncode}: {done.stderr.decode()}"
        return done.stdout.decode()

    def checked_in_silence(self, unit: str) -> bool:
        """Whether nothing is in a unit's log of three runs of its health check."""
        container = self.units()[unit]
        before = self.engine.api.logs(container.id)
        _, *check = container.raw["Config"]["Healthcheck"]["Test"]
        for _ in range(3):
            self.inside(unit, *check)
        return bool(self.engine.api.logs(container.id) == before)

    # -- the end

    def leave_nothing(self) -> None:
        """End all commands that still go on."""
        for going in self._going:
            going.leave_nothing()

    def clear(self) -> None:
        """Take everything of this checkout off the engine, without devenv."""
        self.leave_nothing()
        api = self.engine.api

        def remove(container: str) -> None:
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(container, force=True, v=True)

        containers = api.containers(all=True, filters={"label": self.label}, quiet=True)
        with ThreadPoolExecutor() as pool:
            list(pool.map(remove, (container["Id"] for container in containers)))
        for network in self.networks():
            with contextlib.suppress(docker.errors.APIError):
                api.remove_network(network)
        for volume in self.volumes():
            with contextlib.suppress(docker.errors.APIError):
                api.remove_volume(volume, force=True)
        images = api.images(name=f"{self.name}-*") if self.own_images else ()
        for tag in {
            tag for image in images for tag in image["RepoTags"] or ()
        }:  # others may have tags of their own
            with contextlib.suppress(docker.errors.APIError):
                api.remove_image(tag, force=True)
