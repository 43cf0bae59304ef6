"""A rehearsal: what stands in for what its cluster cannot have, and that its namespace goes away again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.backends.helm import Helm as Program
from devenv.backends.helm import HelmFailed
from devenv.backends.kube import config
from devenv.backends.kube.config import Place
from devenv.engine.promotion.charts import defaults
from devenv.engine.promotion.parcel import Parcel
from devenv.engine.promotion.promote import Release
from devenv.engine.promotion.rehearse import REHEARSAL, Rehearsal, _free, require_elsewhere, target
from devenv.errors import Card, DevenvError, UnitFailed, UsageError
from devenv.plan.promotion.changes import Origin, Target
from devenv.plan.promotion.rehearsal import Ground, Node, number, replaced, replacements
from tests import documents
from tests.helm import Helm
from tests.interrupting import interrupt_once
from tests.unit.chart.charts import pod, project, rendered, written
from tests.unit.kubernetes.answering import Answering
from tests.unit.test_release import STOPPED

SHOP = """\
    name: shop
    services:
      orders:
        image: "orders:1"
        port: 8000
        uses: [cache]
        route: /api/orders
        secrets: [STRIPE_KEY]
        kubernetes: {Deployment: {spec: {template: {spec: {nodeSelector: {disk: ssd}}}}}}
      stock: {image: "stock:1"}
    infra:
      cache: {kind: valkey}
    environments:
      staging:
        context: staging-cluster
        host: shop.example
        gateway: ingress
        ingress: {class: kong, tls: shop-tls}
        secrets: {external: {store: vault}}
        services:
          orders: {replicas: 3, resources: {cpu: 16, memory: 64Mi}}
          stock: {replicas: 4, resources: {cpu: 100m}, autoscale: {max: 9}}
        infra: {cache: {external: {secret: staging-cache}}}
        values:
          imagePullSecrets: [{name: team}]
          serviceAccount: {create: false, name: theirs}
          services: {orders: {affinity: {podAffinity: {}}}}
          infra: {cache: {volumes: {data: {class: fast}}}}
"""
LAPTOP = Ground((Node({"disk": "hdd"}, {"cpu": 2.0, "memory": 2e9}),), frozenset({"standard"}))


class Server(Answering):
    """A server with these namespaces; one that is deleted is gone when it is looked for again."""

    def __init__(self, *, labels: dict[str, dict[str, str]] | None = None, away: bool = False) -> None:
        super().__init__()
        self.labels, self.away, self.deleted = labels or {}, away, list[str]()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        key, _, value = str(query.get("labelSelector", "")).partition("=")
        return {"items": [self._item(name) for name in self.labels if self.labels[name].get(key) == value]}

    def _item(self, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "uid": f"uid-{name}", "labels": self.labels[name]}}

    def find(self, path: str) -> dict[str, Any] | None:
        if self.away:
            raise DevenvError("the cluster does not answer")
        name = path.rpartition("/")[2]
        return self._item(name) if name in self.labels else None

    def apply(self, path: str, item: Any) -> dict[str, Any]:
        self.labels[path.rpartition("/")[2]] = item["metadata"]["labels"]
        return dict(item)

    def delete(self, path: str, *, uid: str = "", **more: Any) -> None:
        self.deleted.append(path.removeprefix("/api/v1/namespaces/"))
        self.labels.pop(path.rpartition("/")[2], None)


def rehearsal(folder: Path, server: Server, manifest: str = SHOP) -> Rehearsal:
    release = Release(Target("staging", "lab", "shop-staging-rehearsal-1", "shop"))
    release.client, release.place = server, Place("lab", {}, {})
    release.connect = lambda: server  # type: ignore[method-assign]
    return Rehearsal(project(folder, manifest), release)


def quiet(step: str, line: str) -> None:
    """For what is said on the way."""


def test_what_a_laptop_cannot_have_is_replaced_and_said(tmp_path: Path, helm: Helm) -> None:
    made = rehearsal(tmp_path, Server())
    made.ground = lambda: LAPTOP  # type: ignore[method-assign]
    parcel, stand_ins = made.parcel({})
    assert sorted(f"{each.about}  {each.line}" for each in stand_ins) == [
        "account  theirs is made here",
        "cache  runs here, with a password of its own, not what staging-cache leads to",
        "cache  the storage class fast is not here, so data has the default one",
        "gateway  the stack's own gateway serves the routes here, not the cluster's (ingress)",
        "images  brought to the nodes, not pulled with a login",
        "ingress  a host that nobody asks for, not shop.example",
        "ingress  the class kong is not here",
        "ingress  without the certificate shop-tls",
        "orders  1 of 3 replicas, as many as there are nodes",
        "orders  asks for no cpu: all together ask for more than is free",
        "orders  on any node: none has disk=ssd",
        "orders  wherever there is room: its affinity is left out",
        "secrets  made here, not from the store vault",
        "stock  1 of 4 replicas, as many as there are nodes",
        "stock  asks for no cpu: all together ask for more than is free",
    ]
    assert parcel.stack.unit("orders").replicas == parcel.stack.unit("stock").replicas == 1
    chart = written(tmp_path / "chart", made.project)
    (tmp_path / "values.yaml").write_text(parcel.values)
    helm("lint", "--strict", chart, "-f", tmp_path / "values.yaml")
    objects = rendered(helm, chart, "-f", tmp_path / "values.yaml")
    orders, cache = objects["Deployment", "orders"], objects["StatefulSet", "cache"]
    assert orders["spec"]["replicas"] == 1
    assert not {"nodeSelector", "affinity", "imagePullSecrets"} & pod(orders).keys()
    (container,) = pod(orders)["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "0", "memory": "16Mi"}, "limits": {"cpu": "16000m", "memory": "64Mi"},
    }  # fmt: skip
    assert "storageClassName" not in cache["spec"]["volumeClaimTemplates"][0]["spec"]
    assert objects["ServiceAccount", "theirs"]
    spec = objects["Ingress", "shop"]["spec"]
    assert (spec["rules"][0]["host"], spec.keys()) == ("shop-staging-rehearsal-1.invalid", {"rules"})
    assert not [kind for kind, _ in objects if kind == "ExternalSecret"]
    parsed = documents.load(parcel.values) | {"sealedSecret": {"encryptedData": {"STRIPE_KEY": "AgA"}}}
    (sealed,) = [
        each
        for each in replacements(defaults(made.project) | parsed, LAPTOP, "there")
        if each.path == ("sealedSecret", "encryptedData")
    ]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(replaced(parsed, [sealed])))
    assert rendered(helm, chart, "-f", tmp_path / "values.yaml").keys() == objects.keys()


def test_what_the_cluster_has_stays() -> None:
    node = Node({"disk": "ssd"}, {"cpu": 8.0, "memory": 2e9})
    ground = Ground((node, node, node), frozenset({"fast"}), frozenset({"kong"}))
    unit = {
        "replicas": 3,
        "nodeSelector": {"disk": "ssd"},
        "resources": {"limits": {"cpu": "4"}},
        "volumes": {"data": {"class": "fast"}},
    }
    values = {
        "serviceAccount": {"create": True, "name": "shop"},
        "imagePullSecrets": [],
        "ingress": {"host": "", "class": "kong"},
        "services": {"orders": unit},
    }
    assert replacements(values, ground, "there") == []
    scaled = {**unit, "autoscale": {"min": 4, "max": 9}}
    (fewer,) = replacements({**values, "services": {"orders": scaled}}, ground, "there")
    assert replaced(values, [fewer])["services"]["orders"]["autoscale"] == {"min": 3}
    assert fewer.line == "3 of 4 replicas, as many as there are nodes"


def test_a_way_in_from_outside_is_none_for_a_rehearsal() -> None:
    account = {"create": True, "name": "shop"}
    ingress = {"host": "a.b", "hosts": ["www.a.b"]}
    values = {"gateway": {"kind": "loadbalancer"}, "ingress": ingress, "serviceAccount": account} | {
        "imagePullSecrets": []
    }
    stand_ins = replacements(values, LAPTOP, "there")
    assert [each.line for each in stand_ins] == [
        "a host that nobody asks for, not a.b",
        "without www.a.b",
        "the stack's own gateway serves the routes here, without a load balancer",
    ]
    made = replaced(values, stand_ins)
    assert (made["gateway"], made["ingress"]) == ({"kind": "deploy"}, {"host": "there.invalid", "hosts": []})


def test_what_pods_ask_for_already_is_not_free() -> None:
    def asking(cpu: str, phase: str) -> dict[str, Any]:
        containers = [{"resources": {"requests": {"cpu": cpu}}}, {}]
        return {"spec": {"nodeName": "one", "containers": containers}, "status": {"phase": phase}}

    node = {
        "metadata": {"name": "one"},
        "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}},
    }
    closed = {**node, "spec": {"unschedulable": True}}
    (free,) = _free([node, closed], [asking("750m", "Running"), asking("1", "Succeeded")])
    assert free.free == {"cpu": 1.25, "memory": 2**30}


@pytest.mark.parametrize(
    ("quantity", "value"), [("500m", 0.5), ("1Gi", 2**30), (2, 2.0), ("1.5k", 1500.0), ("much", 0.0)]
)
def test_quantities_are_numbers(quantity: str, value: float) -> None:
    assert number(quantity) == value


def test_an_image_that_units_share_is_built_and_sent_once_for_the_first(tmp_path: Path) -> None:
    class Engine:
        """Images, and the way to the nodes: nothing is anywhere yet."""

        registry = ""

        def has(self, images: Any) -> frozenset[str]:
            return frozenset()

        have = has

        def build(self, *about: Any) -> None:
            lines.append("built")

        def bring(self, image: str, say: Any) -> None:
            lines.append("sent")

    manifest = "name: shop\nservices:\n  web: {build: ./web}\n  cron: {build: ./web, command: cron}\nenvironments:\n  staging: {context: x}\n"
    lines, engine = list[str](), Engine()
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text("FROM scratch\n")
    made: Any = rehearsal(tmp_path, Server(), manifest)
    there = made.deliver(engine, engine, {}, lambda step, line: lines.append(line))
    assert lines == ["web  building", "built", "sent"]
    assert there["web"] == there["cron"]


def test_secrets_are_made_of_values_that_fit_together(tmp_path: Path) -> None:
    manifest = "name: shop\nservices: {web: {image: 'web:1', uses: [postgres]}}\nenvironments:\n  staging: {context: x, infra: {postgres: deploy}}\n"
    made, written_ = rehearsal(tmp_path, Server(), manifest), list[Any]()
    made.client.create = lambda path, item: written_.append(item)  # type: ignore[method-assign]
    names = ("POSTGRES_PASSWORD", "POSTGRES_PASSWORD.url", "THEIRS")
    entries = [{"valueFrom": {"secretKeyRef": {"name": "shop-secrets", "key": name}}} for name in names]
    theirs = {"secretRef": {"name": "team"}}
    item = {"kind": "Deployment", "metadata": {"name": "x"}, "spec": {"env": entries, "envFrom": [theirs]}}
    assert made.make_secrets([item]) == ["shop-secrets", "team"]
    secrets = {item["metadata"]["name"]: item["stringData"] for item in written_ if item["kind"] == "Secret"}
    assert secrets["team"] == {}
    assert secrets["shop-secrets"].keys() == set(names)
    assert secrets["shop-secrets"]["POSTGRES_PASSWORD"] == secrets["shop-secrets"]["POSTGRES_PASSWORD.url"]
    assert len(set(secrets["shop-secrets"].values())) == 2  # one word, and one for the key of a fragment


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), DevenvError("broken")])
def test_the_namespace_goes_in_every_case_and_an_older_one_before_it(
    tmp_path: Path, error: BaseException | None
) -> None:
    server, lines = Server(), list[str]()
    made = rehearsal(tmp_path, server)
    server.labels = {
        "killed": {REHEARSAL: made.project.workspace.checkout},
        "of-another": {REHEARSAL: "another"},
        "plain": {},
    }

    def use() -> None:
        with made.namespace(lambda step, line: lines.append(f"{step} {line}")):
            assert server.labels.keys() == {"of-another", "plain", "shop-staging-rehearsal-1"}
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            use()
    else:
        use()
    assert server.labels.keys() == {"of-another", "plain"}
    assert lines == [
        "removed the namespace killed, left by an earlier rehearsal",
        "removed the namespace shop-staging-rehearsal-1",
    ]
    assert "shop-staging-rehearsal-1/pods" in server.deleted


def test_a_namespace_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    server, lines = Server(), list[str]()

    def use() -> None:
        with rehearsal(tmp_path, server).namespace(lambda step, line: lines.append(line)):
            server.away = True
            raise DevenvError("broken")

    with pytest.raises(DevenvError, match="broken"):
        use()
    (line,) = lines
    assert line.endswith("kubectl --context lab delete namespace shop-staging-rehearsal-1")


@pytest.mark.programs
def test_ctrl_c_stops_helm_and_the_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, ready, lines = tmp_path / "bin" / "helm", tmp_path / "ready", list[str]()
    program.parent.mkdir()
    program.write_text(STOPPED.format(python=sys.executable, stops=True, ready=ready))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    made = rehearsal(tmp_path, Server())
    made.release.helm = Program("lab", "there", 4)
    parcel = Parcel(made.stack, {}, "", Origin())
    interrupt_once(ready)
    with pytest.raises(KeyboardInterrupt):
        made.install(parcel, [], lambda step, line: lines.append(line), within=60)
    assert lines == ["interrupted: what was made is removed"]


def test_a_failed_rehearsal_has_the_card_of_the_unit(tmp_path: Path) -> None:
    made = rehearsal(tmp_path, Server())
    again = "nothing was promoted; fix it, then devenv promote staging --rehearse"
    failed = made.failed(HelmFailed("timed out"), Card("orders", "ended with exit 3", hint="devenv logs x"))
    assert isinstance(failed, UnitFailed)
    assert (failed.what, failed.hint) == ("orders ended with exit 3", again)
    assert made.failed(DevenvError("no answer")).hint == again


KUBECONFIG = {
    "contexts": [
        {"name": name, "context": {"cluster": cluster}}
        for name, cluster in (("own", "a"), ("alias", "a"), ("other", "b"))
    ],
    "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}} for name in "ab"],
}


def test_the_environments_own_cluster_is_refused_under_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(yaml.safe_dump(KUBECONFIG))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    for name in ("own", "alias"):
        with pytest.raises(UsageError, match="staging cannot be rehearsed on its own cluster"):
            require_elsewhere(config.find(name), "own", "staging")
    require_elsewhere(config.find("other"), "own", "staging")
    require_elsewhere(config.find("other"), "not-here", "staging")


def test_its_namespace_has_a_name_that_kubernetes_takes() -> None:
    names = {target(Place("lab", {}, {}), "staging", "s" * 63).namespace for _ in range(2)}
    assert {len(name) for name in names} == {63}
    assert len(names) == 2
