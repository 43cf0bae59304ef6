"""Bringing images of this machine to the nodes of a cluster."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from devenv import home, proc
from devenv.backends import containers
from devenv.backends.base import Say
from devenv.backends.kube import layers
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import MINIKUBE
from devenv.backends.kube.refusals import Refused
from devenv.backends.registries import refused
from devenv.errors import DevenvError, ToolMissing

if TYPE_CHECKING:
    from devenv.stack.model import Stack


class Delivery(Protocol):
    """One way to the nodes."""

    registry: str
    """What stands before the names of built images there."""

    def has(self, wanted: Collection[str]) -> frozenset[str]:
        """Those of the images that the nodes have, or can pull."""
        ...

    def bring(self, image: str, say: Say) -> None:
        """Bring one image, as it is in this machine's engine."""
        ...


def choose(client: Client, stack: Stack) -> Delivery:
    """The way that fits the cluster: a named registry, unless all its nodes can be had without.

    Minikube, kind and k3d know their nodes, and need neither a network nor a login for an image that is
    theirs alone. Elsewhere the container behind the API's port may be one node of several.
    """
    place = client.place
    if place.provider == MINIKUBE:
        profile, nodes = place.context, _of_profile(place.context)
        if not nodes and (named := _profile(client)) != profile:  # somebody renamed the context
            profile, nodes = named, _of_profile(named)
        # Without any, they are virtual machines.
        return Nodes(nodes) if nodes else Loaded(client, ["minikube", "image", "load", "-p", profile])
    if place.context.startswith("kind-"):
        return Loaded(client, ["kind", "load", "docker-image", "--name", place.context.removeprefix("kind-")])
    if place.context.startswith("k3d-"):
        return Loaded(client, ["k3d", "image", "import", "--cluster", place.context.removeprefix("k3d-")])
    nodes = [] if stack.registry else _nodes_here(place.server)
    return Nodes(nodes) if nodes else Registry(client, stack)


def _profile(client: Client) -> str:
    """The Minikube profile that a cluster's nodes say they are of; else the context's name."""
    with suppress(Refused):
        for node in client.get("/api/v1/nodes")["items"]:
            if profile := node["metadata"].get("labels", {}).get("minikube.k8s.io/name"):
                return str(profile)
    return client.place.context


def _of_profile(profile: str) -> list[str]:
    return _containers(f"label=name.minikube.sigs.k8s.io={profile}")


def _nodes_here(server: str) -> list[str]:
    """The container of this machine's engine that the API server's address leads to, if it is one."""
    address = urlsplit(server)
    if address.hostname not in ("127.0.0.1", "localhost", "::1"):
        return []
    return _containers(f"publish={address.port}")


def _containers(condition: str) -> list[str]:
    """Names of the running containers that a filter lets through."""
    return _says(["docker", "ps", "--filter", condition, "--format", "{{.Names}}"]).split()


def _says(argv: Sequence[str]) -> str:
    """What a command prints; nothing where it fails or is not there."""
    try:
        output = proc.run_captured(argv)
    except ToolMissing:
        return ""
    return output.stdout.strip() if output.code == 0 else ""


# The kubelet's configuration names its container runtime. One command, as each `exec` is slow.
LOOK = """
if cat /var/lib/kubelet/*.env /var/lib/kubelet/*.yaml | grep -qs cri-dockerd
then echo docker && docker images --format '{{.Repository}}:{{.Tag}}'
else echo containerd && ctr -n k8s.io images ls -q
fi
"""


class Nodes:
    """Nodes that are containers of this machine's engine, with containerd or Docker in them."""

    registry = ""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = nodes
        self._one_by_one = threading.Lock()  # one image at a time, so that a shared layer is sent once

    @cached_property
    def _listings(self) -> Mapping[str, list[str]]:
        """Node -> the program that keeps its images, and then what that lists."""
        return {node: _run(["docker", "exec", node, "sh", "-c", LOOK]).splitlines() for node in self._nodes}

    def has(self, wanted: Collection[str]) -> frozenset[str]:
        present = set(wanted)
        for _, *rows in self._listings.values():
            names = set(map(qualified, rows))
            present &= {image for image in wanted if qualified(image) in names}
        return frozenset(present)

    def bring(self, image: str, say: Say) -> None:
        with self._one_by_one:
            for node in self._nodes:
                say(f"sending {image} to the node {node}")
                self._bring(image, node)

    def _bring(self, image: str, node: str) -> None:
        program, *_ = self._listings[node]
        inside = ["docker", "exec", "-i", node]
        if program == "docker":
            _pipe(["docker", "save", image], [*inside, "docker", "load"])
            return
        ctr = [*inside, "ctr", "-n", "k8s.io"]
        try:
            layers.deliver(image, qualified(image), ctr, home.cache(os.environ) / "layers.json")
        except layers.Failed:
            _pipe(["docker", "save", image], [*ctr, "images", "import", "-"])


class Loaded:
    """A cluster whose own program loads images."""

    registry = ""

    def __init__(self, client: Client, argv: Sequence[str]) -> None:
        self._client, self._argv = client, argv

    def has(self, wanted: Collection[str]) -> frozenset[str]:
        return on_nodes(self._client, wanted)

    def bring(self, image: str, say: Say) -> None:
        if shutil.which(self._argv[0]) is None:
            raise ToolMissing(
                f"the {self._argv[0]} command is missing",
                where=f"context {self._client.place.context}",
                why="images reach the cluster through it",
                hint=f"install {self._argv[0]}, or put it on PATH",
            )
        say(f"{self._argv[0]} loads {image}")
        _run([*self._argv, image])


class Registry:
    """A cluster that pulls its images itself; built ones come from a registry that both sides reach."""

    def __init__(self, client: Client, stack: Stack) -> None:
        self._client, self.registry = client, stack.registry.rstrip("/")
        self._built = frozenset(unit.image for unit in stack.units if unit.build is not None)

    def has(self, wanted: Collection[str]) -> frozenset[str]:
        # The registry is asked each time: it may have been emptied since, or be another one now.
        images = {self._target(image): image for image in self._built.intersection(wanted)}
        present = _in_registry(images) if self.registry else on_nodes(self._client, images)
        return frozenset(wanted) - self._built | {images[name] for name in present}

    def _target(self, image: str) -> str:
        return f"{self.registry}/{image}" if self.registry else image

    def bring(self, image: str, say: Say) -> None:
        if not self.registry:
            raise DevenvError(
                f"the image {image} is only on this machine, and nothing brings it to the cluster",
                where=f"context {self._client.place.context}",
                why="it is no Minikube, kind or k3d, and the manifest names no registry",
                hint="registry: ghcr.io/you/project   in devenv.yaml, then docker login ghcr.io",
            )
        target = self._target(image)
        say(f"pushing {target}")
        try:
            layers.push(image, target, keep=_is_here(target))
        except layers.Failed as error:
            why, where = str(error).rpartition("\n")[2], f"registry: {self.registry}   in devenv.yaml"
            raise refused(target, "pushed", why, where=where) from error


def _is_here(image: str) -> bool:
    """Whether somebody has given an image of this machine that name already."""
    return bool(containers.named(containers.images(containers.address()) or (), [image]))


def _in_registry(names: Collection[str]) -> frozenset[str]:
    """Those of the images that their registry has."""
    from devenv.backends.docker import Engine

    with closing(Engine(containers.address())) as engine, ThreadPoolExecutor(max_workers=8) as pool:
        return frozenset(compress(names, pool.map(engine.in_registry, names)))


def on_nodes(client: Client, wanted: Collection[str]) -> frozenset[str]:
    """Those of the images that every node lists; a node lists only some of its images."""
    try:
        nodes = client.get("/api/v1/nodes")["items"]
    except Refused:
        return frozenset()
    present = set(wanted) if nodes else set()
    for node in nodes:
        names = {name for entry in node["status"].get("images") or () for name in entry.get("names") or ()}
        present &= {image for image in wanted if qualified(image) in names}
    return frozenset(present)


def qualified(image: str) -> str:
    """An image's name in full, as containerd has it: `docker.io/library/busybox:1.37`."""
    first, slash, _ = image.partition("/")
    tagged = image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tagged
    return f"docker.io/{tagged}" if slash else f"docker.io/library/{tagged}"


def _run(argv: Sequence[str]) -> str:
    output = proc.run_captured(argv)
    if output.code:
        raise _failed(argv, output.stderr)
    return output.stdout


def _pipe(source: Sequence[str], sink: Sequence[str]) -> None:
    for argv, output in zip((source, sink), proc.run_piped(source, sink), strict=True):
        if output.code:
            raise _failed(argv, output.stderr)


def _failed(argv: Sequence[str], stderr: str) -> DevenvError:
    lines = stderr.strip().splitlines()
    return DevenvError(f"{' '.join(argv[:3])} failed", why=lines[-1] if lines else "", hint=" ".join(argv))
