"""The only module that starts other programs and interrupts them.

The linter refuses `subprocess` and its relatives everywhere else. Every function here raises
`ToolMissing` for a program that cannot be started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from devenv.errors import ToolMissing

Child: TypeAlias = "subprocess.Popen[bytes]"
"""A program that was started and goes on."""


@dataclass(frozen=True, slots=True)
class Output:
    """A program's exit code and what it printed."""

    code: int
    stdout: str = ""
    stderr: str = ""


ENDING = 1.0  # seconds a command on this terminal has to end in when we are ended


def run_attached(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
    interactive: bool = True,
) -> int:
    """Run a command on this terminal and return its exit code; Ctrl-C goes to the command, not to us.

    When we are ended by another signal, the command is ended as well, and the terminal is put right. Without
    `interactive` its stdin is empty; without an `environment` it has ours.
    """
    # A handler, not SIG_IGN: the child would inherit SIG_IGN.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with _startable(argv):
            stdin = None if interactive else subprocess.DEVNULL
            process = subprocess.Popen(list(argv), stdin=stdin, env=environment, cwd=folder)
        with _terminal_kept():
            code = _awaited(process)
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _awaited(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDING)
        process.kill()
        process.wait()
        raise


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """Put the terminal's mode back when we are ended: a command that is killed leaves it as it set it."""
    mode = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        yield
    except BaseException:
        if mode is not None:
            with contextlib.suppress(termios.error):  # it is gone
                termios.tcsetattr(0, termios.TCSADRAIN, mode)
        raise


def run_captured(argv: Sequence[str]) -> Output:
    """Run a command to its end, with an empty stdin."""
    with _startable(argv):
        process = subprocess.run(list(argv), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return Output(process.returncode, _text(process.stdout), _text(process.stderr))


def run_within(argv: Sequence[str], seconds: float) -> Output:
    """Run a command that is only asked something, with an empty stdin.

    Raises `TimeoutError` where it takes longer; it is killed then, with all that it started.
    """
    code, stdout, stderr = _printed(argv, within=seconds, stderr=subprocess.PIPE)
    return Output(code, _text(stdout), _text(stderr))


def _printed(argv: Sequence[str], *, within: float | None, **more: Any) -> tuple[int, bytes, bytes]:
    """Run a command to its end, with an empty stdin; its exit code, and what it prints.

    With a time limit it leads a group of its own, which is killed when the time is over: a plugin of it would
    keep the pipes open. So it is when we are interrupted. Raises `TimeoutError`.
    """
    process: Child | None = None
    group = within is not None
    try:
        with _startable(argv), _interrupted_later():
            process = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=group, **more
            )
    except KeyboardInterrupt:
        if process is not None:
            with process:
                _kill(process, group=group)
        raise
    with process:
        try:
            stdout, stderr = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            _kill(process, group=group)
            raise TimeoutError(f"{argv[0]} took longer than {within:g} s") from None
        except BaseException:
            _kill(process, group=group)
            raise
    return process.returncode, stdout, stderr


def _kill(process: Child, *, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()


def run_asked(argv: Sequence[str], question: str) -> Output:
    """Run a command to its end, with this text as its stdin."""
    with _startable(argv):
        process = subprocess.run(list(argv), input=question.encode(), capture_output=True, check=False)
    return Output(process.returncode, _text(process.stdout), _text(process.stderr))


def run_merged(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
    within: float | None = None,
) -> Output:
    """Run a command to its end, with an empty stdin; `stdout` has stderr as well, in the order of printing.

    After `within` seconds it is killed, and its code is that of the `timeout` command: 124.
    """
    try:
        code, stdout, _ = _printed(argv, within=within, stderr=subprocess.STDOUT, env=environment, cwd=folder)
    except TimeoutError:
        return Output(124, f"no answer within {within:g} s")
    return Output(code, _text(stdout))


def run_lines(argv: Sequence[str], on_line: Callable[[str], None]) -> int:
    """Run a command, pass each line of its stdout to `on_line` as it comes, and return the exit code."""
    with _startable(argv):
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            on_line(_text(line))
    return process.returncode


class Stop:
    """Asks a program for its end as Ctrl-C does, from another thread than the one that waits for it."""

    def __init__(self, began: Callable[[int], None] | None = None) -> None:
        """`began` is called with the pid of the program as soon as that runs."""
        self._began = began
        self._process: subprocess.Popen[bytes] | None = None

    def of(self, process: subprocess.Popen[bytes]) -> None:
        """This program is meant from now on."""
        self._process = process
        if self._began is not None:
            self._began(process.pid)

    def __call__(self) -> None:
        """Nothing happens where none runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)


def run_unbroken(argv: Sequence[str], on_interrupt: Callable[[], None], stop: Stop | None = None) -> Output:
    """Run a command that cleans up after Ctrl-C to its very end.

    The first Ctrl-C is passed on, after `on_interrupt`. A second one leaves the command running on its own
    and raises `KeyboardInterrupt`. `stop` passes one on without any of this.
    """
    process: Child | None = None
    with _spool() as stdout, _spool() as stderr:
        try:
            with _startable(argv), _interrupted_later():
                process = subprocess.Popen(
                    list(argv), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
                )
                if stop is not None:
                    stop.of(process)
            process.wait()
        except KeyboardInterrupt:
            if process is None:
                raise
            try:
                on_interrupt()
                process.send_signal(signal.SIGINT)
                process.wait()
            except KeyboardInterrupt:
                process.returncode = 0  # or Python complains that it still runs, which it is to
                raise
        return Output(process.returncode, _rewound(stdout), _rewound(stderr))


@contextlib.contextmanager
def _interrupted_later() -> Iterator[None]:
    """Ctrl-C, and what counts as it, waits for the body: a program that it starts is known by then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for first in came[:1]:
        handlers[signal.Signals(first)](first, None)


def run_fed(argv: Sequence[str], write: Callable[[IO[bytes]], None]) -> Output:
    """Run a command with `write` filling its stdin; a command that stops reading early is no error here."""
    with _spool() as stderr:  # a pipe that nobody reads would block it
        with _startable(argv):
            process = subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
            )
        with process:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                write(process.stdin)
                process.stdin.flush()
        return Output(process.returncode, stderr=_rewound(stderr))


def run_piped(source: Sequence[str], sink: Sequence[str]) -> tuple[Output, Output]:
    """Run `source | sink` and return the output of both."""
    with _spool() as source_stderr, _spool() as sink_stderr:
        with _startable(source):
            first = subprocess.Popen(
                list(source), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=source_stderr
            )
        with first:
            with _startable(sink):
                second = subprocess.Popen(
                    list(sink), stdin=first.stdout, stdout=subprocess.DEVNULL, stderr=sink_stderr
                )
            assert first.stdout is not None
            first.stdout.close()  # only the sink reads it now: if it ends early, the source gets SIGPIPE
            second.wait()
        return (
            Output(first.returncode, stderr=_rewound(source_stderr)),
            Output(second.returncode, stderr=_rewound(sink_stderr)),
        )


def start_detached(
    argv: Sequence[str], *, log: IO[bytes], environment: Mapping[str, str], within: float
) -> str:
    """Start a program that outlives us, in its own session, and return the first line it prints.

    "" if it ends before that; if it is silent for `within` seconds it is killed.
    """
    with _startable(argv):
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C in this terminal is not for it
            cwd="/",
            env=environment,
        )
    assert process.stdout is not None
    timer = threading.Timer(within, process.kill)
    timer.start()
    with process.stdout:
        first = _text(process.stdout.readline()).strip()
    timer.cancel()
    process.returncode = 0  # it keeps running; without a code, `Popen` would warn that nobody waited for it
    return first


def start_piped(argv: Sequence[str], *, environment: Mapping[str, str], folder: str) -> Child:
    """Start a program with a pipe at each of its streams, as the leader of its own group."""
    with _startable(argv):
        return subprocess.Popen(
            list(argv),
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=folder,
        )


def start_in_group(argv: Sequence[str], *, environment: Mapping[str, str], folder: str) -> Child:
    """Start a program as the leader of its own group and session, with stdout and stderr in one pipe."""
    if not Path(folder).is_dir():  # or the program would seem to be missing
        raise ToolMissing(f"no folder {folder}")
    with _startable(argv):
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            env=dict(environment),
        )


def interrupt_children() -> None:
    """Send SIGINT to every child of this process, as Ctrl-C in a terminal does.

    A child in its own session is left alone: it is meant to outlive us.
    """
    for child in children(os.getpid()):
        with contextlib.suppress(OSError):
            if os.getsid(child) == os.getsid(0):
                os.kill(child, signal.SIGINT)


def children(parent: int, processes: Path = Path("/proc")) -> list[int]:
    """Pids of a process's children, also those started by libraries; none without /proc and ps."""
    parents = _parents_in(processes) if (processes / "self").exists() else _parents_by_ps()
    return [pid for pid, its_parent in parents if its_parent == parent]


def _parents_in(processes: Path) -> Iterator[tuple[int, int]]:
    for file in processes.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            # `71 (its name) S 1 ...`; a name may hold anything.
            yield (
                int(file.parent.name),
                int(file.read_text(errors="replace", encoding="utf-8").rpartition(")")[2].split()[1]),
            )


def _parents_by_ps() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ToolMissing):
        for line in run_captured(["ps", "-o", "pid=,ppid=", "-A"]).stdout.splitlines():
            pid, parent = map(int, line.split())
            yield pid, parent


@contextlib.contextmanager
def _startable(argv: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        program = argv[0]
        if isinstance(error, FileNotFoundError):
            message, hint = f"the {program} command is missing", f"install {program}, or put it on PATH"
            raise ToolMissing(message, hint=hint) from error
        raise ToolMissing(f"{program} cannot be started", why=error.strerror or str(error)) from error


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _spool() -> IO[bytes]:
    """A file for what a program prints, gone with it. Most commands start none, and import nothing for it."""
    import tempfile

    return tempfile.TemporaryFile()


def _rewound(file: IO[bytes]) -> str:
    file.seek(0)
    return _text(file.read())
