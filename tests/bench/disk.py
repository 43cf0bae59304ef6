"""A disk as people have it, for rows that make many files: ext4 with a journal.

Without a journal, ext4 takes no inode that was deleted in the last minute, and tries each of those before it makes
a file (`recently_deleted` in the kernel's fs/ext4/ialloc.c). Such a row then measures what ran before it. Some
machines of clouds are like that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import lines
from tests.e2e.ownengine import OwnEngine

SIZE = 12 * 2**30  # bytes that the disk may take; its file is sparse
NOTE = "the engine's disk is ext4 without a journal, which makes a file up to 50 times slower after deletions"


@contextmanager
def with_journal(work: Path, images: Sequence[str]) -> Iterator[Path]:
    """A folder to work in: `work`, or one on a disk of its own, with an engine there that has the images.

    While that is entered, DOCKER_HOST leads to that engine.
    """
    if not _lacks_journal(lines("docker", "info", "--format", "{{.DockerRootDir}}")[0]):
        yield work
    elif os.getuid() or not all(map(shutil.which, ("dockerd", "mkfs.ext4", "mount"))):
        print(f"note: {NOTE}; the rows of hot reload depend on what ran before them")
        yield work
    else:
        print(f"note: {NOTE}; the rows of hot reload run on an engine and a disk of their own")
        with _mounted(work) as disk, OwnEngine(disk, prepare="ip link set lo up", options=()) as engine:
            _copy(images, engine.address)
            before = os.environ.get("DOCKER_HOST")
            os.environ["DOCKER_HOST"] = engine.address
            try:
                yield disk
            finally:
                if before is None:
                    del os.environ["DOCKER_HOST"]
                else:
                    os.environ["DOCKER_HOST"] = before


def _lacks_journal(folder: str) -> bool:
    kind, device = lines("findmnt", "--noheadings", "--output", "FSTYPE,SOURCE", "--target", folder)
    return kind == "ext4" and not any(Path("/proc/fs/jbd2").glob(f"{Path(device).resolve().name}-*"))


@contextmanager
def _mounted(work: Path) -> Iterator[Path]:
    """A disk with a journal, in a sparse file that goes with it."""
    with tempfile.TemporaryDirectory(prefix="disk-", dir=work) as folder:
        image, disk = Path(folder) / "ext4", Path(folder) / "mounted"
        with image.open("wb") as file:
            file.truncate(SIZE)
        disk.mkdir()
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def _copy(images: Sequence[str], address: str) -> None:
    with tempfile.TemporaryFile() as archive:
        subprocess.run(["docker", "save", *images], stdout=archive, check=True)
        archive.seek(0)
        subprocess.run(
            ["docker", "--host", address, "load"], stdin=archive, stdout=subprocess.DEVNULL, check=True
        )
