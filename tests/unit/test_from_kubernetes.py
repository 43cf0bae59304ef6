"""Objects of Kubernetes, and what a first manifest makes of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from textwrap import dedent, indent
from typing import Any

import pytest

from devenv import documents
from devenv.drafting.draft import Draft
from devenv.drafting.kubernetes.addresses import Addresses
from devenv.drafting.kubernetes.convert import convert
from devenv.drafting.kubernetes.imported import Build
from devenv.drafting.kubernetes.project import imported
from devenv.drafting.reading import HERE
from devenv.drafting.scene import World
from devenv.drafting.stores import Stores
from tests.table import each_row

from .stacks import CATALOGUE

STORES = Stores(CATALOGUE)
ADDRESSES = Addresses(
    {"orders": "orders", "db": "db", "shop-api": "api"},
    {"orders": {80: 8000}, "db": {5432: 5432}, "shop-api": {80: 80}},
    {"shop"},
)


def drafted(text: str, builds: Mapping[str, Build] | None = None) -> Draft:
    """The draft of some objects, before anything is checked."""
    made = imported([*documents.load_all(dedent(text))], builds or {}, STORES)
    project = made.project(("k8s",), HERE)
    paths = {f"./{build.context}/{build.dockerfile}": "file" for build in (builds or {}).values()}
    return convert(project, made, World(paths=paths), STORES)


def deployment(pod: str, *others: str) -> str:
    """A Deployment `web` of this pod, a Service before its port 8000, and other objects."""
    head = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 1
      template:
        metadata: {labels: {app: web}}
        spec:
    """
    service = """
    kind: Service
    metadata: {name: web}
    spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}
    """
    texts = [dedent(head) + indent(dedent(pod), " " * 6), dedent(service), *map(dedent, others)]
    return "\n---\n".join(texts)


def container(keys: str) -> str:
    return f"containers: [{{name: web, image: web:1, ports: [{{name: http, containerPort: 8000}}], {keys}}}]"


def web(keys: str, *others: str) -> Any:
    """What the service of one container becomes."""
    return drafted(deployment(container(keys), *others)).value["services"]["web"]


def secret(name: str, **values: str) -> str:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return f"kind: Secret\nmetadata: {{name: {name}}}\ndata: {data}"


@each_row(
    {
        "another port": ("http://orders", "http://orders:8000"),
        "a path": ("http://orders:80/x", "http://orders:8000/x"),
        "without a scheme": ("orders:80", "orders:8000"),
        "a bare name": ("orders", "orders"),
        "whole": ("http://orders.shop.svc.cluster.local/x", "http://orders:8000/x"),
        "with the namespace": ("orders.shop:80", "orders:8000"),
        "of another namespace": ("http://orders.other.svc:80", "http://orders:8000"),
        "a login": ("postgres://u:p@db.shop.svc:5432/x", "postgres://u:p@db:5432/x"),
        "a pod of a set": ("db-0.db.shop.svc.cluster.local:5432", "db:5432"),
        "another name": ("ws://shop-api/", "ws://api/"),
        "in a text": ("proxy_pass http://orders;", "proxy_pass http://orders:8000;"),
        "in another name": ("myorders:80 x.orders:80", "myorders:80 x.orders:80"),
        "another domain": ("http://orders.example.com", "http://orders.example.com"),
        "in a path": ("http://x/orders:80", "http://x/orders:80"),
        "words": ("the orders are here", "the orders are here"),
    }
)
def test_an_address_inside_a_cluster_as_it_is_here(text: str, here: str) -> None:
    assert ADDRESSES.here(text) == here


@each_row(
    {
        "its port": ("", {"image": "web:1", "port": 8000}),
        "command and arguments": (
            'command: [sh, -c], args: ["serve $(PORT) $$HOME"], env: [{name: PORT, value: "8000"}]',
            {"entrypoint": "sh -c", "command": ["serve 8000 $HOME"], "env": {"PORT": "8000"}},
        ),
        "an address": ('env: [{name: SELF, value: "http://web/x"}]', {"env": {"SELF": "http://web:8000/x"}}),
        "a host and its port": (
            'env: [{name: API_HOST, value: web}, {name: API_PORT, value: "80"}]',
            {"env": {"API_HOST": "web", "API_PORT": "8000"}},
        ),
        "a dollar": ('env: [{name: COST, value: "5$ ${X}"}]', {"env": {"COST": "5$ $${X}"}}),
        "a check over HTTP": ("readinessProbe: {httpGet: {path: /up, port: http}}", {"health": "/up"}),
        "one that takes long": (
            "startupProbe: {httpGet: {path: /up, port: 8000}, failureThreshold: 30}",
            {"health": {"http": "/up", "within": "300s"}},
        ),
        "one of a port": ("livenessProbe: {tcpSocket: {port: 8000}}", {"health": {"tcp": 8000}}),
        "one of gRPC": ("readinessProbe: {grpc: {port: 8000}}", {"health": {"grpc": 8000}}),
        "one that runs": (
            'readinessProbe: {exec: {command: [sh, -c, "test $$(cat /up) = ${OK}"]}}',
            {"health": {"exec": ["sh", "-c", "test $(cat /up) = $${OK}"]}},
        ),
        "limits": (
            "resources: {limits: {cpu: 500m, memory: 256Mi}, requests: {cpu: 10m}}",
            {"resources": {"cpu": "500m", "memory": "256Mi"}},
        ),
        "rights": (
            "securityContext: {runAsUser: 1000, runAsGroup: 5, readOnlyRootFilesystem: true, "
            "allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}",
            {"user": "1000:5", "read_only": True, "no_new_privileges": True, "capabilities": {"drop": ["ALL"]}},
        ),
        "a folder": ("workingDir: /srv", {"workdir": "/srv"}),
    }
)  # fmt: skip
def test_a_container(keys: str, expected: Mapping[str, Any]) -> None:
    service = web(keys)
    assert {key: service[key] for key in expected} == expected


def test_several_ports_have_names() -> None:
    pod = "containers: [{name: web, image: x, ports: [{containerPort: 8000}, {containerPort: 9000, protocol: UDP}]}]"
    assert drafted(deployment(pod)).value["services"]["web"]["ports"] == {"http": 8000, "udp": "9000/udp"}


CONFIG = """
kind: ConfigMap
metadata: {name: conf}
data: {LEVEL: info, app.ini: "host = web.shop.svc:80\\nprice = $5\\n"}
"""


def test_variables_of_a_config_map_and_of_a_secret() -> None:
    keys = """envFrom: [{configMapRef: {name: conf}}, {secretRef: {name: s}, prefix: P_}], env: [
      {name: ONE, valueFrom: {secretKeyRef: {name: s, key: TOKEN}}},
      {name: NONE, valueFrom: {secretKeyRef: {name: s, key: NONE, optional: true}}},
      {name: LATER, valueFrom: {secretKeyRef: {name: sealed, key: k}}},
      {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"""
    draft = drafted(deployment(container(keys), CONFIG, secret("s", TOKEN="sesame-open", MODE="quiet-mode")))
    service = draft.value["services"]["web"]
    assert service["env"] == {"LEVEL": "info", "LATER": "${secret.SEALED_K}"}
    assert service["secrets"] == ["P_TOKEN", "P_MODE", "ONE"]
    assert draft.secrets == {
        "P_TOKEN": "sesame-open",
        "P_MODE": "quiet-mode",
        "ONE": "sesame-open",
    }
    by_hand = {row.what for row in draft.rows if row.fate == "by hand"}
    assert by_hand == {"web.env.POD"}


DB = """
kind: StatefulSet
metadata: {name: db}
spec:
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - name: postgres
        image: postgres:18
        env:
        - {name: POSTGRES_DB, value: shop}
        - {name: POSTGRES_USER, valueFrom: {secretKeyRef: {name: login, key: user}}}
        - {name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
"""
LOGIN = secret("login", user="clerk", password="sesame-open")


def test_a_database_is_a_store_and_what_repeats_its_login_refers_to_it() -> None:
    keys = """env: [
      {name: DB_USER, valueFrom: {secretKeyRef: {name: login, key: user}}},
      {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}},
      {name: DB_URL, value: "postgres://$(DB_USER):$(DB_PASSWORD)@db.shop.svc.cluster.local:5432/shop?x=1"}]"""
    draft = drafted(deployment(container(keys), DB, LOGIN))
    assert draft.value["infra"]["db"] == {
        "kind": "postgres",
        "version": "18",
        "database": "shop",
        "user": "clerk",
    }
    assert draft.value["services"]["web"]["env"] == {
        "DB_USER": "${db.user}",
        "DB_PASSWORD": "${db.password}",
        "DB_URL": "postgres://${db.user}:${db.password}@${db.host}:${db.port}/${db.database}?x=1",
    }
    assert draft.value["services"]["web"]["uses"] == ["db"]
    assert draft.secrets == {"DB_PASSWORD": "sesame-open"}


def test_a_password_that_only_the_cluster_has_is_one_of_this_checkouts_own() -> None:
    keys = """env: [
      {name: DB_USER, value: clerk},
      {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}},
      {name: DB_URL, value: "postgresql://clerk:$(DB_PASSWORD)@db:5432/shop"},
      {name: KEY, valueFrom: {secretKeyRef: {name: stripe, key: STRIPE_KEY}}}]"""
    db = DB.replace("valueFrom: {secretKeyRef: {name: login, key: user}}", "value: clerk")
    draft = drafted(deployment(container(keys), db))
    assert draft.value["infra"]["db"] == {
        "kind": "postgres",
        "version": "18",
        "database": "shop",
        "user": "clerk",
    }
    assert draft.value["services"]["web"]["env"] == {
        "DB_USER": "clerk",
        "DB_PASSWORD": "${db.password}",
        "DB_URL": "${db.url}",
        "KEY": "${secret.STRIPE_KEY}",
    }
    assert draft.secrets == {}


def test_a_password_in_the_arguments_of_a_store_is_its_password() -> None:
    cache = """
    kind: Deployment
    metadata: {name: cache}
    spec:
      template:
        metadata: {labels: {app: cache}}
        spec:
          containers:
          - name: redis
            image: redis:8
            args: [redis-server, --requirepass, $(PASSWORD)]
            env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}]
    ---
    kind: Service
    metadata: {name: cache}
    spec: {selector: {app: cache}, ports: [{port: 6379}]}
    """
    keys = "env: [{name: CACHE, value: 'redis://:sesame-open@cache:6379'}]"
    draft = drafted(deployment(container(keys), cache, LOGIN))
    assert "sesame-open" not in str(draft.value)
    assert "$(PASSWORD)" not in str(draft.value)
    assert draft.value["services"]["web"]["env"] == {
        "CACHE": "redis://:${cache.password}@${cache.host}:${cache.port}"
    }


@each_row(
    {
        "an address": "postgres://root:not-to-be-seen@db:5432/shop",
        "one that is made of others": "postgres://root:$(PART)@db:5432/shop",
        "a word": "not-to-be-seen",
        "a text of ADO.NET": "Server=db;Database=shop;User Id=sa;Password=not-to-be-seen",
        "a query": "postgresql://clerk:sesame-open@db:5432/shop?token=not-to-be-seen",
        "an object": '{"url": "http://db:5432", "key": "not-to-be-seen"}',
    }.items()
)
def test_no_value_of_a_secret_stands_in_the_manifest(what: str, value: str) -> None:
    given = {"PART": "not-to-be-seen"} if "PART" in value else {"WHOLE": value}
    part = [f"{{name: {key}, valueFrom: {{secretKeyRef: {{name: s, key: {key}}}}}}}" for key in given]
    whole = [f"{{name: WHOLE, value: '{value}'}}"] if "PART" in value else []
    args = "args: [serve, --token=$(PART)], " if "PART" in value else ""
    draft = drafted(
        deployment(container(f"{args}env: [{', '.join([*part, *whole])}]"), DB, LOGIN, secret("s", **given))
    )
    assert "not-to-be-seen" not in str(draft.value)
    assert any("not-to-be-seen" in secret for secret in draft.secrets.values())


def test_no_value_of_a_secret_stands_in_what_a_store_is_given() -> None:
    hidden = "{name: EXTRA, valueFrom: {secretKeyRef: {name: s, key: EXTRA}}}"
    db = DB.replace(
        "- {name: POSTGRES_DB, value: shop}", f"- {{name: POSTGRES_DB, value: shop}}\n        - {hidden}"
    )
    db = db.replace("image: postgres:18", "image: postgres:18\n        args: [-c, 'app.key=$(EXTRA)']")
    draft = drafted(deployment(container(""), db, LOGIN, secret("s", EXTRA="not-to-be-seen")))
    assert draft.value["infra"]["db"]["env"] == {"EXTRA": "${secret.DB_EXTRA}"}
    assert "app.key=${secret.DB_EXTRA}" in str(draft.value["infra"]["db"])
    assert "not-to-be-seen" not in str(draft.value)
    assert draft.secrets["DB_EXTRA"] == "not-to-be-seen"


def test_files_of_a_config_map_and_of_a_secret() -> None:
    pod = """
    containers:
    - name: web
      image: web:1
      ports: [{containerPort: 8000}]
      volumeMounts:
      - {name: conf, mountPath: /etc/app}
      - {name: one, mountPath: /etc/one.ini, subPath: app.ini}
      - {name: keys, mountPath: /keys}
      - {name: data, mountPath: /data}
      - {name: tmp, mountPath: /tmp}
      - {name: scratch, mountPath: /scratch}
      - {name: node, mountPath: /node}
    volumes:
    - {name: conf, configMap: {name: conf, items: [{key: app.ini, path: sub/app.ini}]}}
    - {name: one, configMap: {name: conf}}
    - {name: keys, secret: {secretName: keys}}
    - {name: data, persistentVolumeClaim: {claimName: media}}
    - {name: tmp, emptyDir: {medium: Memory}}
    - {name: scratch, emptyDir: {}}
    - {name: node, hostPath: {path: /var/log}}
    """
    claim = (
        "kind: PersistentVolumeClaim\nmetadata: {name: media}\nspec: {resources: {requests: {storage: 5Gi}}}"
    )
    draft = drafted(deployment(pod, CONFIG, claim, secret("keys", id_rsa="sesame-open")))
    service = draft.value["services"]["web"]
    text = "host = web:8000\nprice = $5\n"
    assert service["files"] == {
        "/etc/app/sub/app.ini": {"content": text},
        "/etc/one.ini": {"content": text},
        "/keys/id_rsa": {"secret": "KEYS_ID_RSA"},
    }
    assert (service["volumes"], service["tmpfs"]) == ({"media": "/data"}, ["/tmp"])
    assert draft.value["volumes"] == {"media": {"size": "5Gi"}}
    assert draft.secrets == {"KEYS_ID_RSA": "sesame-open"}
    assert {row.what for row in draft.rows if row.fate == "by hand"} == {"web.volumeMounts /node"}


def test_what_a_file_names_is_used() -> None:
    pod = """
    containers: [{name: web, image: "nginx:1.27", volumeMounts: [{name: c, mountPath: /etc/nginx/conf.d}]}]
    volumes: [{name: c, configMap: {name: c}}]
    """
    conf = """
    kind: ConfigMap
    metadata: {name: c}
    data: {default.conf: "location / { proxy_pass http://api.shop.svc.cluster.local/; }"}
    """
    api = deployment(container("")).replace("web", "api")
    draft = drafted(deployment(pod, conf) + "\n---\n" + api)
    assert draft.value["services"]["web"]["uses"] == ["api"]
    (file,) = draft.value["services"]["web"]["files"].values()
    assert file == {"content": "location / { proxy_pass http://api:8000/; }"}


INGRESS = """
kind: Ingress
metadata: {name: front, annotations: {nginx.ingress.kubernetes.io/rewrite-target: %s}}
spec: {rules: [%s]}
"""
PATH = "{path: '%s', pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}"


@each_row(
    {
        "a prefix": ("''", [("shop.test", "/api")], "/api"),
        "two paths": ("''", [("shop.test", "/a"), ("shop.test", "/b")], ["/a", "/b"]),
        "two hosts": (
            "''",
            [("a.test", "/"), ("b.test", "/b")],
            [{"path": "/", "host": "a.test"}, {"path": "/b", "host": "b.test"}],
        ),
        "a rest that is passed on": ("/$2", [("", "/api(/|$)(.*)")], {"path": "/api", "strip": True}),
        "a prefix that is taken off": ("/", [("", "/api")], {"path": "/api", "strip": True}),
    }
)
def test_an_ingress_is_the_gateways(rewrite: str, paths: list[tuple[str, str]], route: Any) -> None:
    rules = [f"{{host: '{host}', http: {{paths: [{PATH % path}]}}}}" for host, path in paths]
    draft = drafted(deployment(container(""), INGRESS % (rewrite, ", ".join(rules))))
    assert draft.value["services"]["web"]["route"] == route


def test_a_route_of_the_gateway_api() -> None:
    route = """
    kind: HTTPRoute
    metadata: {name: front}
    spec:
      hostnames: [shop.test]
      rules:
      - matches: [{path: {type: PathPrefix, value: /api}}]
        filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
        backendRefs: [{name: web, port: 80}]
      - matches: [{path: {type: PathPrefix, value: /split}}]
        backendRefs: [{name: web, weight: 9}, {name: other, weight: 1}]
    """
    draft = drafted(deployment(container(""), route))
    assert draft.value["services"]["web"]["route"] == {"path": "/api", "strip": True}
    assert "HTTPRoute front /split" in {row.what for row in draft.rows if row.fate == "by hand"}


KONG = """
kind: Ingress
metadata: {name: front, annotations: {konghq.com/strip-path: "true", konghq.com/plugins: "limit, key", konghq.com/methods: GET}}
spec: {rules: [{http: {paths: [{path: /api, backend: {service: {name: web}}}, {path: "/~/v[0-9]+", backend: {service: {name: web}}}]}}]}
---
kind: KongPlugin
metadata: {name: limit}
plugin: rate-limiting
config: {minute: 5}
---
kind: KongPlugin
metadata: {name: key}
plugin: oauth2
config: {provision_key: sesame-open}
---
kind: KongClusterPlugin
metadata: {name: all, labels: {global: "true"}}
plugin: cors
"""


def test_an_ingress_of_kong_brings_its_plugins() -> None:
    draft = drafted(deployment(container(""), KONG))
    plugins = [
        {"rate-limiting": {"minute": 5}},
        {"oauth2": {"provision_key": "${secret.KEY_OAUTH2_PROVISION_KEY}"}},
    ]
    more = {"methods": ["GET"], "strip": True, "plugins": plugins}
    first, second = draft.value["services"]["web"]["route"]
    assert (first, second["path"]) == ({"path": "/api", **more}, "~/v[0-9]+")
    assert draft.value["gateway"] == {"plugins": ["cors"]}
    assert draft.secrets == {"KEY_OAUTH2_PROVISION_KEY": "sesame-open"}


def test_a_route_of_traefik() -> None:
    route = """
    kind: IngressRoute
    metadata: {name: front}
    spec:
      routes:
      - {match: "Host(`shop.test`) && PathPrefix(`/api`)", services: [{name: web, port: 80}], middlewares: [{name: strip}]}
      - {match: "Host(`shop.test`)", services: [{name: web, port: 80}]}
    ---
    kind: Middleware
    metadata: {name: strip}
    spec: {stripPrefix: {prefixes: [/api]}}
    """
    draft = drafted(deployment(container(""), route))
    assert draft.value["services"]["web"]["route"] == [{"path": "/api", "strip": True}, "/"]


def test_what_runs_before_a_program() -> None:
    pod = """
    initContainers:
    - {name: wait, image: busybox, command: [sh, -c, "until nc -z db 5432; do sleep 1; done"]}
    - {name: too, image: busybox, command: [sh, -c, "until nc -z $DB; do sleep 1; done"], env: [{name: DB, value: "db:1"}]}
    - {name: migrate, image: web:1, args: [migrate]}
    - {name: fill, image: git, volumeMounts: [{name: shared, mountPath: /x}]}
    - {name: proxy, image: proxy, restartPolicy: Always}
    containers: [{name: side, image: side:1}, {name: web, image: web:1}]
    volumes: [{name: shared, emptyDir: {}}]
    """
    draft = drafted(deployment(pod, DB, LOGIN))
    assert draft.value["services"]["web"]["uses"] == ["db", "web-migrate"]
    assert draft.value["services"]["web"]["image"] == "web:1"
    assert draft.value["jobs"] == {"web-migrate": {"image": "web:1", "command": "migrate"}}
    by_hand = {row.what for row in draft.rows if row.fate == "by hand"}
    assert by_hand == {
        "web: init container fill",
        "web: init container proxy",
        "web: container side (side:1)",
    }


def test_jobs_and_what_a_clock_runs() -> None:
    pod = "template: {spec: {containers: [{name: x, image: job:1, args: [run]}]}}"
    jobs = [
        f"kind: Job\nmetadata: {{name: once}}\nspec: {{{pod}}}",
        f'kind: CronJob\nmetadata: {{name: nightly}}\nspec: {{schedule: "0 3 * * *", jobTemplate: {{spec: {{{pod}}}}}}}',
        "kind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\nspec: {containers: [{name: x, image: x}]}",
    ]
    draft = drafted("\n---\n".join(jobs))
    plain = {"image": "job:1", "command": "run"}
    assert draft.value["jobs"] == {"once": plain, "nightly": {**plain, "manual": True}}
    assert "services" not in draft.value


def test_an_image_that_is_built_here() -> None:
    pod = "containers: [{name: web, image: 'registry.test:5000/shop/web:1.4'}]"
    draft = drafted(deployment(pod), {"web": Build("apps/web")})
    assert draft.value["services"]["web"]["build"] == "./apps/web"


def test_a_workload_is_called_as_its_service_is() -> None:
    service = "kind: Service\nmetadata: {name: front}\nspec: {selector: {app: web}, ports: [{port: 80}]}"
    renamed = deployment(container("")).replace(
        "kind: Service\nmetadata: {name: web}", service.split("\nspec")[0]
    )
    assert [*drafted(renamed).value["services"]] == ["front"]
    both = drafted(deployment(container("env: [{name: X, value: 'http://front.shop.svc/'}]"), service))
    assert both.value["services"]["web"]["aliases"] == ["front"]
    assert both.value["services"]["web"]["env"]["X"] == "http://web/"


def test_a_service_before_several_workloads_is_the_first_one_and_the_others_are_named() -> None:
    second = (
        deployment(container(""))
        .partition("\n---\n")[0]
        .replace("metadata: {name: web}", "metadata: {name: web-v2}")
    )
    draft = drafted(deployment(container(""), second))
    assert [*draft.value["services"]] == ["web", "web-v2"]
    (row,) = [row for row in draft.rows if row.what == "Service web"]
    assert (row.fate, "web-v2" in row.note) == ("by hand", True)


def test_objects_of_one_name_in_two_places() -> None:
    twice = deployment(container("")) + "\n---\n" + deployment("containers: [{name: web, image: web:2}]")
    assert drafted(twice).value["services"]["web"]["image"] == "web:2"
    other = deployment(container("")).replace(
        "metadata: {name: web}", "metadata: {name: web, namespace: b}", 1
    )
    assert [*drafted(deployment(container("")) + "\n---\n" + other).value["services"]] == ["web", "web-2"]


def test_every_object_is_in_the_manifest_or_in_the_table() -> None:
    kinds = (
        "ServiceAccount", "HorizontalPodAutoscaler", "DaemonSet", "NetworkPolicy", "ServiceMonitor", "Certificate",
    )  # fmt: skip
    more = [f"kind: {kind}\nmetadata: {{name: x}}" for kind in kinds]
    more += [
        "kind: ConfigMap\nmetadata: {name: lonely}",
        "kind: Service\nmetadata: {name: out}\nspec: {externalName: a.test}",
    ]
    rows = drafted(deployment(container(""), *more)).rows
    assert {row.what for row in rows if row.fate == "by hand"} == {"Certificate x", "Service out"}
    dropped = {row.what for row in rows if row.fate == "dropped"}
    assert {*(f"{kind} x" for kind in kinds[:-1]), "ConfigMap lonely"} <= dropped


@pytest.mark.parametrize(
    "kind", ["Deployment", "Job", "CronJob", "Pod", "Service", "Ingress", "HTTPRoute", "Secret"]
)
@pytest.mark.parametrize(
    "spec", ["", "spec: ", "spec: {}", "spec: {template: , containers: , rules: , ports: }"]
)
def test_an_object_that_says_nothing_is_no_error(kind: str, spec: str) -> None:
    text = f"kind: {kind}\nmetadata: {{name: x}}\n{spec}"
    assert isinstance(drafted(text).value, dict)
