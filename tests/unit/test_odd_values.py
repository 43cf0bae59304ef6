"""Whatever stands in a manifest, wherever it may stand, it is taken or refused with its place: never a traceback."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import yaml

from devenv.errors import DevenvError, ManifestInvalid
from devenv.manifest.parse import parse
from devenv.render import compose, kubernetes
from devenv.stack.builds import with_sources
from devenv.stack.kinds.catalogue import Facts
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.resolve import host_environment, resolve
from devenv.stack.world import World
from tests import documents
from tests.table import each_row

from .kubernetes.stacks import overrides, source
from .stacks import CATALOGUE

EVERYTHING = documents.load("""
name: shop
namespace: shop
backend: compose
registry: r.example
services:
  api:
    build: {context: ./api, dockerfile: Dockerfile, target: t, args: {A: b}, secrets: {npm: $NPM}, ssh: default}
    command: [a, b]
    entrypoint: a b
    uses: [postgres/b, web, j]
    env: {A: "${postgres.url}"}
    secrets: [KEY]
    resources: {cpu: 500m, memory: 256Mi}
    volumes: {data: /data}
    files: {/f: ./f, /s: {secret: KEY}, /t: {content: "${stack.name} ${secret.KEY}"}}
    grace: 1s
    compose:
      labels: {a: b}
      environment: [A=b]
      volumes: ["./a:/a", {type: bind, source: ./b, target: /b}]
      ports: ["80:80"]
      networks: {default: {priority: 1}}
      env_file: [a.env]
    kubernetes:
      StatefulSet: {metadata: {labels: {a: b}}, spec: {template: {spec: {nodeSelector: {a: b}}}}}
      Ingress: {apiVersion: networking.k8s.io/v1, metadata: {name: x}, spec: {rules: []}}
    host: run it
    ports: {http: 80, metrics: 81}
    publish: {http: 8080}
    route: [{path: /a, host: [h], methods: [GET], strip: true, plugins: [{cors: {origins: ["*"]}}, key-auth]}]
    health: {http: /h, every: 1s, timeout: 1s, within: 1m}
    reload: {sync: {./api: /srv}, ignore: ["*.md"], run: {a.txt: [b]}, restart: ["*.py"], rebuild: [x]}
    replicas: 2
  web: {image: x, ulimits: {nofile: 9, core: {soft: 1, hard: 2}}, sysctls: {a.b: 1}, hosts: {o: 10.0.0.1},
    host_paths: {/l: /var/log, /h: {path: ~/h, write: true}}, privileged: true, no_new_privileges: true,
    platform: linux/amd64, port: 90, publish: 9090, health: {exec: up}}
jobs:
  j: {like: web, command: run, manual: false, within: 5m}
infra:
  postgres: {kind: postgres, version: 18.6, publish: 5432, memory: 1Gi, env: {A: b}, seed: [a.sql], database: d, databases: [b]}
  cache: {kind: valkey, image: "valkey/valkey:9", compose: {cap_add: [X]}, kubernetes: {StatefulSet: {spec: {}}}}
gateway:
  plugins: [cors]
  consumers: {me: {key: [k], basic: {u: p}, jwt: [{key: k, secret: s}], groups: [g], custom_id: c, plugins: [cors]}}
  extra: kong.yml
profiles: {p: [api]}
environments:
  prod:
    context: c
    namespace: n
    registry: r
    host: h
    ingress: {class: nginx, tls: t}
    services: {api: {replicas: 1, resources: {cpu: 1}, env: {A: b}, autoscale: {min: 1, max: 2, cpu: 80}}}
    infra: {postgres: deploy, cache: {external: {secret: s}}}
""")

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 1.5, 1e308, "", " ", "x", "ünï", "a\x00b", "a\nb", "${", "${x}", "${api.url}",
    "${secret.KEY}", "$${a}", "'", '"', "\\", "/", "..", "../..", "./a", "~", "~[", "-", "[", "*", "**", "[]]", "a" * 300, "!x",
    "=", "a=b", ":", "::", "9.9.9", "1e999", "99999999999999999999", "1h", "１", "²", "١", [], [None], [[]], [{}], ["x", "x"], [1],
    {}, {"": None}, {"x": None}, {"x": "y"}, {"x": {"y": {}}}, {"a=b": 1}, {"metadata": None, "spec": None}, {"kind": 1},
)  # fmt: skip


SHARE = 29  # each place tries one in so many of them, all together try all; 1 tries everything everywhere


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a value, and beside each entry of a mapping one that is not there."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def with_odd(path: tuple[str | int, ...], odd: Any, *, as_key: bool = False) -> str:
    document = copy.copy(EVERYTHING)
    inner = document
    for part in path[:-1]:
        inner[part] = copy.copy(inner[part])
        inner = inner[part]
    if as_key:
        inner[odd] = inner.pop(path[-1])
    else:
        inner[path[-1]] = odd
    return "".join(
        AS_IT_IS[key] if EVERYTHING.get(key) is value else dumped({key: value})
        for key, value in document.items()
    )


def dumped(document: Any) -> str:
    return str(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))


AS_IT_IS = {key: dumped({key: value}) for key, value in EVERYTHING.items()}
"""The text of each part of the manifest."""


OVERRIDES = overrides()


def carried_through(text: str) -> None:
    """All that is pure: read, resolved, rendered for every backend."""
    manifest, _ = parse(text, file="devenv.yaml", kinds=Facts(CATALOGUE), folder="shop")
    wanted = outline(manifest, CATALOGUE)
    ports, _ = allot(wanted.claims, taken={}, current={}, checkout="c0ffee123456", remap=False)
    builds = {(want.name, want.dockerfile): "d1" for want in wanted.wants if want.kind == "build"}
    world = World("c0ffee123456", ports)
    of = with_sources(resolve(manifest, CATALOGUE, world), builds)
    rendering = source(of, overrides=OVERRIDES)
    compose.render(of, rendering)
    host_environment(manifest, CATALOGUE, world)
    kubernetes.render(of, rendering)


def test_everything_is_taken() -> None:
    carried_through(dumped(EVERYTHING))


@each_row([*enumerate(places(EVERYTHING))])
def test_an_odd_value_is_taken_or_refused_with_its_place(number: int, path: tuple[str | int, ...]) -> None:
    for odd in ODD[number % SHARE :: SHARE]:
        refused(with_odd(path, odd))
        if isinstance(path[-1], str) and isinstance(odd, str | int | None):
            refused(with_odd(path, odd, as_key=True))


def refused(text: str) -> None:
    try:
        carried_through(text)
    except ManifestInvalid as error:
        assert error.problems
        assert all(problem.line and problem.message for problem in error.problems)
    except DevenvError as error:
        assert error.what
