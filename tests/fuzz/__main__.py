"""`make fuzz`: inputs by chance, round after round. Ends with 1 where something was found.

The same seed gives the same inputs. Each find is kept in a folder, as small as it can be, with the command
that reads it again and shows the traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.hunting import hunt, kept, smallest
from tests.fuzz.targets import TARGETS


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz what is asked for; the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := {*asked.names} - {*TARGETS}:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if asked.again and len(asked.names) != 1:
        parser.error("--again takes the one target that the files are for")
    warnings.simplefilter("error")  # people would see them
    if asked.again:
        TARGETS[asked.names[0]].read(asked.again)
        print("nothing breaks")
        return 0
    print(f"seed {asked.seed}", flush=True)
    found = [_fuzzed(name, asked) for name in asked.names or TARGETS]
    return int(any(found))


def _fuzzed(name: str, asked: argparse.Namespace) -> bool:
    """Whether a target broke; prints its line, and each find with the command that repeats it."""
    target, begin = TARGETS[name], time.monotonic()
    result = hunt(target, name, seed=asked.seed, rounds=asked.rounds, seconds=asked.seconds)
    counts = f"{result.read:6} read {result.refused:6} refused {len(result.finds):3} found"
    print(f"{name:11}{counts} {time.monotonic() - begin:7.1f} s", flush=True)
    for place, find in result.finds.items():
        files = smallest(target, find)
        folder = kept(files, asked.into / f"{name}-{asked.seed}-{find.number}")
        print(f"  {place}: {find.error!s:.100}")
        print(f"  {os.path.relpath(sys.executable)} -m tests.fuzz {name} --again {folder}", flush=True)
    return bool(result.finds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="default: another each time")
    parser.add_argument("--rounds", type=int, default=100_000, help="of each target, at most")
    parser.add_argument("--seconds", type=float, default=20, help="for each target; default 20")
    parser.add_argument(
        "--into", type=Path, default=Path(tempfile.gettempdir()) / "devenv-fuzz", help="where finds are kept"
    )
    parser.add_argument("--again", type=Path, metavar="FOLDER", help="read the files of a find again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
