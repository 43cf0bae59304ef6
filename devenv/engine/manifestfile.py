"""The manifest of a workspace: its text, what it names and what it says."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from devenv import assets
from devenv.envfiles import read_env
from devenv.errors import ManifestInvalid
from devenv.memory import Memory
from devenv.stack import text
from devenv.stack.copies import image
from devenv.stack.world import Outline
from devenv.variables import names_in

if TYPE_CHECKING:  # pydantic comes with them, and an unchanged manifest needs none
    from devenv.manifest.exposed import Portless
    from devenv.manifest.models import Manifest
    from devenv.manifest.source import Source
    from devenv.stack.kinds.catalogue import Catalogue
    from devenv.workspace import Workspace

T = TypeVar("T")


class ManifestFile:
    """The manifest of a workspace, each part of it read once and only where it is asked for."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str], memory: Memory) -> None:
        self.workspace, self._environment, self._memory = workspace, environment, memory

    def names(self) -> list[str]:
        """Names of all services, jobs and stores, of those that the manifest only uses as well."""
        return list(self.outline.names)

    @cached_property
    def parsed(self) -> tuple[Manifest, Source, Catalogue]:
        """The manifest, checked. Raises `ManifestInvalid` with every problem."""
        from devenv.manifest.parse import parse
        from devenv.stack.kinds.catalogue import Catalogue, Facts

        space = self.workspace
        catalogue = Catalogue(
            assets.catalogue() | {name: content for name, (_, content) in self.own_kinds.items()},
            {name: file for name, (file, _) in self.own_kinds.items()},
            recall=self._memory.recall,
        )
        manifest, source = parse(
            self.text,
            file=space.shown,
            kinds=Facts(catalogue),
            folder=space.root.name,
            variables=self._variables,
            exposed=self._exposed,
        )
        if manifest.kinds != space.kinds_folder(self.text):
            hint = "write kinds: at the start of a line, without quotes"
            raise ManifestInvalid([source.problem(("kinds",), "must be on a line of its own", hint)])
        return manifest, source, catalogue

    @cached_property
    def outline(self) -> Outline:
        """What the manifest asks to read and to publish, known before anything else is read."""
        return self.recall("outline", make=self._outline)

    @property
    def externals(self) -> Mapping[str, str]:
        """Stores that something else runs -> kind. Most manifests have none, which is known at no cost."""
        return self.outline.externals if "external:" in self.text else {}

    def _outline(self) -> Outline:
        from devenv.stack.outline import outline

        manifest, _, catalogue = self.parsed
        return outline(manifest, catalogue)

    @cached_property
    def own_kinds(self) -> dict[str, tuple[str, str]]:
        """The project's own kinds: name -> file and text."""
        return self.workspace.kinds(self.text)

    @cached_property
    def overrides(self) -> Mapping[str, Any]:
        """Own kind -> fragments of objects that differ on Kubernetes. Raises `ManifestInvalid`."""
        texts = self.workspace.overrides(self.text)
        if not texts:
            return {}
        return self._memory.recall("overrides", json.dumps(texts), make=lambda: _parsed_overrides(texts))

    @cached_property
    def text(self) -> str:
        """The text of `devenv.yaml`."""
        return self.workspace.text()

    @property
    def digest(self) -> str:
        """A digest of the manifest's text."""
        return text.digest(self.text)[:8]

    @cached_property
    def _variables(self) -> dict[str, str]:
        """The variables of the environment that the manifest names, and nothing else of it."""
        names = names_in(self.text)
        available = {**read_env(self.workspace.root / ".env"), **self._environment} if names else {}
        return {name: available[name] for name in sorted(names) if name in available}

    @cached_property
    def _exposed(self) -> dict[str, tuple[str, ...]]:
        """The ports that the Dockerfiles of services without a port expose."""
        root, exposed = self.workspace.root, {}
        for service, context, dockerfile, target in self._memory.recall(
            "portless", self.text, make=lambda: _portless(self.text)
        ):
            path = posixpath.normpath(posixpath.join(context, dockerfile))
            if posixpath.isabs(path) or path.startswith(".."):
                continue
            with suppress(OSError, ValueError):  # what cannot be read is reported where it is needed
                recipe = (root / path).read_text(encoding="utf-8")
                exposed[service] = self._memory.recall(
                    "exposed", recipe, target or "", make=partial(_exposed_ports, recipe, target)
                )
        return exposed

    def derived(self) -> list[str]:
        """What follows from Dockerfiles, a line each."""
        from devenv.manifest.exposed import derived

        return [f"{name}: port {port}, which its Dockerfile exposes" for name, port in derived(self._exposed)]

    def recall(self, subject: str, *keys: str, make: Callable[[], T]) -> T:
        """What follows from the manifest and these keys, made only where it is not in the cache."""
        return self._memory.recall(subject, *keys, *self._written, make=make)

    @cached_property
    def _written(self) -> tuple[str, ...]:
        """Everything the user wrote."""
        others = [dict(assets.catalogue()), self.own_kinds, self._variables, self._exposed]
        return self.text, self.workspace.root.name, json.dumps(others)


def _exposed_ports(recipe: str, target: str | None) -> tuple[str, ...]:
    return image(recipe, target).exposed


def _portless(manifest: str) -> tuple[Portless, ...]:
    if "build" not in manifest:  # reading a large manifest once more takes a while
        return ()
    from devenv.manifest.exposed import portless

    return portless(manifest)


def _parsed_overrides(texts: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    from devenv.stack.kinds import overrides

    return {name: overrides.read(content, file=file) for name, (file, content) in texts.items()}
