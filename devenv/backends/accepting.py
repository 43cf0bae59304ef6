"""Takes connections, also while there is no room for one."""

from __future__ import annotations

import errno
import socket
import time

FULL = (errno.EMFILE, errno.ENFILE)
AGAIN = 0.2  # seconds until one that found no room is tried again


def accepted(listener: socket.socket) -> socket.socket | None:
    """The next connection of a listener that has one; None where it went, or where no more files may be open.

    The latter waits on, and would be there again at once: whoever asks for it does nothing else meanwhile.
    """
    try:
        return listener.accept()[0]
    except OSError as error:
        if error.errno in FULL:
            time.sleep(AGAIN)
        return None
