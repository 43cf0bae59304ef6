"""Where the command begins: `devenv`, and `python -m devenv`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

WINDOWS = """\
error  devenv does not run on Windows itself
  why   it relies on Unix: file locks, process groups, terminals and sockets
  try   in WSL, where Docker Desktop answers too:  wsl --install  and there  pip install devenv-stack
"""


def _interrupt_again(ignored: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came where Python can raise nothing, as while it frees an import's lock."""
    if not issubclass(ignored.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(ignored)
        return
    import threading

    threading.Thread(target=_repeat, args=(threading.main_thread().ident or 0,), daemon=True).start()


def _repeat(main: int) -> None:
    """Send Ctrl-C to the main thread once it has left the hook: what is raised in there is lost as well."""
    import signal
    import time
    from traceback import walk_stack

    hook = _interrupt_again.__code__
    while any(frame.f_code is hook for frame, _ in walk_stack(sys._current_frames().get(main))):
        time.sleep(0.001)
    signal.pthread_kill(main, signal.SIGINT)


def _open_what_is_closed() -> None:
    """Lead streams that were closed, as by `<&-`, to /dev/null: the next file would get their number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _run() -> None:
    from devenv.cli import main

    main()


def main(run: Callable[[], None] = _run) -> None:
    """Run the command line. Ctrl-C while it is still being imported ends as quietly as later."""
    if sys.platform == "win32":
        sys.stderr.write(WINDOWS)
        raise SystemExit(3)
    _open_what_is_closed()
    gc.set_threshold(100_000)  # most objects live to the end: looking for garbage among them costs 7 %
    sys.unraisablehook = _interrupt_again
    try:
        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
