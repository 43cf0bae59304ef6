"""One cluster as a project reaches it: which context, through which client, with which images."""

from __future__ import annotations

from contextlib import closing, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING

from devenv.backends import containers
from devenv.backends.base import Site
from devenv.backends.kube import target
from devenv.backends.kube.brought import Brought
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place, find
from devenv.backends.kube.resources import WORKLOADS, Resources
from devenv.backends.kube.target import Target
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.backends.docker import Engine
    from devenv.backends.kube.delivery import Delivery
    from devenv.stack.model import Stack


class Cluster:
    """A context named by hand, or that of the last `up`. `folder` is where this backend's files are."""

    def __init__(self, site: Site, backend: str) -> None:
        self.site, self.backend = site, backend
        self.folder = site.state / backend if site.state else None

    @cached_property
    def target(self) -> Target | None:
        """Where the last `up` put the stack."""
        return target.recall(self.folder)

    @property
    def context(self) -> str:
        """The context in use, as far as it is known without a kubeconfig."""
        return self.site.context or (self.target.context if self.target else "")

    @cached_property
    def place(self) -> Place:
        last = None if self.site.context else self.target
        if last and (there := target.elsewhere(last)) and _has(there, last):
            raise target.out_of_reach(last)
        return find(self.context)

    @cached_property
    def client(self) -> Client:
        return Client(self.place, look_up=partial(find, self.place.context))

    @cached_property
    def resources(self) -> Resources:
        return Resources(self.client)

    @property
    def namespace(self) -> str:
        """The namespace in use; empty where that is not known yet."""
        last = self.target
        return last.namespace if last and last.context == self.place.context else ""

    def delivery(self, stack: Stack) -> Delivery:
        """The way of this stack's images to the nodes."""
        from devenv.backends.kube.delivery import choose

        return choose(self.client, stack)

    @property
    def brought(self) -> Brought:
        """Which images of this machine the nodes were brought."""
        return Brought(self.place.context)

    @cached_property
    def engine(self) -> Engine:
        from devenv.backends.docker import Engine

        address = containers.address()
        containers.reach(address)
        return Engine(address)

    def close(self) -> None:
        """Let go of the connections that were made."""
        if "client" in vars(self):
            self.client.close()
        if "engine" in vars(self):
            self.engine.close()


def _has(place: Place, last: Target) -> bool:
    """Whether a cluster has anything of the checkout; one that does not answer has nothing."""
    with suppress(DevenvError), closing(Client(place)) as client:
        resources = Resources(client)
        return any(any(resources.ours(kind, last.namespace, checkout=last.checkout)) for kind in WORKLOADS)
    return False
