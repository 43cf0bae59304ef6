"""Kinds of brokers, pages and servers that are refused, or that one option changes."""

from __future__ import annotations

from tests.table import each_row

from .stacks import problems, stack


def test_konga_is_refused_with_the_reason_and_with_what_does_its_work() -> None:
    (by_use,) = problems("{name: a, services: {api: {image: x, uses: [konga]}}}")
    (declared,) = problems("{name: a, services: {api: {image: x}}, infra: {konga: {}}}")
    for answer in (by_use, declared):
        assert "konga" in answer
        assert "no release since 2020" in answer
        assert "http://localhost:8002" in answer


KEPT = ("--appendonly", "yes", "--maxmemory", "128mb", "--maxmemory-policy", "noeviction")
CACHE = ("--appendonly", "no", "--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru")


@each_row(
    {
        "as it comes": ("{}", KEPT),
        "a queue": ("{queue: true}", KEPT),
        "a cache": ("{queue: false}", CACHE),
        "a cache with a password": ("{queue: false, password: x}", ("/etc/valkey/password.conf", *CACHE)),
        "in other words": ("{queue: false, maxmemory: 1gb}", (*CACHE[:3], "1gb", *CACHE[4:])),
    }
)
def test_a_queue_is_never_evicted_and_kept_and_a_cache_is_neither(
    options: str, command: tuple[str, ...]
) -> None:
    app = stack(f"{{name: a, services: {{api: {{image: x, uses: [redis]}}}}, infra: {{redis: {options}}}}}")
    assert app.unit("redis").command == command


def test_whether_it_is_a_queue_is_true_or_false() -> None:
    manifest = "{name: a, services: {api: {image: x, uses: [redis]}}, infra: {redis: {queue: jobs}}}"
    assert problems(manifest) == ["1:71: infra.redis.queue: expected true or false"]


def test_an_index_template_and_documents_of_the_project_are_set_up_once_and_else_nothing_is() -> None:
    use = "{name: a, services: {api: {image: x, uses: [%s]}}%s}"
    options = ", infra: {%s: {templates: t/*.json, seed: books.ndjson}}"
    for kind in ("elasticsearch", "opensearch"):
        assert f"{kind}-setup" not in stack(use % (kind, ""))
        app = stack(use % (kind, options % kind))
        assert (app.unit(f"{kind}-setup").image, app.unit(f"{kind}-setup").role) == (
            app.unit(kind).image,
            "setup",
        )


def test_brokers_that_want_the_same_ports_of_this_machine_get_one_each() -> None:
    app = stack("{name: a, services: {api: {image: x, uses: [rabbitmq, activemq, artemis]}}}")
    ports = [port.host for unit in app.units for port in unit.ports]
    assert len(set(ports)) == len(ports) == 13
    assert app.unit("rabbitmq").ports[0].host == 5672


@each_row(
    {
        "Artemis": ("artemis: {version: '2.1'}", "use 2.27 or newer"),
        "the image of Artemis's new name": ("artemis: {image: 'apache/artemis:2.4'}", "use 2.50 or newer"),
        "ActiveMQ's older image": (
            "activemq: {image: 'apache/activemq-classic:5.15.9'}",
            "use 5.17 or newer",
        ),
        "Deepstream": ("deepstream: {version: '5.0'}", "use 7.0 or newer"),
        "Jenkins": ("jenkins: {version: '2.300'}", "use 2.462 or newer"),
        "SQL Server": ("mssql: {version: 2019-CU9-ubuntu-20.04}", "use 2022 or newer"),
        "an option of another name": ("artemis: {qeues: [a]}", 'did you mean "queues"?'),
    }
)
def test_versions_that_are_too_old_and_options_that_do_not_exist_are_refused(infra: str, hint: str) -> None:
    (problem,) = problems(f"name: a\nservices: {{api: {{image: x}}}}\ninfra: {{{infra}}}\n")
    assert hint in problem
