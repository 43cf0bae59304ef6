"""Charts as files, through Helm: packaged, and pushed to a registry with Helm's own login."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from devenv import proc
from devenv.backends.helm import HelmFailed, reason
from devenv.errors import DevenvError, UsageError
from devenv.plan.promotion.companions import Companion

SCHEME = "oci://"
LOGIN = r"unauthorized|denied|authentication required|credential not found|(?:code |\b)40[13]: "
AWAY = r"dial tcp|connection re(?:fused|set)|no such host|i/o timeout|HTTP response to HTTPS|x509:|EOF"
HERE = ("localhost", "127.0.0.1", "::1")


def package(chart: Path, into: Path, *, version: str, app_version: str) -> Path:
    """Pack a chart's folder. Returns the file, `NAME-VERSION.tgz`. Raises `HelmFailed`."""
    argv = ["helm", "package", str(chart), "--destination", str(into), "--version", version]
    ended = proc.run_captured([*argv, *(["--app-version", app_version] if app_version else [])])
    if ended.code:
        raise HelmFailed("the chart cannot be packaged", where=str(into), why=reason(ended))
    return Path(ended.stdout.strip().rpartition("saved it to: ")[2])


def push(package: Path, address: str) -> str:
    """Push a packaged chart below an address like `oci://ghcr.io/acme/charts`. Returns its digest.

    Raises `DevenvError` for a registry that refuses.
    """
    ended = proc.run_merged(["helm", "push", str(package), address, *plain(address)])
    if ended.code:
        raise refused(f"{package.name} cannot be pushed", address, reason(ended))
    digest = re.search(r"sha256:[0-9a-f]{64}", ended.stdout)
    return digest[0] if digest else ""


def plain(address: str) -> list[str]:
    """Flags for a registry of this very machine, which is asked without TLS, as Docker does it."""
    return ["--plain-http"] if urlsplit(address).hostname in HERE else []


def refused(what: str, address: str, why: str) -> DevenvError:
    """The error for a registry that did not do what it was asked."""
    host = urlsplit(address).netloc
    login = re.search(LOGIN, why, re.IGNORECASE)
    hint = f"helm registry login {host}   then again" if login else f"again once {host} answers"
    return DevenvError(what, where=address, why=why, hint=hint)


def require_address(address: str, option: str) -> None:
    """Raises `UsageError` for what is no address of a registry of charts."""
    _, scheme, rest = address.partition("://")
    bare = rest if scheme else address
    if not address.startswith(SCHEME) or not urlsplit(address).hostname:
        raise UsageError(
            f'{option} takes an address in a registry, not "{address}"',
            hint=f"{option} {SCHEME}{bare.strip('/') or 'ghcr.io/you/charts'}",
        )


def unread(companion: Companion, why: str) -> DevenvError:
    """The error for a chart that Helm does not get, or does not read with its values."""
    what = f"the chart of {companion.name} cannot be read"
    where = f"{companion.address} {companion.version}"
    if re.search(f"{LOGIN}|{AWAY}", why, re.IGNORECASE):
        hint = refused(what, companion.address, why).hint
    elif re.search(r"not found|no chart|improper constraint", why, re.IGNORECASE):
        repo = f" --repo {companion.repo}" if companion.repo else ""
        hint = f"helm show chart {companion.chart}{repo} --version {companion.version}   must find it"
    else:
        hint = f"look at {companion.values}" if companion.values else "give it values:"
    return DevenvError(what, where=where, why=why, hint=hint)
