"""How a request gets to an API server: two ways that differ in cost.

Kubernetes' own client supports every sign-in plugin and renews credentials, but takes half a second to
import: changes go through it. A read with credentials that stand in the kubeconfig would wait three times as
long for the import as for the answer, and goes without it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import unquote, urlencode

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import SSLError

from devenv.backends.kube.config import Place
from devenv.errors import ToolMissing

Query = Mapping[str, str | int | bool | None]

JSON = "application/json"
AGENT = "devenv"
CONNECTING = 5.0  # seconds
CONNECTIONS = 16  # kept open
ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, option), value)
        for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, option)
    ),
]
"""How the kernel notices that a silent connection is dead: a machine that slept, a network that changed."""

OPTIONS = [*HTTPConnection.default_socket_options, *ALIVE]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of an API server. `content` is the media type of the body."""

    verb: str
    path: str
    query: Query = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: str = JSON

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept": JSON, "Content-Type": self.content, "User-Agent": AGENT}

    @property
    def parameters(self) -> list[tuple[str, str | int]]:
        """The query as it is written; what is None is left out."""
        return [
            (key, str(value).lower() if isinstance(value, bool) else value)
            for key, value in self.query.items()
            if value is not None
        ]


class Transport(Protocol):
    """A way to one API server, for any number of threads."""

    @property
    def tls(self) -> ssl.SSLContext:
        """What a connection is checked against, and the certificate that we show."""
        ...

    def headers(self) -> dict[str, str]:
        """What a request carries so that the cluster knows us."""
        ...

    def send(self, request: Request, *, quiet: float | None) -> urllib3.BaseHTTPResponse:
        """One request; the answer, whatever its status, with its body still to be read.

        `quiet` is the longest silence, in seconds. Raises `HTTPError` and `OSError`.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Plain:
    """urllib3 alone: for reading, with credentials that stand in the kubeconfig."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def tls(self) -> ssl.SSLContext:
        return self._place.tls

    def headers(self) -> dict[str, str]:
        return dict(self._place.login)

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        cluster = self._place.cluster
        settings: dict[str, Any] = {"maxsize": CONNECTIONS, "retries": False, "socket_options": OPTIONS}
        if self._place.server.startswith("https"):
            settings["ssl_context"] = self.tls
            if name := cluster.get("tls-server-name"):
                settings |= {"server_hostname": name, "assert_hostname": name}
            if cluster.get("insecure-skip-tls-verify"):
                settings |= {"cert_reqs": "CERT_NONE", "assert_hostname": False}
        if proxy := self._place.proxy:
            return urllib3.ProxyManager(proxy, proxy_headers=_signed_in_at(proxy), **settings)
        return urllib3.PoolManager(**settings)

    def send(self, request: Request, *, quiet: float | None) -> urllib3.BaseHTTPResponse:
        query = urlencode(request.parameters)
        return self._pool.request(
            request.verb,
            f"{self._place.server}{request.path}{'?' if query else ''}{query}",
            body=json.dumps(request.body).encode() if request.body is not None else None,
            headers=self.headers() | request.headers,
            timeout=urllib3.Timeout(connect=CONNECTING, read=quiet),
            preload_content=False,
        )

    def close(self) -> None:
        if "_pool" in vars(self):
            self._pool.clear()


def _signed_in_at(proxy: str) -> dict[str, str]:
    """What a proxy wants to be shown by those whose name and password stand in its address."""
    login = urllib3.util.parse_url(proxy).auth if proxy else None
    return urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else {}


_TRUSTED: dict[tuple[str, str], ssl.SSLContext] = {}
"""By the files of a certificate and its key: the library writes the same ones only once in a process."""


class Official:
    """Kubernetes' own client: for changes, and for signing in with a plugin."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @cached_property
    def _client(self) -> Any:
        """A dynamic client, whose `request` takes any path and body.

        Discovery, which asks the server for its resources, is left out: we name the paths.
        """
        from kubernetes.client import ApiClient
        from kubernetes.dynamic import DynamicClient

        configuration, tls = self._login
        client = ApiClient(configuration)
        client.user_agent = AGENT
        client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = tls
        return DynamicClient(client, discoverer=lambda client, cache_file: None)

    @cached_property
    def _login(self) -> tuple[Any, ssl.SSLContext]:
        """What the kubeconfig or its plugin gives to sign in with.

        The library writes keys and certificates into files, and removes them when Python ends in order. A
        command may be killed, so they go as soon as they are read.
        """
        with tempfile.TemporaryDirectory(prefix="devenv-") as folder:
            configuration = self._signed_in(folder)
            tls = self._trusting(configuration.cert_file, configuration.key_file)
        configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
        return configuration, tls

    def _trusting(self, certificate: str | None, key: str | None) -> ssl.SSLContext:
        if not (self._place.by_plugin and certificate and key):
            return self._place.tls
        if (certificate, key) not in _TRUSTED:
            _TRUSTED[certificate, key] = self._place.trusting(certificate, key)
        return _TRUSTED[certificate, key]

    def _signed_in(self, folder: str) -> Any:
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config

        class Stripped(Configuration):  # type: ignore[misc]
            """A token that was read from a file may end with a newline, which no header may."""

            def get_api_key_with_prefix(self, *names: str, **more: Any) -> str | None:
                token: str | None = super().get_api_key_with_prefix(*names, **more)
                shutil.rmtree(folder, ignore_errors=True)  # a plugin that was asked again gave a certificate
                return token and token.strip()

        configuration = Stripped()
        configuration.retries, configuration.socket_options = False, OPTIONS
        configuration.connection_pool_maxsize = CONNECTIONS
        configuration.proxy, configuration.no_proxy = self._place.proxy or None, None
        configuration.proxy_headers = _signed_in_at(self._place.proxy)
        complaints = _complaints()
        try:
            load_kube_config(
                config_file=os.pathsep.join(self._place.files),
                context=self._place.context,
                client_configuration=configuration,
                temp_file_path=folder,
            )
        except (ConfigException, OSError) as error:
            raise self._not_signed_in(str(error)) from error
        if "exec" in self._place.user and not (configuration.api_key or configuration.cert_file):
            why = complaints[-1] if complaints else "it gave neither a token nor a certificate"
            raise self._not_signed_in(why.removeprefix("exec: "))
        return configuration

    def _not_signed_in(self, why: str) -> ToolMissing:
        install = str((self._place.user.get("exec") or {}).get("installHint") or "").strip()
        kubectl = f"kubectl --context {self._place.context} get namespaces   must answer"
        return ToolMissing(
            f'signing in to "{self._place.context}" did not work',
            where=", ".join(self._place.files),
            why=why,
            hint=f"{install}\n{kubectl}".lstrip(),
        )

    @property
    def tls(self) -> ssl.SSLContext:
        return self._login[1]

    def headers(self) -> dict[str, str]:
        configuration, _ = self._login  # reading the key renews the token
        token = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}

    def send(self, request: Request, *, quiet: float | None) -> urllib3.BaseHTTPResponse:
        from kubernetes.client.exceptions import ApiException

        try:
            response: urllib3.BaseHTTPResponse = self._client.request(
                request.verb,
                request.path,
                body=request.body,
                query_params=request.parameters,
                header_params={"Accept": JSON},
                content_type=request.content,
                serialize=False,
                _request_timeout=(CONNECTING, quiet),
            )
        except ApiException as error:
            if not error.status:  # no answer: the certificate is wrong
                raise SSLError(error.reason) from error
            body = error.body.encode() if isinstance(error.body, str) else error.body  # a text, if it is one
            return urllib3.HTTPResponse(body, headers=error.headers, status=error.status)
        return response

    def close(self) -> None:
        if "_client" in vars(self):
            self._client.client.rest_client.pool_manager.clear()


class _Complaints(logging.Handler):
    """Keeps what is logged: the client prints why a plugin failed, and goes on without a login."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _complaints() -> list[str]:
    """What the client logs from now on, instead of printing it."""
    handler = _Complaints()
    logging.getLogger().addHandler(handler)
    return handler.messages
