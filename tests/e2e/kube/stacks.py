"""Stacks that several files bring up."""

from __future__ import annotations

import urllib.request

WEB = """
    services:
      web:
        image: busybox:1.37
        command: sh -c "hostname > /tmp/name && httpd -f -p 8080 -h /tmp"
        port: 8080
        publish: {port}
        health: /name
        grace: 1s
"""
STORE = """
    services:
      web: {image: "busybox:1.37", command: sleep 900, uses: [seed], grace: 1s}
      keeper:
        image: busybox:1.37
        command: sh -c "date >> /data/starts; touch /tmp/begun; sleep 900"
        volumes: {data: /data}
        grace: 1s
    jobs:
      seed: {image: "busybox:1.37", command: echo seeded}
"""


def answer(port: int, timeout: float = 10) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/name", timeout=timeout) as response:
        return str(response.read().decode().strip())


def web(port: int) -> str:
    return WEB.replace("{port}", str(port))
