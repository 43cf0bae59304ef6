"""The numbers of a service: memory, processors, copies, and when it counts as healthy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devenv.drafting import reading
from devenv.drafting.interpolation import escaped, everywhere, ours, plain
from devenv.drafting.tables import seconds_of
from devenv.manifest.source import as_text

_REQUEST = re.compile(
    r"(?:curl|wget)\b(?P<options>[^|&;]*?)\s['\"]?(?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0)"
    r"(?::(?P<port>\d+))?(?P<path>/[^\s'\"|;&]*)?['\"]?[^|&;]*(?:\|\|\s*exit\s+\d+)?\s*$"
)


def number(value: Any) -> Any:
    """A text of digits as the number that it is."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def decimal(text: Any) -> Any:
    """A text as the number that it is, if it is one."""
    return (
        float(text) if re.fullmatch(r"\d+\.?\d*", str(text)) and not str(text).isdecimal() else number(text)
    )


def _limits(service: Mapping[str, Any]) -> Mapping[str, Any]:
    return ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}


def memory(service: Mapping[str, Any]) -> str:
    """The most memory it may take, in Compose's form."""
    value = service.get("mem_limit") or _limits(service).get("memory") or ""
    return str(as_text(value))


def cpus(service: Mapping[str, Any]) -> str:
    """The most processors it may take."""
    value = service.get("cpus") or _limits(service).get("cpus") or ""
    return str(as_text(value))


def health(service: Mapping[str, Any], port: int) -> Any:
    """Its healthcheck as `health:` writes it; None where there is none, "none" where it is switched off."""
    check = service.get("healthcheck") or {}
    test = check.get("test")
    if check.get("disable") is True or test in ("NONE", ["NONE"]):
        return "none"
    if not test:
        return None
    if not isinstance(test, list):
        command: Any = str(as_text(test))
    elif test[0] == "CMD-SHELL":
        command = " ".join(str(word) for word in test[1:])
    else:
        command = [str(as_text(word)) for word in test[1:]]
    line = command if isinstance(command, str) else " ".join(command)
    match = _REQUEST.search(line)
    times = _times(check)
    if match and port and "https://" not in line and int(match["port"] or 80) == port:
        path = escaped(plain(match["path"] or "/"))
        return {"http": path, **times} if times else path
    return {"exec": everywhere(ours, command), **times}


def port_of_check(service: Mapping[str, Any]) -> int:
    """The port that its healthcheck asks over HTTP, or 0."""
    test = (service.get("healthcheck") or {}).get("test")
    line = " ".join(map(str, reading.listed(test)))
    match = _REQUEST.search(line)
    return int(match["port"] or 80) if match and "https://" not in line else 0


def _times(check: Mapping[str, Any]) -> dict[str, str]:
    """How long it may take, where that is longer than what is usual here."""
    every, start = seconds_of(check.get("interval", 30)), seconds_of(check.get("start_period", 0))
    retries = plain(str(as_text(check.get("retries", 3))))
    within = start + every * (int(retries) if retries.isdecimal() else 3)
    timeout = seconds_of(check.get("timeout", 0))
    times = {"timeout": f"{timeout:g}s"} if timeout > 2 else {}
    return times | ({"within": f"{within:g}s"} if within > 60 else {})
