"""Measures devenv against `docker compose` on the very file that devenv rendered: `make bench`.

Every figure is a ratio of medians from one run, A/B/A/B, after two warm-ups of each; nothing is stored, as
numbers from another machine, or from this one an hour ago, say nothing. A cold run begins where nothing of the
stack is left, which is checked outside the timing and the same for both sides. Ends with 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

DEVENV = str(Path(sys.executable).with_name("devenv"))
SHOP = Path(__file__).parents[2] / "examples" / "shop"
WARM_UPS = 2
MIB = 2**20


@dataclass(frozen=True)
class Command:
    """A command as a person types it, and where."""

    argv: tuple[str, ...]
    folder: Path

    def run(self) -> float:
        """Seconds from start to end. Whatever does not end well ends the benchmark."""
        began = time.perf_counter()
        done = subprocess.run(self.argv, cwd=self.folder, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            raise SystemExit(
                f"{' '.join(self.argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return seconds

    def peak(self) -> int:
        """The most memory it had, in bytes."""
        with open(os.devnull, "w") as nowhere:
            process = subprocess.Popen(self.argv, cwd=self.folder, stdout=nowhere, stderr=nowhere)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(self.argv)} ended with {process.returncode}")
        return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def nothing() -> None:
    """Needs no preparation."""


@dataclass(frozen=True)
class Race:
    """Two commands that do the same, and how much longer the first may take."""

    what: str
    ours: Command
    theirs: Command
    bound: float
    aim: float | None = None
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing


@dataclass(frozen=True)
class Result:
    """A line of the table; `ours` and `theirs` are in seconds or bytes."""

    what: str
    ours: str
    theirs: str
    value: str
    bound: str
    verdict: str

    @property
    def missed(self) -> bool:
        return self.verdict == "MISS"


def race(one: Race, runs: int) -> Result:
    """Both commands in turn; the medians and their ratio."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UPS + runs):
        for command, times in zip((one.ours, one.theirs), taken, strict=True):
            one.before()
            seconds = command.run()
            one.after()
            if number >= WARM_UPS:
                times.append(seconds)
    ours, theirs = map(statistics.median, taken)
    ratio = ours / theirs
    aim = f" (aim {one.aim:g})" if one.aim else ""
    verdict = "MISS" if ratio > one.bound else "aim reached" if one.aim and ratio <= one.aim else "pass"
    return Result(
        one.what, _seconds(ours), _seconds(theirs), f"{ratio:.2f}", f"<= {one.bound:g}{aim}", verdict
    )


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 2 else f"{value:.2f} s"


# -- stacks


@dataclass(frozen=True)
class Stack:
    """A project that devenv has rendered, and the same for `docker compose`."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / ".devenv" / "compose"

    def devenv(self, *argv: str) -> Command:
        return Command((DEVENV, *argv), self.folder)

    def compose(self, *argv: str) -> Command:
        return Command(("docker", "compose", *argv), self.bundle)

    def clear(self) -> None:
        """Take away everything the stack has on the engine, data too."""
        label = f"label=com.docker.compose.project={self.id}"
        for listed, removed in (
            (("ps", "-aq"), ("rm", "-fv")),
            (("network", "ls", "-q"), ("network", "rm")),
            (("volume", "ls", "-q"), ("volume", "rm", "-f")),
        ):
            if found := _lines("docker", *listed, "--filter", label):
                _lines("docker", *removed, *found)
            if left := _lines("docker", *listed, "--filter", label):
                raise SystemExit(f"not clean before a cold run: {left}")

    @property
    def id(self) -> str:
        """What Compose calls the project."""
        head = (self.bundle / "compose.yaml").read_text().partition("services:")[0]
        return next(line.partition(": ")[2] for line in head.splitlines() if line.startswith("name: "))

    def up(self, services: int) -> None:
        """Fails unless so many containers are healthy."""
        label = f"label=com.docker.compose.project={self.id}"
        found = _lines("docker", "ps", "-q", "--filter", label, "--filter", "health=healthy")
        if len(found) != services:
            raise SystemExit(f"{len(found)} of {services} services are healthy after a cold run")


def _lines(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout.split()


@contextmanager
def stack(folder: Path, manifest: str | None = None) -> Iterator[Stack]:
    """A rendered stack in a folder; nothing of it is left on the engine in the end."""
    folder.mkdir(exist_ok=True)
    if manifest is not None:
        (folder / "devenv.yaml").write_text(manifest)
    made = Stack(folder)
    made.devenv("render").run()
    try:
        yield made
    finally:
        made.clear()


def healthy(count: int) -> str:
    """A manifest of services with a check that the engine runs."""
    services = "\n".join(
        f"  web{n}: {{image: 'busybox:1.37', command: httpd -f -p 80, health: {{exec: 'true', every: 200ms}}}}"
        for n in range(count)
    )
    return f"name: bench\nservices:\n{services}\n"


def wide(count: int) -> str:
    """A manifest of so many services as large projects have them, some sixteen lines each."""
    return (
        "name: wide\nservices:\n"
        + "".join(
            f"""\
  service-{n}:
    image: registry.example.com/team/service-{n}:1.{n}
    command: serve --port 80 --name service-{n}
    ports: {{http: 80, metrics: 81}}
    uses: [postgres, cache{f", service-{n - 1}" if n % 10 else ""}]
    route: /api/service-{n}
    health: /healthz
    env:
      LOG_LEVEL: info
      SELF: ${{service-{n}.url}}
      REGION: eu-central-1
      FEATURES: "search,export"
    volumes: {{data: /var/lib/service}}
    resources: {{cpu: 500m, memory: 256Mi}}
    grace: 20s
"""
            for n in range(count)
        )
        + "infra:\n  postgres: {database: wide}\n  cache: {kind: valkey}\n"
    )


# -- the table


def rows(names: Sequence[str], runs: int, work: Path) -> Iterator[Result]:
    """Measure what is asked for, a line at a time."""
    for name in names:
        yield from ROWS[name](runs, work)


def up_again(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "five", healthy(5)) as five:
        five.devenv("up", "-d").run()
        what = "up -d, nothing to do / docker compose up -d --wait"
        yield race(Race(what, five.devenv("up", "-d"), _waited(five), 0.5, 0.35), runs)


def cold(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "five", healthy(5)) as five:
        what = "cold up -d of 5 services with checks / docker compose up -d --wait"
        ours, check = five.devenv("up", "-d"), lambda: five.up(5)
        yield race(Race(what, ours, _waited(five), 1.2, 1.0, five.clear, check), runs)


def shop(runs: int, work: Path) -> Iterator[Result]:
    folder = work / "shop"
    if not folder.exists():
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".devenv", "node_modules", "__pycache__"))
    with stack(folder) as made:
        made.devenv("up", "-d").run()  # images, layers and pages of the disk cache
        what = "cold up -d of the shop / docker compose up -d --wait of its bundle"
        yield race(Race(what, made.devenv("up", "-d"), _waited(made), 1.05, None, made.clear), runs)


def status(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "ten", healthy(10)) as ten:
        ten.devenv("up", "-d").run()
        what = "status of 10 services / docker compose ps"
        yield race(Race(what, ten.devenv("status"), ten.compose("ps"), 2.0, 1.3), runs)


def start(runs: int, work: Path) -> Iterator[Result]:
    ours, theirs = Command((DEVENV, "--help"), work), Command((sys.executable, "-c", "pass"), work)
    yield race(Race("--help / python -c pass", ours, theirs, 10), runs)


def render(runs: int, work: Path) -> Iterator[Result]:
    with stack(work / "hundred", wide(100)) as hundred:

        def edited() -> None:
            """Somebody has just saved the manifest: nothing remembered of it is of use."""
            (hundred.folder / "devenv.yaml").write_text(wide(100) + f"# {time.time_ns()}\n")

        what = "render of 100 services, just edited / docker compose config -q"
        ours, theirs = hundred.devenv("render"), hundred.compose("config", "-q")
        yield race(Race(what, ours, theirs, 1.2, None, edited), runs)
    with stack(work / "thousand", wide(100)) as thousand:
        (thousand.folder / "devenv.yaml").write_text(wide(1000))
        peak, other = thousand.devenv("render").peak(), thousand.compose("config", "-q").peak()
        verdict = "MISS" if peak >= 200 * MIB else "pass"
        ours, theirs = f"{peak / MIB:.0f} MiB", f"{other / MIB:.0f} MiB"
        yield Result(
            "memory, render of 1000 services (beside: config -q)", ours, theirs, ours, "< 200 MiB", verdict
        )


def _waited(one: Stack) -> Command:
    return one.compose("up", "-d", "--wait")


ROWS: dict[str, Callable[[int, Path], Iterator[Result]]] = {
    "up": up_again,
    "cold": cold,
    "shop": shop,
    "status": status,
    "start": start,
    "render": render,
}


def versions() -> str:
    engine = _lines("docker", "version", "--format", "{{.Server.Version}}")[0]
    compose = _lines("docker", "compose", "version", "--short")[0]
    devenv = _lines(DEVENV, "--version")[1]
    cores = os.cpu_count()
    python = platform.python_version()
    return f"devenv {devenv}, Python {python}, Docker {engine}, Compose {compose}, {cores} cores"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="5 runs of each in place of 20")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    runs = 5 if options.quick else 20
    try:
        print(versions())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"unmeasured: no Docker engine with the Compose plugin answers ({error})", file=sys.stderr)
        return 3
    print(f"medians of {runs}, interleaved, after {WARM_UPS} warm-ups of each\n")
    form = "{:<68} {:>9} {:>9} {:>8}   {:<20} {}"
    print(form.format("", "ours", "theirs", "ratio", "bound", ""), flush=True)
    missed = False
    with ExitStack() as cleared:
        work = Path(cleared.enter_context(tempfile.TemporaryDirectory(prefix="devenv-bench-")))
        os.environ["XDG_CACHE_HOME"] = str(work / "cache")  # devenv's memory; nobody's own
        for one in rows(options.rows or list(ROWS), runs, work):
            line = form.format(one.what, one.ours, one.theirs, one.value, one.bound, one.verdict)
            print(line, flush=True)
            missed = missed or one.missed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
