"""Measures devenv against what people would type in its place, on the files that it rendered: `make bench`.

Every figure is a ratio of medians from one run, A/B/A/B, after warm-ups of each; nothing is stored, as
numbers from another machine, or from this one an hour ago, say nothing. A cold run begins where nothing of the
stack is left, which is checked outside the timing and the same for both sides. Ends with 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import cluster, compose, kinds, process, programs, reload
from tests.bench.disk import with_journal
from tests.bench.measure import DEVENV, Result, lines

ROWS = compose.ROWS | cluster.ROWS | reload.ROWS | programs.ROWS | process.ROWS | kinds.ROWS
PACKAGE = Path(__file__).parents[2] / "devenv"


def rows(names: Sequence[str], runs: int, work: Path) -> Iterator[Result]:
    """Measure what is asked for, a line at a time; last the rows that need a disk with a journal."""
    making_files = [name for name in names if name in reload.ROWS]
    for name in names:
        if name not in making_files:
            yield from ROWS[name](runs, work)
    if making_files:
        with with_journal(work, reload.BASES) as disk:
            for name in making_files:
                yield from ROWS[name](runs, disk)


def versions() -> str:
    devenv = lines(DEVENV, "--version")[1]
    return f"devenv {devenv}, Python {platform.python_version()}, {os.cpu_count()} cores"


def engine() -> str:
    """The engine's versions. Raises an error where none answers."""
    version = lines("docker", "version", "--format", "{{.Server.Version}}")[0]
    compose = lines("docker", "compose", "version", "--short")[0]
    return f"Docker {version}, Compose {compose}"


def measurable(names: Sequence[str]) -> list[str]:
    """Those of the rows that this machine has what they need for; of the others, why not."""
    lacking = []
    try:
        print(engine())
    except (OSError, subprocess.CalledProcessError) as error:
        why = f"no Docker engine with the Compose plugin answers ({error})"
        lacking.append(([name for name in ROWS if name not in process.ROWS], why))
    lacking += [([*cluster.ROWS], cluster.missing()), ([*cluster.WITH_HELM], cluster.helm_missing())]
    left = list(names)
    for rows_of, why in lacking:
        if why and (unmeasured := [name for name in left if name in rows_of]):
            print(f"unmeasured: {', '.join(unmeasured)}: {why}", file=sys.stderr)
            left = [name for name in left if name not in rows_of]
    return left


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no stack is left running
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # in the background of a script watchers would ignore it
    compileall.compile_dir(PACKAGE, quiet=2)  # as pip does: what is measured is not Python's compiler
    print(versions())
    names = measurable(options.rows or list(ROWS))
    if not names:
        return 3
    print(f"medians of {runs} where not fewer is said, interleaved, after warm-ups of each\n")
    form = "{:<72} {:>9} {:>9} {:>8}   {:<20} {}"
    print(form.format("", "ours", "theirs", "", "bound", ""), flush=True)
    missed = False
    with tempfile.TemporaryDirectory(prefix="devenv-bench-") as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")  # devenv's memory; nobody's own
        for result in rows(names, runs, Path(folder)):
            line = form.format(
                result.what, result.ours, result.theirs, result.value, result.bound, result.verdict
            )
            print(line, flush=True)
            missed = missed or result.missed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
