"""Stacks for the tests of this folder, from manifests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from devenv import assets
from devenv.manifest.parse import parse
from devenv.render.kubernetes import Source, render
from devenv.render.kubernetes.objects import Object
from devenv.stack.builds import with_sources
from devenv.stack.fingerprints import fingerprint
from devenv.stack.kinds.catalogue import Facts
from devenv.stack.model import Stack
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.resolve import resolve
from devenv.stack.world import World
from tests import documents
from tests.unit.stacks import CATALOGUE

EVERYTHING = """\
name: shop
services:
  orders:
    build: ./orders
    command: uvicorn main:app --host 0.0.0.0
    ports: {http: 8000, metrics: 9100}
    uses: [postgres, mongo, minio, cache, migrate]
    route: {path: /api/orders, plugins: [key-auth]}
    health: /healthz
    env: {PRICE: "$5", SHELL_TEXT: "$(date) $$", SELF: "${orders.url}"}
    secrets: [STRIPE_KEY]
    replicas: 2
    resources: {cpu: 500m, memory: 256Mi}
    files: {/etc/orders.ini: ./orders.ini, /run/secrets/key: {secret: STRIPE_KEY}}
    grace: 30s
    kubernetes: {Deployment: {spec: {template: {spec: {nodeSelector: {disk: ssd}}}}}}
  worker:
    build: ./worker
    command: ["sh", "-c", "echo ${secret.STRIPE_KEY}; kill $$"]
    uses: [cache]
    volumes: {data: /var/lib/worker}
  echo: {image: "echo:1", port: 9000, health: {grpc: 9000}}
jobs:
  migrate: {like: orders, command: alembic upgrade head, uses: [postgres]}
  seed: {build: ./seed, uses: [orders], manual: true}
infra:
  postgres: {database: shop, databases: [billing]}
  cache: {kind: valkey}
  minio: {buckets: [uploads]}
  legacy: {kind: mysql, image: "mariadb:11.8"}
  mailpit: {}
gateway:
  consumers: {mobile: {key: "${secret.MOBILE_KEY}"}}
"""


def stack(text: str, **world: Any) -> Stack:
    """The stack of a manifest, in a world where every file is there."""
    manifest, _ = parse(text, file="devenv.yaml", kinds=Facts(CATALOGUE))
    ports, _ = allot(
        outline(manifest, CATALOGUE).claims, taken={}, current={}, checkout="c0ffee123456", remap=False
    )
    builds = {
        (workload.build.context, workload.build.dockerfile): "d1"
        for workload in (*manifest.services.values(), *manifest.jobs.values())
        if workload.build
    }
    return with_sources(resolve(manifest, CATALOGUE, World("c0ffee123456", ports, **world)), builds)


def source(of: Stack, *, files: dict[str, bytes] | None = None, **more: Any) -> Source:
    """What rendering needs; every secret is `s3cret`."""
    secrets = {name: f"s3cret {name}" for name in of.secrets | of.generated}
    contents = {file.source: b"[section]\n" for unit in of.units for file in unit.files if file.source}
    return Source(
        fingerprints={unit.name: fingerprint(unit, secrets) for unit in of.units},
        secrets=secrets,
        files=contents | (files or {}),
        overrides=more.pop("overrides", overrides()),
        **more,
    )


@cache
def overrides() -> dict[str, Any]:
    """The fragments that ship with devenv."""
    folder = assets.root() / "minikube"
    return {file.stem: documents.load(file.read_text()) for file in Path(folder).glob("*.yaml")}


def objects(of: Stack, **more: Any) -> dict[tuple[str, str], Object]:
    """Every object of the rendered bundle by kind and name."""
    bundle = render(of, source(of, **more))
    every = [item for text in bundle.files.values() for item in documents.load_all(text) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in every}
