"""Probing a unit through its published port on this machine."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from devenv.backends.unix_http import BadAnswer, Unanswered, answered

LOOPBACKS = ("127.0.0.1", "::1")
NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # a machine without IPv6
NO_BODY = (204, 304)
EXCERPT = 200  # bytes of a body, for people
ANSWER = 5.0  # seconds that a request of a person has
QUIET = 0.08  # seconds; see `_accepts`


@dataclass(frozen=True)
class Behind:
    """A container's address and port behind an engine's proxy; `machine`: the engine's address there."""

    address: str
    port: int
    machine: str

    def listens(self, timeout: float) -> bool | None:
        """Whether something listens there; None where this machine is not the engine's, or may not ask."""
        place, source = (self.address, self.port), (self.machine, 0)
        try:
            socket.create_connection(place, timeout=timeout, source_address=source).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            return None
        return True


def answers(
    kind: str,
    port: int,
    path: str = "",
    *,
    timeout: float = 1.0,
    proxied: bool = True,
    behind: Behind | None = None,
) -> tuple[bool, str]:
    """Whether `port` of this machine is ready in the sense of `kind` (http, tcp, grpc), and what it said.

    It is asked as a browser asks `localhost`: where nobody is at 127.0.0.1, at ::1. `proxied`: what listens
    there is an engine's proxy. `behind`: what that leads to, if it is known.
    """
    if kind != "http" and behind and behind.listens(timeout) is False:
        return False, "nothing listens on the port"
    for address in LOOPBACKS:
        try:
            if kind == "http":
                return _http(address, port, path, timeout)
            return _accepts(address, port, timeout, proxied=proxied)
        except TimeoutError:
            return False, f"no answer within {timeout:g} s"
        except ConnectionRefusedError:
            continue
        except (ConnectionError, Unanswered):
            break
        except BadAnswer as error:
            return False, str(error)
        except OSError as error:
            if error.errno in NO_SUCH_ADDRESS:
                continue
            return False, error.strerror or str(error)
    return False, "nothing answers on the port"


def status(method: str, port: int, path: str) -> tuple[int, str]:
    """The status that a request to a port of this machine gets, and how it reads; 0 where none comes."""
    trouble = "nothing answers on the port"
    for address in LOOPBACKS:
        try:
            return _answer(method, address, port, path, ANSWER)
        except ConnectionRefusedError:
            continue
        except OSError as error:
            trouble = str(error) or repr(error)
    return 0, trouble


def _http(address: str, port: int, path: str, timeout: float) -> tuple[bool, str]:
    code, answer = _answer("GET", address, port, path, timeout)
    return 200 <= code < 400, answer


def _answer(method: str, address: str, port: int, path: str, timeout: float) -> tuple[int, str]:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "User-Agent: devenv", "Connection: close"]
    lines += [] if method in ("GET", "HEAD") else ["Content-Length: 0"]
    request = "\r\n".join([*lines, "", ""]).encode()
    with (
        socket.create_connection((address, port), timeout=timeout) as connection,
        answered(connection, request) as response,
    ):
        pieces = iter(()) if method == "HEAD" or response.status in NO_BODY else response.pieces()
        body = next(pieces, b"")[:EXCERPT].decode(errors="replace").strip()
    return response.status, f"{response.status} {response.reason}" + (f": {body}" if body else "")


def _accepts(address: str, port: int, timeout: float, *, proxied: bool) -> tuple[bool, str]:
    """A published port always accepts, as Docker's proxy does it; a program behind it does not hang up.

    The proxy closes at once when nothing listens behind it. Silence, or a greeting, is a program.
    """
    with socket.create_connection((address, port), timeout=timeout) as connection:
        if not proxied:
            return True, "accepts connections"
        connection.settimeout(QUIET)
        try:
            greeting = connection.recv(1)
        except TimeoutError:
            return True, "accepts connections"
        return bool(greeting), "accepts connections" if greeting else "nothing listens on the port"
