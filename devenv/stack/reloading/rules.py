"""The rules of hot reload: where files of the project land in containers, and what the manifest adds."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from devenv.stack import copies, patterns
from devenv.stack.model import Reload
from devenv.stack.reloading.reloaders import Reloader, reloader, starters
from devenv.stack.text import Text

IGNORED = (
    *(".git", ".hg", ".svn", ".jj", ".bzr", ".devenv"),
    *(
        "__pycache__",
        "*.py[cod]",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        ".hypothesis",
        ".tox",
        ".nox",
    ),
    *(".venv", "venv", ".direnv", "*.egg-info", ".eggs", ".ipynb_checkpoints", ".coverage"),
    *("node_modules", "bower_components", ".parcel-cache", ".turbo", ".angular", ".sass-cache", ".gradle"),
    *("*~", ".*.sw?", ".*.sw??", "4913", "*___jb_*", ".#*", "#*#", ".goutputstream-*", ".~lock.*#"),
    *(".idea", ".vscode", ".DS_Store", "Thumbs.db", ".nfs*", ".fuse_hidden*"),
)
"""Files whose changes cause nothing: version control, caches, installed packages, editors' own files."""

OUTPUTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    r"\bdotnet (?:restore|build|publish|run|watch|test)\b": ("", ("bin", "obj")),
    r"\bmix (?:deps\.|compile\b|release\b)": ("mix.exs", ("_build", "deps")),
    r"\bcomposer (?:install|update)\b": ("composer.json", ("vendor",)),
    r"\bbundle install\b": ("Gemfile", ("vendor/bundle",)),
    r"\bcargo (?:build|fetch|install|run|watch|chef)\b": ("Cargo.toml", ("target",)),
}
"""Command -> the folders that it fills: beside a file of this name, or wherever they are.

Where the image runs it, those of this machine stay here: they hold paths and programs of this machine.
"""


@dataclass(frozen=True, slots=True)
class Sync:
    """Files of the project and where they land in the container.

    `source` is a path or glob below `folder`, "." for all of it, "" for files that come from elsewhere. The
    other fields are as in `copies.Copy`; `built` says why only a build brings a change into the image, and
    `reader` why it does for the files that match `read`.
    """

    folder: str
    source: str
    target: str
    reason: str
    built: str = ""
    read: tuple[str, ...] = ()
    reader: str = ""
    root: str | None = None
    exclude: tuple[str, ...] = ()
    executable: bool = False
    file: bool = True

    @property
    def shown(self) -> str:
        """The source from the top of the project."""
        return posixpath.normpath(posixpath.join(self.folder, self.source or "."))

    def lands(self, path: str) -> str | None:
        """Where a file of the project lands; "" if that is not certain; None if it is not of these."""
        match = _pattern(self.folder, self.source).match(path) if self.source else None
        if match is None:
            return None
        below = match[1] or ""
        name = below or posixpath.basename(path)
        if any(patterns.compiled(f"/{pattern.lstrip('/')}").match(name) for pattern in self.exclude):
            return None
        if not self.target or not (below or self.file):
            return ""
        if self.root is not None:
            top = posixpath.normpath(posixpath.join(self.folder, self.root))
            below = copies.relative(path, top) or name
        elif not below and self.target.endswith("/"):
            below = name
        return posixpath.join(self.target, below) if below else self.target


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one unit. Every path is relative to the project, with "/" between names.

    `copies` are the Dockerfile's, in its order; `sync` is the manifest's, and replaces where they land.
    `recipe`: the Dockerfile and its ignore file. `context` is None for a unit without a build. `opaque` says
    why a build may use any file of the context. `restart` is None where `reloader` decides; `distrust` says
    why none does though the program has one.
    `outputs`: patterns of folders that the image fills itself. `untracked`: which of some paths Git ignores.
    `unsent` says why nothing can be sent to the unit, so that any change builds. `plain`: it is a process of
    this machine, which reads the project's own files, and a build is no more than another start.
    """

    context: str | None = None
    copies: tuple[Sync, ...] = ()
    sync: tuple[Sync, ...] = ()
    outputs: tuple[str, ...] = ()
    ignore: tuple[str, ...] = IGNORED
    run: tuple[tuple[str, tuple[Text, ...]], ...] = ()
    restart: bool | tuple[str, ...] | None = None
    rebuild: tuple[str, ...] = ()
    recipe: tuple[str, ...] = ()
    reloader: Reloader | None = None
    distrust: str = ""
    command: str = ""
    starters: tuple[str, ...] = ()
    executables: tuple[str, ...] = ()
    opaque: str = ""
    unsent: str = ""
    plain: bool = False
    ignored: Callable[[str], bool] | None = None
    untracked: Callable[[Iterable[str]], Set[str]] | None = None


class Source(NamedTuple):
    """A file of the project that a container holds, and its digest; `x` at its end means executable."""

    path: str
    digest: str


def infer(
    dockerfile: str,
    *,
    context: str | None,
    target: str | None = None,
    args: Mapping[str, str] | None = None,
    entrypoint: Sequence[str] | None = None,
    command: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    workdir: str | None = None,
    scripts: Mapping[str, str] | None = None,
    linked: Collection[str] = (),
    name: str = "Dockerfile",
) -> Rules:
    """The rules that a Dockerfile implies; with `context` None there is none, and only a command tells.

    `args`: the build's arguments, without secret ones. `entrypoint`, `command`, `environment` and `workdir`
    are the manifest's, `scripts` those of `package.json`. `linked` is as in `copies.image`. `name`: the
    Dockerfile's path in the context.
    """
    image = copies.image(dockerfile, target, args, linked=linked) if context is not None else copies.Image()
    first = tuple(entrypoint if entrypoint is not None else image.entrypoint)
    rest = tuple(command if command is not None else () if entrypoint is not None else image.command)
    top = posixpath.normpath(context or ".")
    recipe = (name, f"{name}.dockerignore", ".dockerignore") if context is not None else ()
    itself, distrust = _trusted(
        reloader(
            (*first, *rest), {**image.environment, **(environment or {})}, base=image.base, scripts=scripts
        )
    )
    return Rules(
        context=None if context is None else top,
        copies=tuple(_of_copy(copy, top, name) for copy in image.copies),
        recipe=tuple(posixpath.normpath(posixpath.join(top, file)) for file in recipe),
        reloader=itself,
        distrust=distrust,
        command=_shown(first, rest),
        starters=tuple(
            posixpath.normpath(posixpath.join(workdir or image.workdir, path))
            for path in starters((*first, *rest))
        ),
        executables=image.executables,
        opaque=image.opaque,
        outputs=_outputs(image, top, " ".join((*first, *rest))),
    )


def _trusted(itself: Reloader | None) -> tuple[Reloader | None, str]:
    """What is left to reload by itself, and why nothing is where the program has something."""
    return (itself, "") if itself is None or itself.trusted else (None, itself.shown)


PLAIN = "its program reads the project's own files"
ASKS = ("requirements*.txt", "pyproject.toml", "uv.lock", "package-lock.json")
"""Files that say what is installed before a process starts."""


def of_process(
    context: str, command: Sequence[str], reload: Reload | None, scripts: Mapping[str, str] | None = None
) -> Rules:
    """The rules of a process of this machine: it starts anew, unless it takes up changed files by itself."""
    top = posixpath.normpath(context)
    itself, distrust = _trusted(reloader(tuple(command), {}, scripts=scripts))
    restart = reload.restart if reload and reload.restart is not None else itself is None
    asks = tuple(f"/{joined(top, pattern)}" for pattern in ASKS)
    return Rules(
        context=top,
        ignore=(*IGNORED, *(reload.ignore if reload else ())),
        rebuild=(*asks, *(restart if isinstance(restart, tuple) else ())),
        restart=restart,
        reloader=itself,
        command=" ".join(command),
        opaque=distrust or PLAIN if restart is True else "",
        unsent=PLAIN,
        plain=True,
    )


def _outputs(image: copies.Image, top: str, command: str) -> tuple[str, ...]:
    """Patterns of the folders that the image's own steps fill, but for those that a COPY names."""
    sources = {copy.source for copy in image.copies}
    outputs = list[str]()
    for pattern, (marker, names) in OUTPUTS.items():
        if not any(re.search(pattern, text) for text in (*image.runs, command)):
            continue
        if not marker:
            outputs += (name for name in names if name not in sources)
            continue
        beside = {
            posixpath.dirname(path)
            for path in sources
            if re.fullmatch(patterns.translated(posixpath.basename(path)), marker)
        }
        folders = {posixpath.join(folder, name) for folder in {"", *beside} for name in names}
        outputs += (f"/{joined(top, folder)}" for folder in sorted(folders - sources))
    return tuple(outputs)


def with_manifest(rules: Rules, reload: Reload) -> Rules:
    """The rules with the manifest's: they win, and its `sync` replaces the inferred one."""
    return replace(
        rules,
        sync=tuple(
            Sync(posixpath.normpath(source), ".", target, "reload.sync") for source, target in reload.sync
        ),
        ignore=(*rules.ignore, *reload.ignore),
        run=reload.run,
        restart=reload.restart,
        rebuild=reload.rebuild,
    )


def lies(rules: Rules, path: str, *, folder: bool) -> str:
    """Where a file or folder of the project is in the container, however it gets there, or ""."""
    for sync in reversed((*rules.copies, *rules.sync)):
        if folder and path == sync.shown and sync.target:
            return sync.target.rstrip("/") or "/"
        if target := sync.lands(path):
            return target
    return ""


class Unmatched(NamedTuple):
    """A pattern of the manifest that matches no file; `instead` may be what it should be, or ""."""

    rule: str
    pattern: str
    instead: str


def unmatched(rules: Rules, paths: Collection[str]) -> Iterator[Unmatched]:
    """The patterns of `reload.` that match none of the files that a unit is made from.

    The usual mistake is one that starts in the service's own folder.
    """
    named = {
        "rebuild": rules.rebuild,
        "run": tuple(pattern for pattern, _ in rules.run),
        "restart": rules.restart if isinstance(rules.restart, tuple) else (),
        "ignore": rules.ignore[len(IGNORED) :],
    }
    for rule, listed in named.items():
        for pattern in listed:
            if not _matches_any(pattern, paths):
                own = pattern.removeprefix("!").removeprefix("./").lstrip("/")
                instead = joined(rules.context or ".", own)
                fits = instead != own and _matches_any(instead, paths)
                yield Unmatched(f"reload.{rule}", pattern, instead if fits else "")


def _matches_any(pattern: str, paths: Iterable[str]) -> bool:
    return any(map(patterns.compiled(pattern.removeprefix("!")).match, paths))


def emptied(
    rules: Rules, gone: Mapping[str, str], wanted: Mapping[str, Source]
) -> dict[str, tuple[str, ...]]:
    """Source folder of which nothing is left -> those paths in a container that came from it.

    `gone`: path in the container that nothing is wanted at -> where in the project its file was, or "".
    """
    without = {
        sync.shown: sync
        for sync in (*rules.copies, *rules.sync)
        if sync.source and not sync.built and gone and not any(map(sync.lands, _paths(wanted)))
    }
    kept: dict[str, list[str]] = {}
    for target, path in gone.items():
        for shown, sync in without.items():
            if _came_from(sync, target, path):
                kept.setdefault(shown, []).append(target)
                break
    return {shown: tuple(targets) for shown, targets in kept.items()}


def _paths(wanted: Mapping[str, Source]) -> Iterator[str]:
    return (source.path for source in wanted.values())


def _came_from(sync: Sync, target: str, path: str) -> bool:
    """Whether a file of a container may have come from a rule's folder; one that it names may be deleted."""
    if path:
        return path != sync.shown and sync.lands(path) == target
    top = sync.target.rstrip("/")
    return target.startswith(f"{top}/") and target != sync.lands(sync.shown)


def joined(folder: str, path: str) -> str:
    """The path in the project of a file of a folder; the folder itself where that is a file."""
    if not path:
        return posixpath.normpath(folder)
    return path if posixpath.normpath(folder) == "." else f"{posixpath.normpath(folder)}/{path}"


def _of_copy(copy: copies.Copy, folder: str, name: str) -> Sync:
    where = f"({posixpath.basename(name)}:{copy.line})"
    return Sync(
        folder,
        copy.source,
        copy.target,
        f"{copy.shown} {where}",
        f"{copy.shown} {copy.used} {where}" if copy.used else "",
        copy.read,
        f"{copy.shown} {copy.reader} {where}" if copy.read else "",
        copy.root,
        copy.exclude,
        copy.executable,
        copy.file,
    )


def _shown(entrypoint: Sequence[str], command: Sequence[str]) -> str:
    """The command that starts the program, cut to fit into a line."""
    whole = [*entrypoint, *command]
    line = whole[2] if whole[:2] == ["sh", "-c"] and len(whole) > 2 else " ".join(whole)
    line = " ".join(line.split())
    return line if len(line) <= 40 else f"{line[:37].rstrip()}..."


@lru_cache(maxsize=512)
def _pattern(folder: str, source: str) -> re.Pattern[str]:
    """Matches a source and all below it; its group is the path below."""
    parts = [re.escape(folder)] if folder != "." else []
    parts += [patterns.translated(source)] if source != "." else []
    return re.compile(f"{'/'.join(parts)}(?:/(.*))?\\Z" if parts else r"(.*)\Z", re.S)
