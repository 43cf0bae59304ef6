"""Where the command begins: `devenv`, and `python -m devenv`."""

import gc
import sys

WINDOWS = """\
error  devenv does not run on Windows itself
  why   it relies on Unix: file locks, process groups, terminals and sockets
  try   in WSL, where Docker Desktop answers too:  wsl --install  and there  pip install devenv-stack
"""


def main() -> None:
    """Run the command line. Ctrl-C while it is still being imported ends as quietly as later."""
    if sys.platform == "win32":
        sys.stderr.write(WINDOWS)
        raise SystemExit(3)
    gc.set_threshold(100_000)  # most objects live to the end: looking for garbage among them costs 7 %
    try:
        from devenv.cli import main as command

        command()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
