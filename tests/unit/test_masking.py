"""What programs print is shown without the values of secrets, however they are quoted."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, urlencode

import pytest

from devenv.masking import NOTHING
from tests.table import each_row

VALUES = ["sesame-open-1", "p@ss w/rd+~?", "ünï\"'cödé\\", "line one 1\nline two 2\n", "\xff\xfe>>>???"]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_masked_in_every_form(value: str) -> None:
    forms = [value, quote(value, safe=""), quote(value), urlencode({"k": value}), json.dumps([value]),
             json.dumps([value], ensure_ascii=False)]  # fmt: skip
    mask = NOTHING.also([value])
    for form in forms:
        assert "******" in mask(f"before {form} after")
        assert not any(part in mask(form) for part in (value, quote(value, safe=""), json.dumps(value)[1:-1]))


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("user", ["", "a", "ab", "abc"])
def test_a_value_is_masked_in_basic_authentication(value: str, user: str) -> None:
    for encode in (b64encode, urlsafe_b64encode):
        header = encode(f"{user}:{value}:more".encode()).decode()
        shown = NOTHING.also([value])(header)
        assert "******" in shown
        assert len(shown.replace("******", "")) <= len(header) - (len(value.encode()) - 2) * 4 // 3


def test_of_two_values_the_one_that_holds_the_other_is_masked_whole() -> None:
    assert NOTHING.also(["abc"]).also(["abcdef"])("abcdef abc") == "****** ******"


@each_row(
    {
        "a name": ("connecting to postgres", "connecting to postgres"),
        "a url": ("postgres://postgres:postgres@postgres:5432/postgres", "postgres://postgres:******@postgres:5432/postgres"),
        "a variable": ("POSTGRES_USER=postgres PGPASSWORD=postgres", "POSTGRES_USER=postgres PGPASSWORD=******"),
        "json": ('{"user": "postgres", "password": "postgres"}', '{"user": "postgres", "password": "******"}'),
        "words": ("user=postgres pwd: postgres", "user=postgres pwd: ******"),
        "a login": ("credentials 'postgres:postgres', change them", "credentials 'postgres:******', change them"),
        "an image": ("postgres:18, orders:postgres", "postgres:18, orders:postgres"),
        "a longer word": ("password=postgres-main", "password=postgres-main"),
        "a header": (b64encode(b"postgres:postgres").decode(), "******M6******M="),
        "another value": ("sesame", "******"),
    }
)  # fmt: skip
def test_a_password_that_is_a_word_in_the_open_is_masked_where_it_is_a_password(
    text: str, shown: str
) -> None:
    """Else every line about a store called as its password would lose its name."""
    mask = NOTHING.also(["postgres", "sesame"]).also([], words=["postgres", "orders"])
    assert mask(text) == shown


def test_what_could_be_any_word_is_shown() -> None:
    assert NOTHING.also(["", "a", "ab"])("a b ab") == "a b ab"


@each_row(
    {
        "a slash in the password": ("postgres://app:ses/ame@db/shop", "ses/ame"),
        "an @ in the path": ("https://app:sesame@npm.test/@scope/x", "sesame"),
        "encoded": ("amqp://app:ses%40me@mq", "ses@me"),
    }
)
def test_the_password_in_a_url_is_masked_where_it_stands_alone(url: str, password: str) -> None:
    assert NOTHING.also([url])(f"login failed with {password}.") == "login failed with ******."
