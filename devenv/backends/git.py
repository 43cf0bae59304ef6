"""Git, the user's program: which commit a project is at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from devenv import proc
from devenv.errors import ToolMissing


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit. `changed`: files that differ from it. `source`: the remote's address."""

    id: str
    changed: tuple[str, ...] = ()
    source: str = ""

    @property
    def name(self) -> str:
        """Its id, and whether what is there is more than the commit."""
        return f"{self.id}-changed" if self.changed else self.id


def commit(root: Path) -> Commit | None:
    """The commit of the folder; None without a repository, a first commit, or Git."""
    try:
        head = proc.run_captured(["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"])
        if head.code:
            return None
        status = proc.run_captured(["git", "-C", str(root), "status", "--porcelain", "--", "."])
        remote = proc.run_captured(["git", "-C", str(root), "config", "--get", "remote.origin.url"])
    except ToolMissing:
        return None
    changed = tuple(line[3:] for line in status.stdout.splitlines())
    return Commit(head.stdout.strip(), changed, _without_login(remote.stdout.strip()))


def tags(root: Path) -> list[str]:
    """The tags of the commit that a folder is at."""
    try:
        return proc.run_captured(["git", "-C", str(root), "tag", "--points-at", "HEAD"]).stdout.split()
    except ToolMissing:
        return []


def _without_login(address: str) -> str:
    """A remote's address without the token that CI servers write into it."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # it leads nowhere, and may hold a token all the same
        return ""
    if not parts.scheme or not parts.hostname:
        return address
    return urlunsplit((parts.scheme, parts.hostname + port, parts.path, "", ""))
