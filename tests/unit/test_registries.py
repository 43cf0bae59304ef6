"""What registries refuse: the answers are those that Docker 28 printed or passed on, word by word."""

from __future__ import annotations

import pytest

from devenv.backends import containers
from devenv.backends.docker import Engine
from devenv.backends.registries import host_of, refused
from tests.engine import fake_engine
from tests.table import each_row

IMAGE = "reg.example:5000/team/shop-web:v7"


@each_row(
    [
        (
            'Head "http://reg.example:5000/v2/team/nope/manifests/1": no basic auth credentials',
            "docker login reg.example:5000",
            True,
        ),
        ("unauthorized: authentication required", "docker login reg.example:5000   again", False),
        ("denied: ", "with an account that may push to reg.example:5000/team/shop-web", False),
        ("denied: requested access to the resource is denied", "docker login reg.example:5000   with", False),
        (
            "denied: Your authorization token has expired. Reauthenticate and try again.",
            "aws ecr get-login-password | docker login --username AWS --password-stdin reg.example:5000",
            True,
        ),
        (
            'Get "https://reg.example:5000/v2/": tls: failed to verify certificate: x509: certificate signed by'
            " unknown authority",
            "/etc/docker/certs.d/reg.example:5000/ca.crt",
            True,
        ),
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current"
            " time 2026-11-26T08:00:00Z is after 2026-01-01T00:00:00Z",
            "renew the certificate of reg.example:5000",
            True,
        ),
        (
            "tls: failed to verify certificate: x509: certificate is valid for other.example, not reg.example",
            "its certificate is for another name",
            True,
        ),
        (
            'Get "https://reg.example:5000/v2/": http: server gave HTTP response to HTTPS client',
            '"insecure-registries": ["reg.example:5000"]',
            True,
        ),
        (
            "denied: adding 3.9 MiB of storage resource, which when updated to current usage of 9.1 MiB will"
            " exceed the configured upper limit of 10.0 MiB.",
            "make room in reg.example:5000",
            False,
        ),
        ("received unexpected HTTP status: 507 Insufficient Storage", "make room in reg.example:5000", False),
        (
            "error parsing HTTP 413 response body: invalid character '<' looking for beginning of value:"
            ' "<html>\\r\\n<head><title>413 Request Entity Too Large</title></head>"',
            "client_max_body_size 0;",
            False,
        ),
        ("toomanyrequests: ", "wait, then again", False),
        (
            "name unknown: The repository with name 'shop-web' does not exist in the registry",
            "make reg.example:5000/team/shop-web there first",
            False,
        ),
        (
            "write tcp 127.0.0.1:42356->127.0.0.1:5971: write: connection reset by peer",
            "the connection was lost",
            False,
        ),
        (
            "write tcp 127.0.0.1:37030->127.0.0.1:5981: use of closed network connection",
            "the connection was lost",
            False,
        ),
        ("received unexpected HTTP status: 503 Service Unavailable", "the connection was lost", False),
        (
            'Get "https://reg.example:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused',
            "again, once reg.example:5000 takes it",
            True,
        ),
        (
            'Get "https://reg.example:5000/v2/": dial tcp: lookup reg.example on 10.0.0.1:53: no such host',
            "again, once reg.example:5000 takes it",
            True,
        ),
        ("unknown:", "again, once reg.example:5000 takes it", False),
        ("", "again, once reg.example:5000 takes it", False),
    ]
)
def test_an_answer_has_a_hint_and_lasts_or_not(answer: str, hint: str, lasting: bool) -> None:
    error = refused(IMAGE, "pushed", answer)
    assert hint in error.hint
    assert error.hint.count("{") == 0
    assert (error.lasting, error.why) == (lasting, answer)
    assert error.what == f"{IMAGE} cannot be pushed"


@pytest.mark.parametrize(
    ("image", "host", "login"),
    [
        ("acme/shop-web:1", "docker.io", "docker login"),
        ("busybox", "docker.io", "docker login"),
        ("localhost/web:1", "localhost", "docker login localhost"),
        ("ghcr.io/acme/web@sha256:00", "ghcr.io", "docker login ghcr.io"),
    ],
)
def test_the_login_is_to_the_registry_of_the_image(image: str, host: str, login: str) -> None:
    assert host_of(image) == host
    assert refused(image, "pushed", "no basic auth credentials").hint == login


@pytest.mark.parametrize(
    ("platforms", "platform", "digest"),
    [
        ([("linux", "amd64")], "linux/amd64", "sha256:37b5"),
        ([("linux", "amd64")], "linux/arm64", ""),
        ([("linux", "amd64"), ("linux", "arm64")], "linux/arm64/v8", "sha256:37b5"),
        ([("linux", "amd64")], "", "sha256:37b5"),
        ([], "linux/arm64", "sha256:37b5"),  # it does not say
    ],
)
def test_an_image_for_another_platform_is_none(
    platforms: list[tuple[str, str]], platform: str, digest: str
) -> None:
    rows = [{"os": system, "architecture": processor} for system, processor in platforms]
    descriptor = {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "digest": "sha256:37b5",
    }
    answer = {"Descriptor": {**descriptor, "size": 527}, "Platforms": rows}
    with fake_engine() as server:
        server.engine.published = {"reg.example/web:1": answer}
        engine = Engine(containers.address())
        assert engine.digest_in_registry("reg.example/web:1", platform) == digest
        engine.close()
