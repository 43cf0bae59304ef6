"""How the SDK reaches the engine: by a socket or TCP, with which certificates; its errors as ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar

import docker.errors
from docker.api.client import APIClient
from docker.tls import TLSConfig
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.exceptions import InsecureRequestWarning

from devenv.backends import contexts
from devenv.backends.containers import unreachable
from devenv.errors import DevenvError
from devenv.stack.labels import LABEL

P = ParamSpec("P")
CONNECTING = 30.0  # seconds
T = TypeVar("T")


class Addressed(Protocol):
    """Whatever speaks with the engine at an address."""

    address: str


S = TypeVar("S", bound=Addressed)


class Refused(DevenvError):
    """The engine refused a request; `what` is its own reason."""


def with_labels(tags: Mapping[str, str]) -> dict[str, list[str]]:
    """The engine's filter for our labels `devenv.dev/KEY=VALUE`, all of them."""
    return {"label": [f"{LABEL}{key}={value}" for key, value in tags.items()]}


def speaks(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Turn what the SDK raises into our errors: the engine is unreachable, or refuses."""

    @wraps(method)
    def spoken(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except docker.errors.APIError as error:  # before RequestException, which it is a subclass of
            raise Refused(str(error.explanation or error)) from error
        except (RequestException, docker.errors.StreamParseError) as error:
            raise unreachable(self.address, str(error)) from error

    return spoken


def _tls(address: str) -> TLSConfig | Literal[False]:
    """How the SDK reaches an engine with TLS; False without."""
    files = contexts.certificates() if address.startswith("tcp:") else None
    if files is None:
        return False
    if files.authority is None:  # as asked for; the library would say so at each request
        warnings.filterwarnings("ignore", category=InsecureRequestWarning)
    return _Tls(client_cert=files.own, ca_cert=files.authority, verify=files.authority is not None)


class _Tls(TLSConfig):
    """Has an engine vouched for by its own authority: `REQUESTS_CA_BUNDLE` would come before that one."""

    def configure_client(self, client: APIClient) -> None:
        super().configure_client(client)
        client.mount("https://", _Vouched(self.ca_cert or False))


class _Vouched(HTTPAdapter):
    def __init__(self, authority: str | Literal[False]) -> None:
        super().__init__()
        self._authority = authority

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        return super().send(request, *args, **{**options, "verify": self._authority})


def connected(address: str) -> APIClient:
    """The SDK's client for an engine. Raises `ToolMissing` where none answers."""
    try:
        api = APIClient(base_url=address, version="auto", timeout=120, tls=_tls(address))
    except docker.errors.DockerException as error:
        raise unreachable(address, str(error)) from error
    # No proxy serves a socket; to look for one in the environment takes as long as the request itself.
    api.trust_env = not address.startswith("unix:")
    return api
