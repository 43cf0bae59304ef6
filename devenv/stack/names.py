"""Resolves names: the addresses and secrets that texts refer to and that are injected."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from devenv.manifest.fields import UdpPort
from devenv.manifest.models import Manifest
from devenv.manifest.workloads import Job, Service
from devenv.stack import text
from devenv.stack.infra import Instance, variable
from devenv.stack.ports import scheme, wish
from devenv.stack.text import Text
from devenv.stack.view import View
from devenv.stack.world import World

_REFERENCE = re.compile(r"\$\{secret\.(\w+)\}")


class Names:
    """Every name that texts of a stack can refer to. `takers`: infra that each service is told of."""

    def __init__(
        self,
        manifest: Manifest,
        instances: Mapping[str, Instance],
        world: World,
        takers: Collection[str] = (),
    ) -> None:
        self.manifest, self.instances, self.world = manifest, instances, world
        self.namespace = manifest.namespace or world.namespace or manifest.name
        self._injected: dict[tuple[str, str, bool, str], Mapping[str, Text]] = {}
        self.takers = takers

    def text(self, value: str, view: View) -> Text:
        """A text with every `${...}` filled in, as seen from this view."""
        return text.in_json(text.fill(value, lambda reference: self.look_up(reference, view)))

    def fill(self, unit: str) -> Callable[[str], Text]:
        """A function that fills in texts as seen from a unit."""
        view = self.world.view(unit)
        return lambda value: self.text(value, view)

    def url(self, view: View, service: str) -> str:
        """The URL of a service, as seen from this view."""
        return self._service(service, "url", view)

    def look_up(self, reference: str, view: View) -> Text:
        """The value of `orders.url`, `secret.KEY` or `stack.name`."""
        name, _, attribute = reference.partition(".")
        if name == "secret":
            return text.secret(attribute)
        if name == "stack":
            return self.manifest.name if attribute == "name" else self.namespace
        if name in self.manifest.services:
            return self._service(name, attribute, view)
        return self.instances[name].attribute(attribute, view=view)

    def _service(self, name: str, attribute: str, view: View) -> str:
        if attribute.startswith("public_"):
            return self._service(name, attribute.removeprefix("public_"), view.outside)
        key, main = next(iter(self.manifest.services[name].named_ports.items()), ("", 0))
        host, port = view.address(name, main)
        address = f"{host}:{port}"
        url = f"{scheme(key, udp=isinstance(main, UdpPort))}://{address}"
        return {"host": host, "port": str(port), "address": address, "url": url}[attribute]

    def injected(self, uses: list[str], view: View) -> dict[str, Text]:
        """The variables that `uses` brings, with addresses as seen from this view.

        A variable that two of them would set differently is left out.
        """
        offers: list[tuple[str, Text]] = []
        for use in uses:
            used, _, part = use.partition("/")
            if used in self.instances:
                instance = self.instances[used]
                for prefix in [part] if used in uses else dict.fromkeys(["", part]):
                    offers += self._offered(instance, part, prefix, view)
            elif used in self.manifest.services and self.manifest.services[used].named_ports:
                offers.append((f"{variable(used)}_URL", self.url(view, used)))
        different = Counter(key for key, _ in dict.fromkeys(offers))
        return {key: value for key, value in offers if different[key] == 1}

    def of_workload(self, uses: list[str], view: View) -> dict[str, Text]:
        """The variables that a service or job is given by what it uses, and by what takes its traces."""
        return self.injected(uses, view) | self.injected([*self.takers], view)

    def of_files(self, files: Sequence[str]) -> dict[str, Text]:
        """The variables of some files, as they are written there; a later file wins.

        In `.env`, where the values of secrets come from, the name of a secret means that secret.
        """
        values: dict[str, Text] = {}
        for file in files:
            secrets = self._secrets if posixpath.normpath(file) == ".env" else frozenset[str]()
            for key, value in self.world.variables.get(file, {}).items():
                values[key] = text.secret(key) if key in secrets else value
        return values

    @cached_property
    def _secrets(self) -> frozenset[str]:
        """The secrets that the manifest names anywhere."""
        workloads = [*self.manifest.services.values(), *self.manifest.jobs.values()]
        listed = {*self.manifest.secrets, *(name for workload in workloads for name in workload.secrets)}
        files = (source for workload in workloads for source in workload.files.values())
        listed |= {source.secret for source in files if not isinstance(source, str) and source.secret}
        return frozenset({*listed, *_REFERENCE.findall(self.manifest.model_dump_json())})

    def _offered(self, instance: Instance, part: str, prefix: str, view: View) -> list[tuple[str, Text]]:
        injected = self._of_instance(instance, part, view)
        if part and not prefix:  # POSTGRES_URL beside POSTGRES_BILLING_URL
            long, short = variable(f"{instance.name}_{part}"), variable(instance.name)
            renamed = {key.replace(long, short): value for key, value in injected.items()}
            return list((renamed | {key: injected[key] for key in renamed if key in injected}).items())
        return list(injected.items())

    def _of_instance(self, instance: Instance, part: str, view: View) -> Mapping[str, Text]:
        """The variables of one store, worked out once: there is one view inside and one outside."""
        client = view.unit if instance.names_client else ""
        key = instance.name, part, view.inside, client
        if key not in self._injected:
            self._injected[key] = instance.injected(view=view, part=part)
        return self._injected[key]

    def on_host(self, name: str) -> dict[str, Text]:
        """The variables that service or job `name` would get on this machine; with "", those of all units."""
        view = replace(self.world.view(), unit=name)
        if not name:
            named = [name for name, service in self.manifest.services.items() if service.named_ports]
            return self.injected([*filter(self.is_reached, (*self.instances, *named))], view)
        workloads: dict[str, Service | Job] = {**self.manifest.services, **self.manifest.jobs}
        workload = workloads[name]
        of_files = self.of_files(workload.env_file)
        secrets = {key: text.secret(key) for key in workload.secrets}
        own = {key: self.text(value, view) for key, value in workload.env.items()}
        ports = getattr(workload, "named_ports", {})
        main = next(iter(ports.values()), 0)
        listens = {"PORT": str(view.address(name, main)[1])} if main else {}
        injected = self.injected([*filter(self.is_reached, workload.uses)], view)
        injected |= self.injected([*filter(self.is_reached, self.takers)], view)
        return {**listens, **injected, **of_files, **secrets, **own}

    def is_reached(self, use: str) -> bool:
        """Whether what this use names is reached from this machine, by a port that it publishes."""
        name, view = use.partition("/")[0], self.world.view()
        if name in self.instances:
            return self.instances[name].is_reached(self.instances[name].port, view)
        service = self.manifest.services.get(name)
        ports = service.named_ports if service else {}
        key, main = next(iter(ports.items()), ("", 0))
        return (name, main) in view.ports or not service or wish(service.publish, key, main=True) != 0
