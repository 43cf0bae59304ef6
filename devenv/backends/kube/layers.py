"""Sending an image of this machine's engine to a node, with only the layers that the node lacks.

containerd asks for no blob below a snapshot it has, so an archive may leave those out. Which compressed
blob holds which layer is learnt from every push and kept for the next.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from devenv import proc
from devenv.backends.kube.sink import Pushed, listening
from devenv.writing import write_whole

KEPT = 2000  # blobs whose layer is remembered; an image has about ten

Contents = dict[str, tuple[str, int]]
"""Digest of a blob as Docker pushes it -> the layer in it, and its size."""


class Failed(Exception):
    """A command of this delivery failed; another delivery may work."""


def deliver(image: str, full_name: str, ctr: Sequence[str], memory: Path) -> None:
    """Get an image into a containerd whose `ctr -n k8s.io` is `ctr`. Raises `Failed`."""
    contents = _recall(memory)
    layers = json.loads(_run(["docker", "image", "inspect", "-f", "{{json .RootFS.Layers}}", image]))
    snapshots = set(_run([*ctr, "snapshots", "ls"]).split())
    present = {layer for layer, chain in zip(layers, chains(layers), strict=True) if chain in snapshots}
    blobs = {blob: size for blob, (layer, size) in contents.items() if layer in present}
    with listening(blobs | dict.fromkeys(present, 0)) as (registry, pushed):
        push(image, f"{registry}/{full_name.rpartition('/')[2]}")
        contents |= learn(pushed)
        left_out = {blob for blob, (layer, _) in contents.items() if layer in present}
        _import(ctr, members(pushed, full_name, left_out))
    _remember(memory, contents)


def chains(layers: Sequence[str]) -> Iterator[str]:
    """What containerd calls the snapshot of each layer on those below it."""
    chain = ""
    for layer in layers:
        below = hashlib.sha256(f"{chain} {layer}".encode()).hexdigest()
        chain = f"sha256:{below}" if chain else layer
        yield chain


def push(image: str, name: str, *, keep: bool = False) -> None:
    """Push an image under a name, which it has for no longer than that unless told to `keep` it.

    Raises `Failed`.
    """
    _run(["docker", "tag", image, name])
    try:
        _run(["docker", "push", "--quiet", name])
    finally:
        if not keep:
            proc.run_captured(["docker", "rmi", name])


def learn(pushed: Pushed) -> Contents:
    """Which layer each blob of the pushed images holds."""
    contents: Contents = {}
    for raw, _ in pushed.manifests.values():
        manifest = json.loads(raw)
        config = pushed.blobs.get(manifest.get("config", {}).get("digest", ""))
        if config is not None:
            config[0].seek(0)
            layers = json.load(config[0]).get("rootfs", {}).get("diff_ids", ())
            for blob, layer in zip(manifest["layers"], layers, strict=False):
                contents[blob["digest"]] = layer, blob["size"]
    return contents


def members(pushed: Pushed, full_name: str, left_out: set[str]) -> Iterator[tuple[str, IO[bytes], int]]:
    """The files of an OCI archive of what was pushed: path, content and size."""
    digest, (raw, media_type) = list(pushed.manifests.items())[-1]
    names = {
        "io.containerd.image.name": full_name,
        "org.opencontainers.image.ref.name": full_name.rpartition(":")[2],
    }
    image = {"mediaType": media_type, "digest": digest, "size": len(raw), "annotations": names}
    yield _json("oci-layout", {"imageLayoutVersion": "1.0.0"})
    yield _json("index.json", {"schemaVersion": 2, "manifests": [image]})
    for name, (raw, _) in pushed.manifests.items():
        yield _blob(name), io.BytesIO(raw), len(raw)
    for name, (content, size) in pushed.blobs.items():
        if name not in left_out:
            yield _blob(name), content, size


def _json(path: str, value: Mapping[str, Any]) -> tuple[str, IO[bytes], int]:
    raw = json.dumps(value).encode()
    return path, io.BytesIO(raw), len(raw)


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _import(ctr: Sequence[str], archive: Iterator[tuple[str, IO[bytes], int]]) -> None:
    def write(stdin: IO[bytes]) -> None:
        with tarfile.open(fileobj=stdin, mode="w|") as tar:
            for path, content, size in archive:
                member = tarfile.TarInfo(path)
                member.size = size
                content.seek(0)
                tar.addfile(member, content)

    output = proc.run_fed([*ctr, "images", "import", "-"], write)
    if output.code:
        raise Failed(output.stderr.strip())


def _run(argv: Sequence[str]) -> str:
    output = proc.run_captured(argv)
    if output.code:
        raise Failed(output.stderr.strip())
    return output.stdout


def _recall(memory: Path) -> Contents:
    try:
        entries = json.loads(memory.read_text(encoding="utf-8"))
        return {blob: (str(layer), int(size)) for blob, (layer, size) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(memory: Path, contents: Contents) -> None:
    """Keep what was learnt; the image has arrived, also where that cannot be written."""
    with suppress(OSError):
        write_whole(memory, json.dumps(dict(list(contents.items())[-KEPT:])), mode=0o644)
