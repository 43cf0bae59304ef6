"""Other programs: their end, what they said, and whose Ctrl-C is."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from devenv import proc

ENDINGS = {
    "well": ("pass", 0),
    "badly": ("raise SystemExit(7)", 7),
    "by a signal": ("os.kill(os.getpid(), 15)", 143),
}


@pytest.mark.parametrize(("script", "code"), ENDINGS.values(), ids=ENDINGS)
def test_a_program_that_takes_the_terminal_ends(script: str, code: int) -> None:
    assert proc.attached([sys.executable, "-c", f"import os; {script}"]) == code


def test_ctrl_c_is_the_programs_while_it_has_the_terminal() -> None:
    before = signal.getsignal(signal.SIGINT)
    script = (
        "import os, signal\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"  # not ignored: inherited
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    assert proc.attached([sys.executable, "-c", script]) == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_what_a_program_says_comes_with_its_end_and_in_its_order() -> None:
    script = "import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True); sys.stdout.buffer.write(b'\\xff'); sys.exit(3)"
    assert proc.said([sys.executable, "-c", script]) == (3, "out\nerr\n\ufffd")


FAMILY = """
import signal, subprocess, sys
from devenv import proc
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


def test_children_are_asked_to_stop_and_nobody_else_is() -> None:
    family = subprocess.run([sys.executable, "-c", FAMILY], capture_output=True, text=True, check=True)
    assert family.stdout == "[-2, -2]\n"


ORPHAN = FAMILY.replace("stdout=subprocess.PIPE)", "stdout=subprocess.PIPE, start_new_session=True)").replace(
    "print([child.wait(30)", "[child.stdin.close() for child in children]\nprint([child.wait(30)"
)


def test_one_that_is_there_to_outlive_us_is_left_alone() -> None:
    family = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True)
    assert family.stdout == "[0, 0]\n"
