"""What programs print is shown without the values of secrets, however they are quoted."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, urlencode

import pytest

from devenv.masking import NOTHING

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


def test_what_could_be_any_word_is_shown() -> None:
    assert NOTHING.also(["", "a", "ab"])("a b ab") == "a b ab"
