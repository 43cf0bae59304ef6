"""Syntax trees of devenv's files, for the tests of what may stand in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache


@cache
def parsed(source: str) -> ast.Module:
    """The tree of a file's text, which nobody changes."""
    return ast.parse(source)


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements, those inside of others too: a tenth of the nodes that `ast.walk` goes through."""
    for node in body:
        yield node
        for block in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, block, ()))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from statements(part.body)
