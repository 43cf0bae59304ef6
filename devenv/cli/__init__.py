"""The command line: parse arguments, build the context, call one function. Only this package exits."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from devenv import __version__
from devenv.cli import habits
from devenv.cli.arguments import backends
from devenv.cli.commands import COMMANDS, Commands
from devenv.errors import FAILED, INTERRUPTED, DevenvError, UsageError


class Group(TyperGroup):
    """Turns errors into messages and exit codes; the help lists commands in the order of use."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands: Any = Commands()
        self._sharing: set[str] = set()

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands, in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the help's list of commands, without building them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, which takes the options of `devenv` itself as well: `devenv up -b minikube`."""
        command = super().get_command(ctx, cmd_name)
        if command is None:
            if not ctx.resilient_parsing:  # a shell completes the line
                habits.refuse_command(cmd_name)
        elif cmd_name not in self._sharing:
            self._add_habits(command, cmd_name)
            own = {name for param in command.params for name in param.opts}
            for param in self.params:
                free = [name for name in param.opts if name not in own]
                if free and param.name in SHARED:
                    shared = copy.copy(param)
                    shared.opts, shared.expose_value, shared.callback = free, False, _override
                    command.params.append(shared)
            self._sharing.add(cmd_name)
        return command

    def _add_habits(self, command: Any, name: str) -> None:
        """Give a command the hidden options that people try out of habit."""
        flag = next(param for param in self.params if param.name == "quiet")
        for option in habits.OPTIONS.get(name, {}):
            hidden: Any = copy.copy(flag)
            hidden.opts, hidden.name, hidden.hidden = [option], f"habit{option.replace('-', '_')}", True
            hidden.expose_value, hidden.is_eager = False, True
            hidden.callback = partial(_habit, name, option)
            command.params.append(hidden)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options before the command."""
        if "" not in self._sharing:
            self._sharing.add("")
            self._add_habits(self, "")
        with _errors_reported(None):
            return super().make_context(*args, **{"terminal_width": _narrow(), **kwargs})

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error is printed and becomes the exit code."""
        with _errors_reported(ctx):
            return super().invoke(ctx)


def _narrow() -> int | None:
    """The width of a terminal that is narrower than any help that Click would write by itself."""
    columns = shutil.get_terminal_size().columns
    return columns - 1 if columns < 52 else None


@contextlib.contextmanager
def _errors_reported(ctx: Any) -> Iterator[None]:
    try:
        yield
    except DevenvError as error:
        _console(ctx).error(error)
        raise SystemExit(error.exit_code) from None
    except MISTYPED as error:
        if error.message.startswith("Usage: "):  # the help, as nothing was typed
            raise
        _console(ctx).error(_mistyped(error))
        raise SystemExit(UsageError.exit_code) from None
    except OSError as error:
        from devenv.writing import NO_ROOM, unwritable

        if _is_nowhere():
            gone = UsageError("the folder of this terminal is gone", why=MOVED, hint='cd "$PWD" || cd ..')
            _console(ctx).error(gone)
            raise SystemExit(UsageError.exit_code) from None
        if error.errno not in NO_ROOM:
            raise
        folder = Path(error.filename).parent if error.filename else Path.cwd()
        _console(ctx).error(unwritable(folder, error, unchanged=False))
        raise SystemExit(FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


MOVED = "it was removed, or made anew under the same name"


def _is_nowhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


MISTYPED: Any = typer.BadParameter.__bases__[0]
"""What the parser raises for a command line that it does not understand."""


PLAINLY = {
    r"'\[(\w+)\]'": r"'\1'",
    "is not a valid int.*": "is not a whole number",
    "is not a valid float.*": "is not a number",
    r"is not in the range x>=([\d.]+)": r"is less than \1",
}
"""The parser's words -> what we say."""


def _mistyped(error: Any) -> UsageError:
    what = error.format_message().rstrip(".")
    for pattern, words in PLAINLY.items():
        what = re.sub(pattern, words, what)
    hint = "devenv --help"
    if error.ctx is not None:
        usage = " ".join(error.ctx.get_usage().removeprefix("Usage: ").split())
        hint = f"{usage.replace('{', '').replace('}', '')}   {error.ctx.command_path} --help explains it"
    return UsageError(what[:1].lower() + what[1:], hint=hint)


SHARED = ("file", "backend", "context", "quiet", "verbose", "no_color")


def _override(ctx: Any, param: Any, value: Any) -> None:
    if value:
        ctx.obj.option(param.name, value)


def _habit(command: str, option: str, ctx: Any, param: Any, value: Any) -> None:
    if value:
        habits.refuse_option(command, option)


def _console(ctx: Any) -> Any:
    from devenv.cli.context import Context

    return ((ctx and ctx.obj) or Context()).console


app = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="One manifest, the whole stack on your machine.",
    epilog="Write a devenv.yaml, then run `devenv up`. `devenv COMMAND --help` explains a command.",
)


def _version(value: bool) -> None:
    if value:
        print(f"devenv {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    file: Annotated[
        str | None, typer.Option("-f", "--file", help="The manifest; default: devenv.yaml.", metavar="FILE")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            "-b",
            "--backend",
            help="Where to run: compose, minikube, kube or process.",
            metavar="NAME",
            autocompletion=backends,
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "--context", help="With -b kube: the kube context; with -b minikube: the profile.", metavar="NAME"
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show only results and errors.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show every line of builds and pulls.")
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Without colours.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The options that every command takes."""
    from devenv.cli.context import Context

    ctx.obj = Context()
    for name, value in (
        ("file", file),
        ("backend", backend),
        ("context", context),
        ("quiet", quiet),
        ("verbose", verbose),
        ("no_color", no_color),
    ):
        if value:
            ctx.obj.option(name, value)


def main() -> None:
    """The `devenv` command."""
    if "_DEVENV_COMPLETE" in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    try:
        _end_as_by_ctrl_c()
        take_any_text(sys.stdout)
        app(prog_name="devenv")
    finally:
        _leave()


def take_any_text(stream: TextIO) -> None:
    """Have a stream write names of files that are no text as they are, and letters it lacks as codes."""
    if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
        unicode = stream.encoding.lower().replace("-", "") == "utf8"
        stream.reconfigure(errors="surrogateescape" if unicode else "backslashreplace")


def _end_as_by_ctrl_c() -> None:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that nothing temporary is left; the next ones are ignored.

    A signal that is ignored, as SIGHUP under `nohup`, stays ignored.
    """

    def interrupt(*_: object) -> None:
        for number in numbers:
            signal.signal(number, lambda *_: None)  # not SIG_IGN: children would inherit that
        raise KeyboardInterrupt

    ends = (signal.SIGTERM, signal.SIGHUP)
    numbers = [number for number in ends if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        signal.signal(number, interrupt)


def _leave() -> None:
    """Exit at once: threads that still talk to the engine must not delay a finished command."""
    if isinstance(sys.exc_info()[1], SystemExit):
        code = sys.exc_info()[1].code  # type: ignore[union-attr]
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # a full disk, already reported
                stream.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)
