"""A kind of the project's own: two services, and a configuration file with a secret in it."""

from __future__ import annotations

import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine

PAGES = """
    x-devenv:
      about: A page and a mirror of it
      options: {title: Hello, names: [], token: {secret: true}, memory: 32Mi}
      url: http://${host}:${port}
      env: {"${NAME}_URL": "${url}"}
      links: {page: web, mirror: pages-mirror.copy}
    services:
      pages:
        image: busybox:1.37
        command: httpd -f -p 80 -h /srv
        ports: [{name: web, target: 80}]
        configs: [{source: page, target: /srv/index.html}]
        deploy: {resources: {limits: {memory: "${memory}"}}}
        healthcheck: {test: wget -qO- http://127.0.0.1/, start_interval: 100ms}
      pages-mirror:
        image: busybox:1.37
        command: [sh, -c, "mkdir /srv; wget -qO /srv/copy.txt $$FROM && exec httpd -f -p 81 -h /srv"]
        environment: ["FROM=${url}"]
        ports: [{name: copy, target: 81}]
        depends_on: {pages: {condition: service_healthy}}
        mem_limit: 16M
        healthcheck: {test: wget -qO- http://127.0.0.1:81/copy.txt, start_interval: 100ms}
    configs:
      page:
        content: |
          {"title": ${title.json}, "names": ${names.json}, "token": ${token.json}, "at": "${public_url}", "price": "$$5"}
"""


def test_its_services_come_up_in_order_with_their_files_ports_and_memory(checkout: Checkout) -> None:
    checkout.write("infra/pages.yaml", PAGES)
    checkout.manifest("""
        services:
          api: {image: "busybox:1.37", command: sleep 900, uses: [pages]}
        infra:
          pages: {title: 'a "b" $c', names: ["${api.host}", two]}
    """)
    checkout.devenv("up", "-d")

    copied = checkout.inside("pages-mirror", "cat", "/srv/copy.txt")
    port = checkout.port("pages", "web")
    token = dict(
        line.split("=", 1)
        for line in (checkout.root / ".devenv" / "secrets.env").read_text().splitlines()
        if "=" in line
    )["PAGES_TOKEN"]
    assert copied == (
        f'{{"title": "a \\"b\\" $c", "names": ["api", "two"], "token": "{token}",'
        f' "at": "http://localhost:{port}", "price": "$5"}}\n'
    )
    units = checkout.units()
    assert {name: units[name].raw["HostConfig"]["Memory"] for name in ("pages", "pages-mirror")} == {
        "pages": 32 << 20,
        "pages-mirror": 16_000_000,
    }
    assert units["api"].env["PAGES_URL"] == "http://pages:80"
    assert checkout.devenv("plan").stdout == ""

    checkout.write("infra/pages.yaml", PAGES.replace("$$5", "$$6"))
    assert "apply pages (files changed)" in checkout.devenv("plan").stdout
