"""The project on disk: its manifest, its secrets, and `.devenv/`, whose contents can all be regenerated."""

from __future__ import annotations

import base64
import codecs
import contextlib
import errno
import fcntl
import hashlib
import hmac
import json
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import MANIFESTS, STATE, home
from devenv.envfiles import read_env
from devenv.errors import DevenvError, UsageError
from devenv.writing import unwritable, write_whole

if TYPE_CHECKING:
    from devenv.render.bundle import Bundle

MAX_BYTES = 2 * 1024 * 1024  # a manifest of 1000 services is 1.2 MB
COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""Of several, Compose takes the first."""
_KINDS = re.compile(r"""^kinds:[ \t]+(["']?)(?P<folder>[^#\n]*?)\1[ \t]*(?:#.*)?$""", re.MULTILINE)
_BLOCK = re.compile(rb"^x-devenv:", re.MULTILINE)
HIDDEN = "hidden.json"  # what to mask of the stack that the last bundle was rendered of


@dataclass(frozen=True)
class Workspace:
    """One checkout of a project: the folder of its manifest."""

    file: Path

    @property
    def root(self) -> Path:
        """The folder of the manifest."""
        return self.file.parent

    @property
    def state(self) -> Path:
        """The folder that devenv writes to, `.devenv`."""
        return self.root / STATE

    @property
    def checkout(self) -> str:
        """A hash of the manifest's path, which identifies this checkout."""
        return hashlib.sha256(str(self.file).encode()).hexdigest()[:12]

    @property
    def shown(self) -> str:
        """The manifest's path for display, relative to the current folder if it is below."""
        with contextlib.suppress(ValueError):
            return str(self.file.relative_to(Path.cwd()))
        return str(self.file)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backend that `up` last used, then others that may still run units of this checkout."""
        try:
            return tuple((self.state / "backend").read_text(encoding="utf-8").split())
        except OSError:
            return ()

    def text(self) -> str:
        """The manifest's text. Raises `UsageError` when it cannot be read."""
        return read_text(self.file, self.shown)

    @staticmethod
    def kinds_folder(manifest: str) -> str:
        """The folder of the project's own kinds, searched in the text: parsing would be too slow here."""
        match = _KINDS.search(manifest)
        return match["folder"] if match else "infra"

    def kinds(self, manifest: str) -> dict[str, tuple[str, str]]:
        """The project's own infra kinds: name -> the path of its file for display, and its text.

        Only files with an `x-devenv` block count: a folder called `infra` may hold other files. A folder
        outside the project is not read; the manifest's rules refuse it.
        """
        kinds: dict[str, tuple[str, str]] = {}
        folder = self.kinds_folder(manifest)
        if Path(folder).is_absolute() or ".." in Path(folder).parts:
            return kinds
        for file in sorted(self.root.glob(f"{folder}/*.y*ml")):
            shown = str(file.relative_to(self.root))
            with contextlib.suppress(OSError):
                if _BLOCK.search(file.read_bytes()):
                    kinds[file.stem] = shown, read_text(file, shown)
        return kinds

    def overrides(self, manifest: str) -> dict[str, tuple[str, str]]:
        """What differs on Kubernetes for the project's own kinds: name -> path for display, and text."""
        folder = self.root / self.kinds_folder(manifest) / "minikube"
        files = {name: folder / f"{name}.yaml" for name in self.kinds(manifest)} if folder.is_dir() else {}
        return {
            name: (str(file.relative_to(self.root)), read_text(file, str(file.relative_to(self.root))))
            for name, file in files.items()
            if file.is_file()
        }

    def secret_values(
        self,
        *,
        wanted: Iterable[str],
        generated: Iterable[str],
        environment: Mapping[str, str],
        strict: bool,
    ) -> dict[str, str]:
        """Values of secrets: the environment first, then `.env`, then `.devenv/secrets.env`.

        Generated secrets that have no value yet get one, which is stored. A wanted secret without a value
        raises a `UsageError` that names all of them if `strict`, and is empty otherwise.
        """
        stored = read_env(self.state / "secrets.env")
        available = {**stored, **read_env(self.root / ".env"), **environment}
        missing = sorted(name for name in wanted if name not in available)
        if missing and strict:
            raise UsageError(
                f"no value for the secret{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
                where=self.shown,
                why="looked in the environment, .env and .devenv/secrets.env",
                hint=f"echo '{missing[0]}=...' >> .env",
            )
        key, lasts = _machine_key() if {*generated} - stored.keys() else (b"", True)
        new = {name: self._password(key, name) for name in generated if name not in stored}
        if new:
            self._store(new, needed=strict and not lasts)
        passwords = {**stored, **new}
        return {name: available.get(name, "") for name in wanted} | {
            name: passwords[name] for name in generated
        }

    def _store(self, new: Mapping[str, str], *, needed: bool) -> None:
        """Add new passwords to `secrets.env`. Where that fails, it is an error if they are `needed` there."""
        try:
            self.write({"secrets.env": self._with_secrets(new)}, private={"secrets.env"})
        except DevenvError:
            if needed:
                raise

    def secret_values_elsewhere(
        self, *, wanted: Iterable[str], generated: Collection[str], environment: Mapping[str, str]
    ) -> dict[str, str]:
        """Values of secrets for a cluster, as far as there are any: from the environment, then `.env`.

        A generated one has none unless it stands there: this machine's never leaves it. Others may stand in
        `.devenv/secrets.env`.
        """
        stored = read_env(self.state / "secrets.env")
        own = {name: value for name, value in stored.items() if name not in generated}
        values = {**own, **read_env(self.root / ".env"), **environment}
        return {name: values[name] for name in wanted if name in values}

    def keep_secrets(self, values: Mapping[str, str]) -> int:
        """Add secrets to `.devenv/secrets.env`, and return how many; what is there already stays as it is."""
        new = {
            name: value for name, value in values.items() if name not in read_env(self.state / "secrets.env")
        }
        if new:
            lines = {name: quoted(value) for name, value in new.items()}
            self.write({"secrets.env": self._with_secrets(lines)}, private={"secrets.env"})
        return len(new)

    def _with_secrets(self, new: Mapping[str, str]) -> str:
        """The text of `secrets.env` with new lines appended; what people wrote there stays unchanged.

        Raises `UsageError` when it cannot be read.
        """
        file = self.state / "secrets.env"
        try:
            before = file.read_text(encoding="utf-8")
        except (IsADirectoryError, PermissionError) as error:
            raise UsageError(f"cannot read {file}", why=(error.strerror or "").lower()) from error
        except (FileNotFoundError, NotADirectoryError):  # which writing it will say
            before = "# Passwords of this checkout's stores, and secrets of your own if you like.\n"
        gap = "" if before.endswith("\n") or not before else "\n"
        return before + gap + "".join(f"{name}={value}\n" for name, value in sorted(new.items()))

    def _password(self, key: bytes, name: str) -> str:
        """A password derived from a key of this machine and the checkout.

        `git clean -fdx` deletes `.devenv` but not the databases, so the same password has to come again.
        """
        message = f"{self.checkout}/{name}".encode()
        digest = hmac.new(key, message, hashlib.sha256).digest()
        return base64.b32encode(digest[:15]).decode().lower()

    def write_bundle(
        self, bundle: Bundle, folder: str, secrets: Mapping[str, str], words: Iterable[str] = ()
    ) -> Path:
        """Write a bundle's changed files below `.devenv/`, and return its folder.

        The values of its secrets are stored beside it, to mask them in output of its containers later on;
        and the words of its stack that are shown.
        """
        files = {f"{folder}/{name}": text for name, text in bundle.files.items()}
        private = {f"{folder}/{name}" for name in bundle.private} | {HIDDEN}
        kept = {"values": sorted(set(secrets.values())), "words": sorted(words)}
        self.write({**files, HIDDEN: json.dumps(kept)}, private=private)
        return self.state / folder

    def hidden(self) -> tuple[list[str], list[str]]:
        """Values of secrets to mask, as far as they are stored in `.devenv`, and words that are shown."""
        try:
            kept = json.loads((self.state / HIDDEN).read_text(encoding="utf-8"))
            values, words = [*map(str, kept["values"])], [*map(str, kept["words"])]
        except (OSError, ValueError, TypeError, KeyError):
            values, words = [], []
        return [*read_env(self.state / "secrets.env").values(), *values], words

    def write(self, files: Mapping[str, str], *, private: Iterable[str] = ()) -> None:
        """Write files below `.devenv/`. Raises `DevenvError` if that fails."""
        hidden = set(private)
        try:
            self._make_state()
            for name, text in files.items():
                # Containers run as other users and have to read mounted files; the folder itself keeps
                # all other users of this machine out.
                write_whole(self.state / name, text, mode=0o600 if name in hidden else 0o644)
        except OSError as error:
            raise unwritable(self.state, error) from error

    def _make_state(self) -> None:
        self.state.mkdir(mode=0o700, exist_ok=True)
        ignore = self.state / ".gitignore"
        if not ignore.exists():
            write_whole(ignore, "*\n", mode=0o644)

    @contextlib.contextmanager
    def only_one(self, purpose: str, command: str) -> Iterator[str]:
        """Be the only process that does this for the stack; yields who does it already, else "".

        The kernel ends it when the process ends, however it ends.
        """
        with self._lock_file(f"{purpose}.lock") as file:
            if not self._locked(file):
                yield _holder(file)
                return
            _sign(file, f"devenv {command}")
            yield ""

    @contextlib.contextmanager
    def lock(self, *, purpose: str, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the stack's lock; `on_wait` gets the name of whoever holds it already.

        The kernel releases it when the process ends, however it ends.
        """
        with self._lock_file("lock") as file:
            if not self._locked(file):
                on_wait(_holder(file))
                fcntl.flock(file, fcntl.LOCK_EX)
            _sign(file, purpose)
            yield

    def _locked(self, file: FileIO) -> bool:
        """Hold a lock, unless another process does. Raises `DevenvError` on a file system without locks."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise DevenvError(
                f"cannot lock {self.state}",
                why=f"{error.strerror}; without locks, two commands could change the stack at once",
                hint="move the project to a disk of this machine, or mount its share with locks:"
                " -o local_lock=flock for NFS",
            ) from error
        return True

    def _lock_file(self, name: str) -> FileIO:
        """An open file below `.devenv/`, to be locked, which is no writing. Raises `DevenvError`."""
        file = self.state / name
        try:
            self._make_state()
            return FileIO(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        except OSError as error:
            if error.errno == errno.EROFS and file.exists():
                return FileIO(os.open(file, os.O_RDONLY | os.O_CLOEXEC), "r")
            raise unwritable(self.state, error) from error


def _holder(lock: FileIO) -> str:
    """The command that holds a lock."""
    return lock.read().decode(errors="replace").strip() or "another devenv"


def _sign(lock: FileIO, command: str) -> None:
    """Say in a lock who holds it. On a full disk it holds all the same: `down` is to give room back."""
    with contextlib.suppress(OSError):
        lock.truncate(0)
        os.pwrite(lock.fileno(), f"{command} (pid {os.getpid()})".encode(), 0)


def find(option: str | None, environment: Mapping[str, str]) -> Workspace:
    """The workspace of `-f FILE`, of DEVENV_FILE, or of the nearest devenv.yaml upwards.

    Raises a `UsageError` that shows how to begin if there is none.
    """
    name = option or environment.get("DEVENV_FILE")
    if name:
        file = Path(name)
        if file.is_dir():
            file = next(
                (file / candidate for candidate in MANIFESTS if (file / candidate).is_file()),
                file / MANIFESTS[0],
            )
        if not file.is_file():
            raise UsageError(f"no file {name}", hint="-f takes the path of a devenv.yaml")
        return Workspace(file.resolve())
    here = Path.cwd()
    for folder in (here, *here.parents):
        for candidate in MANIFESTS:
            if (folder / candidate).is_file():
                return Workspace((folder / candidate).resolve())
    raise UsageError("no devenv.yaml here or in any folder above", where=str(here), hint=_beginning(here))


def _beginning(folder: Path) -> str:
    """How to come by a manifest: from a Compose file here or above in the repository, or from nothing."""
    for place in (folder, *folder.parents):
        file = next((name for name in COMPOSE_NAMES if (place / name).is_file()), "")
        if file and place == folder:
            return f"`devenv init --from-compose` writes one of {file}"
        if file:
            return f"in {place}, `devenv init --from-compose` writes one of {file}"
        if (place / ".git").exists():
            break
    return "`devenv init` writes one, or begin with six lines:\n\n" + BEGIN


BEGIN = """\
    services:
      api:
        build: ./api
        port: 8000
        uses: [postgres]
        route: /api
"""


def read_text(file: Path, shown: str) -> str:
    """A file's text. Raises `UsageError` for one that is too large or is not text."""
    try:
        with file.open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"cannot read {shown}", why=why, hint=f"ls -ld {shlex.quote(shown)}") from error
    if len(raw) > MAX_BYTES:
        megabytes, why = file.stat().st_size / 1e6, "a manifest has at most 2 MB"
        hint = "is it another file? -f takes the path of a devenv.yaml"
        raise UsageError(f"{shown} has {megabytes:.0f} MB", why=why, hint=hint)
    try:
        return raw.decode("utf-8-sig")  # with or without the mark that editors on Windows begin it with
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        why = "a manifest is UTF-8"
        raise UsageError(f"{shown}:{line}: not text", why=why, hint=_as_text(raw, shown)) from error


def _as_text(raw: bytes, shown: str) -> str:
    """How a file that is no UTF-8 becomes so, by what it seems to be."""
    name = shlex.quote(shown)
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in raw and not wide:
        return f"file {name}   says what it is"
    encoding = "utf-16" if wide else "latin1"
    return f"iconv -f {encoding} -t utf-8 {name} > text.yaml && mv text.yaml {name}"


def quoted(value: str) -> str:
    """A value as a line of an env file holds it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _machine_key() -> tuple[bytes, bool]:
    """The key of this user on this machine, and whether it is the same the next time."""
    file = home.state() / "key"
    try:
        if not file.exists():
            write_whole(file, os.urandom(32).hex(), mode=0o600)
        return file.read_bytes(), True
    except OSError:
        return os.urandom(32), False  # an unwritable home: then only .devenv keeps the password
