"""Manifests that are measured."""

from __future__ import annotations


def healthy(count: int) -> str:
    """A manifest of services with a check that the engine runs."""
    services = "\n".join(
        f"  web{n}: {{image: 'busybox:1.37', command: httpd -f -p 80, health: {{exec: 'true', every: 200ms}}}}"
        for n in range(count)
    )
    return f"name: bench\nservices:\n{services}\n"


def chained(count: int, length: int, health: str) -> str:
    """Services with a check, in chains: each but the first of a chain waits for the one before it."""
    services = "\n".join(
        f"  web{n}: {{image: 'busybox:1.37', command: [sh, -c, 'echo ok >/index.html; exec httpd -f -p 80'], "
        f"port: 80, health: {health}{f', uses: [web{n - 1}]' if n % length else ''}}}"
        for n in range(count)
    )
    return f"name: chained\nservices:\n{services}\n"


def talkative(count: int, lines: int) -> str:
    """Services that have printed so many lines when they are healthy."""
    prints = f"seq {lines} | sed 's/$/ of a log that somebody may want to read one day/'; touch /printed"
    services = "\n".join(
        f"  web{n}: {{image: 'busybox:1.37', command: [sh, -c, \"{prints}; exec sleep 1000000\"], "
        "health: {exec: test -e /printed, every: 200ms}}"
        for n in range(count)
    )
    return f"name: talkative\nservices:\n{services}\n"


def wide(count: int) -> str:
    """A manifest of so many services as large projects have them, some sixteen lines each."""
    return (
        "name: wide\nservices:\n"
        + "".join(
            f"""\
  service-{n}:
    image: registry.example.com/team/service-{n}:1.{n}
    command: serve --port 80 --name service-{n}
    ports: {{http: 80, metrics: 81}}
    uses: [postgres, cache{f", service-{n - 1}" if n % 10 else ""}]
    route: /api/service-{n}
    health: /healthz
    env:
      LOG_LEVEL: info
      SELF: ${{service-{n}.url}}
      REGION: eu-central-1
      FEATURES: "search,export"
    volumes: {{data-{n}: /var/lib/service}}
    resources: {{cpu: 500m, memory: 256Mi}}
    grace: 20s
"""
            for n in range(count)
        )
        + "infra:\n  postgres: {database: wide}\n  cache: {kind: valkey}\n"
    )
