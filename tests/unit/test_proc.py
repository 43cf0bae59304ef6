"""Other programs: their end, what they said, and whose Ctrl-C is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from devenv import proc
from devenv.backends.process.identity import identity
from devenv.errors import ToolMissing
from tests.interrupting import act_once, interrupt_once

pytestmark = pytest.mark.programs

ENDINGS = {
    "well": ("pass", 0),
    "badly": ("raise SystemExit(7)", 7),
    "by a signal": ("os.kill(os.getpid(), 15)", 143),
}


@pytest.mark.parametrize(("script", "code"), ENDINGS.values(), ids=ENDINGS)
def test_a_program_that_takes_the_terminal_ends(script: str, code: int) -> None:
    assert proc.run_attached([sys.executable, "-c", f"import os; {script}"]) == code


def test_ctrl_c_is_the_programs_while_it_has_the_terminal() -> None:
    before = signal.getsignal(signal.SIGINT)
    script = (
        "import os, signal\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"  # not ignored: inherited
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    assert proc.run_attached([sys.executable, "-c", script]) == 130
    assert signal.getsignal(signal.SIGINT) is before


CLEANING = """
import signal, sys, time
def clean(*_): print("cleaned up", flush=True); time.sleep(0.2); sys.exit(5)
signal.signal(signal.SIGINT, clean)
open(sys.argv[1], "w").close()
time.sleep(60)
"""


def test_a_program_that_cleans_up_after_ctrl_c_is_awaited(tmp_path: Path) -> None:
    told: list[str] = []
    interrupt_once(tmp_path / "ready")
    ended = proc.run_unbroken(
        [sys.executable, "-c", CLEANING, str(tmp_path / "ready")], lambda: told.append("interrupted")
    )
    assert (ended, told) == (proc.Output(5, "cleaned up\n"), ["interrupted"])


def test_ctrl_c_in_the_moment_of_the_start_reaches_the_program(tmp_path: Path) -> None:
    told: list[str] = []

    def began(_: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)

    ended = proc.run_unbroken(
        [sys.executable, "-c", CLEANING, str(tmp_path / "ready")],
        lambda: told.append("interrupted"),
        proc.Stop(began),
    )
    assert (ended, told) == (proc.Output(5, "cleaned up\n"), ["interrupted"])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_is_stopped_from_another_thread_as_by_ctrl_c(tmp_path: Path) -> None:
    stop = proc.Stop()
    stop()  # nothing runs yet
    ready = tmp_path / "ready"
    act_once(ready, stop)
    ended = proc.run_unbroken([sys.executable, "-c", CLEANING, str(ready)], lambda: None, stop)
    assert ended == proc.Output(5, "cleaned up\n")


def test_a_second_ctrl_c_leaves_the_program_running(tmp_path: Path) -> None:
    script = "import os, signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" \
        "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"  # fmt: skip
    interrupt_once(tmp_path / "ready")
    with pytest.raises(KeyboardInterrupt):
        proc.run_unbroken(
            [sys.executable, "-c", script, str(tmp_path / "ready")],
            lambda: interrupt_once(tmp_path / "ready"),
        )
    os.kill(int((tmp_path / "ready").read_text()), signal.SIGKILL)  # which fails if it is gone


def test_what_a_program_says_comes_with_its_end_and_in_its_order() -> None:
    script = "import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True); sys.stdout.buffer.write(b'\\xff'); sys.exit(3)"
    assert proc.run_merged([sys.executable, "-c", script]) == proc.Output(3, "out\nerr\n\ufffd")
    assert proc.run_captured([sys.executable, "-c", script]) == proc.Output(3, "out\n\ufffd", "err\n")


def test_what_is_only_asked_ends_with_all_that_it_started_when_it_is_interrupted(tmp_path: Path) -> None:
    """It leads a group of its own, which a Ctrl-C in this terminal does not reach."""
    ready = tmp_path / "ready"
    interrupt_once(ready)
    with pytest.raises(KeyboardInterrupt):
        proc.run_within(["sh", "-c", f"sleep 600 & echo $! > {ready}.new; mv {ready}.new {ready}; wait"], 60)
    deadline = time.monotonic() + 10
    while identity(int(ready.read_text())) and time.monotonic() < deadline:
        os.sched_yield()
    assert not identity(int(ready.read_text()))


def test_lines_are_passed_on_while_the_program_runs() -> None:
    script = "import sys; print('first', flush=True); sys.stdin.read(); print('second'); sys.exit(4)"
    lines: list[str] = []
    assert proc.run_lines([sys.executable, "-c", script], lines.append) == 4
    assert lines == ["first\n", "second\n"]


NOISY = "import sys; sys.stderr.write('x' * 300_000); "  # more than a pipe holds


def test_a_program_is_fed_and_may_complain_at_length_or_stop_early() -> None:
    def write(stdin: IO[bytes]) -> None:
        for _ in range(100):
            stdin.write(b"y" * 10_000)

    reads = NOISY + "sys.exit(len(sys.stdin.buffer.read()) % 251)"
    output = proc.run_fed([sys.executable, "-c", reads], write)
    assert (output.code, len(output.stderr)) == (1_000_000 % 251, 300_000)
    assert proc.run_fed([sys.executable, "-c", "raise SystemExit('enough')"], write) == proc.Output(
        1, stderr="enough\n"
    )


def test_a_pipe_of_two_programs_says_which_end_failed() -> None:
    source = NOISY + "print('abc'); sys.exit(5)"
    sink = "import sys; sys.exit(sys.stdin.read() != 'abc\\n')"
    first, second = proc.run_piped([sys.executable, "-c", source], [sys.executable, "-c", sink])
    assert (first.code, len(first.stderr), second) == (5, 300_000, proc.Output(0))


def test_what_outlives_us_is_started_when_it_says_so(tmp_path: Path) -> None:
    def start(script: str) -> str:
        argv = [sys.executable, "-c", script]
        with (tmp_path / "log").open("ab") as log:
            return proc.start_detached(argv, log=log, environment=os.environ, within=0.5)

    assert start("print('ready')") == "ready"
    assert start("raise SystemExit('no')") == ""
    assert start("import time; time.sleep(60)") == ""
    assert (tmp_path / "log").read_text() == "no\n"


STARTS = {
    "attached": proc.run_attached,
    "captured": proc.run_captured,
    "merged": proc.run_merged,
    "lines": lambda argv: proc.run_lines(argv, print),
    "fed": lambda argv: proc.run_fed(argv, lambda stdin: None),
    "source": lambda argv: proc.run_piped(argv, ["cat"]),
    "sink": lambda argv: proc.run_piped(["true"], argv),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_program_that_is_not_there_is_named(start: Callable[[list[str]], Any], tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="the frobnicate command is missing"):
        start(["frobnicate", "x"])
    with pytest.raises(ToolMissing, match="cannot be started"):
        start([str(tmp_path)])


LEAKS = [
    "import subprocess",
    "from subprocess import run",
    "import os\n\nos.execvp('ls', ['ls'])",
    "import os\n\nos.spawnlp(os.P_WAIT, 'ls', 'ls')",
    "from os import system",
    "import pty",
    "import asyncio\n\nasyncio.create_subprocess_exec('ls')",
]


@pytest.mark.parametrize("source", LEAKS)
def test_no_other_module_starts_programs(source: str) -> None:
    ruff = [Path(sys.executable).parent / "ruff", "check", "--no-cache", "--select", "TID251"]
    here = Path(proc.__file__).parent

    def verdict(file: str) -> int:
        argv = [*ruff, "--stdin-filename", here / file, "-"]
        return subprocess.run(argv, input=source, text=True, cwd=here.parent, capture_output=True).returncode

    assert verdict("backends/compose.py") == 1
    assert verdict("proc.py") == 0


FAMILY = """
import signal, subprocess, sys
from devenv import proc
from devenv.backends.process.identity import identity
waits = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); sys.stdin.read()"
children = [
    subprocess.Popen([sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(2)
]
for child in children:
    child.stdout.readline()
proc.interrupt_children()
print([child.wait(30) for child in children])
"""


@pytest.mark.parametrize("path", [os.environ["PATH"], "/nowhere"], ids=["with ps", "without"])
def test_children_are_asked_to_stop_and_nobody_else_is(path: str) -> None:
    argv, environment = [sys.executable, "-c", FAMILY], {**os.environ, "PATH": path}
    family = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert (family.stdout, family.stderr) == ("[-2, -2]\n", "")


ORPHAN = FAMILY.replace("stdout=subprocess.PIPE)", "stdout=subprocess.PIPE, start_new_session=True)").replace(
    "print([child.wait(30)", "[child.stdin.close() for child in children]\nprint([child.wait(30)"
)


def test_one_that_is_there_to_outlive_us_is_left_alone() -> None:
    family = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True)
    assert family.stdout == "[0, 0]\n"


def test_children_are_found_where_the_kernel_or_ps_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as child:
        for processes in (Path("/proc"), tmp_path):
            assert child.pid in proc.children(os.getpid(), processes)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert proc.children(os.getpid(), tmp_path) == []
