"""Inputs from bug reports of other tools, which tests with and without an engine share."""

from __future__ import annotations

DOTENV = r"""P_DOLLAR="abc$def$(id)${HOME}"
P_BCRYPT='$2y$10$abcdefghijklmnopqrstuv/wxyz.'
P_HASH=pa#ss
P_SQ='it is "quoted"'
P_DQ="it's \"so\""
P_PEM="-----BEGIN KEY-----
MIIB$x\nnot-a-newline?
-----END KEY-----"
P_ESC='-----BEGIN-----\nABC\n-----END-----\n'
P_JSON={"type": "service", "key": "a\nb"}
P_WIN=C:\Users\new\table
P_SPACE=two words
P_TICK=`id`
P_EQ=a=b==
export P_EXPORT=yes
P_UNI=grüße🚀
P_COMMENT=value # a comment
"""
DOTENV_VALUES = {
    "P_DOLLAR": "abc$def$(id)${HOME}",
    "P_BCRYPT": "$2y$10$abcdefghijklmnopqrstuv/wxyz.",
    "P_HASH": "pa#ss",
    "P_SQ": 'it is "quoted"',
    "P_DQ": 'it\'s "so"',
    "P_PEM": "-----BEGIN KEY-----\nMIIB$x\nnot-a-newline?\n-----END KEY-----",
    "P_ESC": r"-----BEGIN-----\nABC\n-----END-----\n",
    "P_JSON": r'{"type": "service", "key": "a\nb"}',
    "P_WIN": r"C:\Users\new\table",
    "P_SPACE": "two words",
    "P_TICK": "`id`",
    "P_EQ": "a=b==",
    "P_EXPORT": "yes",
    "P_UNI": "grüße🚀",
    "P_COMMENT": "value",
}
"""What stands in that file; no value is expanded, as a password may hold a dollar."""


def from_windows(text: str) -> bytes:
    """A text file as an editor on Windows writes it: a byte order mark, and CRLF."""
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
