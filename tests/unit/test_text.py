"""Secrets in text: marks until a renderer puts in what its format needs."""

from __future__ import annotations

import pytest

from devenv.stack import text

NASTY = ["plain", "p@ss/w:rd?&#", "it's", 'a "quote"', "$HOME", "back\\slash", "ünïcode", "a b"]


@pytest.mark.parametrize("value", NASTY)
def test_a_secret_appears_only_when_revealed(value: str) -> None:
    said = f"key={text.secret('KEY')};"
    assert value not in said
    assert text.secrets_in(said) == {"KEY"}
    assert text.masked(said) == "key=******;"
    assert text.reveal(said, {"KEY": value}) == f"key={value};"


@pytest.mark.parametrize("value", NASTY)
def test_in_a_url_it_is_quoted(value: str) -> None:
    from urllib.parse import unquote, urlsplit

    url = f"postgresql://app:{text.quoted(text.secret('KEY'))}@host:1/db"
    parts = urlsplit(text.reveal(url, {"KEY": value}))
    assert parts.password is not None
    assert (unquote(parts.password), parts.hostname, parts.port) == (value, "host", 1)


def test_a_secret_without_a_value_is_an_error_and_never_an_empty_text() -> None:
    with pytest.raises(KeyError, match="KEY"):
        text.reveal(text.secret("KEY"), {})


def test_only_our_own_references_are_filled_in() -> None:
    assert text.fill("${a} $${b} $c $$d", {"a": "1"}.__getitem__) == "1 ${b} $c $$d"
