"""Which files of the build context an image holds, where they land, and what in the build may use them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from devenv.stack import installs, scripts
from devenv.stack.dockerfile import (
    HEREDOC,
    UNKNOWN,
    Dockerfile,
    Instruction,
    Stage,
    argv,
    directives,
    expand,
    instructions,
    listed,
    of_builder,
    pairs,
    parse,
)

_REMOTE = re.compile(r"[a-z+]+://|git@", re.I)
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2?|txz|tar\.\w+)$")
_OWN_SYNTAX = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::|@|$)")
_OFFICIAL = re.compile(
    r"(?:docker\.io/)?(?:library/)?(?:([a-z-]+)(?::[^/]*)?(?:@.*)?$|(mcr\.microsoft\.com/dotnet)/)"
)
_AT_TOP = """
    alpine bun busybox debian eclipse-temurin elixir erlang fedora gradle maven mcr.microsoft.com/dotnet nginx
    node openjdk perl python ruby rust scratch ubuntu
"""
_WORKDIRS = {
    **dict.fromkeys(_AT_TOP.split(), "/"),
    "caddy": "/srv",
    "composer": "/app",
    "golang": "/go",
    "httpd": "/usr/local/apache2",
    "php": "/var/www/html",
    "tomcat": "/usr/local/tomcat",
    "wordpress": "/var/www/html",
}
"""Official image -> the working folder that it sets."""

_USUAL_FOLDERS = """
    / /bin /etc /home /opt /root /srv /tmp /usr /usr/bin /usr/local /usr/local/bin /usr/local/etc /usr/sbin
    /usr/share /usr/share/nginx /usr/share/nginx/html /usr/src /var /var/lib /var/www /var/www/html
    /docker-entrypoint-initdb.d /docker-entrypoint.d /etc/nginx /etc/nginx/conf.d /etc/nginx/templates
    /etc/apache2 /etc/apache2/conf-available /etc/apache2/sites-available /etc/supervisor/conf.d
    /usr/local/etc/php /usr/local/etc/php/conf.d /usr/local/etc/php-fpm.d /usr/local/share
"""
"""Folders that an image has, if it has what they are for."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A file, folder or glob of the build context ("." is all of it) that a build reads; "" is elsewhere.

    `target` is absolute, and ends with a slash where a file lands in it under its own name; "" where nothing
    lands as it is. `used` says what else the build does with the files; "" means that they only land.
    `read`: patterns of those that a later step uses all the same, and `reader` says which step.
    `root`: the folder of the context whose path is cut off; by default, the source itself. `file` is False
    where a source that is a file, not a folder, would land in another way.
    """

    line: int
    shown: str
    source: str
    target: str = ""
    used: str = ""
    read: tuple[str, ...] = ()
    reader: str = ""
    root: str | None = None
    exclude: tuple[str, ...] = ()
    executable: bool = False
    file: bool = True


@dataclass(frozen=True, slots=True)
class Image:
    """What a Dockerfile says about the image of one target.

    `executables` are paths that a `chmod` makes executable. `opaque` says why a build may read any file.
    `runs`: the texts of its RUN steps, and of those of the stages that it takes files from. `exposed`: its
    ports as the manifest has them, `8000` or `53/udp`.
    """

    base: str = ""
    copies: tuple[Copy, ...] = ()
    executables: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    opaque: str = ""
    runs: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()


def source_of(image: Image, path: str) -> str:
    """The file of the build context that lands at a path of the image, "" if none is known to."""
    for copy in reversed(image.copies):
        folder, _, name = path.rpartition("/")
        target = copy.target.rstrip("/")
        if not target or not copy.source or copy.root is not None or re.search(r"[*?\[]", copy.source):
            continue
        if copy.target == path or (target == folder and posixpath.basename(copy.source) == name):
            return copy.source
        if path.startswith(f"{target}/") and not posixpath.splitext(copy.source.removeprefix("."))[1]:
            return posixpath.normpath(posixpath.join(copy.source, path[len(target) + 1 :]))
    return ""


def may_read(dockerfile: str, folder: str) -> bool:
    """Whether a build may read a folder at the top of its context; where that is not certain, it may."""
    steps = [*instructions(dockerfile)]
    syntax = directives(dockerfile).get("syntax", "")
    if not steps or (syntax and not _OWN_SYNTAX.match(syntax)):
        return True
    return any(_may_read(step.trigger if step.keyword == "ONBUILD" else step, folder) for step in steps)


def _may_read(step: Instruction, folder: str) -> bool:
    if step.keyword == "FROM":
        return "onbuild" in step.text
    sources = [
        mount.get("source") or mount.get("src") or "."
        for mount in step.mounts
        if mount.get("type", "bind") == "bind" and not mount.get("from")
    ]
    if step.keyword in ("COPY", "ADD") and not step.flag("from"):
        sources += listed(step.text)[:-1]
    tops = [posixpath.normpath(source).lstrip("/").partition("/")[0] for source in sources]
    return any("$" in top or top in ("", ".", "..") or fnmatchcase(folder, top) for top in tops)


def image(
    dockerfile: str,
    target: str | None = None,
    args: Mapping[str, str] | None = None,
    *,
    linked: Collection[str] = (),
) -> Image:
    """The image that a target, or the last stage, becomes. Never raises: what cannot be read is `opaque`.

    `linked`: the package files of the context of which all installs leave the sources alone, by name.
    """
    parsed = parse(dockerfile, args or {})
    chain = parsed.chain(parsed.final(target))
    if not chain:
        return Image(opaque="the Dockerfile has no such stage")
    names = _suppliers(parsed, chain)
    suppliers = {name: _Scan(parsed, parsed.chain(name), args or {}, linked=linked) for name in names}
    taken = _copied_alone(parsed, chain, names)
    holders = {name: (suppliers[name], folders) for name, folders in taken.items()}
    scan = _Scan(parsed, chain, args or {}, linked=linked, holders=holders)
    copies = {(copy.line, copy.source): copy for copy in scan.copies}
    runs = list(scan.runs)
    for name, supplier in suppliers.items():
        runs += supplier.runs
        for copy in supplier.copies:
            if copy.source and (copy.line, copy.source) not in scan.passed:
                own = copies.get((copy.line, copy.source), replace(copy, target=""))
                used = f"in stage {name}" if copy.target else copy.used
                copies[copy.line, copy.source] = replace(own, used=used)
    return Image(
        base=chain[0].base,
        copies=tuple(copies[key] for key in sorted(copies)),
        executables=tuple(scan.executables),
        entrypoint=scan.entrypoint,
        command=scan.command,
        environment=scan.environment,
        workdir=scan.workdir,
        opaque=_opaque(dockerfile, chain[0].base),
        runs=tuple(runs),
        exposed=tuple(dict.fromkeys(scan.exposed)),
    )


def _opaque(dockerfile: str, base: str) -> str:
    syntax = directives(dockerfile).get("syntax", "")
    if syntax and not _OWN_SYNTAX.match(syntax):
        return f"{syntax} reads this Dockerfile, in a way of its own"
    if "onbuild" in base.rpartition(":")[2]:
        return f"{base} copies files by itself"
    return ""


def _suppliers(parsed: Dockerfile, chain: Iterable[Stage]) -> list[str]:
    """The stages from which these take files, directly or through others."""
    names: list[str] = []
    waiting = list(chain)
    while waiting:
        for step in waiting.pop().instructions:
            inner = step.trigger
            for source in (inner.flag("from"), *(mount.get("from", "") for mount in inner.mounts)):
                name = parsed.named(source)
                if name and name not in names:
                    names.append(name)
                    waiting += parsed.chain(name)
    return names


def _copied_alone(
    parsed: Dockerfile, chain: Iterable[Stage], names: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Of the stages that an image takes files from, those that only its own COPYs do, and what these take."""
    steps = [step.trigger for stage in chain for step in stage.instructions]
    mounted = {parsed.named(mount.get("from", "")) for step in steps for mount in step.mounts}
    further = {further for name in names for further in _suppliers(parsed, parsed.chain(name))}
    taken: dict[str, tuple[str, ...]] = {}
    for step in steps:
        name = parsed.named(step.flag("from"))
        if name and name not in mounted | further:
            folders = (f"/{posixpath.normpath(source).lstrip('/')}" for source in listed(step.text)[:-1])
            taken[name] = (*taken.get(name, ()), *folders)
    return taken


class _Scan:
    """One pass through the instructions of a stage and of those that it is made from."""

    def __init__(
        self,
        parsed: Dockerfile,
        chain: tuple[Stage, ...],
        args: Mapping[str, str],
        *,
        linked: Collection[str] = (),
        holders: Mapping[str, tuple[_Scan, tuple[str, ...]]] = {},
    ) -> None:
        """`holders`: stages, by name, whose files this one may take over, and all folders that it takes."""
        self.copies: list[Copy] = []
        self.passed: set[tuple[int, str]] = set()
        self.executables: list[str] = []
        self.runs: list[str] = []
        self.exposed: list[str] = []
        self.entrypoint: tuple[str, ...] = ()
        self.command: tuple[str, ...] = ()
        self.environment: dict[str, str] = {}
        self.workdir = _workdir(chain[0].base)
        self._arguments = parsed.arguments
        self._args = args
        self._linked = linked
        self._named, self._holders = parsed.named, holders
        self._values: dict[str, str] = {}
        self._folders = set(_USUAL_FOLDERS.split())
        triggers: list[Instruction] = []
        for stage in chain:
            for step in (*triggers, *stage.instructions):
                self._take(step)
            triggers = [step.trigger for step in stage.instructions if step.keyword == "ONBUILD"]

    def _take(self, step: Instruction) -> None:
        match step.keyword:
            case "ARG":
                for key, default in pairs(step.text):
                    self._values[key] = self._argument(key, default)
            case "ENV":
                values = self._variables
                self.environment |= {key: expand(value or "", values) for key, value in pairs(step.text)}
            case "WORKDIR":
                self.workdir = (
                    self._absolute(expand(step.text.strip("\"'"), self._variables)).rstrip("/") or "/"
                )
                self._remember(self.workdir)
            case "COPY" | "ADD":
                self._copy(step)
            case "RUN":
                self._run(step)
            case "EXPOSE":
                for word in expand(step.text, self._variables).split():
                    first, dash, last = word.lower().removesuffix("/tcp").partition("-")
                    self.exposed += [first, last] if dash else [first]
            case "ENTRYPOINT":
                self.entrypoint, self.command = argv(step.text), ()
            case "CMD":
                self.command = argv(step.text)

    def _argument(self, key: str, default: str | None) -> str:
        if key in self._args:
            return self._args[key]
        if of_builder(key):
            return UNKNOWN
        return self._arguments.get(key, "") if default is None else expand(default, self._variables)

    @property
    def _variables(self) -> dict[str, str]:
        return self._values | self.environment

    def _copy(self, step: Instruction) -> None:
        variables = self._variables
        paths = [expand(word, variables) for word in listed(step.text) if not HEREDOC.fullmatch(word)]
        *sources, target = paths or [""]
        several = len(sources) + len(step.heredocs) > 1 or any(map(_is_glob, sources))
        target = self._absolute(target, folder=several)
        if target in self._folders:
            target = target.rstrip("/") + "/"
        if UNKNOWN not in target:
            self._remember(target.rstrip("/") if target.endswith("/") else posixpath.dirname(target))
        if step.flag("from"):
            self.copies.append(Copy(step.line, step.shown, "", target, "lands there"))
            self._take_over(step, sources, target)
        else:
            local = [source for source in sources if not _REMOTE.match(source)]
            self.copies += [self._copied(step, source, target) for source in local]

    def _take_over(self, step: Instruction, sources: Sequence[str], target: str) -> None:
        """Note which files of the context a stage only held, where a COPY from it brings all that it has."""
        holder, folders = self._holders.get(self._named(step.flag("from")), (None, ()))
        options = {name for name, _ in step.flags} - {"from", "chown", "link"}
        if holder is None or holder.executables or options or len(sources) != 1 or UNKNOWN in target:
            return
        folder = f"/{posixpath.normpath(sources[0]).lstrip('/')}"
        for copy in holder.copies:
            top = copy.target.rstrip("/")
            below = relative(top, folder)
            if copy.used or below is None or not (below or copy.target.endswith("/") or copy.source == "."):
                continue
            others = [other for other in holder.copies if other.source == copy.source]
            taken = [other for other in folders if not _are_apart(top, other)]
            if len(others) == len(taken) == 1:
                place = posixpath.join(target, below).rstrip("/") + "/" * copy.target.endswith("/")
                reader = f"of {copy.shown} {copy.reader}"
                self.copies.append(
                    replace(copy, line=step.line, shown=step.shown, target=place, reader=reader)
                )
                self.passed.add((copy.line, copy.source))

    def _copied(self, step: Instruction, source: str, target: str) -> Copy:
        parents = any(name == "parents" for name, _ in step.flags)
        pivot, sign, _ = source.partition("/./")
        path = _inside(source)
        unpacked = step.keyword == "ADD" and bool(_ARCHIVE.search(path))
        unclear = UNKNOWN in target
        return Copy(
            step.line,
            step.shown,
            path,
            target="" if unclear else target,
            used="to a folder that only the base image names" if unclear else "",
            root=None if not parents else _inside(pivot) if sign else ".",
            exclude=tuple(value for name, value in step.flags if name == "exclude"),
            executable=scripts.is_executable(step.flag("chmod")),
            file=not unpacked and _lands_as_file(path, target),
        )

    def _run(self, step: Instruction) -> None:
        lines = scripts.commands(step)
        self.runs.append(" ".join((step.text, *step.heredocs)))
        self.copies = [self._before(step, lines, copy) for copy in self.copies]
        for mount in step.mounts:
            if mount.get("type", "bind") == "bind" and not mount.get("from"):
                source = expand(mount.get("source") or mount.get("src") or ".", self._variables)
                self.copies.append(Copy(step.line, step.shown, _inside(source), used="reads it"))
        self.executables += [self._absolute(path) for path in scripts.executables(lines or ())]
        for name, *arguments in lines or ():
            if name == "mkdir":
                for word in arguments:
                    self._remember(self._absolute(expand(word, self._variables)).rstrip("/"))

    def _before(self, step: Instruction, lines: tuple[scripts.Command, ...] | None, copy: Copy) -> Copy:
        """A copy that a RUN comes after: it may use the files, or some of them."""
        if copy.used or not scripts.needs_sources(lines, copy.target):
            return copy
        linked = () if "UV_NO_EDITABLE" in f"{step.text} {self.environment}" else self._linked
        read = [installs.reads(line, linked) for line in lines or ()]
        others = [line for line, names in zip(lines or (), read, strict=True) if not names]
        if lines is None or scripts.needs_sources(others, copy.target):
            return replace(copy, used=f"before {step.shown}")
        names = dict.fromkeys((*copy.read, *(name for names in read for name in names)))
        return replace(copy, read=tuple(names), reader=f"before {step.shown}")

    def _absolute(self, path: str, *, folder: bool = False) -> str:
        """The path from the root; it ends with a slash where it has to be a folder."""
        folder = folder or path.endswith("/") or posixpath.basename(path) in (".", "..")
        whole = posixpath.join(self.workdir, path)
        plain = UNKNOWN if UNKNOWN in whole else posixpath.normpath(f"/{whole.lstrip('/')}")
        return plain.rstrip("/") + "/" if folder else plain

    def _remember(self, folder: str) -> None:
        """Note that a folder, and those that it is in, exist."""
        while folder.startswith("/") and folder not in self._folders:
            self._folders.add(folder)
            folder = posixpath.dirname(folder)


def _are_apart(one: str, other: str) -> bool:
    """Whether two folders of an image have no file in common; a name with signs in it may be any."""
    if re.search(r"[$*?\[]", one + other):
        return False
    return relative(one, other) is None and relative(other, one) is None


def _workdir(base: str) -> str:
    match = _OFFICIAL.match(base)
    return _WORKDIRS.get(match[1] or match[2], UNKNOWN) if match else UNKNOWN


def _inside(source: str) -> str:
    """A source, relative to the context: it cannot lead out of it."""
    path = posixpath.normpath("/" + source.replace(UNKNOWN, "*").lstrip("/")).strip("/")
    return path or "."


def _is_glob(source: str) -> bool:
    return any(sign in source for sign in "*?[")


def _lands_as_file(source: str, target: str) -> bool:
    """Whether a source lands at its target if it is a file: not where the target looks like a folder."""
    if target.endswith("/"):
        return True
    name, (stem, suffix) = posixpath.basename(target), posixpath.splitext(posixpath.basename(source))
    return not suffix or name in (stem, stem + suffix) or posixpath.splitext(name)[1] != ""


def relative(path: str, folder: str) -> str | None:
    """The path below a folder ("" is the folder itself); None if it is elsewhere."""
    if folder == ".":
        return path
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
