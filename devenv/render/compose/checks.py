"""How an engine checks whether a unit is ready: by what its image has to run."""

from __future__ import annotations

import shlex
from typing import Any

from devenv.render.bundle import Source
from devenv.stack.dockerfile import base_image, has_shell
from devenv.stack.model import Probe, Unit
from devenv.stack.text import Text

STEADY = 5.0  # seconds between checks of a ready unit: frequent enough to notice failures, cheap enough
STEADY_HTTP = 20.0  # the same for checks that may start an interpreter


def is_checked(unit: Unit, source: Source) -> bool:
    """Whether the engine can check a unit: most checks need a shell in the image."""
    if unit.probe is None or unit.probe.kind == "exec":
        return unit.probe is not None
    if unit.engine:
        return False  # a kind has its check by HTTP where its image has nothing to run
    if unit.build is None:
        return has_shell(unit.image)
    recipe = source.recipes.get(unit.build.key)
    args = {key: value for key, value in unit.build.args if isinstance(value, str)}
    return recipe is None or has_shell(base_image(recipe.dockerfile, unit.build.target, args))


def healthcheck(probe: Probe) -> dict[str, Any]:
    """Compose's healthcheck of a probe: often until it is ready, rarely from then on."""
    return {
        "test": in_container(probe),
        "interval": duration(STEADY_HTTP if probe.kind == "http" else STEADY),
        "timeout": duration(probe.timeout),
        "retries": 3,
        "start_period": duration(probe.within),
        "start_interval": duration(probe.every),
    }


def in_container(probe: Probe) -> list[Text]:
    """The probe as a check that the engine runs; for HTTP and TCP with a program that the image has.

    HTTP requests are as those of devenv and Kubernetes: for host localhost, without a proxy, and a redirect
    counts as success. A program that only its own container reaches is not ready for them, nor for this
    check. If the image has no HTTP client, a listening port is enough.
    """
    if probe.kind == "exec":
        return ["CMD", *probe.command]
    line = f"^ *[0-9]+: ({_REACHABLE}):{probe.port:04X} [0-9A-F:]+ 0A"
    listening = f"grep -qE '{line}' /proc/net/tcp /proc/net/tcp6"
    if probe.kind != "http":
        return ["CMD-SHELL", listening]
    path, url = shlex.quote(probe.path), shlex.quote(f"http://127.0.0.1:{probe.port}{probe.path}")
    return [
        "CMD-SHELL",
        f"unset {' '.join(_PROXIES)}; exec >/dev/null 2>&1; "
        f"if command -v grep; then {listening} || exit 1; fi; "
        f"if command -v curl; then curl -gfsS -H 'Host: localhost' {url}; "
        f"elif command -v python3; then python3 -c '{_PYTHON}' {probe.port} {path}; "
        f"elif command -v node; then node -e '{_NODE}' {probe.port} {path}; "
        f"elif command -v wget; then wget -SO /dev/null --header 'Host: localhost' {url} 2>&1 "
        f"| grep -m1 HTTP/ | grep -q ' [23][0-9][0-9]'; "
        f"else command -v grep; fi",
    ]


_REACHABLE = (
    "[0-9A-F]{6}([0-689A-F][0-9A-F]|7[0-9A-E])"  # IPv4, least byte first, but 127.0.0.0/8
    "|0{32}|0{0,23}[1-9A-F][0-9A-F]{8,31}"  # IPv6, but ::1
)
"""Local addresses in /proc/net/tcp and tcp6 that more than the container itself reaches."""

_PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_PYTHON = (
    'import sys, http.client as h; port, path = sys.argv[1:]; c = h.HTTPConnection("127.0.0.1", port); '
    'c.request("GET", path, headers={"Host": "localhost"}); sys.exit(c.getresponse().status >= 400)'
)
_NODE = (
    "const [port, path] = process.argv.slice(1); "
    'require("http").get({host: "127.0.0.1", port, path, headers: {Host: "localhost"}}, '
    'r => process.exit(r.statusCode < 400 ? 0 : 1)).on("error", () => process.exit(1))'
)


def duration(value: float) -> str:
    """Seconds as Compose has them."""
    return f"{value:g}s" if value >= 1 else f"{value * 1000:g}ms"
