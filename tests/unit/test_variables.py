"""`${env.NAME}`: values of the environment anywhere in a manifest, in plain, and only those that it names."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

import pytest

from devenv.errors import ManifestInvalid
from devenv.manifest.models import Manifest
from devenv.manifest.parse import parse
from devenv.stack.kinds.catalogue import Facts
from devenv.variables import Unfilled, filled, names_in
from tests.table import each_row

from .stacks import CATALOGUE

SET = {"TAG": "7", "PORT": "8000", "EMPTY": "", "ODD": "a${secret.X}$b", "ON": "true", "WORD": "abc"}

FILLED = {
    "v${env.TAG}": "v7",
    "${env.TAG}-${env.PORT}": "7-8000",
    "${env.TAG:-1}": "7",
    "${env.MISSING:-1}": "1",
    "${env.EMPTY:-1}": "1",
    "${env.EMPTY-1}": "",
    "${env.MISSING-1}": "1",
    "${env.MISSING:-}": "",
    "${env.EMPTY}": "",
    "${env.MISSING:-${env.TAG:-1}}": "7",
    "${env.MISSING:-${env.GONE:-${db.url}}}/x": "${db.url}/x",
    "${env.MISSING:-a:-b?c}": "a:-b?c",
    "${env.TAG:?say which}": "7",
    "$${env.TAG}": "$${env.TAG}",
    "$$${env.TAG}": "$$${env.TAG}",
    "${db.url}${env.TAG}": "${db.url}7",
    "$TAG ${TAG}": "$TAG ${TAG}",
    "${env.ODD}": "a${secret.X}$b",
}


@each_row(FILLED.items())
def test_a_text_is_filled_in(text: str, result: str) -> None:
    assert filled(text, SET) == result


UNFILLED = {
    "${env.MISSING}": "MISSING is not set",
    "${env.MISSING?}": "MISSING is not set",
    "${env.MISSING:?ask Ann for it}": "MISSING is not set: ask Ann for it",
    "${env.EMPTY:?ask Ann}": "EMPTY is empty: ask Ann",
    "${env.MISSING:-${env.GONE}}": "GONE is not set",
    "${env.TAG": '"${env.TAG" is not closed',
    "${env.A B}": "${env.A B} is not a reference to a variable",
    "${env.TAG:+x}": "${env.TAG:+x} is not a reference to a variable",
    "${env.}": "${env.} is not a reference to a variable",
}


@each_row(UNFILLED.items())
def test_what_cannot_be_filled_in_is_refused(text: str, message: str) -> None:
    with pytest.raises(Unfilled) as refused:
        filled(text, SET)
    assert refused.value.message == message


def test_only_the_names_that_a_text_mentions_are_looked_up() -> None:
    asked = names_in("image: x:${env.TAG:-${env.OTHER}}\n# $HOME ${PATH} ${secret.KEY}")
    assert asked == {"TAG", "OTHER"}


def manifest(text: str, variables: Mapping[str, str] = SET) -> Manifest:
    return parse(dedent(text), file="devenv.yaml", kinds=Facts(CATALOGUE), variables=variables)[0]


def problems(text: str) -> list[str]:
    with pytest.raises(ManifestInvalid) as refused:
        manifest(text)
    return [str(problem) for problem in refused.value.problems]


def test_every_field_takes_a_value_of_the_environment() -> None:
    filled = manifest("""\
        name: shop
        backend: ${env.BACKEND:-compose}
        services:
          api:
            image: acme/api:${env.TAG}
            port: ${env.PORT}
            publish: "${env.PUBLISHED:-18000}"
            replicas: ${env.REPLICAS:-2}
            command: [serve, "--tag=${env.TAG}"]
            env: {TAG: "${env.TAG}", ODD: "${env.ODD}", NUMBER: "${env.PORT}"}
            files: {/etc/api.conf: "./${env.WORD}.conf"}
            health: {tcp: "${env.PORT}", every: "${env.TAG}"}
            resources: {memory: "${env.MEMORY:-64Mi}"}
          web:
            build: {context: "./${env.WORD}", args: {TAG: "${env.TAG}"}}
            ports: {http: "${env.PORT}"}
            publish: {http: "${env.PORT}"}
            route: {path: "/${env.WORD}", strip: "${env.ON}"}
        infra:
          postgres: {version: "${env.POSTGRES:-17}", publish: "${env.DB:-15432}", database: "${env.WORD}"}
        """)
    api, web = filled.services["api"], filled.services["web"]
    assert (filled.backend, api.image, api.port, api.publish, api.replicas) == (
        "compose", "acme/api:7", 8000, 18000, 2,
    )  # fmt: skip
    assert api.command == ["serve", "--tag=7"]
    assert api.env == {"TAG": "7", "ODD": "a$${secret.X}$b", "NUMBER": "8000"}  # which is no reference
    assert api.files == {"/etc/api.conf": "./abc.conf"}
    assert api.health is not None
    assert (api.health.tcp, api.health.every, api.resources.memory) == (8000, 7.0, 64 * 1024**2)
    assert web.build is not None
    assert (web.build.context, web.build.args, web.ports, web.publish) == (
        "./abc", {"TAG": "7"}, {"http": 8000}, {"http": 8000},
    )  # fmt: skip
    assert (web.route[0].path, web.route[0].strip) == ("/abc", True)
    assert (filled.infra["postgres"].version, filled.infra["postgres"].publish) == ("17", 15432)


def test_in_a_fragment_quotes_decide_what_is_a_number() -> None:
    service = manifest("""\
        name: shop
        services:
          api:
            image: x
            port: 80
            route:
              path: /
              plugins:
                - rate-limiting:
                    minute: ${env.PORT}
            compose:
              labels: {tag: "${env.TAG}", odd: "${env.ODD}"}
            kubernetes:
              Deployment:
                spec: {revisionHistoryLimit: "${env.TAG}"}
                metadata:
                  annotations: {literal: "$${env.TAG}", odd: "${env.ODD}"}
                  generation: ${env.TAG}
        """).services["api"]
    assert service.route[0].plugins[0].config == {"minute": 8000}
    assert service.compose == {"labels": {"tag": "7", "odd": "a$${secret.X}$$b"}}  # as Compose reads it
    assert service.kubernetes["Deployment"] == {
        "spec": {"revisionHistoryLimit": "7"},
        "metadata": {"annotations": {"literal": "${env.TAG}", "odd": SET["ODD"]}, "generation": 7},
    }


def test_what_is_missing_is_said_at_its_place_and_all_of_it_at_once() -> None:
    assert problems("""\
        name: shop
        x-unused: {image: "${env.NOBODY}"}
        services:
          api:
            image: x:${env.GONE}
            env:
              KEY: ${env.KEY:?see the wiki}
        """) == [
        "devenv.yaml:5:5: services.api.image: GONE is not set"
        " - echo 'GONE=...' >> .env, or give it a default: ${env.GONE:-...}",
        "devenv.yaml:7:7: services.api.env.KEY: KEY is not set: see the wiki"
        " - echo 'KEY=...' >> .env, or give it a default: ${env.KEY:-...}",
    ]


def test_what_is_no_number_is_said_where_a_number_is_wanted() -> None:
    assert problems(
        "name: a\nservices:\n  api: {image: x, port: '${env.WORD}', replicas: '${env.PORT}'}\n"
    ) == [
        'devenv.yaml:3:19: services.api.port: expected a whole number, found the text "abc"',
        "devenv.yaml:3:40: services.api.replicas: 8000 is out of range - should be less than or equal to 100",
    ]


def test_a_secret_is_not_filled_in_as_plain_text() -> None:
    assert problems("""\
        name: shop
        services:
          api: {image: x, secrets: [TAG], env: {OTHER: "${env.TAG}"}}
        """) == [
        "devenv.yaml:3:41: services.api.env.OTHER: TAG is a secret, and ${env.TAG} would be seen"
        " - write ${secret.TAG}"
    ]


def test_a_variable_without_a_value_says_how_to_pass_one_on() -> None:
    assert problems("name: a\nservices:\n  api: {image: x, env: {LOG-LEVEL: , KEY: }}\n") == [
        'devenv.yaml:3:25: services.api.env.LOG-LEVEL: has no value - write "" if it is to be empty',
        "devenv.yaml:3:38: services.api.env.KEY: has no value"
        ' - write ${env.KEY} for this machine\'s, or "" if it is to be empty',
    ]
