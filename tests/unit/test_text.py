"""Texts with secrets in them: sealed until a renderer puts in what its format needs."""

from __future__ import annotations

import json
import pickle
from urllib.parse import unquote, urlsplit

import pytest

from devenv.errors import UsageError
from devenv.stack import text
from tests.table import each_row

NASTY = ["sesame", "p@ss/w:rd?&#", "it's", 'a "quote"', "$HOME", "back\\slash", "ünïcode", "a b"]


def of(*pieces: text.Text) -> text.Text:
    return text.join("", pieces)


@each_row([*NASTY])
def test_a_secret_appears_only_when_revealed(value: str) -> None:
    sealed = of("key=", text.secret("KEY"), ";")
    assert value not in repr(sealed)
    assert text.secrets_in(sealed) == {"KEY"}
    assert text.masked(sealed) == "key=******;"
    assert text.reveal(sealed, {"KEY": value}) == f"key={value};"


@each_row([*NASTY])
def test_in_a_url_it_is_quoted(value: str) -> None:
    url = of("postgresql://app:", text.quoted(of("a/", text.secret("KEY"))), "@host:1/db")
    parts = urlsplit(text.reveal(url, {"KEY": value}))
    assert parts.password is not None
    assert (unquote(parts.password), parts.hostname, parts.port) == (f"a/{value}", "host", 1)


@each_row([*NASTY])
def test_in_the_strings_of_json_it_is_quoted(value: str) -> None:
    sealed = text.in_json(of('{"key": "a \\" ', text.secret("KEY"), '", "plain": 1}'))
    assert json.loads(text.reveal(sealed, {"KEY": value})) == {"key": f'a " {value}', "plain": 1}


@pytest.mark.parametrize(
    "around", [("{", "}"), ("[x ", "]"), ("${", "}"), ("", '{"a": 1}'), ('{"a": "', "}")]
)
def test_what_is_no_json_is_left_alone(around: tuple[str, str]) -> None:
    sealed = of(around[0], text.secret("KEY"), around[1])
    assert text.in_json(sealed) == sealed


def test_json_that_is_a_secret_stays_what_it_is() -> None:
    sealed = text.in_json(of('{"a": ', text.secret("KEY"), "}"))
    assert text.reveal(sealed, {"KEY": '{"b": "c"}'}) == '{"a": {"b": "c"}}'


def test_a_secret_without_a_value_is_an_error_and_never_an_empty_text() -> None:
    with pytest.raises(KeyError, match="KEY"):
        text.reveal(text.secret("KEY"), {})


def test_a_text_with_a_secret_cannot_be_printed_by_mistake() -> None:
    sealed = of("a", text.secret("KEY"))
    for careless in (str, "{}".format, "%s".__mod__, json.dumps):
        with pytest.raises(TypeError):
            careless(sealed)


def test_a_text_without_a_secret_is_a_plain_one() -> None:
    assert of("a", "b", "") == "ab"
    assert text.public("ab", "here") == "ab"
    with pytest.raises(UsageError, match="here: a secret would be seen"):
        text.public(of("a", text.secret("KEY")), "here")


def test_two_texts_are_equal_when_their_parts_are_and_survive_being_remembered() -> None:
    sealed = of("a", "b", text.secret("KEY"), "")
    assert {sealed} == {of("ab", text.secret("KEY"))} == {pickle.loads(pickle.dumps(sealed))}


def test_only_our_own_references_are_filled_in() -> None:
    assert text.fill("${a} $${b} $c $$d", {"a": "1"}.__getitem__) == "1 ${b} $c $$d"
    assert text.fill("${a}${a}-", lambda name: text.secret(name)) == of(
        text.secret("a"), text.secret("a"), "-"
    )


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    assert text.fill("${a}", lambda name: of("${b}", text.secret("KEY"))) == of("${b}", text.secret("KEY"))


def test_a_line_without_a_shell_is_split_at_its_own_blanks_only() -> None:
    line = of("run  'a b' --key=", text.secret("KEY"), ' "', text.secret("KEY"), " c\" ''")
    words = [text.reveal(word, {"KEY": "x 'y"}) for word in text.words(line)]
    assert words == ["run", "a b", "--key=x 'y", "x 'y c", ""]
