"""What names stand for: the addresses and secrets that texts refer to and that are injected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from devenv.manifest.models import Job, Manifest, Service
from devenv.stack import text
from devenv.stack.infra import Instance, variable
from devenv.stack.text import Text
from devenv.stack.world import World


class Names:
    """Everything that can be referred to in a stack."""

    def __init__(self, manifest: Manifest, instances: Mapping[str, Instance], world: World) -> None:
        self.manifest, self.instances, self.world = manifest, instances, world
        self.namespace = manifest.namespace or world.namespace or manifest.name

    def text(self, value: str) -> Text:
        """A text with every `${...}` filled in, as containers see it."""
        return text.in_json(text.fill(value, self.look_up))

    def look_up(self, reference: str) -> Text:
        """What `orders.url`, `secret.KEY` or `stack.name` stands for."""
        name, _, attribute = reference.partition(".")
        if name == "secret":
            return text.secret(attribute)
        if name == "stack":
            return self.manifest.name if attribute == "name" else self.namespace
        if name in self.manifest.services:
            return self._service(name, attribute)
        return self.instances[name].attribute(attribute, ports=self.world.ports)

    def _service(self, name: str, attribute: str) -> str:
        port = next(iter(self.manifest.services[name].named_ports.values()), 0)
        host = self.world.ports.get((name, port), port)
        return {
            "host": name,
            "port": str(port),
            "url": f"http://{name}:{port}",
            "public_host": "localhost",
            "public_port": str(host),
            "public_url": f"http://localhost:{host}",
        }[attribute]

    def injected(self, uses: list[str], *, public: bool = False) -> dict[str, Text]:
        """Addresses of what is used, as seen by containers or, `public`, by this machine.

        A variable that two would set differently is set by neither.
        """
        offers: list[tuple[str, Text]] = []
        for use in uses:
            used, _, part = use.partition("/")
            if used in self.instances:
                instance = self.instances[used]
                for prefix in [part] if used in uses else dict.fromkeys(["", part]):
                    offers += self._offered(instance, part, prefix, public=public)
            elif used in self.manifest.services and self.manifest.services[used].named_ports:
                url = self._service(used, "public_url" if public else "url")
                offers.append((f"{variable(used)}_URL", url))
        different = Counter(key for key, _ in dict.fromkeys(offers))
        return {key: value for key, value in offers if different[key] == 1}

    def _offered(self, instance: Instance, part: str, prefix: str, *, public: bool) -> list[tuple[str, Text]]:
        injected = instance.injected(ports=self.world.ports, part=part, public=public)
        if part and not prefix:  # POSTGRES_URL beside POSTGRES_BILLING_URL
            long, short = variable(f"{instance.name}_{part}"), variable(instance.name)
            return [(key.replace(long, short), value) for key, value in injected.items()]
        return list(injected.items())

    def on_host(self, name: str) -> dict[str, Text]:
        """The variables that service or job `name` would get on this machine; "" for all there are."""
        if not name:
            reachable = [name for name, one in self.manifest.services.items() if one.named_ports]
            return self.injected([*self.instances, *reachable], public=True)
        workloads: dict[str, Service | Job] = {**self.manifest.services, **self.manifest.jobs}
        one = workloads[name]
        secrets = {key: text.secret(key) for key in one.secrets}
        own = {key: text.in_json(text.fill(value, self._look_up_here)) for key, value in one.env.items()}
        return {**self.injected(one.uses, public=True), **secrets, **own}

    def _look_up_here(self, reference: str) -> Text:
        """What a name stands for on this machine: addresses are the published ones."""
        name, _, attribute = reference.partition(".")
        if name not in ("secret", "stack") and attribute in ("url", "host", "port"):
            return self.look_up(f"{name}.public_{attribute}")
        return self.look_up(reference)
