"""Shell lines with secrets, run by a real shell: each value arrives byte for byte, and none is code."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest

from devenv.stack import shell, text
from devenv.stack.text import Text

NASTY = """it's "a" $HOME `echo no` $(echo no) \\n %s * ; & #\nEOF\n  two """
SCRIPTS = {
    "bare": ("printf %s ${KEY}", NASTY),
    "in a word": ("printf %s a${KEY}b", f"a{NASTY}b"),
    "in double quotes": ('printf %s "a ${KEY}b"', f"a {NASTY}b"),
    "in single quotes": ("printf %s 'a ${KEY}b'", f"a {NASTY}b"),
    "after an escaped quote": ("printf %s \\\"${KEY}\\'", f"\"{NASTY}'"),
    "in a substitution in quotes": ('printf %s "$(printf %s ${KEY}; echo .)"', f"{NASTY}."),
    "in backticks": ("printf %s \"`printf %s '${KEY}'`\"", NASTY),
    "in a subshell": ("(printf %s ${KEY})", NASTY),
    "assigned": ("A=${KEY}; printf %s \"$A\"", NASTY),
    "after a comment with a quote": ("# it's ${KEY}\nprintf %s ${KEY}", NASTY),
    "after a hash that is no comment": ("printf %s a#'b ${KEY}'", f"a#b {NASTY}"),
    "in a here-document": ("cat <<EOF\n'${KEY}'\nEOF\nprintf %s \"${KEY}\"", f"'{NASTY}'\n{NASTY}"),
    "after a here-document": ("cat <<-EOF && printf %s '${KEY}'\n\tit's\n\tEOF\n", f"it's\n{NASTY}"),
    "after a quoted here-document": ("cat <<'EOF'\nit's $A\nEOF\nprintf %s ${KEY}", f"it's $A\n{NASTY}"),
    "where numbers are shifted": ("printf %s $((1 << 2))'${KEY}'", f"4{NASTY}"),
}  # fmt: skip


def sealed(written: str) -> Text:
    return text.fill(written, text.secret)


def environment(variables: Mapping[str, Text]) -> dict[str, str]:
    return {name: text.reveal(value, {"KEY": NASTY}) for name, value in variables.items()}


@pytest.mark.programs
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_secret_arrives_byte_for_byte_wherever_it_stands_in_a_script(name: str) -> None:
    script, expected = SCRIPTS[name]
    words, variables = shell.command_with_variables(("sh", "-c", sealed(script)))
    ran = subprocess.run(words, env=environment(variables), capture_output=True, check=True)
    assert ran.stdout.decode() == expected


@pytest.mark.programs
def test_a_quoted_here_document_keeps_its_secret_as_nothing_is_expanded_there() -> None:
    script = "cat <<'EOF'\n${KEY}\nEOF\nprintf %s ${KEY}"
    (_, _, safe), variables = shell.safe_command(("sh", "-c", sealed(script)))
    assert list(variables) == ["DEVENV_SECRET_KEY"]
    ran = subprocess.run(
        ["sh", "-c", text.reveal(safe, {"KEY": "$A"})],
        env={"DEVENV_SECRET_KEY": "$B"}, capture_output=True, check=True,
    )  # fmt: skip
    assert ran.stdout.decode() == "$A\n$B"


@pytest.mark.programs
def test_words_with_secrets_become_a_call_without_any() -> None:
    words, variables = shell.command_with_variables(
        ("printf", "%s|", sealed("a 'b' ${KEY}c"), "$d", sealed("${KEY}"))
    )
    assert NASTY not in " ".join(words)
    ran = subprocess.run(words, env=environment(variables), capture_output=True, check=True)
    assert ran.stdout.decode() == f"a 'b' {NASTY}c|$d|{NASTY}|"


@pytest.mark.parametrize("words", [("sh", "-c", "echo $A"), ("run", "-c", "x"), ("sh",), ()])
def test_a_command_without_secrets_stays_as_it_is(words: tuple[str, ...]) -> None:
    assert shell.command_with_variables(words) == (words, {})


def test_a_script_may_be_split_between_entrypoint_and_command() -> None:
    command, entrypoint, variables = shell.container_command((sealed("echo ${KEY}"),), ("/bin/bash", "-ec"))
    assert (entrypoint, command) == (("/bin/bash", "-ec"), ('echo "${DEVENV_SECRET_KEY}"',))
    assert list(variables) == ["DEVENV_SECRET_KEY"]
