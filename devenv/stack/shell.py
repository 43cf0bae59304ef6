"""Passes secrets to shells in variables, so that no value is ever parsed as code."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from devenv.stack import text
from devenv.stack.text import Sealed, Secret, Text

_SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh"})
_DOCUMENT = re.compile(r"(?<!<)<<(-?)[ \t]*(\\?)(['\"]?)([A-Za-z_][\w.-]*)\3")  # a here-document


def variables(secrets: Iterable[Secret]) -> dict[str, Text]:
    """The variables that hold some secrets."""
    return {
        secret.variable: Sealed((secret,)) for secret in sorted(secrets, key=lambda secret: secret.variable)
    }


def script_of(words: Sequence[Text]) -> int | None:
    """The index of the script if the words are `sh -c SCRIPT`, else None."""
    if len(words) < 3 or not all(isinstance(word, str) for word in words[:2]):
        return None
    program, flags = str(words[0]), str(words[1])
    return 2 if posixpath.basename(program) in _SHELLS and re.fullmatch(r"-[a-z]*c", flags) else None


def safe_command(words: Sequence[Text]) -> tuple[tuple[Text, ...], dict[str, Text]]:
    """The command with secrets in its script, if any, replaced by variables; and those variables."""
    at = script_of(words)
    if at is None or isinstance(words[at], str):
        return tuple(words), {}
    script, secrets = script_with_variables(words[at])
    return (*words[:at], script, *words[at + 1 :]), variables(secrets)


def container_command(
    command: tuple[Text, ...] | None, entrypoint: tuple[Text, ...] | None
) -> tuple[tuple[Text, ...] | None, tuple[Text, ...] | None, dict[str, Text]]:
    """`safe_command` for an entrypoint and command taken together: both again, and the variables."""
    first = len(entrypoint or ())
    words, variables = safe_command((*(entrypoint or ()), *(command or ())))
    return (
        None if command is None else words[first:],
        None if entrypoint is None else words[:first],
        variables,
    )


def command_with_variables(words: Sequence[Text]) -> tuple[tuple[str, ...], dict[str, Text]]:
    """An equivalent command without secrets, and the variables that it reads."""
    command, first = safe_command(words)
    return call(command), first | variables(text.secrets(command))


def call(words: Sequence[Text]) -> tuple[str, ...]:
    """An equivalent command that reads the secrets in its words from variables."""
    if not text.secrets_in(words):
        return tuple(str(word) for word in words)
    return "sh", "-c", " ".join(["exec", *(text.rewrite(word, _expanded, shlex.quote) for word in words)])


def script_with_variables(script: Text) -> tuple[Text, set[Secret]]:
    """A script with each secret replaced by its variable, quoted for its context; and those secrets.

    The shell expands nothing in a quoted here-document: a secret in one is left as it is.
    """
    reader = _Reader()
    pieces: list[str | Secret] = []
    secrets: set[Secret] = set()
    for part in text.parts(script):
        if isinstance(part, str):
            pieces.append(part)
            reader.read(part)
        elif reader.quoting == "verbatim":
            pieces.append(part)
        else:
            pieces.append(_AROUND[reader.quoting].format(_variable(part)))
            secrets.add(part)
    return text.of_parts(pieces), secrets


_AROUND = {"": '"{}"', "'": "'\"{}\"'", '"': "{}", "document": "{}"}


def _variable(secret: Secret) -> str:
    return f"${{{secret.variable}}}"


def _expanded(secret: Secret) -> str:
    return f'"{_variable(secret)}"'


@dataclass
class _Reader:
    """The state of reading a script: the open quotes and brackets, the innermost last."""

    open: list[str] = field(default_factory=list)
    waiting: list[tuple[str, str, bool]] = field(default_factory=list)
    """Here-documents whose text has not begun yet: quoting, terminator, whether tabs may precede it."""
    document: tuple[str, str, bool] | None = None
    begun: str = ""
    """The current line of a document."""

    @property
    def quoting(self) -> str:
        """What quotes the next character: a quote, `document`, `verbatim` or ""."""
        if self.document:
            return self.document[0]
        return self.open[-1] if self.open and self.open[-1] in "'\"" else ""

    def read(self, literal: str) -> None:
        at = 0
        while at < len(literal):
            at = self._in_document(literal, at) if self.document else self._step(literal, at)

    def _in_document(self, literal: str, at: int) -> int:
        end = literal.find("\n", at)
        self.begun += literal[at:] if end < 0 else literal[at:end]
        if end < 0:
            return len(literal)
        assert self.document is not None
        _, terminator, tabs = self.document
        if (self.begun.lstrip("\t") if tabs else self.begun) == terminator:
            self._next_document()
        self.begun = ""
        return end + 1

    def _next_document(self) -> None:
        self.document = self.waiting.pop(0) if self.waiting else None

    def _step(self, literal: str, at: int) -> int:
        """Read the next token and return the index after it."""
        sign, quoting = literal[at], self.quoting
        if quoting == "'":
            return self._to("'", literal, at) + 1
        if self.open and self.open[-1] == "#":
            return self._to("\n", literal, at)
        if sign == "\\":
            return at + 2
        if (sign == '"' and quoting == '"') or (sign in ")`" and self.open and self.open[-1] == sign):
            self.open.pop()
        elif literal.startswith("$(", at):
            self.open.append(")")
            return at + 2
        elif sign in '"`' or (sign == "'" and not quoting):
            self.open.append(sign)
        elif not quoting:
            return self._bare(literal, at)
        return at + 1

    def _to(self, end: str, literal: str, at: int) -> int:
        """Close the innermost quote or comment if `end` is in this part, and return its index."""
        index = literal.find(end, at)
        if index < 0:
            return len(literal)
        self.open.pop()
        return index

    def _bare(self, literal: str, at: int) -> int:
        """`_step` outside all quotes, where comments and here-documents can begin."""
        sign = literal[at]
        if sign == "(":
            self.open.append(")")
        elif sign == "#" and (at == 0 or literal[at - 1] in " \t\n;&|("):
            self.open.append(sign)
        elif sign == "\n" and self.waiting:
            self._next_document()
        elif match := _DOCUMENT.match(literal, at):
            tabs, escape, quote, end_ = match.groups()
            self.waiting.append(("verbatim" if escape or quote else "document", end_, bool(tabs)))
            return match.end()
        return at + 1
