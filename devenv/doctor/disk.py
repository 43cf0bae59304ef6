"""Room on the disks that a stack writes to, and what devenv could give back of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from devenv.backends import containers
from devenv.doctor.verdict import Verdict, failed, passed, warned
from devenv.errors import DevenvError
from devenv.stack.labels import BUILT_AS, LABEL

GIB = 2**30
LEAST, SCARCE = 1 * GIB, 10 * GIB
BUILDER = "docker builder prune"
OURS = f"docker image prune --all --filter label={LABEL}{BUILT_AS}"


def look(folders: Sequence[str]) -> int:
    """Bytes that are free where the least is, of the folders that can be seen from here."""
    free = []
    for folder in folders:
        with suppress(OSError):  # the engine's own machine is another one, or root's
            free.append(shutil.disk_usage(folder).free)
    return min(free, default=-1)


def look_for_unused(address: str) -> int:
    """Bytes in images that devenv built, that no container has and that no other image shares."""
    try:
        images, running = containers.images(address, sizes=True), containers.all_containers(address)
    except DevenvError:
        return 0
    return unused(images or (), running or ())


def unused(images: Sequence[Mapping[str, Any]], running: Sequence[Mapping[str, Any]]) -> int:
    """The same, from the engine's lists."""
    needed = {container.get("ImageID") for container in running}
    return sum(
        max(0, image["Size"] - max(0, image.get("SharedSize", 0)))
        for image in images
        if LABEL + BUILT_AS in (image.get("Labels") or {}) and image["Id"] not in needed
    )


def judge(free: int, unused: int | None) -> Iterator[Verdict]:
    """Whether builds, images and data have room. `unused` is None where it was not found out in time."""
    if free < 0:
        return
    back = unused or 0
    room = f"{free / GIB:.1f} GiB of disk are free"
    if back >= GIB // 10:
        room += f"; images that devenv built and nothing uses take {back / GIB:.1f} GiB"
    command = OURS if back >= GIB // 10 else BUILDER
    if free < LEAST:
        yield failed("disk", room, command)
    elif free < SCARCE:
        yield warned("disk", room, command)
    else:
        yield passed("disk", room)
