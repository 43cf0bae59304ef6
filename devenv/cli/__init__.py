"""The command line: parse arguments, build the context, call one function. Only this package exits."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from devenv import __version__
from devenv.errors import INTERRUPTED, DevenvError


class Group(TyperGroup):
    """Turns errors into messages and exit codes; the help lists commands in the order of use."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sharing: set[str] = set()

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands, in the order of the help."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, which takes the options of `devenv` itself as well: `devenv up -b minikube`."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and cmd_name not in self._sharing:
            own = {name for param in command.params for name in param.opts}
            for param in self.params:
                free = [name for name in param.opts if name not in own]
                if free and param.name in SHARED:
                    shared = copy.copy(param)
                    shared.opts, shared.expose_value, shared.callback = free, False, _override
                    command.params.append(shared)
            self._sharing.add(cmd_name)
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error is printed and becomes the exit code."""
        try:
            return super().invoke(ctx)
        except DevenvError as error:
            _console(ctx).error(error)
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None


SHARED = ("file", "backend", "context", "quiet", "verbose", "no_color")


def _override(ctx: Any, param: Any, value: Any) -> None:
    if value:
        ctx.obj.option(param.name, value)


def _console(ctx: Any) -> Any:
    from devenv.cli.context import Context

    return (ctx.obj or Context()).console


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
        typer.Option("-b", "--backend", help="Where to run: compose, minikube or kube.", metavar="NAME"),
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="With -b kube: the kube context.", metavar="NAME")
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


from devenv.cli import inspect, lifecycle  # noqa: E402  commands register themselves on `app`

lifecycle.register(app)
inspect.register(app)


def main() -> None:
    """The `devenv` command."""
    if "_DEVENV_COMPLETE" in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    try:
        _end_as_by_ctrl_c()
        app(prog_name="devenv")
    finally:
        _leave()


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
