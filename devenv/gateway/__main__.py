"""`python -m devenv.gateway`: run the embedded gateway."""

from __future__ import annotations

import asyncio
import os
import sys

from devenv.gateway.draft import Refused
from devenv.gateway.listen import settings
from devenv.gateway.server import CannotListen, complain, configured, serve


def main(arguments: list[str]) -> int:
    """Run the gateway; 2 for a configuration it refuses, 1 for an address it cannot listen on."""
    options = settings(arguments, os.environ)
    try:
        asyncio.run(serve(options, configured(options)))
    except Refused as refused:
        for problem in refused.problems:
            print(problem, file=sys.stderr)
        return 2
    except CannotListen as problem:
        complain(str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
