"""The addresses of this machine to which development servers of front ends pass requests on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

FILES = (
    "vite.config.js", "vite.config.ts", "vite.config.mjs", "vite.config.mts", "vue.config.js",
    "next.config.js", "next.config.mjs", "next.config.ts", "nuxt.config.ts", "nuxt.config.js",
    "astro.config.mjs", "webpack.config.js", "webpack.dev.js", "proxy.conf.json", "proxy.conf.js",
)  # fmt: skip
"""The files that say so, besides `proxy` of package.json."""

_ADDRESS = re.compile(
    r"(?:\benv\.(\w+)\s*(?:\|\||\?\?)\s*)?"
    r"[\"'`](?:https?|wss?)://(?:localhost|127\.0\.0\.1):(\d+)"
)
_PROXY = re.compile(r"\"proxy\"\s*:\s*[\"{][^{}]*")


class Passed(NamedTuple):
    """A port of this machine, the file that names it, and the variable that wins over it, or ""."""

    port: int
    file: str
    variable: str


def passed_on(files: Mapping[str, str]) -> Iterator[Passed]:
    """What the files of a program say of it, each port and variable once."""
    seen = set[tuple[int, str]]()
    for file, text in files.items():
        name = file.rpartition("/")[2]
        if name == "package.json":
            text = " ".join(_PROXY.findall(text))
        elif name not in FILES:
            continue
        for variable, port in _ADDRESS.findall(text):
            if (int(port), variable) not in seen:
                seen.add((int(port), variable))
                yield Passed(int(port), file, variable)
