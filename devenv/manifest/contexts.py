"""Where the contexts of a build come from."""

from __future__ import annotations

import re

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/")
_REPOSITORY = re.compile(r"(https?|git|ssh)://|git@|github\.com/")
_PASSWORD = re.compile(r"(?!ssh)[a-z]+://[^/@]+@")


def is_folder(source: str) -> bool:
    """Whether a context is a folder of the project, and no image and no repository."""
    return not _ELSEWHERE.match(source)


def is_repository(source: str) -> bool:
    """Whether a context is the URL of a Git repository, or of an archive, which the builder fetches."""
    return bool(_REPOSITORY.match(source))


def has_password(source: str) -> bool:
    """Whether somebody's login stands in the URL of a context."""
    return bool(_PASSWORD.match(source))
