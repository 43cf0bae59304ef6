"""What the docker command reaches its engine with: a Docker context, and the certificates for TLS."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devenv.errors import ToolMissing


@dataclass(frozen=True)
class Context:
    """One of `docker context ls`; `unverified`: its engine may show any certificate."""

    address: str
    certificates: Path
    unverified: bool


@dataclass(frozen=True)
class Certificates:
    """Files for TLS: of who vouches for the engine, None where nobody has to; our own one with its key."""

    authority: str | None
    own: tuple[str, str] | None


def current(environment: Mapping[str, str] = os.environ) -> Context | None:
    """The context in use; None for the default one, and where DOCKER_HOST is set. Raises `ToolMissing`."""
    if environment.get("DOCKER_HOST"):
        return None
    folder = _settings(environment)
    name = environment.get("DOCKER_CONTEXT") or _chosen(folder)
    return _read(folder / "contexts", name) if name and name != "default" else None


def certificates(environment: Mapping[str, str] = os.environ) -> Certificates | None:
    """The files for an engine at a tcp address; None where it is reached without TLS.

    Raises `ToolMissing` where the file is missing of who vouches for the engine.
    """
    context = current(environment)
    if context is None:
        verified = bool(environment.get("DOCKER_TLS_VERIFY"))
        wanted = verified or bool(environment.get("DOCKER_TLS"))
        folder = Path(environment.get("DOCKER_CERT_PATH") or _settings(environment))
    else:
        verified, folder = not context.unverified, context.certificates
        wanted = context.unverified or folder.is_dir()
    if not wanted:
        return None
    authority, own, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    if verified and not authority.is_file():
        raise ToolMissing(
            "no certificate tells whether the Docker engine is the right one",
            where=str(authority),
            why="it is to be reached with TLS: DOCKER_TLS_VERIFY, or a Docker context, says so",
            hint="export DOCKER_CERT_PATH=FOLDER   # with ca.pem, cert.pem, key.pem",
        )
    mine = (str(own), str(key)) if own.is_file() and key.is_file() else None
    return Certificates(str(authority) if verified else None, mine)


def _settings(environment: Mapping[str, str]) -> Path:
    """The docker command's own folder."""
    return Path(environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))


def _chosen(folder: Path) -> str:
    """The context that `docker context use` has written down."""
    try:
        return str(json.loads((folder / "config.json").read_bytes()).get("currentContext") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _read(folder: Path, name: str) -> Context:
    digest = hashlib.sha256(name.encode()).hexdigest()
    try:
        endpoint = json.loads((folder / "meta" / digest / "meta.json").read_bytes())["Endpoints"]["docker"]
        address, unverified = str(endpoint["Host"]), bool(endpoint.get("SkipTLSVerify"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolMissing(f'no Docker context "{name}"', hint="docker context ls") from error
    return Context(address, folder / "tls" / digest / "docker", unverified)
