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
