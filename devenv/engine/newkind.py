"""The first file of a kind, by what its image says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from devenv.errors import UsageError
from devenv.stack.imaged import exposed

_WEB = {80, 3000, 5000, 8000, 8080, 8081, 9000, 15672}
"""Ports on which a page is likely."""


def draft(name: str, image: str, details: Mapping[str, Any], *, shell: bool = True) -> str:
    """The file: what the image says, and a TODO for each thing that no image says.

    `details` is what `docker image inspect` has; `shell`: a check can run in it. Raises `UsageError` for an
    image without a version.
    """
    base, tag = _split(name, image)
    config = details.get("Config") or {}
    ports = exposed(config)
    page = next((port for port in ports if port in _WEB), 0)
    names = {port: "web" if port == page else f"p{port}" for port in ports}
    user = str(config.get("User") or "").partition(":")[0]
    lines = [
        f"# {name}: what the image {image} says of itself. Lines with TODO are yours.",
        f"# To use it: services: {{api: {{image: ..., uses: [{name}]}}}}",
        "x-devenv:",
        f"  about: {name.capitalize()}, TODO what it is in a few words",
        "  options:",
        f"    version: {json.dumps(tag)}",
        "    memory: 256Mi",
        *_addresses(name, ports, page),
        *_user(user),
        "  production: TODO what to use there",
        "services:",
        f"  {name}:",
        f"    image: {base}:${{version}}",
        *_ports(names),
        *_volumes([*(config.get("Volumes") or {})]),
        "    mem_limit: ${memory}",
        *_environment(config.get("Env") or [], name),
        *_health(config.get("Healthcheck") or {}, ports, shell=shell),
    ]
    return "\n".join([*lines, ""])


def _split(name: str, image: str) -> tuple[str, str]:
    """The image without its tag, and the tag."""
    _, colon, tag = image.rpartition("/")[2].partition(":")
    if not colon or tag == "latest":
        hint = f"devenv kinds new {name} --from {image.removesuffix(':latest')}:1.2.3"
        raise UsageError(f"{image} names no version", hint=hint)
    return image.removesuffix(f":{tag}"), tag


def _user(user: str) -> Iterator[str]:
    if user.isdecimal() and user != "0":
        yield f"  uid: {user}"
    elif user not in ("", "0", "root"):
        yield f"  # TODO uid: the number of its user {user}, to whom volumes belong on Kubernetes"


def _addresses(name: str, ports: Sequence[int], page: int) -> Iterator[str]:
    if not ports:
        yield "  # TODO url and env: the image exposes no port"
        return
    yield f"  url: {'http' if ports[0] == page else name}://${{host}}:${{port}}"
    yield "  env:"
    yield "    ${NAME}_URL: ${url}"
    if page:
        yield f"  links: {{{name}: web}}"


def _ports(names: Mapping[int, str]) -> Iterator[str]:
    if names:
        yield "    ports:"
    for port, name in names.items():
        yield f"      - {{name: {name}, target: {port}}}"


def _volumes(folders: list[str]) -> Iterator[str]:
    if folders:
        yield "    volumes:"
    for folder in folders:
        name = "data" if len(folders) == 1 else re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")
        yield f"      - {json.dumps(f'{name}:{folder}')}"


def _environment(variables: list[str], name: str) -> Iterator[str]:
    """What the image sets under its own name: a hint which variables it reads."""
    own = name.upper().replace("-", "_")
    yield from (f"    # the image sets {variable}" for variable in variables if variable.startswith(own))


def _health(check: Mapping[str, Any], ports: Sequence[int], *, shell: bool) -> Iterator[str]:
    test = check.get("Test") or []
    yield "    healthcheck:"
    if test[:1] in (["CMD"], ["CMD-SHELL"]):
        yield _test(test)
    else:
        yield from _asked(ports[0] if ports else 80, shell=shell)
    times = ("interval: 10s", "timeout: 3s", "retries: 3", "start_period: 60s", "start_interval: 500ms")
    yield from (f"      {line}" for line in times)


def _asked(port: int, *, shell: bool) -> Iterator[str]:
    """A check where the image brings none."""
    if shell:
        yield "      # TODO the image has no check of its own: ask what only a server that is ready answers"
        ask = f"wget -qO /dev/null http://127.0.0.1:{port}/" if port in _WEB else f"nc -z 127.0.0.1 {port}"
        yield _test(["CMD-SHELL", ask])
    else:
        yield "      # TODO the image has no shell: a path at which only a server that is ready answers"
        yield f"      x-http: {port}/"


def _test(words: list[str]) -> str:
    return f"      test: {json.dumps([word.replace('$', '$$') for word in words])}"
