"""Where the contexts of a build come from."""

from __future__ import annotations

import re

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/")


def is_folder(source: str) -> bool:
    """Whether a context is a folder of the project, and no image and no repository."""
    return not _ELSEWHERE.match(source)
