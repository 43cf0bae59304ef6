"""The images of this machine's engine: which there are, pulled and built through python-on-whales."""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import STATE
from devenv.backends import buildlog, containers
from devenv.backends.base import Say
from devenv.backends.causes import likely
from devenv.backends.registries import refused
from devenv.errors import Card, DevenvError, ToolMissing, UnitFailed
from devenv.sources.ignored import recipe
from devenv.stack import text
from devenv.stack.imaged import Declared
from devenv.stack.labels import BUILT_AS, LABEL
from devenv.stack.model import NAMED
from devenv.writing import write_whole

if TYPE_CHECKING:  # imported where they are used: reading must not pay for them
    from python_on_whales import DockerClient

    from devenv.backends.docker import Engine
    from devenv.stack.model import Build, Stack, Unit

KEEP = 3  # builds of an image, so that going back to recent code needs no rebuild
ENDED = re.compile(r"error reading from server: EOF|transport is closing|Cannot connect to the Docker daemon")
"""What docker says last where its engine goes away while it works."""
SOURCED = 'file=$1; shift; . "$file"; exec docker "$@"'
"""Starts docker with what a file exports: others can read a program's arguments, not its variables."""


class Images:
    """Images of the local engine, from which every backend takes them."""

    def __init__(self, address: str, engine: Callable[[], Engine]) -> None:
        """`engine` makes the connection through the SDK, for what takes more than a look."""
        self._address, self._engine = address, engine

    def have(self, images: Collection[str]) -> frozenset[str]:
        """Those of the images that are here."""
        answer = containers.images(self._address)
        return containers.named(self._engine().images() if answer is None else answer, images)

    def declared(self, images: Collection[str]) -> dict[str, Declared]:
        """What images say of themselves; nothing of one that is not here."""
        if self._address.startswith("unix://"):
            answers = containers.details(self._address, images)
        else:
            answers = {image: details for image in images if (details := self._engine().image(image))}
        return {image: Declared.of(details) for image, details in answers.items()}

    def configuration(self, image: str) -> Mapping[str, Any]:
        """What the engine knows of an image; nothing of one that is not here."""
        try:
            details = containers.image(self._address, image)
        except ToolMissing:
            return {}
        return details or {}

    def has_shell(self, image: str, checkout: str) -> bool:
        """Whether there is an `sh` in an image; taken for granted in one that is not here."""
        owner = {LABEL + "checkout": checkout}
        return not self.configuration(image) or self._engine().image_has_file(image, "/bin/sh", owner)

    @cached_property
    def _whale(self) -> DockerClient:
        return self._client(["docker"])

    def _client(self, call: list[str]) -> DockerClient:
        """The client whose commands begin with these words."""
        from python_on_whales import DockerClient

        return DockerClient(host=os.environ.get("DOCKER_HOST"), client_call=call)

    def pull(self, image: str, say: Say, platform: str | None = None) -> None:
        """Fetch an image, for the engine's own platform unless told. Raises `DevenvError`."""
        lines = self._whale.image.pull(image, stream_logs=True, platform=platform)
        for line in self._spoken(lines, _pull_failed(image)):
            say(line)

    def build(self, stack: Stack, unit: Unit, root: Path, secrets: Mapping[str, str], say: Say) -> None:
        """Build a unit's image, and forget the oldest of its builds. Raises `UnitFailed`."""
        owner = _owner(stack, unit)
        self._built(
            unit, root, secrets, say, tags=[unit.image], labels={**owner, LABEL + BUILT_AS: unit.image}
        )
        self._engine().forget_builds(owner, keep=KEEP, latest=unit.image)

    def publish(
        self,
        unit: Unit,
        root: Path,
        secrets: Mapping[str, str],
        say: Say,
        *,
        tags: Sequence[str],
        platform: str,
        labels: Mapping[str, str],
    ) -> str:
        """Build a unit's image for a platform and push it under these names. Returns its digest.

        The names do not stay on this machine, unless they were there before. Raises `UnitFailed`, and
        `DevenvError` for a registry that refuses.
        """
        before = self.have(tags)
        self._built(unit, root, secrets, say, tags=tags, labels=labels, platform=platform)
        try:
            for tag in tags:
                for line in self._spoken(self._whale.image.push(tag, stream_logs=True), _push_failed(tag)):
                    say(line)
            return self.digest_in_registry(tags[0])
        finally:
            for tag in set(tags) - before:
                self._forget(tag, say)

    def _forget(self, tag: str, say: Say) -> None:
        """Take a name off this machine, where the engine is still there to do it."""
        from python_on_whales.exceptions import DockerException

        try:
            self._whale.image.remove(tag)
        except DockerException as error:
            say(f"{tag} stays on this machine: {(error.stderr or '').strip()}")

    def digest_in_registry(self, image: str, platform: str = "") -> str:
        """The digest that the image's registry has it under; empty where it has none that runs on a platform.

        The engine asks, which may know more of the registry than this machine does; we, where there is none.
        Raises `RegistryRefused` with what the registry said instead.
        """
        from devenv.backends import registry
        from devenv.backends.docker.connection import Refused

        try:
            try:
                return self._engine().digest_in_registry(image, platform)
            except ToolMissing:
                return registry.digest(image, platform)
        except (Refused, registry.Unanswered) as error:
            raise refused(image, "looked up", error.what) from error

    def _built(
        self,
        unit: Unit,
        root: Path,
        secrets: Mapping[str, str],
        say: Say,
        *,
        tags: Sequence[str],
        labels: Mapping[str, str],
        platform: str = "",
    ) -> None:
        build = unit.build
        assert build is not None
        context = build.context if build.remote else root / build.context
        folder = root / STATE / "build" / unit.name
        output: list[str] = []
        sealed = {key: value for key, value in build.args if text.secrets([value])}
        with (
            _secret_files(root, folder, build, secrets) as mounted,
            _sourced(folder, {key: text.reveal(value, secrets) for key, value in sealed.items()}) as call,
        ):
            stream = self._client(call).buildx.build(
                context,
                file=build.dockerfile if isinstance(context, str) else _dockerfile(context, folder, build),
                tags=list(tags),
                build_contexts={
                    name: root / source if (source, NAMED) in build.more_keys else source
                    for name, source in build.contexts
                },
                cache_from=[_cache(source) for source in build.cache_from] or None,
                platforms=[wanted] if (wanted := platform or build.platform) else None,
                target=build.target,
                network=build.network,
                build_args={
                    key: text.reveal(value, secrets) for key, value in build.args if key not in sealed
                },
                secrets=mounted,
                ssh=build.ssh,
                labels=dict(labels),
                load=True,
                progress="plain",
                stream_logs=True,
            )
            for line in self._spoken(stream, _build_failed(unit, output)):
                output.append(line)
                say(line)

    def _spoken(self, stream: Any, failed: Any) -> Iterator[str]:
        """The lines of a docker command; its failure becomes an error of ours.

        Raises `ToolMissing` where the engine went away meanwhile.
        """
        from python_on_whales.exceptions import DockerException

        last = ""
        try:
            for piece in stream:
                raw = piece[1] if isinstance(piece, tuple) else piece
                line = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
                if line.strip():
                    last = line.rstrip()
                    yield last
        except DockerException as error:
            containers.reach(self._address)
            stderr = (error.stderr or "").strip()
            if ENDED.search(stderr.rpartition("\n")[2] or last):
                raise ToolMissing(
                    "the Docker engine ended while it was at work",
                    where=self._address,
                    why=stderr.rpartition("\n")[2] or last,
                    hint="it answers again: the same command once more",
                ) from error
            raise failed(stderr, error) from error


def _cache(source: str) -> dict[str, str]:
    """`type=registry,ref=IMAGE` as the builder takes it; an image alone is one of a registry."""
    if "=" not in source:
        return {"type": "registry", "ref": source}
    return dict(part.partition("=")[::2] for part in source.split(","))


def _owner(stack: Stack, unit: Unit) -> dict[str, str]:
    """Labels for who an image was built for. Own keys, as containers inherit the labels of their image."""
    return {
        LABEL + "built-in": stack.checkout,
        LABEL + "built-stack": stack.name,
        LABEL + "built-for": unit.name,
    }


def _dockerfile(context: Path, folder: Path, build: Build) -> Path:
    """A copy of the Dockerfile with an ignore file of ours beside it, which goes before the context's."""
    texts = recipe(context, build.dockerfile)
    file = folder / posixpath.basename(build.dockerfile)
    write_whole(file, texts.dockerfile, mode=0o644)
    write_whole(file.with_name(f"{file.name}.dockerignore"), texts.ignore, mode=0o644)
    return file


@contextmanager
def _secret_files(root: Path, folder: Path, build: Build, secrets: Mapping[str, str]) -> Iterator[list[str]]:
    """The builder's secret arguments; values are in private files only while the build runs."""
    paths = {key: root / source for key, source in build.secrets if isinstance(source, str)}
    values = {key: text.reveal(source, secrets) for key, source in build.secrets if key not in paths}
    files = {key: folder / f"secret.{text.digest(key)}" for key in values}
    try:
        for key, value in values.items():
            write_whole(files[key], value, mode=0o600)
        yield [_as_csv(f"id={key}", f"src={file}") for key, file in {**paths, **files}.items()]
    finally:
        for file in files.values():
            file.unlink(missing_ok=True)


@contextmanager
def _sourced(folder: Path, build_args: Mapping[str, str]) -> Iterator[list[str]]:
    """How docker is called for a build with these arguments; a private file has them while it runs."""
    if not build_args:
        yield ["docker"]
        return
    if odd := [name for name in build_args if not (name.isascii() and name.isidentifier())]:
        raise DevenvError(
            f"the build argument {odd[0]} has a secret in it, and is no name of a variable",
            why="as an argument of docker, every user of this machine could read it",
            hint="a mount is better anyway: build: {secrets: {ID: $NAME}}",
        )
    lines = [
        f'export {name}={shlex.quote(value)}\nset -- "$@" --build-arg {name}\n'
        for name, value in build_args.items()
    ]
    file = folder / "build-args"
    try:
        write_whole(file, "".join(lines), mode=0o600)
        yield ["sh", "-c", SOURCED, "sh", str(file)]
    finally:
        file.unlink(missing_ok=True)


def _as_csv(*fields: str) -> str:
    """Fields as the builder reads them; a path may hold anything."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _pull_failed(image: str) -> Any:
    def failed(stderr: str, error: Exception) -> DevenvError:
        why = stderr.splitlines()[-1] if stderr else ""
        hint = likely([why]) or "is the name right? For a private registry: docker login"
        return DevenvError(
            f"the image {image} is not on this machine and cannot be pulled", why=why, hint=hint
        )

    return failed


def _push_failed(image: str) -> Any:
    def failed(stderr: str, error: Exception) -> DevenvError:
        return refused(image, "pushed", stderr.splitlines()[-1] if stderr else "")

    return failed


def _build_failed(unit: Unit, output: list[str]) -> Any:
    def failed(stderr: str, error: Exception) -> DevenvError:
        lines = output or stderr.splitlines()
        failure, build = buildlog.failure(lines), unit.build
        assert build is not None
        place = f":{failure.line}" if failure.line else ""
        facts = [("from", f"{buildlog.recipe(build)}{place}")]
        facts += [("step", failure.instruction)] if failure.instruction else []
        hint = likely([*failure.output, *lines[-1:]]) or f"{buildlog.alone(build)}   shows it alone"
        return UnitFailed(Card(unit.name, "could not be built", (), tuple(facts), failure.output, hint))

    return failed
