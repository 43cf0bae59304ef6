"""What a registry has, asked without a Docker engine: a digest, and the platforms that it is for.

The logins are those of `docker login`: in Docker's configuration, or with the programs that it names.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from devenv import home, proc
from devenv.backends.registries import HUB, address_of, host_of
from devenv.errors import DevenvError, ToolMissing

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
IMAGES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
"""Registries that Docker takes plain HTTP from without being told."""
CERTIFICATES = Path("/etc/docker/certs.d")
WITHIN = 30.0  # seconds for an answer

Login = tuple[str, str]
"""A user and a password; `<token>` for one that stands for a login elsewhere."""


class Unanswered(DevenvError):
    """The registry did not do what it was asked; `what` is why, in words that Docker would say."""


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP, whatever its status. `headers` are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def digest(image: str, platform: str = "") -> str:
    """The digest that the image's registry has it under; empty where it has none that runs on a platform.

    Raises `Unanswered`.
    """
    host, repository, reference = _parts(image)
    registry = Registry(host, repository)
    answer = registry.get(f"manifests/{reference}", accept=(*INDEXES, *IMAGES))
    if answer is None:
        return ""
    name = answer.headers.get("docker-content-digest") or f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    wanted = platform.split("/")[:2]
    offered = list(_platforms(registry, _document(answer.body)))
    return name if not platform or not offered or wanted in offered else ""


def _parts(image: str) -> tuple[str, str, str]:
    """The registry, the repository there, and the tag or digest of an image."""
    name, at, reference = image.partition("@")
    if not at:
        head, colon, tag = name.rpartition(":")
        name, reference = (head, tag) if colon and "/" not in tag else (name, "latest")
    host = host_of(image)
    repository = name if host == HUB and not name.startswith(f"{HUB}/") else name.partition("/")[2]
    return host, f"library/{repository}" if host == HUB and "/" not in repository else repository, reference


def _platforms(registry: Registry, manifest: Mapping[str, Any]) -> Iterator[list[str]]:
    """OS and processor of everything that a manifest leads to, as far as the registry says."""
    for entry in manifest.get("manifests") or ():
        platform = entry.get("platform") or {}
        if platform.get("os") not in (None, "unknown"):  # as attestations have it
            yield [platform["os"], platform["architecture"]]
    if config := manifest.get("config"):
        answer = registry.get(f"blobs/{config['digest']}")
        with suppress(ValueError, KeyError):
            details = json.loads(answer.body) if answer else {}
            yield [details["os"], details["architecture"]]


class Registry:
    """One repository of a registry."""

    def __init__(self, host: str, repository: str) -> None:
        self._host, self._repository = host, repository
        self._address = address_of(host)
        self._scheme, self._authorization = "https", ""

    def greet(self) -> Answer:
        """What it says to somebody who wants nothing in particular. Raises `Unanswered`."""
        return self._asked("", ())

    def get(self, path: str, *, accept: tuple[str, ...] = ()) -> Answer | None:
        """What it has there, if it has that. Raises `Unanswered`."""
        answer = self._asked(f"{self._repository}/{path}", accept)
        if answer.status == 401 and not self._authorization:
            self._authorization = self._signed_in(answer.headers.get("www-authenticate", ""))
            answer = self._asked(f"{self._repository}/{path}", accept)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Unanswered(_reason(answer))
        return answer

    def _asked(self, path: str, accept: tuple[str, ...]) -> Answer:
        headers = {"Accept": ", ".join(accept)} if accept else {}

        def fetched() -> Answer:
            url = f"{self._scheme}://{self._address}/v2/{path}"
            return _fetched(url, headers, self._authorization, self._trust)

        try:
            return fetched()
        except Unanswered:
            if self._scheme == "http" or not LOOPBACK.fullmatch(self._host):
                raise
            self._scheme = "http"
            return fetched()

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Whose certificates count: those of this machine, and those that Docker has for the registry."""
        context = ssl.create_default_context()
        for file in sorted((CERTIFICATES / self._host).glob("*.crt")):
            with suppress(OSError, ssl.SSLError):
                context.load_verify_locations(file)
        return context

    def _signed_in(self, challenge: str) -> str:
        """The header that a registry wants to see. Raises `Unanswered`."""
        kind, _, rest = challenge.partition(" ")
        credentials = login(self._host)
        if kind.lower() == "basic":
            if credentials is None:
                raise Unanswered("no basic auth credentials")
            return _basic(credentials)
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if kind.lower() != "bearer" or "realm" not in wanted:
            raise Unanswered("unauthorized: the registry does not say how to sign in")
        query = {"service": wanted.get("service", ""), "scope": f"repository:{self._repository}:pull"}
        form = None
        if credentials is not None and credentials[0] == TOKEN:
            grant = {"grant_type": "refresh_token", "refresh_token": credentials[1], "client_id": "devenv"}
            form, credentials = urllib.parse.urlencode({**query, **grant}).encode(), None
        url = wanted["realm"] if form else f"{wanted['realm']}?{urllib.parse.urlencode(query)}"
        answer = _fetched(url, {}, _basic(credentials) if credentials else "", self._trust, form)
        if answer.status != 200:
            raise Unanswered(_reason(answer))
        token = _document(answer.body)
        return f"Bearer {token.get('token') or token.get('access_token')}"


TOKEN = "<token>"


def login(host: str) -> Login | None:
    """Who Docker is at a registry; None where it has no login there."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or home.folder() / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    key = "https://index.docker.io/v1/" if host == HUB else host
    if helper := (config.get("credHelpers") or {}).get(key) or config.get("credsStore"):
        return _kept(helper, key)
    entries = config.get("auths") or {}
    entry: Mapping[str, str] = next(
        (entries[name] for name in (key, f"https://{key}") if name in entries), {}
    )
    if token := entry.get("identitytoken"):
        return TOKEN, token
    try:
        user, colon, password = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def _kept(helper: str, key: str) -> Login | None:
    """A login that a program keeps. Raises `Unanswered` for one that is not there."""
    try:
        ended = proc.run_asked([f"docker-credential-{helper}", "get"], key)
    except ToolMissing as error:
        raise Unanswered(error.what) from error
    if ended.code:
        return None
    credentials = _document(ended.stdout)
    return str(credentials.get("Username", "")), str(credentials.get("Secret", ""))


def _basic(login: Login) -> str:
    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"


def _fetched(
    url: str, headers: Mapping[str, str], authorization: str, trust: ssl.SSLContext, form: bytes | None = None
) -> Answer:
    """An answer, whatever its status; a redirect to where blobs are is followed without the login.

    Raises `Unanswered` where there is none.
    """
    request = urllib.request.Request(url, data=form, headers=dict(headers))
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(request, timeout=WITHIN) as answer:
            return Answer(answer.status, _lower(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), error.read())
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Unanswered(_spoken(getattr(error, "reason", error))) from error
    except http.client.HTTPException as error:
        raise Unanswered("its answer is broken off, or is no HTTP") from error


def _document(text: str | bytes) -> Mapping[str, Any]:
    """What JSON says. Raises `Unanswered` for anything else, as the page of a proxy in between."""
    with suppress(ValueError):
        document = json.loads(text)
        if isinstance(document, dict):
            return document
    raise Unanswered("what answers does not speak as a registry does")


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _spoken(reason: object) -> str:
    """What went wrong on the way, in Docker's words where those lead to a hint."""
    words = str(reason)
    if isinstance(reason, ssl.SSLCertVerificationError):
        if reason.verify_code in (18, 19, 20, 21):
            return f"x509: certificate signed by unknown authority: {reason.verify_message}"
        return f"x509: {reason.verify_message}"
    if isinstance(reason, ssl.SSLError) and reason.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "http: server gave HTTP response to HTTPS client"
    if isinstance(reason, ConnectionRefusedError):
        return "connection refused"
    return f"no such host: {words}" if "getaddrinfo" in words or "Name or service" in words else words


def _reason(answer: Answer) -> str:
    """Why a registry does not, as it says."""
    try:
        first = json.loads(answer.body)["errors"][0]
        return f"{str(first['code']).lower()}: {first.get('message', '')}"
    except (ValueError, KeyError, IndexError, TypeError):
        return {401: "unauthorized", 403: "denied"}.get(answer.status, f"HTTP status: {answer.status}")
