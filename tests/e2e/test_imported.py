"""A Compose project comes up as it did, by the manifest that was made of it: the same requests, the same answers."""

from __future__ import annotations

import socket
import subprocess
import textwrap
import urllib.request
from collections.abc import Mapping
from functools import partial

import pytest

from .checkout import Checkout, eventually

pytestmark = pytest.mark.engine

PROJECT = """
    services:
      prepare:
        image: busybox:1.37
        command: ["sh", "-c", "echo made by prepare > /shared/note.txt"]
        volumes: [shared_files:/shared]
      pages:
        image: busybox:1.37
        command: httpd -f -p 80 -h /srv
        container_name: ${NAME}-pages
        ports: ["${PAGES_PORT}:80"]
        volumes: [./html:/srv/html:ro, shared_files:/srv/shared]
        depends_on: {prepare: {condition: service_completed_successfully}}
      hit_counter:
        build: {context: ./counter, args: [GREETING=hello]}
        environment:
          - CACHE_URL=redis://hits_cache:6379/0
          - PAGES=http://pages:80/html/index.html
          - DB_PASSWORD=kept-${NAME}
        ports: ["${COUNTER_PORT}:8000"]
        depends_on: [hits_cache, pages]
      hits_cache:
        image: valkey/valkey:9.1.1
        networks: [default]
    volumes: {shared_files: {}}
"""

COUNTER = """
import os, socket, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        cache = urlsplit(os.environ["CACHE_URL"])
        with socket.create_connection((cache.hostname, cache.port)) as link:
            link.sendall(b"INCR hits\\r\\n")
            hits = link.recv(64).decode().strip()[1:]
        page = urllib.request.urlopen(os.environ["PAGES"]).read().decode().strip()
        body = f"{os.environ['GREETING']} {hits} {page} {os.environ['DB_PASSWORD']}".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("", 8000), Handler).serve_forever()
"""


def answers(ports: Mapping[str, int]) -> dict[str, str]:
    """What the project answers, each once it does."""

    def asked(url: str) -> str:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return str(response.read().decode().strip())
        except OSError:
            return ""

    pages = {
        "page": f"http://127.0.0.1:{ports['PAGES_PORT']}/html/index.html",
        "note": f"http://127.0.0.1:{ports['PAGES_PORT']}/shared/note.txt",
        "hits": f"http://127.0.0.1:{ports['COUNTER_PORT']}/",
    }
    return {name: eventually(partial(asked, url), url) for name, url in pages.items()}


def free_ports(*names: str) -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: own.getsockname()[1] for name, own in zip(names, sockets, strict=True)}
    for own in sockets:
        own.close()
    return ports


def test_a_compose_project_answers_the_same_after_its_import(checkout: Checkout) -> None:
    ports = free_ports("PAGES_PORT", "COUNTER_PORT")
    name = checkout.name
    checkout.write(".env", "".join(f"{key}={port}\n" for key, port in ports.items()) + f"NAME={name}\n")
    checkout.write("compose.yaml", f"name: {name}\n{textwrap.dedent(PROJECT)}")
    checkout.write("html/index.html", "a page\n")
    checkout.write("counter/app.py", COUNTER)
    dockerfile = 'FROM python:3.13-slim\nARG GREETING\nENV GREETING=$GREETING\nCOPY app.py .\nCMD ["python", "app.py"]\n'
    checkout.write("counter/Dockerfile", dockerfile)
    compose = ["docker", "compose", "-p", f"theirs-{name}"]
    try:
        subprocess.run([*compose, "up", "-d", "--build"], cwd=checkout.root, check=True, capture_output=True)
        theirs = answers(ports)
    finally:
        down = ["down", "-v", "-t", "0", "--rmi", "local"]
        subprocess.run([*compose, *down], cwd=checkout.root, check=True, capture_output=True)

    checkout.devenv("init", "--from-compose")
    manifest = (checkout.root / "devenv.yaml").read_text()
    assert f"kept-{name}" not in manifest
    checkout.devenv("up", "-d")

    assert theirs == {"page": "a page", "note": "made by prepare", "hits": f"hello 1 a page kept-{name}"}
    assert answers(ports) == theirs


def test_the_first_project_of_python_comes_up(checkout: Checkout) -> None:
    checkout.devenv("init", "--template", "python-api")
    manifest = (checkout.root / "devenv.yaml").read_text()
    checkout.manifest(manifest)
    checkout.devenv("up", "-d", "api")
    url = f"http://127.0.0.1:{checkout.port('api')}/api/notes"
    note = urllib.request.Request(
        url, data=b'{"text": "one"}', headers={"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(note) as response:
        assert response.status == 201
    with urllib.request.urlopen(url) as response:
        assert response.read() == b'[{"id":1,"text":"one"}]'
