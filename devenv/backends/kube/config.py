"""kubeconfig: which cluster a context leads to, and how to sign in there.

Reads the files itself for what comes before any request: which cluster, whose, and is it production.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from devenv import documents, home
from devenv.backends.kube.proxies import proxy_of
from devenv.errors import ToolMissing, UsageError, did_you_mean
from devenv.writing import write_whole

MINIKUBE = "minikube.sigs.k8s.io"
PRODUCTION = re.compile(r"(^|[^a-z])(prod|prd|production|live)([^a-z]|$)", re.IGNORECASE)

PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
VALIDITY = re.compile(rb"(?:\x17\x0d\d{12}|\x18\x0f\d{14})Z(?:\x18\x0f(\d{14})|\x17\x0d(\d{12}))Z")
"""From when to when a certificate is valid, in its own encoding: no library for one date."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """One context of the kubeconfig, looked up. Relative paths have been made absolute.

    `files`: those that say something; Kubernetes' own client stumbles over an empty one. `proxy`: the one on
    the way to it, of the kubeconfig or of the environment.
    """

    context: str
    cluster: Entry
    user: Entry
    namespace: str = ""
    provider: str = ""
    files: tuple[str, ...] = ()
    proxy: str = ""

    @property
    def server(self) -> str:
        return str(self.cluster.get("server", "")).rstrip("/")

    @property
    def expired(self) -> str:
        """The day on which our client certificate ended; empty where it has not, or there is none."""
        try:
            first = PEM.search((self._bytes(self.user, "client-certificate") or b"").decode())
            ends = first and VALIDITY.search(ssl.PEM_cert_to_DER_cert(first[0]))
        except (OSError, ValueError):
            return ""
        if not ends:
            return ""
        digits = ends[1].decode() if ends[1] else f"20{ends[2].decode()}"  # X.509: two digits before 2050
        moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return "" if moment > datetime.now(UTC) else moment.date().isoformat()

    @property
    def looks_like_production(self) -> bool:
        """Whether its name says that customers depend on it."""
        return bool(PRODUCTION.search(self.context))

    @property
    def by_plugin(self) -> bool:
        """Whether signing in takes more than what stands in the kubeconfig."""
        return "exec" in self.user or "auth-provider" in self.user

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """What a connection is checked against, with our certificate if the kubeconfig has one."""
        return self.trusting()

    def trusting(self, *certificate: str) -> ssl.SSLContext:
        """The same with the certificate and key in these files. Raises `UsageError` for unreadable ones."""
        try:
            context = self._trusted()
            if certificate:
                context.load_cert_chain(*certificate)
            elif "client-certificate" in self.user or "client-certificate-data" in self.user:
                self._load_certificate(context)
        except (OSError, ValueError) as error:
            raise UsageError(
                f'the certificates of the context "{self.context}" cannot be read',
                where=", ".join(self.files),
                why=str(error),
            ) from error
        return context

    def _trusted(self) -> ssl.SSLContext:
        if self.server.lower().startswith("http:"):  # reading all of this machine's authorities takes a while
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.cluster.get("insecure-skip-tls-verify"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context
        authority = self._bytes(self.cluster, "certificate-authority")
        return ssl.create_default_context(cadata=authority.decode() if authority else None)

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        """OpenSSL takes files only; what stands in the kubeconfig itself is in one for a moment."""
        with tempfile.NamedTemporaryFile(prefix="devenv-") as file:
            parts = (self._bytes(self.user, "client-certificate"), self._bytes(self.user, "client-key"))
            file.write(b"\n".join(part for part in parts if part))
            file.flush()
            context.load_cert_chain(file.name)

    @staticmethod
    def _bytes(entry: Entry, key: str) -> bytes | None:
        if data := entry.get(f"{key}-data"):
            return base64.b64decode(data)
        return Path(entry[key]).read_bytes() if entry.get(key) else None

    def _token(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f'the token of the context "{self.context}" cannot be read',
                where=str(file),
                why=getattr(error, "strerror", "") or "it is no text",
                hint=f"kubectl --context {self.context} get namespaces   must answer",
            ) from error

    @cached_property
    def login(self) -> Mapping[str, str]:
        """What a request carries so that the cluster knows us, as far as the kubeconfig alone says it.

        Raises `UsageError` for a file with a token that cannot be read.
        """
        token = self.user.get("token")
        if not token and self.user.get("tokenFile"):
            token = self._token(Path(self.user["tokenFile"]))
        if token:
            return {"Authorization": f"Bearer {token}"}
        if "username" in self.user:
            pair = f"{self.user['username']}:{self.user.get('password', '')}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}


def files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The kubeconfig files in use: those of KUBECONFIG that are there, else the usual one."""
    parts = [part for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = [Path(os.path.expanduser(part)) for part in parts] or [home.folder() / ".kube" / "config"]
    return [path for path in paths if path.is_file()]


def in_use() -> str:
    """The kubeconfig files in use as KUBECONFIG names them, in any folder."""
    return os.pathsep.join(str(file.absolute()) for file in files())


def find(context: str = "", *, environment: Mapping[str, str] = os.environ) -> Place:
    """The place a context leads to; without a name, the current one.

    Raises `ToolMissing` when there is no kubeconfig, `UsageError` for a context that is not in it.
    """
    paths = files(environment)
    where = ", ".join(map(str, paths))
    merged = _merged(paths)
    name = context or merged["current-context"]
    contexts: Mapping[str, Entry] = merged["contexts"]
    if not contexts or not name:
        raise ToolMissing(
            "no Kubernetes cluster is set up" if not contexts else "no current Kubernetes context",
            where=where or environment.get("KUBECONFIG") or "~/.kube/config",
            hint="devenv up -b minikube   makes one" if not contexts else "name one with --context",
        )
    if name not in contexts:
        hint = did_you_mean(name, contexts, f"there are: {', '.join(contexts)}")
        raise UsageError(f'no Kubernetes context "{name}"', where=where, hint=hint)
    entry = contexts[name]
    cluster = merged["clusters"].get(entry.get("cluster"), {})
    server, named = str(cluster.get("server", "")), str(cluster.get("proxy-url") or "")
    return Place(
        context=name,
        cluster=cluster,
        user=merged["users"].get(entry.get("user"), {}),
        namespace=entry.get("namespace", ""),
        provider=_provider(entry) or _provider(cluster),
        files=tuple(merged["files"]),
        proxy=proxy_of(server, named, environment),
    )


def current(environment: Mapping[str, str] = os.environ) -> str:
    """The user's current context; empty where there is none."""
    return str(_merged(files(environment))["current-context"])


def keep_current(name: str, environment: Mapping[str, str] = os.environ) -> None:
    """Make a context the current one again, in the file that names another."""
    for path in files(environment):
        text = path.read_text(encoding="utf-8")
        line = re.compile(r"^current-context:.*$", re.MULTILINE)
        if line.search(text):
            changed = line.sub(lambda _: f"current-context: {json.dumps(name)}", text, count=1)
            write_whole(path, changed, mode=path.stat().st_mode & 0o777)
            return


def _provider(entry: Entry) -> str:
    """Which program made an entry, as far as it says so."""
    extensions = (extension.get("extension") or {} for extension in entry.get("extensions") or ())
    return next(
        (
            str(extension["provider"])
            for extension in extensions
            if isinstance(extension, dict) and "provider" in extension
        ),
        "",
    )


def _merged(paths: list[Path]) -> dict[str, Any]:
    """All files as one, the first to name something wins, as kubectl does it."""
    merged: dict[str, Any] = {"current-context": "", "contexts": {}, "clusters": {}, "users": {}, "files": []}
    for path in paths:
        try:
            document = documents.load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UsageError(f"cannot read {path}", why=str(error)) from error
        if not isinstance(document, dict):
            raise UsageError(f"{path} is no kubeconfig", why="it has to be a mapping")
        merged["files"] += [str(path)] if document else []
        merged["current-context"] = merged["current-context"] or document.get("current-context") or ""
        for section, key in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
            for entry in document.get(section) or ():
                value = _absolute(entry.get(key) or {}, path.parent)
                merged[section].setdefault(str(entry.get("name")), value)
    return merged


def _absolute(entry: Entry, folder: Path) -> Entry:
    paths = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    return {key: str(folder / value) if key in paths and value else value for key, value in entry.items()}
