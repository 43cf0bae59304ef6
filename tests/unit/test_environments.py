"""Environments of the manifest: what is refused, and what a manifest is in one of them."""

from __future__ import annotations

import textwrap

import pytest

from devenv.errors import UsageError
from devenv.stack.environments import with_environment
from tests.unit.stacks import manifest, problems

SHOP = """\
    name: shop
    services:
      orders:
        build: {context: ./orders, target: dev, args: {A: "1"}}
        uses: [postgres, cache, migrate]
        env: {LOG_LEVEL: debug, REGION: here}
        resources: {cpu: 500m, memory: 256Mi}
    jobs:
      migrate: {like: orders, command: migrate}
    infra:
      cache: {kind: valkey}
    environments:
      staging:
        context: staging
        namespace: shop-staging
        registry: registry.example/shop
        services:
          orders:
            build: {target: production}
            replicas: 3
            resources: {memory: 1Gi}
            env: {LOG_LEVEL: info}
        jobs:
          migrate: {env: {STEP: "2"}}
        infra: {postgres: {external: {secret: shop-postgres}}, cache: {deploy: {size: 2Gi, class: fast}}}
"""


def test_an_environment_is_merged_before_anything_is_resolved() -> None:
    merged = with_environment(manifest(SHOP), "staging")
    orders = merged.services["orders"]
    assert (merged.namespace, merged.registry) == ("shop-staging", "registry.example/shop")
    assert (orders.replicas, orders.resources.cpu, orders.resources.memory) == (3, 0.5, 1024**3)
    assert orders.env == {"LOG_LEVEL": "info", "REGION": "here"}
    assert orders.build is not None
    assert (orders.build.target, orders.build.args) == ("production", {"A": "1"})
    assert merged.jobs["migrate"].env == {"STEP": "2"}


def test_what_an_environment_does_not_mention_stays() -> None:
    parsed = manifest(SHOP)
    assert with_environment(parsed, "staging").infra == parsed.infra
    assert parsed.services["orders"].replicas == 1


def test_where_there_is_no_environment_the_refusal_shows_how_to_write_one() -> None:
    with pytest.raises(UsageError) as refusal:
        with_environment(manifest("name: shop\nservices: {api: {image: x}}\n"), "live")
    assert "environments: {live: {context: NAME" in refusal.value.hint


def test_an_environment_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match='no environment "stagin"') as refusal:
        with_environment(manifest(SHOP), "stagin")
    assert "staging" in str(refusal.value.hint)


def test_every_problem_of_an_environment_is_reported_at_once() -> None:
    broken = (
        SHOP.replace("cache: {deploy: {size: 2Gi, class: fast}}", "cash: deploy")
        .replace(
            "          orders:\n            build: {target", "          order:\n            build: {target"
        )
        .replace("{secret: shop-postgres}", "{}")
        .replace("STEP:", "ST EP:")
    )
    assert problems(broken) == [
        '18:7: environments.staging.services.order: no service "order" - did you mean "orders"?',
        '24:23: environments.staging.jobs.migrate.env.ST EP: "ST EP" is not a name of an environment variable'
        " - use letters, digits, _, dots and hyphens",
        "25:5: environments.staging.infra: does not say where cache comes from"
        " - write infra: {cache: deploy}   or external: {secret: NAME} instead of deploy",
        "25:24: environments.staging.infra.postgres.external: is either a Secret or a host"
        " - write {secret: NAME} or {host: NAME}",
        '25:39: environments.staging.infra.cash: no infra "cash" - did you mean "cache"?',
    ]


@pytest.mark.parametrize(
    ("place", "refused"),
    [
        (
            "context: staging, namespace: shop-staging",
            [
                "environments.live.namespace: leads to the namespace shop-staging of staging, which is staging's"
            ],
        ),
        ("context: live, namespace: shop-staging", []),
        ("context: staging", []),
    ],
)
def test_two_environments_cannot_be_one_release(place: str, refused: list[str]) -> None:
    live = f"  live: {{{place}, registry: r.example, infra: {{postgres: deploy, cache: deploy}}}}\n"
    text = textwrap.dedent(SHOP) + "  " * 0 + live
    lines = [problem.partition(": ")[2].partition(" - ")[0] for problem in problems(text)]
    assert lines == refused
