"""Removing data that a store's first start left half made."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from devenv.stack import labels

if TYPE_CHECKING:
    from devenv.backends.docker import Engine


def discard_half_made(engine: Engine, container: str) -> bool:
    """Stop a store; where its data is half made, remove it and the volume with that data.

    Returns whether it was half made.

    The file that marks the data is looked for after the store has stopped, when nothing can remove it any
    more. Only the volume that holds the file is removed, and only if it belongs to the same checkout.
    """
    details = engine.inspect(container)
    tags = labels.read(details["Config"]["Labels"])
    engine.stop(container)
    if not tags.unfinished or not engine.has_file(container, tags.unfinished):
        return False
    folder = posixpath.dirname(tags.unfinished)
    mounted = {mount.get("Name") for mount in details["Mounts"] if mount["Destination"] == folder}
    engine.remove(container)
    for name in mounted.intersection(engine.volumes(stack=tags.stack, checkout=tags.checkout)):
        engine.remove_volume(name)
    return True
