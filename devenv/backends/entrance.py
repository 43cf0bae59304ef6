"""The address at which a cluster's own gateway serves an Ingress or an HTTPRoute, and what answers there."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client
    from devenv.manifest.environments import ParentGateway

TIMEOUT = 5.0  # seconds for an answer
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True)
class Entrance:
    """An address, and the host name that is asked for there."""

    address: str
    port: int
    host: str
    tls: bool = False

    def status(self, path: str) -> int:
        """The status of the answer to a GET. Raises `OSError`, and `http.client.HTTPException`."""
        plain = socket.create_connection((self.address, self.port), timeout=TIMEOUT)
        name = self.host or self.address
        connection = http.client.HTTPConnection(name)
        try:
            tls = ssl.create_default_context() if self.tls else None
            connection.sock = tls.wrap_socket(plain, server_hostname=name) if tls else plain
            connection.request("GET", path, headers={"User-Agent": "devenv"})
            return connection.getresponse().status
        finally:
            connection.close()
            plain.close()


def of_ingress(client: Client, namespace: str, name: str, *, host: str, tls: bool) -> Entrance | None:
    """Where the controller of an Ingress serves it; None while it says nothing of that."""
    item = client.find(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}") or {}
    address = _balanced_at(item)
    return Entrance(address, 443 if tls else 80, host, tls) if address else None


def of_balancer(client: Client, namespace: str, name: str) -> str:
    """Where the cluster's load balancer serves a Service; "" while it says nothing of that."""
    item = client.find(f"/api/v1/namespaces/{namespace}/services/{name}") or {}
    address = _balanced_at(item)
    port = item["spec"]["ports"][0]["port"] if address else 0
    return f"{address}:{port}" if port not in (0, 80) else address


def _balanced_at(item: dict[str, Any]) -> str:
    """The address that a load balancer gave an object; "" while it has none."""
    status = item.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(status[0].get("ip") or status[0].get("hostname") or "")


def unserved(client: Client, namespace: str, release: str) -> list[str]:
    """Why nothing serves Ingresses of a release, by the cluster's classes; nothing where we may not ask."""
    api, selector = "/apis/networking.k8s.io/v1", f"app.kubernetes.io/instance={release}"
    try:
        own = client.get(f"{api}/namespaces/{namespace}/ingresses", labelSelector=selector)["items"]
        there = client.get(f"{api}/ingressclasses")["items"] if own else []
    except DevenvError:
        return []
    names = [str(item["metadata"]["name"]) for item in there]
    annotations = [item["metadata"].get("annotations") or {} for item in there]
    default = any(each.get(DEFAULT_CLASS) == "true" for each in annotations)
    wanted = dict.fromkeys(item["spec"].get("ingressClassName", "") for item in own)
    missing = [name for name in wanted if (name not in names if name else not default)]
    has = f"it has {', '.join(names)}" if names else "it has none"
    return [
        f"nothing serves the Ingress: the cluster has no IngressClass {name or 'by default'}; {has}"
        for name in missing
    ]


def of_gateway(client: Client, namespace: str, parent: ParentGateway, *, host: str) -> Entrance | None:
    """Where a Gateway listens; None while it says nothing of that, and where nobody may read it."""
    api = "/apis/gateway.networking.k8s.io/v1"
    item = client.find(f"{api}/namespaces/{parent.namespace or namespace}/gateways/{parent.gateway}") or {}
    addresses = item.get("status", {}).get("addresses") or [{}]
    address = addresses[0].get("value", "")
    listener = next(
        (each for each in item.get("spec", {}).get("listeners", ()) if _meant(each, parent)), None
    )
    if not address or listener is None:
        return None
    return Entrance(address, listener["port"], host, listener["protocol"] == "HTTPS")


def _meant(listener: dict[str, Any], parent: ParentGateway) -> bool:
    """Whether a listener is one that routes of this parent are attached to."""
    return listener["protocol"] in ("HTTP", "HTTPS") and parent.listener in (None, listener["name"])


def unaccepted(client: Client, namespace: str, release: str) -> dict[str, str]:
    """HTTPRoutes of a release that no gateway serves, and why, as these say; nothing where we may not ask.

    "" where none has said anything of it, as long as its controller has not looked, or where there is none.
    """
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
    try:
        items = client.get(path, labelSelector=f"app.kubernetes.io/instance={release}")["items"]
    except DevenvError:
        return {}
    refusals = {item["metadata"]["name"]: _refusals(item) for item in items}
    return {name: "; ".join(why) for name, why in refusals.items() if why is not None}


def _refusals(route: dict[str, Any]) -> list[str] | None:
    """Why no gateway takes a route; None where one does."""
    parents = route.get("status", {}).get("parents") or ()
    why: list[str] = []
    for parent in parents:
        wrong = [each for each in parent.get("conditions") or () if each["status"] == "False"]
        if not wrong and parent.get("conditions"):
            return None
        why += [f"{each['reason']}: {each['message']}" for each in wrong]
    return why
