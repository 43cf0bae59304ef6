"""Kong's regular expressions, which are Rust's, as Python's."""

from __future__ import annotations

import re

FLAGS = re.compile(r"\(\?([A-Za-z-]+)\)")
POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": r"0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
NAMED = re.compile(r"\[:(\w+):\]")
# What an escape is to Rust and not to Python. A letter that is no digit and no underscore is \p{L}.
ESCAPES = {r"\z": r"\Z", r"\p{L}": r"[^\W\d_]", r"\pL": r"[^\W\d_]"}
ESCAPE = re.compile(r"\\(?:z|[pP](?:\{[^}]*\}|.)|.)", re.DOTALL)


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of Kong's; raise `re.error` for what has no counterpart here."""
    parts: list[str] = []
    flags: list[list[str]] = [[]]  # switched on inside each open group, for the rest of it
    at = 0
    while at < len(pattern):
        char = pattern[at]
        text = char
        if char == "\\" and (escape := ESCAPE.match(pattern, at)):
            text = escape[0]
            parts.append(escaped(text))
        elif char == "[":
            text = bracketed(pattern, at)
            parts.append(NAMED.sub(lambda match: POSIX[match[1]], text))
        elif switch := FLAGS.match(pattern, at):
            text = switch[0]
            flags[-1].append(switch[1])
            parts.append(f"(?{switch[1]}:")
        elif char == "(":
            flags.append([])
            parts.append("(?P<" if named(pattern, at) else "(")
            text = "(?<" if named(pattern, at) else "("
        elif char == "|":
            parts.append(")" * len(flags[-1]) + "|" + "".join(f"(?{flag}:" for flag in flags[-1]))
        elif char == ")" and len(flags) > 1:
            parts.append(")" * len(flags.pop()) + ")")
        else:
            parts.append(char)
        at += len(text)
    return re.compile("".join(parts) + ")" * len(flags[0]))


def named(pattern: str, at: int) -> bool:
    """Tell whether a group with a name begins here, as Python does not write it."""
    return pattern.startswith("(?<", at) and pattern[at + 3 : at + 4] not in ("=", "!")


def escaped(text: str) -> str:
    """Return an escape as Python writes it."""
    if text in ESCAPES:
        return ESCAPES[text]
    if text[1] in "pP":
        raise re.error(f"no class {text} here")
    return text


def bracketed(pattern: str, at: int) -> str:
    """Return the class that begins here, brackets and all."""
    end = at + 1
    end += pattern.startswith("^", end)
    end += pattern.startswith("]", end)
    while end < len(pattern) and pattern[end] != "]":
        if named := NAMED.match(pattern, end):
            if named[1] not in POSIX:
                raise re.error(f"no class {named[0]}")
            end = named.end()
        elif pattern[end] == "[" or pattern.startswith(("&&", "--", "~~"), end):
            raise re.error("a class inside a class, or two combined")
        elif pattern.startswith(("\\p", "\\P"), end):
            raise re.error("a Unicode class inside a class")
        else:
            end += 2 if pattern[end] == "\\" else 1
    return pattern[at : end + 1]
