"""Secrets in what a shell reads: it takes them from variables, so that no value is ever read as code."""

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
    """Which of the words is a script, where they call a shell with one."""
    if len(words) < 3 or not all(isinstance(word, str) for word in words[:2]):
        return None
    program, flags = str(words[0]), str(words[1])
    return 2 if posixpath.basename(program) in _SHELLS and re.fullmatch(r"-[a-z]*c", flags) else None


def safe(words: Sequence[Text]) -> tuple[tuple[Text, ...], dict[str, Text]]:
    """A command whose script, if it has one, reads its secrets from variables; and those variables."""
    at = script_of(words)
    if at is None or isinstance(words[at], str):
        return tuple(words), {}
    script, secrets = line(words[at])
    return (*words[:at], script, *words[at + 1 :]), variables(secrets)


def started(
    command: tuple[Text, ...] | None, entrypoint: tuple[Text, ...] | None
) -> tuple[tuple[Text, ...] | None, tuple[Text, ...] | None, dict[str, Text]]:
    """A unit's command and entrypoint, as `safe` has what they are together, and the variables it reads."""
    first = len(entrypoint or ())
    words, variables = safe((*(entrypoint or ()), *(command or ())))
    return (
        None if command is None else words[first:],
        None if entrypoint is None else words[:first],
        variables,
    )


def read(words: Sequence[Text]) -> tuple[tuple[str, ...], dict[str, Text]]:
    """A command without any secret that does the same, and the variables that it reads."""
    command, first = safe(words)
    return call(command), first | variables(text.secrets(command))


def call(words: Sequence[Text]) -> tuple[str, ...]:
    """A command that reads the secrets in its words from variables, for where no word may hold one."""
    if not text.secrets_in(words):
        return tuple(str(word) for word in words)
    return "sh", "-c", " ".join(["exec", *(text.rewrite(word, _expanded, shlex.quote) for word in words)])


def line(script: Text) -> tuple[Text, set[Secret]]:
    """A script with `"${VARIABLE}"` for each secret, quoted as its place needs it; and those secrets.

    Between the lines of a quoted here-document nothing is expanded: there it stays as it is.
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
    """How far a script was read: what is open there, the innermost last."""

    open: list[str] = field(default_factory=list)
    waiting: list[tuple[str, str, bool]] = field(default_factory=list)
    """Here-documents whose first line has not come yet: quoting, end, whether tabs are before it."""
    document: tuple[str, str, bool] | None = None
    begun: str = ""
    """The current line of a document."""

    @property
    def quoting(self) -> str:
        """What quotes the text that follows: a quote, `document`, `verbatim` or nothing."""
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
        """Read one sign, or what belongs together, and return where the next begins."""
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
        """Close what is open where it ends, if it does in this part."""
        index = literal.find(end, at)
        if index < 0:
            return len(literal)
        self.open.pop()
        return index

    def _bare(self, literal: str, at: int) -> int:
        """The same outside all quotes, where words, comments and here-documents begin."""
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
