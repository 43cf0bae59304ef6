"""Kinds of brokers, pages and servers that are refused, or that one option changes."""

from __future__ import annotations

from .stacks import problems


def test_konga_is_refused_with_the_reason_and_with_what_does_its_work() -> None:
    (by_use,) = problems("{name: a, services: {api: {image: x, uses: [konga]}}}")
    (declared,) = problems("{name: a, services: {api: {image: x}}, infra: {konga: {}}}")
    for answer in (by_use, declared):
        assert "konga" in answer
        assert "no release since 2020" in answer
        assert "http://localhost:8002" in answer
