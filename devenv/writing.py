"""Files are replaced whole, by a temporary file and a rename: an interruption never leaves half of one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import DevenvError, UsageError

if TYPE_CHECKING:
    from devenv.render.bundle import Bundle


def write_whole(file: Path, text: str, *, mode: int) -> None:
    """Replace a file atomically, unless it has this text and mode already; of a link, what it leads to."""
    content = text.encode()
    with contextlib.suppress(OSError):
        if file.read_bytes() == content and file.stat().st_mode & 0o777 == mode:
            return
    replace_whole(Path(os.path.realpath(file)), content, mode=mode)


def write_for_people(file: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file of the user's own, whole. Raises `DevenvError` that says why it cannot be written."""
    try:
        write_whole(file, text, mode=mode)
    except OSError as error:
        raise unwritable(file.parent, error) from error


def write_named(file: Path, text: str, *, option: str) -> None:
    """Write to where an option says, which may be a pipe. Raises `UsageError`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise no_place(file, error.strerror or str(error), option=option) from None


def no_place(file: Path, why: str, *, option: str) -> UsageError:
    """The error for an option that names what cannot be written."""
    return UsageError(f"cannot write {file}", why=why, hint=f"{option} FILE")


def replace_whole(file: Path, content: bytes, *, mode: int) -> None:
    """Replace a file atomically, and a link as if it were one."""
    import tempfile  # most commands write nothing

    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(content)
            temporary.flush()
            os.fchmod(temporary.fileno(), mode)
            os.fsync(temporary.fileno())
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def export(bundle: Bundle, folder: Path) -> None:
    """Write a bundle into a folder of the user's choice, so that no other user can read its secrets.

    A new folder gets mode 0700 and a `.gitignore`. In an existing one, only the folders below it get that
    mode; mounted files stay readable, as containers run as other users. Raises `DevenvError` if writing
    fails.
    """
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            write_whole(folder / ".gitignore", "*\n", mode=0o644)
        for name, content in bundle.files.items():
            for below in reversed(Path(name).parents[:-1]):
                (folder / below).mkdir(mode=0o700, exist_ok=True)
            write_whole(folder / name, content, mode=0o600 if name in bundle.private else 0o644)
    except OSError as error:
        raise unwritable(folder, error) from error


def export_chart(files: Mapping[str, str], folder: Path) -> None:
    """Write a chart into a folder, and take out templates of units that are no more.

    Other files in it are the user's. Raises `DevenvError` if writing fails.
    """
    try:
        for name, content in files.items():
            write_whole(folder / name, content, mode=0o644)
        for file in (folder / "templates").glob("*.yaml"):
            if f"templates/{file.name}" not in files and file.read_bytes().startswith(b"{{- /* devenv: "):
                file.unlink()
    except OSError as error:
        raise unwritable(folder, error) from error


FULL = (errno.ENOSPC, errno.EDQUOT)
NO_ROOM = (*FULL, errno.EROFS)
"""Errors of writing that are the disk's, wherever they come up."""


def unwritable(folder: Path, error: OSError, *, unchanged: bool = True) -> DevenvError:
    """The error that says why a folder could not be written to."""
    full = error.errno in FULL
    hint = f"ls -ld {folder.parent}"
    if error.errno == errno.EROFS:
        hint = f"devenv keeps its state in .devenv: mount {folder.parent} writable, or work in a copy of it"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        hint = f"ls -ld {folder}   shows what stands where a folder has to be"
    return DevenvError(
        "the disk is full" if full else f"cannot write to {folder}",
        where=str(folder) if full else "",
        why=f"{error.strerror or error}{'; nothing was changed' if unchanged else ''}",
        hint="devenv doctor   says how full it is, and what devenv can give back" if full else hint,
    )
