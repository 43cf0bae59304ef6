"""Images on their way to an environment's registry: built for its nodes, pushed once, named by digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.backends.registries import RegistryRefused
from devenv.errors import DevenvError, UsageError
from devenv.stack import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.backends.git import Commit
    from devenv.backends.images import Images
    from devenv.stack.model import Stack, Unit

OCI = "org.opencontainers.image."
OWN = "this machine's processor: the nodes do not say theirs, --platform does"
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Shipping:
    """The way of a stack's images to a registry.

    `platforms`: what the nodes run, as `linux/amd64`; none builds for this machine's own.
    """

    images: Images
    stack: Stack
    registry: str
    platforms: Sequence[str]
    commit: Commit | None
    manifest: str
    root: Path
    secrets: Mapping[str, str]

    def images_there(self, tag: str | None) -> dict[str, str]:
        """What need not be built: everything `tagged`, where a tag is given, else what is `present`."""
        return self.present() if tag is None else self.tagged(tag)

    def present(self) -> dict[str, str]:
        """Unit -> its image by digest, of those that are built and that the registry has for the platform."""
        units = list(self._built())
        digests = _of_each(self._digest, map(self.name, units))
        return {
            unit.name: f"{self._repository(unit)}@{digest}"
            for unit, digest in zip(units, digests, strict=True)
            if digest
        }

    def _digest(self, image: str) -> str:
        """Nothing also where the registry does not say: some tell nobody of what was never pushed.

        Raises `RegistryRefused` where a push cannot work either.
        """
        try:
            return self._asked(image)
        except RegistryRefused as error:
            if error.lasting:
                raise
            return ""

    def _asked(self, image: str) -> str:
        return self.images.digest_in_registry(image, self.platform)

    def tagged(self, tag: str) -> dict[str, str]:
        """Unit -> image by digest, of all that are built, as something else pushed them under a tag.

        Raises `UsageError` for what is no tag, `DevenvError` for images that the registry does not have.
        """
        if not TAG.fullmatch(tag):
            raise UsageError(f'"{tag}" is no tag of an image', hint="--image-tag 1.4.2")
        names = {unit.name: f"{self._repository(unit)}:{tag}" for unit in self._built()}
        digests = dict(zip(names.values(), _of_each(self._asked, names.values()), strict=True))
        if missing := [image for image, digest in digests.items() if not digest]:
            raise DevenvError(
                f"{self.registry} lacks images with the tag {tag}{self.platform and f' for {self.platform}'}",
                why="\n".join(missing),
                hint=f"docker push {missing[0]}   where they are built; --image-tag builds nothing",
            )
        return {unit.name: f"{self._repository(unit)}@{digests[names[unit.name]]}" for unit in self._built()}

    def ship(self, there: Mapping[str, str], say: Callable[[str, str], None]) -> dict[str, str]:
        """Build and push what is not `there`, as `present` says. Returns unit -> image by digest of those.

        Raises `UnitFailed` for a failed build, `DevenvError` for a registry that refuses.
        """
        named = {unit.image: unit for unit in self._built()}.values()  # as the plan calls what several run
        for unit in named:
            if unit.name in there:
                say("push", f"{unit.name}  is in the registry already")
        sent = {unit.image: self._send(unit, say) for unit in named if unit.name not in there}
        return {unit.name: sent[unit.image] for unit in self._built() if unit.image in sent}

    def _send(self, unit: Unit, say: Callable[[str, str], None]) -> str:
        tags = [self.name(unit)]
        if self.commit and not self.commit.changed:
            tags.append(f"{self._repository(unit)}:{self.commit.id[:12]}")
        platform = self._built_for()
        say("push", f"{unit.name}  building for {platform or OWN}")
        retried: list[str] = []

        def heard(line: str) -> None:
            say("build", f"{unit.name}  {line}")
            if "Retrying in" in line and not retried:
                retried.append(line)
                say(
                    "push", f"{unit.name}  the registry did not take a layer: Docker tries again for a minute"
                )

        digest = self.images.publish(
            unit,
            self.root,
            self.secrets,
            heard,
            tags=tags,
            platform=platform,
            labels=self._labels(),
        )
        if not digest:
            raise DevenvError(
                f"{self.registry} does not tell the digest of {tags[0]}",
                why="it took the push and does not answer for it",
                hint="promote again; if it stays so, the registry is at fault",
            )
        say("push", f"{unit.name}  pushed {tags[0]}")
        return f"{self._repository(unit)}@{digest}"

    @property
    def platform(self) -> str:
        """What all nodes run; nothing where they do not say it, or differ."""
        return self.platforms[0] if len(self.platforms) == 1 else ""

    def _built_for(self) -> str:
        """What an image is built for. Raises `UsageError` for nodes that differ."""
        if len(self.platforms) > 1:
            first = self.platforms[0]
            raise UsageError(
                f"the nodes differ, and an image is built for one of {', '.join(self.platforms)}",
                hint=f"--platform {first}   builds for those; values: under the environment keeps pods there:"
                f"\nservices: {{{self._built()[0].name}: {{nodeSelector: {{kubernetes.io/arch:"
                f" {first.partition('/')[2]}}}}}}}",
            )
        return self.platform

    def name(self, unit: Unit) -> str:
        """A unit's image in the registry, by what went into it."""
        return f"{self._required()}/{unit.image}"

    def _repository(self, unit: Unit) -> str:
        return self.name(unit).rpartition(":")[0]

    def _required(self) -> str:
        if not self.registry:
            raise UsageError(
                "the environment names no registry to push images to",
                hint="registry: ghcr.io/you/project   under the environment, then docker login ghcr.io",
            )
        return self.registry.rstrip("/")

    def _built(self) -> list[Unit]:
        return [unit for unit in self.stack.units if unit.build is not None]

    def _labels(self) -> dict[str, str]:
        labels = {f"{OCI}title": self.stack.name, "devenv.dev/manifest": self.manifest}
        if self.commit:
            labels |= {f"{OCI}revision": self.commit.name, f"{OCI}source": self.commit.source}
        return {key: value for key, value in labels.items() if value}


def _of_each(digest: Callable[[str], str], images: Iterable[str]) -> list[str]:
    """The digests of images, asked for all at once: each answer of a registry may take a while."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(digest, images))


def build_secrets(stack: Stack) -> set[str]:
    """Names of the secrets that go into builds."""
    builds = [unit.build for unit in stack.units if unit.build is not None]
    values = [value for build in builds for _, value in (*build.args, *build.secrets)]
    return {secret.name for secret in text.secrets(values)}
