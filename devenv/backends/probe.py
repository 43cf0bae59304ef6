"""Asking a unit from this machine, through its published port, whether it is ready."""

from __future__ import annotations

import http.client
import socket

QUIET = 0.08  # seconds; see `_accepts`


def answers(kind: str, port: int, path: str = "", *, timeout: float = 1.0) -> tuple[bool, str]:
    """Whether 127.0.0.1:`port` is ready in the sense of `kind` (http, tcp, grpc), and what it said."""
    try:
        return _http(port, path, timeout) if kind == "http" else _accepts(port, timeout)
    except TimeoutError:
        return False, f"no answer within {timeout:g} s"
    except ConnectionError:
        return False, "nothing answers on the port"
    except http.client.HTTPException as error:
        return False, f"not HTTP: {error!r}"
    except OSError as error:
        return False, error.strerror or str(error)


def _http(port: int, path: str, timeout: float) -> tuple[bool, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": "localhost", "User-Agent": "devenv"})
        response = connection.getresponse()
        body = response.read(200).decode(errors="replace").strip()
        said = f"{response.status} {response.reason}" + (f": {body}" if body else "")
        return 200 <= response.status < 400, said
    finally:
        connection.close()


def _accepts(port: int, timeout: float) -> tuple[bool, str]:
    """A published port always accepts, as Docker's proxy does it; a program behind it does not hang up.

    The proxy closes at once when nothing listens behind it. Silence, or a greeting, is a program.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.settimeout(QUIET)
        try:
            greeting = connection.recv(1)
        except TimeoutError:
            return True, "accepts connections"
        return bool(greeting), "accepts connections" if greeting else "nothing listens on the port"
