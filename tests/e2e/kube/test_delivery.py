"""How a built image gets to a cluster: through a registry, and by kind's own program."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker.models.containers import Container

from tests import documents, promotepage
from tests.certificates import self_signed
from tests.conftest import ROOT
from tests.e2e.checkout import Ended, Going, eventually
from tests.e2e.kube.conftest import Lab, OnCluster
from tests.helm import Helm
from tests.wires import wire

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

STACK = """
    services:
      web:
        build: ./web
        command: sleep 900
        grace: 1s
        kubernetes: {Deployment: {spec: {template: {spec: {imagePullSecrets: [{name: team}]}}}}}
"""
CONTEXT = "gke_acme_staging"
KEEPER, WORD = "team:$2y$05$abcdefghijklmnopqrstuuwtMaLA9GLGz6nDC5r2Uc4EDl7gXV.Su\n", "team"


@dataclass(frozen=True)
class Shelf:
    """A registry in a container of its own, which forgets everything when it is started again."""

    container: Container
    lab: Lab
    host: str

    @property
    def stack(self) -> str:
        return f"    registry: {self.host}/team/\n{STACK}"

    @property
    def inside(self) -> str:
        """Where it is for this machine's engine, which takes plain HTTP and any certificate from 127.0.0.1 only."""
        (network,) = self.container.attrs["NetworkSettings"]["Networks"].values()
        return f"{network['IPAddress']}:5000"

    def reach(self) -> None:
        """Tell the node where it is, and wait until it answers."""
        self.container.reload()
        hosts = f'[host."http://{self.inside}"]\n'
        folder = f"/etc/containerd/certs.d/{self.host}"
        self.lab.node("sh", "-c", f"mkdir -p {folder} && cat > {folder}/hosts.toml", says=hosts)
        eventually(self.answers, "the registry")

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.host}/v2/", timeout=10).close()
        except OSError as error:
            return isinstance(error, urllib.error.HTTPError)  # it wants a login
        return True

    def tags(self, image: str) -> list[str]:
        with urllib.request.urlopen(f"http://{self.host}/v2/team/{image}/tags/list", timeout=10) as response:
            return list(json.load(response)["tags"])

    def taken(self) -> int:
        """How much has been written to it."""
        return int(self.container.logs().count(b'"PUT /v2/'))


@contextmanager
def serving(cluster: OnCluster, lab: Lab, port: int, **more: Any) -> Iterator[Shelf]:
    """CNCF's registry on a port of this machine, which is the node's way to it, too."""
    config = {"version": 0.1, "storage": {"inmemory": {}}, "http": {"addr": ":5000"}, **more}
    cluster.write("registry/config.yml", json.dumps(config))
    cluster.write("registry/keepers", KEEPER)
    container = cluster.engine.containers.run(
        "busybox:1.37",
        ["/registry", "serve", "/etc/registry/config.yml"],
        detach=True,
        name=f"{lab.name}-registry",
        labels={"devenv.test-cluster": "true"},
        ports={"5000/tcp": ("127.0.0.1", port)},
        volumes=[f"{lab.programs}/registry:/registry:ro", f"{cluster.root}/registry:/etc/registry:ro"],
    )
    try:
        shelf = Shelf(container, lab, f"127.0.0.1:{port}")
        shelf.reach()
        yield shelf
    finally:
        container.remove(force=True, v=True)


def in_node(lab: Lab, image: str) -> list[str]:
    """Every name by which the node has an image."""
    return [name for name in lab.node("ctr", "-n", "k8s.io", "images", "ls", "-q").split() if image in name]


def runs(cluster: OnCluster) -> str:
    """The image of the pod that is there."""
    return str(cluster.get("pod", cluster.pod("web"))["spec"]["containers"][0]["image"])


def fields(failed: Ended) -> Mapping[str, str]:
    """The parts of an error."""
    lines = (line.split(maxsplit=1) for line in failed.stderr.splitlines())
    return {line[0]: line[1].strip() for line in lines if len(line) == 2}


def page(cluster: OnCluster) -> str:
    return cluster.devenv("exec", "web", "--", "cat", "/srv/page.txt").stdout


def test_a_registry_that_both_sides_reach(alone: OnCluster, lab: Lab, port: int) -> None:
    image = f"{alone.name}-web"
    alone.sources("web")
    with serving(alone, lab, port) as shelf:
        alone.manifest(shelf.stack)
        alone.on("up", "-d")
        (tag,) = shelf.tags(image)
        assert runs(alone) == f"{shelf.host}/team/{image}:{tag}"
        pulled = f'Successfully pulled image "{runs(alone)}"'
        eventually(lambda: pulled in alone.kubectl("get", "events"), pulled)
        assert all(name.startswith(f"{shelf.host}/team/") for name in in_node(lab, image))
        assert not alone.engine.images.list(f"{shelf.host}/team/{image}")

        before = shelf.taken()
        assert before
        assert "nothing to do" in alone.on("up", "-d").stderr
        alone.manifest(shelf.stack.replace("sleep 900", "sleep 901"))
        alone.on("up", "-d")
        assert shelf.taken() == before

        alone.sources("web", page="two")
        alone.on("up", "-d")
        assert page(alone) == "two"
        assert len(shelf.tags(image)) == 2

        shelf.container.restart(timeout=1)
        shelf.reach()
        lab.node("ctr", "-n", "k8s.io", "images", "rm", *in_node(lab, image))
        alone.kubectl("delete", "pod", alone.pod("web"), "--grace-period=1")
        eventually(lambda: "ImagePull" in alone.kubectl("get", "pods"), within=30)
        alone.on("up", "-d")
        assert page(alone) == "two"

        shelf.container.stop(timeout=1)
        alone.sources("web", page="three")
        error = fields(alone.on("up", "-d", exits=1))
        assert error["error"].startswith(f"{shelf.host}/team/{image}:")
        assert error["where"] == f"registry: {shelf.host}/team   in devenv.yaml"
        assert "connection refused" in error["why"]
        assert error["try"] == f"again, once {shelf.host} takes it"


def test_a_registry_that_wants_a_login(alone: OnCluster, lab: Lab, port: int) -> None:
    alone.environment = {**alone.environment, "DOCKER_CONFIG": str(alone.root / "docker")}
    alone.sources("web")
    keeper = {"htpasswd": {"realm": "team", "path": "/etc/registry/keepers"}}
    with serving(alone, lab, port, auth=keeper) as shelf:
        alone.manifest(shelf.stack)
        error = fields(alone.on("up", "-d", exits=1))
        assert error["try"] == f"docker login {shelf.host}"

        alone.host("docker", "login", shelf.host, "-u", "team", "-p", WORD)
        failed = alone.on("up", "-d", exits=1).stderr
        assert "has an image that cannot be pulled" in failed
        assert "create an imagePullSecret" in failed

        login = (f"--docker-server={shelf.host}", "--docker-username=team", f"--docker-password={WORD}")
        alone.kubectl("create", "secret", "docker-registry", "team", *login)
        before = shelf.taken()
        alone.on("up", "-d")
        assert shelf.taken() == before


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_images_are_promoted_once_and_by_digest(alone: OnCluster, lab: Lab, helm: Helm, port: int) -> None:
    path = f"{helm.program.parent}:{alone.environment['PATH']}"
    alone.environment = {**alone.environment, **helm.homes, "PATH": path}
    image, namespace = f"{alone.name}-web", f"{alone.name}-live"
    alone.sources("web")
    with serving(alone, lab, port) as shelf:
        alone.manifest(
            f"""
            services:
              web: {{build: ./web, command: sleep 900, grace: 1s}}
            environments:
              live: {{context: {lab.name}, namespace: {namespace}, registry: {shelf.host}/team}}
            """
        )
        git = ("git", "-c", "user.name=ann", "-c", "user.email=ann@example.com")
        alone.host("git", "init", "-q")
        alone.host("git", "add", "-A")
        alone.host(*git, "commit", "-q", "-m", "first")
        commit = alone.host("git", "rev-parse", "HEAD").strip()
        alone.write("web/page.txt", "uncommitted")
        dirty = alone.devenv("promote", "live", "--yes", exits=2)
        assert "web/page.txt" in dirty.stderr
        assert "--allow-dirty" in dirty.stderr
        assert shelf.taken() == 0

        alone.host("git", "checkout", "-q", "--detach", "--force")
        alone.devenv("promote", "live", "--yes", within=120)
        (pod,) = json.loads(alone.host("kubectl", "-n", namespace, "get", "pods", "-o", "json"))["items"]
        reference = pod["spec"]["containers"][0]["image"]
        assert reference.startswith(f"{shelf.host}/team/{image}@sha256:")
        assert commit[:12] in shelf.tags(image)
        assert not alone.engine.images.list(f"{shelf.host}/team/{image}")
        (row,) = alone.devenv("history", "live", "--json").json
        assert (row["commit"], row["status"]) == (commit, "deployed")

        before = shelf.taken()
        assert "nothing to promote" in alone.devenv("promote", "live", "--yes").stderr
        assert shelf.taken() == before

        shelf.container.stop(timeout=1)
        alone.write("web/page.txt", "another")
        error = fields(alone.devenv("promote", "live", "--yes", "--allow-dirty", exits=1))
        assert "cannot be looked up" in error["error"]  # and nothing was built
        assert error["try"] == f"again, once {shelf.host} takes it"
    alone.devenv("retire", "live", "--yes")
    alone.host("kubectl", "delete", "namespace", namespace, "--wait=false")


PROMOTED = """
    services:
      web: {{build: ./web, command: sleep 900}}
    environments:
      live: {{context: nowhere, registry: {registry}/team}}
"""


WITHOUT_DOCKER = {"DOCKER_HOST": "unix:///nowhere"}


def test_what_a_registry_refuses_is_said_before_anything_is_built(
    alone: OnCluster, lab: Lab, port: int
) -> None:
    def refused(registry: str) -> Mapping[str, str]:
        alone.manifest(PROMOTED.format(registry=registry))
        ended = alone.devenv("promote", "live", "--write", "out", exits=1)
        assert "building" not in ended.stderr
        assert not (alone.root / "out").exists()
        alike = alone.devenv("promote", "live", "--write", "out", exits=1, env=WITHOUT_DOCKER)
        assert fields(alike)["try"] == fields(ended)["try"]
        return fields(ended)

    alone.environment = {**alone.environment, "DOCKER_CONFIG": str(alone.root / "docker")}
    alone.sources("web")
    keeper = {"htpasswd": {"realm": "team", "path": "/etc/registry/keepers"}}
    with serving(alone, lab, port, auth=keeper) as shelf:
        error = refused(shelf.host)
        assert "no basic auth credentials" in error["why"]
        assert error["try"] == f"docker login {shelf.host}"
        error = refused(shelf.inside)
        assert "server gave HTTP response to HTTPS client" in error["why"]
        assert error["try"].startswith(f'"insecure-registries": ["{shelf.inside}"]')
        assert shelf.taken() == 0
    subnet = alone.engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    certificate, key = self_signed(map(str, islice(ip_network(subnet).hosts(), 200)))
    alone.write("registry/certificate", certificate)
    alone.write("registry/key", key)
    tls = {"certificate": "/etc/registry/certificate", "key": "/etc/registry/key"}
    with serving(alone, lab, port, http={"addr": ":5000", "tls": tls}) as shelf:
        error = refused(shelf.inside)
        assert "certificate signed by unknown authority" in error["why"]
        assert f"/etc/docker/certs.d/{shelf.inside}/ca.crt" in error["try"]


def test_a_push_that_is_refused_or_loses_its_connection(alone: OnCluster, lab: Lab, port: int) -> None:
    alone.sources("web")
    with serving(alone, lab, port) as shelf, wire(port) as way:
        alone.manifest(PROMOTED.format(registry=f"127.0.0.1:{way.port}"))
        way.refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        error = fields(alone.devenv("promote", "live", "--write", "out", exits=1))
        assert error["try"].startswith(f"docker login 127.0.0.1:{way.port}   with an account that may push")

        way.refusal, way.cuts = b"", 1
        ended = alone.devenv("promote", "live", "--write", "out")
        assert ended.stderr.count("Docker tries again") == 1
        assert ended.stdout == "out/values-live.yaml\n"
        (tag,) = shelf.tags(f"{alone.name}-web")
        values = (alone.root / "out/values-live.yaml").read_bytes()
        assert b"digest: sha256:" in values
        for nothing_is_built in ((), ("--image-tag", tag)):
            for env in ({}, WITHOUT_DOCKER):
                (alone.root / "out/values-live.yaml").unlink()
                alone.devenv("promote", "live", "--write", "out", *nothing_is_built, env=env)
                assert (alone.root / "out/values-live.yaml").read_bytes() == values


OPERATED = """
    services:
      web:
        image: "busybox:1.37"
        port: 8000
        route: {{path: /api, plugins: [{{rate-limiting: {{minute: 5}}}}, key-auth]}}
        secrets: [STRIPE_KEY]
    gateway: {{consumers: {{ann: {{key: abc}}}}}}
    environments:
      kong: {{context: {context}, gateway: kong, secrets: {{external: {{store: vault}}}}}}
"""
ROUTED = """
    services:
      web: {{image: "busybox:1.37", port: 8000, route: {{path: /api, strip: true}}, secrets: [STRIPE_KEY]}}
    environments:
      routes:
        context: {context}
        host: shop.example
        gateway: {{httproute: {{gateway: public, namespace: infra, listener: https}}}}
        secrets: {{sealed: sealed.json}}
"""
SCHEMAS = ROOT / "tests/unit/chart"


def definition(version: str, kind: str, plural: str, schema: Any) -> dict[str, Any]:
    """A definition of a resource, as its operator brings it."""
    group, _, number = version.partition("/")
    properties = {**schema["properties"], "metadata": {"type": "object"}}
    whole = opened({**schema, "properties": properties})
    row = {"name": number, "served": True, "storage": True, "schema": {"openAPIV3Schema": whole}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [row],
        },
    }


def opened(schema: Any) -> Any:
    """A schema as a definition may have it: the cluster itself refuses what is in no property."""
    if isinstance(schema, list):
        return [opened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = schema.get("additionalProperties") is False
    return {
        key: opened(value)
        for key, value in schema.items()
        if key != "$comment" and not (closed and key == "additionalProperties")
    }


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_objects_of_operators_are_what_their_definitions_take(alone: OnCluster, lab: Lab, helm: Helm) -> None:
    makers = json.loads((SCHEMAS / "data/makers.json").read_text())
    plugin, consumer, route = (
        json.loads((SCHEMAS / f"{name}.json").read_text())
        for name in ("kongplugin", "kongconsumer", "httproute")
    )
    definitions = [
        definition("configuration.konghq.com/v1", "KongPlugin", "kongplugins", plugin),
        definition("configuration.konghq.com/v1", "KongConsumer", "kongconsumers", consumer),
        definition("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", route),
        definition("external-secrets.io/v1", "ExternalSecret", "externalsecrets", makers["ExternalSecret"]),
        definition("bitnami.com/v1alpha1", "SealedSecret", "sealedsecrets", makers["SealedSecret"]),
    ]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": definitions})
    file = str(alone.write("definitions.json", items))
    names = [f"crd/{each['metadata']['name']}" for each in definitions]
    alone.host("kubectl", "apply", "--server-side", "-f", file)
    alone.host("kubectl", "wait", "--for=condition=Established", *names)
    sealed = {"encryptedData": {"STRIPE_KEY": "AgA1"}}
    metadata = {"name": f"{alone.name}-secrets", "namespace": alone.name}
    alone.write("sealed.json", json.dumps({"kind": "SealedSecret", "metadata": metadata, "spec": sealed}))

    judged, kinds = [], {each["spec"]["names"]["kind"] for each in definitions}
    for environment, text in (("kong", OPERATED), ("routes", ROUTED)):
        alone.manifest(text.format(context=lab.name))
        alone.devenv("render", "--chart", environment, "--environment", environment)
        values = alone.root / environment / f"values-{environment}.yaml"
        rendered = helm("template", "rel", alone.root / environment, "-n", "default", "-f", values)
        judged += [item for item in documents.load_all(rendered) if item and item["kind"] in kinds]
    asked = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f")
    told = alone.host("kubectl", *asked, str(alone.write("all.json", as_list(judged))))
    assert told.count("serverside-applied (server dry run)") == len(judged) == 6
    unheard = [{**item, "spec": {**item.get("spec", {}), "unheard": 1}} for item in judged]
    refused = subprocess.run(
        ["kubectl", *asked, str(alone.write("unheard.json", as_list(unheard)))],
        env=alone.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.stderr.count("unknown field") == len(kinds), refused.stderr
    alone.host("kubectl", "delete", "--wait=false", "-f", file)


def as_list(items: list[Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def test_kind_loads_what_was_built(alone: OnCluster, lab: Lab, tmp_path: Path) -> None:
    config = alone.write("kind", lab.kubeconfig.read_text())
    alone.host(
        "kubectl", "--kubeconfig", str(config), "config", "rename-context", lab.name, f"kind-{lab.name}"
    )
    alone.environment = {**alone.environment, "KUBECONFIG": str(config)}
    alone.sources("web")
    alone.manifest(f"    registry: registry.invalid/not/asked\n{STACK}")

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").symlink_to(alone.host("sh", "-c", "command -v docker").strip())
    failed = fields(alone.on("up", "-d", exits=1, env={"PATH": str(tmp_path / "bin")}))
    assert failed["error"] == "the kind command is missing"
    assert failed["where"] == f"context kind-{lab.name}"
    assert failed["try"] == "install kind, or put it on PATH"

    for word in ("one", "two"):
        alone.sources("web", page=word)
        alone.on("up", "-d", "--context", f"kind-{lab.name}")
        assert page(alone) == word
        assert f"docker.io/library/{runs(alone)}" in in_node(lab, alone.name)
    assert "nothing to do" in alone.on("up", "-d").stderr


class Shop(OnCluster):
    """A checkout of a shop with the environment of docs/promote.md, in which the page's commands are typed."""

    def types(self, command: str, typed: str = "", *, more: str = "", exits: int = 0, at: str = ".") -> Ended:
        """Type a command of the page; `typed` is what stands there once its placeholders are filled in."""
        argv = ["sh", "-c", f"cd {at} && {typed or command} {more}"]
        going = Going(argv, cwd=self.root, env=self.environment)
        self._going.append(going)
        ended = going.end(within=120)
        assert ended.code == exits, f"{argv} ended with {ended.code}:\n{ended.output}"
        return ended

    def says(self, page: str) -> None:
        """Have the shop say something else, in a commit."""
        self.write("orders/page.txt", page)
        git = ("git", "-c", "user.name=ann", "-c", "user.email=ann@example.com")
        self.host("git", "add", "-A")
        self.host(*git, "commit", "-q", "-m", page)

    def page(self) -> str:
        """What a ready pod of it serves."""
        newest = ("--sort-by=.metadata.creationTimestamp", "-o", "name")
        pod = self.host("kubectl", "get", "pods", "-l", "devenv.dev/unit=orders", *newest).split()[-1]
        # Over WebSockets a busy machine's kubectl drops what comes before it knows its streams.
        kubectl = ("env", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false", "kubectl")
        return self.host(*kubectl, "exec", pod, "--", "cat", "/srv/page.txt")


SHOP = """\
services:
  orders:
    build: ./orders
    port: 8000
    command: httpd -f -p 8000 -h /srv
    route: /
    uses: [postgres]
    secrets: [STRIPE_KEY]
    grace: 1s
jobs:
  seed: {like: orders, command: "true", manual: true}
"""


@pytest.fixture
def shop(alone: OnCluster, lab: Lab, helm: Helm, port: int) -> Iterator[Shop]:
    """The shop, on a cluster that is called as on the page."""
    path = f"{helm.program.parent}:{alone.environment['PATH']}"
    alone.bring("kong:3.9.3")
    made = Shop(alone.root / "shop", "shop", alone.engine, {**alone.environment, **helm.homes, "PATH": path})
    made.environment["KUBECONFIG"] = str(made.write("../kubeconfig", lab.kubeconfig.read_text()))
    made.host("kubectl", "config", "rename-context", lab.name, CONTEXT)
    made.host("kubectl", "config", "set-context", CONTEXT, "--namespace=shop")
    with serving(alone, lab, port) as shelf:
        place = documents.load(promotepage.environments())["environments"]
        place["staging"]["registry"] = f"{shelf.host}/acme/shop"
        del place["staging"]["infra"]["cache"]
        place["staging"]["services"]["orders"]["replicas"] = 1  # three take their time
        made.sources("orders", page="first")
        made.manifest(SHOP + yaml.safe_dump({"environments": place}))
        made.write(".gitignore", ".env\n.devenv\nchart\ndist\nswarm\n")
        made.write(".env", "STRIPE_KEY=sk-sesame\n")
        made.host("git", "init", "-q")
        made.host("git", "init", "-q", "../deploy")
        made.host("kubectl", "create", "namespace", "shop")
        yield made
        made.host("kubectl", "delete", "namespace", "shop", "--wait=false")
    for image in made.engine.images.list(f"{shelf.host}/acme/shop/shop-orders"):
        made.engine.images.remove(image.id, force=True)


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_the_page_about_promotion_is_true_from_its_first_command_to_its_last(shop: Shop) -> None:
    shop.says("first")
    keys = ("POSTGRES_URL", "DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
    literals = [f"--from-literal={key}=x" for key in keys]
    shop.host("kubectl", "create", "secret", "generic", "shop-postgres", *literals)
    first = shop.types("devenv promote staging", more="--yes --create-secrets")
    assert "1 of 1 ready" in first.stderr
    assert shop.page() == "first"

    shop.says("second")
    planned = shop.types("devenv plan -e staging")
    assert "orders" in planned.stdout
    assert "to change" in shop.types("devenv diff staging", exits=4).stderr
    assert len(shop.types("devenv history staging").stdout.splitlines()) >= 1
    assert "healthy" in shop.types("devenv status -e staging").stdout
    shop.types("devenv logs -e staging [NAME...]", "devenv logs -e staging orders")
    said = shop.types(
        "devenv exec -e staging NAME [COMMAND]", "devenv exec -e staging orders cat /srv/page.txt"
    )
    assert said.stdout == "first"
    shop.devenv("promote", "staging", "--yes", within=120)
    assert shop.page() == "second"
    shop.types("devenv rollback staging [REVISION]", "devenv rollback staging 1", more="--yes")
    assert shop.page() == "first"
    shop.types("devenv retire staging", more="--yes")

    shop.types("devenv render --chart chart --environment staging")
    shop.types("helm upgrade --install shop chart -f chart/values-staging.yaml", more="--wait")
    assert shop.page() == "second"
    shop.host("git", "tag", "v1.4.0")
    registry = documents.load((shop.root / "devenv.yaml").read_text())["environments"]["staging"]["registry"]
    host = registry.partition("/")[0]
    charts = f"oci://{host}/acme/charts"
    packed = shop.types("devenv render --chart dist --package", more=f"--push {charts}")
    assert packed.stdout.startswith("dist/shop-1.4.0.tgz\n")
    login = f"helm registry login {host} -u team -p team --plain-http"
    shop.types("helm registry login ghcr.io", login)
    shop.types(
        "helm upgrade --install shop oci://ghcr.io/acme/charts/shop --version 1.4.0 -f values-staging.yaml",
        f"helm upgrade --install shop {charts}/shop --version 1.4.0 -f chart/values-staging.yaml",
        more="--plain-http",
    )
    shop.types("kubectl create job now --from=cronjob/seed")
    shop.host("kubectl", "wait", "--for=condition=complete", "job/now", "--timeout=60s")

    shop.types("devenv render --swarm swarm", more="--environment staging")
    shop.types("docker compose -f images.yaml build --push", at="swarm")
    shop.types("devenv render --chart ../deploy/shop")
    written = shop.types("devenv promote staging --write ../deploy/shop")
    add, commit = [line for line in written.output.splitlines() if line.startswith("git ")]
    shop.host("sh", "-ec", f"{add}; {commit.replace('git ', 'git -c user.name=ann -c user.email=a@b ', 1)}")
    shop.types("devenv init --ci github")
    assert (shop.root / ".github/workflows").is_dir()
