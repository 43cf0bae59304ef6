"""Real programs that cannot go on, each in a container of one stack: the card of each has what helps."""

from __future__ import annotations

import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine

PROGRAMS = {
    "crlf": ("debian:trixie-slim", "[/run.sh]", "or is a script with Windows line endings"),
    "crlf-env": ("debian:trixie-slim", "[/env.sh]", "a script has Windows line endings"),
    "nothing": ("debian:trixie-slim", "[nosuch]", "the command is not in the image"),
    "long": ("debian:trixie-slim", "[sh, -c, 'X=$(yes | head -c 3000000); env A=$X true']", "with files:"),
    "read-only": ("debian:trixie-slim", "[sh, -c, 'echo a >/run.sh']", "it writes where it may not"),
    "ended": ("debian:trixie-slim", "[sh]", "is it a job, a shell without a terminal"),
    "python-module": ("python:3.13-slim", "[python3, -c, import flask]", "a dependency is missing"),
    "python-host": (
        "python:3.13-slim",
        '[python3, -c, \'import http.client as h; h.HTTPConnection("10.99.0.1", source_address=("10.99.0.1", 1)).connect()\']',
        "make that 0.0.0.0",
    ),
    "node-module": ("node:24-slim", "[node, -e, 'require(\"express\")']", "a dependency is missing"),
    "node-bind": (
        "node:24-slim",
        '[node, -e, \'require("http").createServer().listen(80, "10.99.0.1")\']',
        "make that 0.0.0.0",
    ),
    "node-host": (
        "node:24-slim",
        '[node, -e, \'require("net").connect(1, "node-bynd")\']',
        'did you mean "node-bind"?',
    ),
    "psql": ("postgres:18.6", "[psql, -h, long-host, -U, a]", 'nothing here is called "long-host"'),
    "mysql": ("mysql:9.7.2", "[mysql, -h, valky, -u, a]", 'did you mean "valkey"?'),
    "valkey": ("valkey/valkey:9.1.1", "[valkey-server, --bind, 10.99.0.1]", "make that 0.0.0.0"),
}


def test_what_helps_is_on_the_card_of_each(checkout: Checkout) -> None:
    checkout.write("run.sh", "")
    (checkout.root / "run.sh").write_bytes(b"#!/bin/sh\r\necho hi\r\n")
    (checkout.root / "env.sh").write_bytes(b"#!/usr/bin/env bash\r\necho hi\r\n")
    for script in ("run.sh", "env.sh"):
        (checkout.root / script).chmod(0o755)
    # Without a check, a program that has not got to its end yet counts as one that runs.
    fields = "files: {/run.sh: ./run.sh, /env.sh: ./env.sh}, health: {exec: exit 1}"
    checkout.manifest(
        "services:\n"
        + "".join(
            f"  {name}: {{image: {image!r}, command: {command}, {fields}}}\n"
            for name, (image, command, _) in PROGRAMS.items()
        )
    )

    ended = checkout.begin("up", "-d").end(within=90)  # Python's traceback is the program's own

    assert ended.code == 1

    cards = {card.split()[0]: " ".join(card.split()) for card in ended.stderr.split("\nx ")[1:]}
    wrong = {name: cards[name] for name, (_, _, hint) in PROGRAMS.items() if hint not in cards[name]}
    assert wrong == {}
    assert "Error: listen EADDRNOTAVAIL" in cards["node-bind"]  # above a long trace
