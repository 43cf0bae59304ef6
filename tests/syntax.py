"""Syntax trees of devenv's files, for the tests of what may stand in them."""

from __future__ import annotations

import ast
from functools import cache


@cache
def parsed(source: str) -> ast.Module:
    """The tree of a file's text, which nobody changes."""
    return ast.parse(source)
