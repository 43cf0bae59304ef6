"""Names of images, the versions in their tags, and conditions on those such as `<18`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Version = tuple[int, ...]

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"(?:(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?/)?{_PART}(?:/{_PART})*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,})?"
)
"""The name of an image, as https://github.com/distribution/reference/blob/main/regexp.go has it."""


@dataclass(frozen=True, slots=True)
class Supported:
    """The versions that a kind supports, and how to read them from image tags.

    `oldest`: an image whose tags begin with the server's version -> the oldest supported version; the kind's
    own image comes first. `tag`: a pattern whose group is the version in other tags, as in `0.8.0-pg16`.
    `needs`: why older ones do not work.
    """

    oldest: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""
    needs: str = ""

    def version_of(self, image: str) -> str:
        """The server's version according to the image's tag, or ""."""
        name, tag = name_and_tag(image)
        if self.tag and (match := re.search(self.tag, tag, re.IGNORECASE)):
            return match[1]
        return tag if name in self.oldest and numbers(tag) else ""

    def needed(self, version: str, image: str = "") -> str:
        """The oldest supported version if this one is older, else ""."""
        own = next(iter(self.oldest.values()), "")
        oldest = self.oldest.get(name_and_tag(image)[0], own)
        return oldest if oldest and matches(version, f"<{oldest}") else ""


def name_and_tag(image: str) -> tuple[str, str]:
    """`ghcr.io/acme/postgis:16-3.4@sha256:0f` as `postgis` and `16-3.4`."""
    name, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    return name, tag


_CONDITION = re.compile(r"^(<=|>=|<|>|=)\s*(.+)$")


def is_condition(text: str) -> bool:
    """Whether the text is a condition on versions, such as `<18`."""
    parts = _CONDITION.match(text)
    return bool(parts and numbers(parts[2]))


def matches(version: str, condition: str) -> bool:
    """Whether `17.11` is `<18`. Only leading numbers count; other versions match nothing.

    As many numbers are compared as both have: `5` may be any 5, and is not `<5.2`.
    """
    parts = _CONDITION.match(condition)
    if not parts:
        return False
    have, bound = numbers(version), numbers(parts[2])
    if not have:
        return False
    common = min(len(have), len(bound))
    have, bound = have[:common], bound[:common]
    return {
        "<": have < bound,
        "<=": have <= bound,
        ">": have > bound,
        ">=": have >= bound,
        "=": have == bound,
    }[parts[1]]


def is_older(version: str, than: str) -> bool:
    """Whether `17.11` is older than `18`; what says no version is not."""
    return bool(numbers(than)) and matches(version, f"<{than}")


def numbers(version: str) -> Version:
    """The numbers that a version begins with: `v1.2-alpine` as 1, 2; `RELEASE.2026-09-16T00` as a date."""
    date = re.match(r"^RELEASE\.(\d{4})-(\d\d)-(\d\d)", version)
    if date:
        return tuple(map(int, date.groups()))
    leading = re.match(r"^v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in leading[1].split(".")) if leading else ()
