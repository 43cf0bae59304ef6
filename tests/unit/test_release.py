"""A release at its cluster: what is refused, why a rollout failed, and what is asked of Helm."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devenv.backends.entrance import unserved
from devenv.backends.helm import REPEATED, Helm, HelmBusy, HelmFailed, Stored, faults
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.backends.kube.refusals import Refused
from devenv.engine.project import Project
from devenv.engine.promotion.leftovers import Leftovers
from devenv.engine.promotion.parcel import Parcel
from devenv.engine.promotion.promote import Release
from devenv.engine.promotion.shipping import Shipping, build_secrets
from devenv.engine.promotion.smoke import Smoke
from devenv.errors import Card, DevenvError, ToolMissing, UsageError
from devenv.manifest.environments import Environment
from devenv.plan.promotion.changes import Origin, Revision, Target, Verb
from devenv.stack.model import Stack
from tests import documents
from tests.interrupting import interrupt_once
from tests.table import each_row
from tests.unit.chart.charts import project
from tests.unit.kubernetes.answering import Answering, Responding
from tests.unit.kubernetes.stacks import stack
from tests.unit.stacks import manifest

AGAIN = "fix it, then devenv promote staging"
SHOP = """
    name: shop
    services:
      web: {image: "web:1", port: 8000, route: /web, health: /healthz}
"""


class Api(Answering):
    """A server with these objects by name; what is written to it is recorded, and some paths are refused."""

    refusing: Mapping[str, int] = {}

    def find(self, path: str) -> dict[str, Any] | None:
        name = path.rpartition("/")[2]
        return dict(self._objects[name]) if name in self._objects else None

    def text(self, path: str, **query: Any) -> str:
        for end, status in self.refusing.items():
            if path.endswith(end):
                raise Refused(f"the cluster answered {status}", status=status, reason="")
        return super().text(path, **query) if "/pods/" in path else "fine"


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program called helm that writes down what is asked of it, prints what a file says, and ends well."""
    program, asked = tmp_path / "bin" / "helm", tmp_path / "asked"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\n[ ! -e {tmp_path}/refusal ] || {{ cat {tmp_path}/refusal >&2; exit 1; }}\n'
        'case $1 in history) echo "[]";; get) echo;; *) echo "$2";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


def release(*statuses: str, api: Client | None = None) -> Release:
    made = Release(Target("staging", "gke", "shop", "shop"))
    made.history = [Revision(number, status, "", "shop-0.1.0") for number, status in enumerate(statuses, 1)]
    made.helm = Helm("gke", "shop", 4)
    made.place = Place("gke", {"server": "http://127.0.0.1:9"}, {})
    made.client = api or Api()
    return made


def pod(**status: Any) -> dict[str, Any]:
    labels = {"devenv.dev/unit": "web"}
    metadata = {"name": "web-1", "uid": "1", "namespace": "shop", "labels": labels}
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        "status": status,
    }


def shop() -> Stack:
    return stack(SHOP)


def test_hooks_are_objects_of_a_revision(helm: Path) -> None:
    assert Helm("gke", "shop", 4).stored("shop", 3) == Stored("", "")
    assert ".Release.Hooks" in (helm / "asked").read_text()
    Helm("gke", "shop", 4).rendered("shop", Path("chart"), [], kubernetes="v1.33.1", upgrade=True)
    asked = (helm / "asked").read_text().splitlines()[-1]
    assert "--is-upgrade" in asked
    assert "--no-hooks" not in asked
    assert "--kube-version v1.33.1" in asked


def test_a_cluster_that_does_not_answer_helm_is_a_tool_that_is_missing(helm: Path) -> None:
    (helm / "refusal").write_text(
        "Error: Kubernetes cluster unreachable: dial tcp 127.0.0.1:1: connection refused\n"
    )
    with pytest.raises(ToolMissing, match="does not answer") as error:
        Helm("gke", "shop", 3).history("shop")
    assert error.value.exit_code == 3
    (helm / "refusal").write_text(
        'Error: Kubernetes cluster unreachable: Get "https://gke/version": getting credentials: exec: executable'
        " gke-gcloud-auth-plugin not found\n"
    )
    with pytest.raises(ToolMissing, match='signing in to "gke" did not work'):
        Helm("gke", "shop", 3).history("shop")
    (helm / "refusal").write_text("Error: something else\n")
    with pytest.raises(HelmFailed, match="history of shop cannot be read"):
        Helm("gke", "shop", 3).history("shop")


@pytest.mark.programs
def test_without_helm_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="the helm command is missing") as error:
        Helm.find("gke", "shop")
    assert "https://helm.sh/docs/intro/install" in error.value.hint


def test_a_chart_that_helm_finds_fault_with_is_not_sought_in_a_folder_that_is_gone(helm: Path) -> None:
    (helm / "refusal").write_text("[INFO] Chart.yaml: icon\n[ERROR] templates/: no such function\n")
    made = release(api=Api(objects={"version": {"gitVersion": "v1.33.1"}}))
    with pytest.raises(HelmFailed, match="helm lint refuses the chart") as error:
        made.objects(Parcel(shop(), {"Chart.yaml": "name: shop"}, "", Origin()))
    assert error.value.where == "context gke, namespace shop"
    assert error.value.why == "[ERROR] templates/: no such function"
    assert "devenv render --chart chart --environment staging" in error.value.hint
    assert "helm lint --strict chart --values chart/values-staging.yaml" in error.value.hint


def test_values_that_the_schema_refuses_are_each_named_once() -> None:
    first, *more = (
        "- at '/services/web': validation failed",
        "  - at '/services/web/replicas': got string",
        "- at ''",
    )
    listed = "\n".join([first, *more])
    linted = f"[ERROR] values.yaml: {listed}\n\n[ERROR] templates/: {REPEATED}\nshop:\n{listed}\n"
    assert faults(linted) == [f"[ERROR] values.yaml: {first}", *more]


def test_a_secret_that_somebody_else_made_is_not_changed() -> None:
    theirs = {"metadata": {"name": "keys"}, "data": {}}
    ours = {"metadata": {"name": "keys", "labels": {"app.kubernetes.io/managed-by": "devenv"}}}
    missing = {"keys": {"TOKEN"}}
    with pytest.raises(UsageError, match="keys lacks TOKEN, and devenv did not make it") as error:
        release(api=Api(objects={"keys": theirs})).secrets.require_makeable(missing, {"TOKEN": "x"})
    assert error.value.hint == "kubectl --context gke -n shop edit secret keys"
    release(api=Api(objects={"keys": ours})).secrets.require_makeable(missing, {"TOKEN": "x"})
    release(api=Api()).secrets.require_makeable(missing, {"TOKEN": "x"})
    with pytest.raises(UsageError, match="no value for TOKEN"):
        release(api=Api()).secrets.require_makeable(missing, {})


STORED = """
    name: shop
    infra: {mysql: {}, postgres: {}}
    services: {web: {image: "web:1", port: 8000, uses: [mysql, postgres]}}
    environments: {staging: {context: gke, infra: {mysql: deploy, postgres: deploy}}}
"""


def test_a_password_that_data_was_made_with_is_not_made_anew(tmp_path: Path) -> None:
    missing = {"shop-secrets": {"MYSQL_ROOT_PASSWORD"}}
    of, empty = project(tmp_path, STORED), {"items": list[Any]()}
    volume = {"metadata": {"name": "mysql-data-mysql-0"}}
    there = {"persistentvolumeclaims": {"items": [volume]}, "pods": empty}

    def values(of: Project = of, **objects: Any) -> Mapping[str, str]:
        return release(api=Api(objects=objects)).secrets.values(of, missing, {})

    with pytest.raises(UsageError, match="MYSQL_ROOT_PASSWORD is gone, and the data of mysql is") as error:
        values(**there)
    assert "mysql-data-mysql-0" in error.value.where
    first, *more = error.value.hint.splitlines()
    assert first.startswith("echo 'MYSQL_ROOT_PASSWORD=...' >> .env ")
    assert [line.partition("   ")[0] for line in more] == [
        "kubectl --context gke -n shop delete pvc mysql-data-mysql-0"
    ]
    with pytest.raises(UsageError) as error:
        values(**there | {"pods": {"items": [{"metadata": {"name": "mysql-0"}}]}})
    assert "kubectl --context gke -n shop exec mysql-0 -- env " in error.value.hint

    assert len(values(persistentvolumeclaims=empty)["MYSQL_ROOT_PASSWORD"]) == 32
    missing = {"shop-secrets": {"POSTGRES_PASSWORD"}}  # which the store sets in data that is there
    assert len(values(**there)["POSTGRES_PASSWORD"]) == 32
    missing = {"shop-secrets": {"MYSQL_ROOT_PASSWORD"}}
    (tmp_path / ".env").write_text("MYSQL_ROOT_PASSWORD=old\n")
    assert values(project(tmp_path), **there)["MYSQL_ROOT_PASSWORD"] == "old"


CALLED = """
    name: shop
    services: {web: {image: "web:1", port: 8000, route: {path: /web, plugins: [basic-auth]}}}
    gateway: {consumers: {ann: {basic: {ann: "${secret.ANN}"}, key: "${secret.KEY}"}}}
    environments: {staging: {context: gke, gateway: kong}}
"""


def test_credentials_of_consumers_are_made_for_kongs_controller(tmp_path: Path) -> None:
    made = list[dict[str, Any]]()

    class Making(Api):
        def create(self, path: str, item: Mapping[str, Any]) -> dict[str, Any]:
            made.append(dict(item))
            return {}

    secrets = release(api=Making(objects={"shop": {}})).secrets
    missing = {"shop.ann.basic-auth": {"username", "password"}, "shop.ann.key-auth": {"key"}}
    values = secrets.values(project(tmp_path, CALLED), missing, {"ANN": "sesame", "KEY": ""})
    with pytest.raises(UsageError, match="no value for key"):
        secrets.require_makeable(missing, values)
    values = secrets.values(project(tmp_path, CALLED), missing, {"ANN": "sesame", "KEY": "k"})
    secrets.require_makeable(missing, values)
    secrets.create(missing, values, {"shop.ann.key-auth": {"konghq.com/credential": "key-auth"}})
    assert [item["stringData"] for item in made] == [{"password": "sesame", "username": "ann"}, {"key": "k"}]
    labels = [item["metadata"]["labels"].get("konghq.com/credential") for item in made]
    assert labels == [None, "key-auth"]


@pytest.mark.parametrize(
    "refusal",
    [
        "another operation (install/upgrade/rollback) is in progress",
        'UPGRADE FAILED: create: failed to create: secrets "sh.helm.release.v1.shop.v3" already exists',
        "INSTALLATION FAILED: cannot re-use a name that is still in use",
    ],
)
def test_whoever_comes_second_is_told_that_somebody_else_changes_it(helm: Path, refusal: str) -> None:
    (helm / "refusal").write_text(f"Error: {refusal}\n")
    with pytest.raises(HelmBusy) as error:
        Helm("gke", "shop", 3).rollback("shop", 1, within=1, on_interrupt=lambda: None)
    assert error.value.what == "shop is being changed by somebody else"
    assert error.value.hint == "wait for that, then again"


def test_a_helm_that_was_killed_says_so(helm: Path) -> None:
    (helm / "bin" / "helm").write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(HelmFailed, match="shop was not rolled out") as error:
        Helm("gke", "shop", 3).rollback("shop", 1, within=1, on_interrupt=lambda: None)
    assert error.value.why == "helm was ended by signal 9"


def test_a_failed_rollout_says_what_was_in_the_way_and_what_serves(helm: Path) -> None:
    made, card = release("deployed"), Card("web", "ended with exit 3", hint="devenv logs web")
    failed = made._explained(HelmFailed("timed out"), card, AGAIN)
    assert (failed.what, failed.hint) == (
        "web ended with exit 3", "nothing serves; fix it, then devenv promote staging",
    )  # fmt: skip
    assert made._explained(HelmFailed("timed out"), None, AGAIN).what == "timed out"
    busy = HelmBusy("shop is being changed by somebody else", hint="wait for that, then again")
    for cause in (card, None):  # theirs is in the way, and half made
        assert (again := made._explained(busy, cause, AGAIN)) is busy
        assert again.hint == "wait for that, then again"


CHART = "kind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: '{a}'}}\n"


def test_after_a_way_back_that_failed_there_is_something_to_promote(helm: Path) -> None:
    rows = [{"revision": number, "updated": "", "chart": "shop-0.1.0"} for number in (1, 2, 3)]
    for each, status in zip(rows, ("superseded", "deployed", "failed"), strict=True):
        each["status"] = status
    (helm / "bin" / "helm").write_text(
        f"#!/bin/sh\ncase $1 in history) echo '{json.dumps(rows)}';;\n"
        f'get) echo shop; case $5 in 3) echo "{CHART.format(name="web", a=1)}";;'
        f' *) echo "{CHART.format(name="web", a=2)}";; esac;; esac\n'
    )
    made = release("superseded", "deployed", "failed")
    (change,) = made.changes([*documents.load_all(CHART.format(name="web", a=2))])
    assert (change.verb, change.name) == (Verb.CHANGE, "web")
    assert made._standing() == (
        "revision 3 is half made, and what is ready of revision 2 serves: "
        "devenv rollback staging brings all of that back"
    )
    assert not made._serves(2)
    assert made.unmended.startswith("revision 3 is half made")
    assert not release("superseded", "failed", "deployed").unmended


def test_a_smoke_test_that_fails_brings_back_what_served(helm: Path) -> None:
    api = Api()
    api.refusing = {":8000/proxy/healthz": 503}
    lines: list[str] = []
    with pytest.raises(DevenvError, match="web is not healthy: GET /healthz on port 8000") as error:
        release("superseded", "deployed", api=api).verify(shop(), lambda step, line: lines.append(line))
    assert error.value.hint.startswith("revision 2 serves again")
    (asked,) = [line for line in (helm / "asked").read_text().splitlines() if line.startswith("rollback")]
    assert asked.startswith("rollback shop 2 --history-max 30 --wait")
    (helm / "asked").unlink()
    with pytest.raises(DevenvError, match="web is not healthy") as error:
        release(api=api).verify(shop(), lambda step, line: None)
    assert not (helm / "asked").exists()
    assert "it serves all the same: devenv retire staging" in error.value.hint


def test_after_ctrl_c_in_a_smoke_test_people_are_told_what_serves(helm: Path) -> None:
    class Slow(Api):
        def text(self, path: str, **query: Any) -> str:
            raise KeyboardInterrupt

    lines: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        release("deployed", api=Slow()).verify(shop(), lambda step, line: lines.append(f"{step} {line}"))
    assert (
        lines[-1] == "smoke interrupted: nothing serves, and nobody has tried it"
    )  # this Helm has no history


def test_who_may_not_look_at_volumes_promotes_and_retires_all_the_same() -> None:
    def respond(path: str, **query: Any) -> dict[str, Any]:
        raise Refused("no right", status=403, reason="Forbidden")

    made = release(api=Responding(respond))
    assert made.secrets._labelled("persistentvolumeclaims", "a=b") == []
    assert Leftovers(made.client, made.target).volumes() == {}
    with pytest.raises(Refused):
        Leftovers(made.client, made.target).volumes(needed=True)


STOPPED = """#!{python}
import os, signal, sys, time
if sys.argv[1] == "get":
    sys.exit(print())
if sys.argv[1] == "history":
    sys.exit(print('[{{"revision": 2, "status": "deployed", "updated": "", "chart": "shop-0.1.0"}}]'))
def stop(*_): sys.exit("Error: UPGRADE FAILED: context canceled")
signal.signal(signal.SIGINT, stop if {stops} else signal.SIG_IGN)
open("{ready}", "w").write(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("stops", "last"),
    [
        (True, "stopped: revision 2 serves"),
        (False, "Helm goes on by itself: devenv history staging   shows what becomes of it"),
    ],
)
def test_after_ctrl_c_people_are_told_what_helm_does(helm: Path, stops: bool, last: str) -> None:
    ready, lines = helm / "ready", list[str]()
    program = STOPPED.format(python=sys.executable, stops=stops, ready=ready)
    (helm / "bin" / "helm").write_text(program)

    def say(step: str, line: str) -> None:
        lines.append(line)
        if not stops and len(lines) == 1:
            interrupt_once(ready)

    interrupt_once(ready)
    with pytest.raises(KeyboardInterrupt):
        release("deployed").rollback(1, say)
    assert lines == ["interrupted: Helm stops going back; Ctrl-C again leaves it alone", last]
    if not stops:
        os.kill(int(ready.read_text()), signal.SIGKILL)  # which fails if it is gone


def test_a_route_that_the_gateway_does_not_know_is_asked_again_and_then_refused() -> None:
    api = Api(objects={"kong": {}})
    api.refusing = {"/proxy/web": 503}
    target = Target("staging", "gke", "shop", "shop")
    with pytest.raises(DevenvError, match="/web does not answer through the gateway"):
        Smoke(api, target, tries=1).test(shop(), lambda step, line: None)
    api.refusing = {"/proxy/web": 401}  # the service itself wants a login: it answers
    Smoke(api, target, tries=1).test(shop(), lambda step, line: None)


def test_a_route_that_the_clusters_own_gateway_serves_is_not_asked_and_the_service_is() -> None:
    api, lines = Api(), list[str]()
    smoke = Smoke(api, Target("staging", "gke", "shop", "shop"), tries=1)
    smoke.test(shop(), lambda step, line: lines.append(line))
    assert lines == ["web  /web  not asked: the cluster's own gateway serves it, and reports no address"]
    api.refusing = {"/proxy/healthz": 503}
    with pytest.raises(DevenvError, match="web is not healthy"):
        smoke.test(shop(), lambda step, line: None)


class Answers(BaseHTTPRequestHandler):
    """A gateway that answers with the server's status, where the right host is asked for."""

    def do_GET(self) -> None:
        status = self.server.status if self.headers["Host"] == "shop.example" else 421  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "own", "line"),
    [
        (200, 200, "web  /web  answers"),
        (401, 401, "web  /web  answers"),
        (404, 404, "web  /web  not proved: web itself has no page there"),
        (404, 200, "/web does not answer through the gateway"),
        (503, 200, "/web does not answer through the gateway"),
    ],
)
def test_a_gateway_of_the_cluster_is_asked_at_its_own_address(
    gateway: ThreadingHTTPServer, status: int, own: int, line: str
) -> None:
    gateway.status = status  # type: ignore[attr-defined]
    listeners = [
        {"name": "tcp", "protocol": "TCP", "port": 1},
        {"name": "http", "protocol": "HTTP", "port": gateway.server_port},
    ]
    addresses = {"addresses": [{"type": "IPAddress", "value": "127.0.0.1"}]}
    api = Api(objects={"public": {"spec": {"listeners": listeners}, "status": addresses}})
    api.refusing = {":8000/proxy/web": own} if own >= 400 else {}
    place = at_environment("{httproute: public}")
    lines = list[str]()
    target = Target("staging", "gke", "shop", "shop")
    try:
        Smoke(api, target, 1, place).test(shop(), lambda step, line: lines.append(line))
    except DevenvError as error:
        lines.append(error.what)
    assert lines[-1] == line


def test_a_gateway_without_an_address_is_said_not_to_be_proved() -> None:
    lines = list[str]()
    target = Target("staging", "gke", "shop", "shop")
    Smoke(Api(), target, 1, at_environment("ingress")).test(shop(), lambda step, line: lines.append(line))
    assert lines == ["web  /web  not asked: the cluster's own gateway serves it, and reports no address"]


DEFAULT = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}


@each_row(
    {
        "it is there": ("nginx", {"nginx": {}}, []),
        "a default": ("", {"nginx": DEFAULT}, []),
        "another": ("nginx", {"kong": {}, "traefik": DEFAULT}, ["nginx; it has kong, traefik"]),
        "none": ("nginx", {}, ["nginx; it has none"]),
        "no default": ("", {"nginx": {}}, ["by default; it has nginx"]),
    }
)
def test_an_ingress_that_no_class_of_the_cluster_serves_is_said(
    wanted: str, classes: dict[str, Any], lines: list[str]
) -> None:
    own = {"metadata": {"name": "shop"}, "spec": {"ingressClassName": wanted} if wanted else {}}
    there = [{"metadata": {"name": name, **more}} for name, more in classes.items()]
    api = Api(objects={"ingresses": {"items": [own]}, "ingressclasses": {"items": there}})
    said = [f"nothing serves the Ingress: the cluster has no IngressClass {line}" for line in lines]
    assert unserved(api, "shop", "shop") == said
    assert unserved(Api(), "shop", "shop") == []  # nobody may ask


def test_kongs_controller_reports_the_address_on_the_ingress_of_the_route() -> None:
    asked = list[str]()

    class Listing(Api):
        def find(self, path: str) -> dict[str, Any] | None:
            asked.append(path.rpartition("/")[2])
            return None

    target = Target("staging", "gke", "shop", "shop")
    routes = stack(SHOP.replace("route: /web", 'route: [/web, "/other"]'))
    Smoke(Listing(), target, 1, at_environment("kong")).test(routes, lambda step, line: None)
    assert asked == ["kong", "web", "web.2"]


def test_a_gateway_that_cannot_be_reached_from_here_is_said_not_to_be_proved() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    listeners = [{"name": "http", "protocol": "HTTP", "port": port}]
    spec = {"spec": {"listeners": listeners}, "status": {"addresses": [{"value": "127.0.0.1"}]}}
    lines = list[str]()
    place = at_environment("{httproute: public}")
    target = Target("staging", "gke", "shop", "shop")
    Smoke(Api(objects={"public": spec}), target, 1, place).test(shop(), lambda step, line: lines.append(line))
    assert lines[0].startswith(f"web  /web  not proved: 127.0.0.1:{port} does not answer here: ")


def http_route(*parents: tuple[str, str, str]) -> dict[str, Any]:
    """As controllers leave it: of each parent the status, reason and message of a condition."""
    conditions = [
        [{"type": "Accepted", "status": status, "reason": reason, "message": message}]
        for status, reason, message in parents
    ]
    return {
        "metadata": {"name": "web"},
        "status": {"parents": [{"conditions": each} for each in conditions]} if parents else {},
    }


@each_row(
    {
        "accepted": ([("True", "Accepted", "")], []),
        "refused by one of two": ([("False", "NoMatch", "no"), ("True", "Accepted", "")], []),
        "refused": (
            [("False", "NoMatchingParent", "No listener nope")],
            [
                "the Gateway public in infra refuses the HTTPRoute web",
                "NoMatchingParent: No listener nope",
            ],
        ),
        "looked at by nobody": (
            [],
            ["nothing serves the HTTPRoute web: no controller has looked at it for public in infra"],
        ),
    }
)
def test_a_gateway_that_refuses_a_route_says_why(
    parents: list[tuple[str, str, str]], lines: list[str]
) -> None:
    api, said = Api(objects={"httproutes": {"items": [http_route(*parents)]}}), list[str]()
    place = at_environment("{httproute: {gateway: public, namespace: infra, listener: nope}}")
    smoke = Smoke(api, Target("staging", "gke", "shop", "shop"), 1, place)
    try:
        smoke.test(shop(), lambda step, line: said.append(line))
    except DevenvError as error:
        said += [error.what, error.why]
    assert [line for line in said if "not asked" not in line] == lines


def at_environment(gateway: str) -> Environment:
    text = textwrap.dedent(SHOP) + (
        f"environments:\n  staging: {{context: gke, host: shop.example, gateway: {gateway}}}\n"
    )
    return manifest(text).environments["staging"]


def test_what_people_are_to_type_names_the_cluster() -> None:
    made = release(api=Api(objects={"keys": {"metadata": {"name": "keys"}, "data": {}}}))
    with pytest.raises(UsageError) as error:
        made.secrets.require_makeable({"keys": {"TOKEN"}}, {"TOKEN": "x"})
    assert error.value.hint.startswith("kubectl --context gke -n shop ")


def test_secrets_of_builds_are_known_by_name() -> None:
    made = stack(
        """
        name: shop
        services:
          web:
            build: {context: ./web, secrets: {npm: "${secret.NPM_TOKEN}"}, args: {KEY: "${secret.ARG}"}}
            secrets: [RUNTIME]
        """
    )
    assert build_secrets(made) == {"NPM_TOKEN", "ARG"}


def test_nodes_that_differ_are_named_before_anything_is_built() -> None:
    built = stack(
        """
        name: shop
        services: {web: {build: ./web}}
        """
    )
    images: Any = None  # which nobody asks
    ship = Shipping(images, built, "ghcr.io/acme", ["linux/amd64", "linux/arm64"], None, "", Path(), {})
    with pytest.raises(UsageError, match="built for one of linux/amd64, linux/arm64") as error:
        ship.ship({}, lambda step, line: None)
    assert "--platform linux/amd64" in error.value.hint
    assert "services: {web: {nodeSelector: {kubernetes.io/arch: amd64}}}" in error.value.hint
