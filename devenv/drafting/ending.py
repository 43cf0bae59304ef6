"""Which services of a Compose project end by themselves: what their command, or its last part, runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from devenv.drafting import reading
from devenv.drafting.interpolation import plain
from devenv.drafting.stores import repository
from devenv.manifest.source import as_text

PROGRAMS = frozenset(
    (
        "chgrp",
        "chmod",
        "chown",
        "cp",
        "echo",
        "exit",
        "install",
        "ln",
        "mc",
        "mkdir",
        "mv",
        "rm",
        "touch",
        "true",
    )
)
"""Programs that do one thing."""
IMAGES = frozenset(("amazon/aws-cli", "flyway/flyway", "liquibase/liquibase", "migrate/migrate", "minio/mc"))
"""Images whose program does one thing."""
TASKS = re.compile(
    r"manage\.py (?:migrate|collectstatic|loaddata)\b|\balembic upgrade\b|\bflask db upgrade\b"
    r"|\bdb:(?:migrate|prepare|seed|setup)\b|\bprisma (?:migrate deploy|db push)\b|\bartisan migrate\b"
)
"""What frameworks are asked to do once."""
_NAMES = re.compile(r"(?:^|[-_])(?:init|migrations?|migrate|migrator|seed|seeder|setup)$", re.IGNORECASE)
"""How services are called that do one thing and end."""
_SHELLS = frozenset(("sh", "bash", "ash"))
_PARTS = re.compile(r"&&|\|\||[;\n]")


def ends(name: str, keys: Mapping[str, Any]) -> bool:
    """Whether a service ends once it has done its work, so that others can only wait for that."""
    check = keys.get("healthcheck")
    checked = bool(check) and not (isinstance(check, Mapping) and check.get("disable"))
    if checked or any(keys.get(key) for key in ("ports", "expose")):
        return False
    if str(as_text(keys.get("restart") or "no")).partition(":")[0] not in ("no", "false", "on-failure"):
        return False
    last = _last(keys)
    if last and _NAMES.search(name):
        return True
    if not last:
        return repository(plain(str(keys.get("image") or ""))) in IMAGES and bool(keys.get("command"))
    return posixpath.basename(last.split()[0]) in PROGRAMS or bool(TASKS.search(last))


def _last(keys: Mapping[str, Any]) -> str:
    """The last command that it runs, of a line for a shell as well; "" where that is not known."""
    try:
        entry, command = (reading.words(keys.get(key)) or [] for key in ("entrypoint", "command"))
    except ValueError:
        return ""
    words = [plain(word) for word in (*entry, *command)]
    shell = bool(words) and posixpath.basename(words[0]) in _SHELLS
    if shell and len(words) > 2 and re.fullmatch(r"-[a-z]*c", words[1]):
        parts = [part.strip() for part in _PARTS.split(words[2]) if part.strip()]
        return parts[-1] if parts else ""
    if not entry and repository(plain(str(keys.get("image") or ""))) in IMAGES:
        return ""  # the words are those of the image's own program
    return " ".join(words)
