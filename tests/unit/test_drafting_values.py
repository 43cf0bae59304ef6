"""What only the environment says of a Compose project, and what exists outside of it."""

from __future__ import annotations

from .test_recognised import drafted


def test_a_port_in_the_container_is_what_its_variable_says_now() -> None:
    draft = drafted(
        "services: {web: {image: a, ports: ['${WEB}:${WEB}', {target: '${ADMIN}', published: 9}]}}",
        variables={"WEB": "8000", "ADMIN": "8001"},
    )
    web = draft.value["services"]["web"]
    assert web["ports"] == {"http": 8000, "port-8001": 8001}
    assert web["publish"] == {"http": "${env.WEB:-}", "port-8001": 9}
    assert [row for row in draft.rows if row.fate == "by hand"] == []


def test_a_volume_that_exists_already_is_the_same_one() -> None:
    draft = drafted(
        """
        services:
          web: {image: a, volumes: ["data:/a", "mine:/b"]}
          worker: {image: a, volumes: ["data:/a"]}
        volumes: {data: {external: true, name: shop-data}, mine: {external: true}}
        """
    )
    assert draft.value["volumes"] == {"data": {"external": "shop-data"}, "mine": {"external": "mine"}}
    assert draft.value["services"]["web"]["volumes"] == {"data": "/a", "mine": "/b"}


def test_a_name_that_only_a_file_has_stays_an_alias_also_of_a_link() -> None:
    draft = drafted(
        """
        services:
          web: {image: nginx, links: ["php:fpm"], volumes: ["./site.conf:/etc/nginx/conf.d/site.conf:ro"]}
          php: {image: php, networks: {default: {aliases: [engine, unused]}}}
        """,
        paths={"./site.conf": "file"},
        texts={
            "./site.conf": "location / { fastcgi_pass fpm:9000; } location /a { proxy_pass http://engine; }"
        },
    )
    assert draft.value["services"]["php"]["aliases"] == ["fpm", "engine"]
