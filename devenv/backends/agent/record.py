"""The record of what was sent: a text beside the files, a line for each of them."""

from __future__ import annotations

import os
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

UNKNOWN, GONE, FOLDER = "?", "-", "/"  # in the record, where a digest would be
PLAIN = re.compile(rb"[\w./>?~-]*", re.ASCII).fullmatch  # stands in the record as it is


def entry(digest: str, target: str) -> bytes:
    """A line of the record, without its end."""
    return row(digest, encoded(target))


def row(digest: str, target: bytes) -> bytes:
    """A line of the record for a target that is encoded already."""
    return b"\t".join((encoded(digest), target, b"."))


def encoded(text: str) -> bytes:
    """Text that holds neither blanks nor line ends."""
    raw = os.fsencode(text)
    return raw if PLAIN(raw) else quote_from_bytes(raw, safe="/>?").encode()


def parsed(text: bytes) -> dict[str, str]:
    """Target -> digest, UNKNOWN, GONE or FOLDER."""
    rows = (line.split(b"\t") for line in text.split(b"\n"))
    return {
        os.fsdecode(unquote_to_bytes(row[1])): os.fsdecode(unquote_to_bytes(row[0]))
        for row in rows
        if len(row) == 3 and row[2] == b"."
    }
