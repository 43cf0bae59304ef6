"""The chart of a stack, as both majors of Helm read it: one chart, many environments."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from devenv.engine.promotion import charts
from devenv.errors import ManifestInvalid, UsageError
from devenv.render.chart import keys
from devenv.writing import export_chart
from tests import documents
from tests.helm import Helm

from .charts import environment, pod, project, rendered, written

SHOP = """\
    name: shop
    services:
      orders:
        build: {context: ./orders, target: dev}
        port: 8000
        uses: [postgres, cache, migrate]
        route: /api/orders
        env: {LOG_LEVEL: debug, SELF: "${orders.url}", WHERE: "${stack.namespace}", DB: "${postgres.host}"}
        secrets: [STRIPE_KEY]
        reload: {restart: true}
        publish: 8123
      worker: {image: "worker:1", uses: [orders], volumes: {data: /data}}
    jobs:
      migrate: {like: orders, command: migrate, uses: [postgres]}
      warm: {image: "warm:2", uses: [orders]}
      seed: {image: "seed:3", manual: true}
    infra:
      cache: {kind: valkey}
    gateway:
      consumers: {web: {key: "${secret.SHOP_KEY}"}}
    environments:
      staging:
        context: staging-cluster
        namespace: shop-staging
        registry: registry.staging.example/team
        host: shop.staging.example
        ingress: {class: kong, tls: staging-tls, annotations: {cert: "yes"}}
        services:
          orders:
            build: {target: production}
            replicas: 3
            resources: {memory: 1Gi}
            env: {LOG_LEVEL: info, TOKEN: "${secret.STAGING_TOKEN}"}
        infra: {postgres: {external: {secret: staging-postgres}}, cache: deploy}
      production:
        context: production-cluster
        registry: registry.production.example
        host: shop.example
        services: {orders: {replicas: 3, resources: {cpu: 500m}, autoscale: {max: 10}}}
        infra: {postgres: {deploy: {size: 50Gi, class: fast}}, cache: {external: {host: cache.example}}}
        secret: production-secrets
        values: {services: {orders: {nodeSelector: {disk: ssd}}}, labels: {team: shop}}
"""
OF_ENVIRONMENTS = ("staging", "production-", "production.", "registry.", "shop.example", "kong-class", "50Gi")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart, with the values of both environments beside it."""
    folder = tmp_path_factory.mktemp("shop")
    return written(folder / "chart", project(folder, SHOP), "staging", "production")


def test_helm_is_of_the_major_that_was_asked_for(helm: Helm) -> None:
    assert helm("version", "--template", "{{.Version}}").startswith(f"v{helm.major}.")


@pytest.mark.parametrize("values", [[], ["-f", "values-staging.yaml"], ["-f", "values-production.yaml"]])
def test_helm_has_nothing_to_say_against_it(helm: Helm, made: Path, values: list[str]) -> None:
    values = [str(made / word) if word.endswith(".yaml") else word for word in values]
    said = helm("lint", "--strict", made, *values)
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_one_packaged_chart_serves_every_environment(helm: Helm, made: Path, tmp_path: Path) -> None:
    helm("package", made, "-d", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    staging = rendered(helm, package, "-f", made / "values-staging.yaml")
    production = rendered(helm, package, "-f", made / "values-production.yaml")

    orders = staging["Deployment", "orders"]
    assert orders["spec"]["replicas"] == 3
    (container,) = pod(orders)["containers"]
    assert container["image"].startswith("registry.staging.example/team/shop-orders:")
    assert container["resources"]["limits"] == {"memory": "1024Mi"}
    (rule,) = staging["Ingress", "shop"]["spec"]["rules"]
    assert rule["host"] == "shop.staging.example"
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "kong", "port": {"number": 8000}}
    assert staging["Ingress", "shop"]["spec"]["ingressClassName"] == "kong"
    assert staging["Ingress", "shop"]["spec"]["tls"] == [
        {"hosts": ["shop.staging.example"], "secretName": "staging-tls"}
    ]
    assert staging["Ingress", "shop"]["metadata"]["annotations"] == {"cert": "yes"}
    assert not [key for key in staging if key[1].startswith("postgres")]
    assert ("StatefulSet", "cache") in staging

    orders = production["Deployment", "orders"]
    assert "replicas" not in orders["spec"]
    assert production["HorizontalPodAutoscaler", "orders"]["spec"]["minReplicas"] == 3
    assert pod(orders)["nodeSelector"] == {"disk": "ssd"}
    assert orders["metadata"]["labels"]["team"] == "shop"
    (claim,) = production["StatefulSet", "postgres"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"] == {"requests": {"storage": "50Gi"}}
    assert production["Service", "cache"]["spec"] == {"type": "ExternalName", "externalName": "cache.example"}
    assert ("StatefulSet", "cache") not in production


def test_a_container_sees_what_its_environment_says(helm: Helm, made: Path) -> None:
    secrets = {
        "shop-secrets": {"STRIPE_KEY": "sk", "STAGING_TOKEN": "token"},
        "staging-postgres": {"PGHOST": "db.staging", "DATABASE_URL": "postgresql://db.staging/shop"},
    }
    secrets["staging-postgres"] |= dict.fromkeys(
        ("POSTGRES_URL", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"), "x"
    )
    staging = rendered(helm, made, "-f", made / "values-staging.yaml")
    seen = environment(pod(staging["Deployment", "orders"])["containers"][0], secrets)
    assert seen["LOG_LEVEL"] == "info"
    assert seen["STRIPE_KEY"] == "sk"
    assert seen["TOKEN"] == "token"
    assert (seen["DB"], seen["PGHOST"]) == ("db.staging", "db.staging")
    assert seen["DATABASE_URL"] == "postgresql://db.staging/shop"
    assert seen["WHERE"] == "there"
    assert seen["CACHE_URL"] == "redis://cache:6379/0"


def test_nothing_of_an_environment_is_in_the_chart(made: Path) -> None:
    for file in made.rglob("*"):
        if file.is_file() and not file.name.startswith("values-"):
            text = file.read_text(encoding="utf-8")
            assert [word for word in OF_ENVIRONMENTS if word in text] == [], file


def test_values_say_only_what_differs(made: Path) -> None:
    values = documents.load((made / "values-staging.yaml").read_text(encoding="utf-8"))
    assert values.keys() == {"ingress", "services", "jobs", "infra"}
    assert values["infra"] == {"postgres": {"external": {"secret": "staging-postgres"}}}
    assert values["services"]["orders"].keys() == {"image", "replicas", "env", "resources"}


def test_nothing_of_development_goes_along(helm: Helm, made: Path) -> None:
    text = helm("template", "rel", made)
    for word in ("localhost:", "127.0.0.1:8123", "8123", "hostPort", "supervis", ".devenv", "checkout"):
        assert word not in text


def test_a_pushed_image_is_deployed_by_its_digest(helm: Helm, tmp_path: Path) -> None:
    of = project(tmp_path, SHOP)
    digest = "sha256:" + "a" * 64
    images = {"orders": f"registry:5000/shop/orders@{digest}", "migrate": "registry:5000/shop/orders:v1"}
    made = written(tmp_path / "chart", of)
    (tmp_path / "values.yaml").write_text(charts.values_file(of, "staging", images), encoding="utf-8")
    there = rendered(helm, made, "-f", tmp_path / "values.yaml")
    assert pod(there["Deployment", "orders"])["containers"][0]["image"] == images["orders"]
    assert pod(there["Job", "migrate"])["containers"][0]["image"] == images["migrate"]


REFUSED = {
    "nonsense=1": "'': additional properties 'nonsense' not allowed",
    "services.orders.replica=2": "'/services/orders': additional properties 'replica' not allowed",
    "services.order.replicas=2": "'/services': additional properties 'order' not allowed",
    "services.orders.replicas=many": "'/services/orders/replicas': got string, want integer",
    "services.orders.image.digest=latest": "'/services/orders/image/digest': 'latest' does not match pattern",
    "services.orders.autoscale.min=2": "'/services/orders/autoscale': missing property 'max'",
    "services.orders.env.A.key=b": "'/services/orders/env/A': additional properties 'key' not allowed",
    "ingress.tsl=a": "'/ingress': additional properties 'tsl' not allowed",
    "infra.postgres.volumes.data.sizes=1Gi": "'/infra/postgres/volumes/data': additional properties 'sizes' not allowed",
    "secret=": "'/secret': minLength: got 0, want 1",
}


def test_values_that_no_template_reads_are_refused_each_with_its_place(helm: Helm, made: Path) -> None:
    said = helm(
        "template", "rel", made, *(word for setting in REFUSED for word in ("--set", setting)), code=1
    )
    assert "don't meet the specifications of the schema" in said
    assert [reason for reason in REFUSED.values() if f"- at {reason}" not in said] == []


def test_what_an_operator_sets_replaces_what_a_template_says(helm: Helm, made: Path) -> None:
    values = ("services.orders.env.DATABASE_URL=mine", "services.orders.env.KEY.secret=OTHER")
    there = rendered(helm, made, "--set", ",".join(values))
    (container,) = pod(there["Deployment", "orders"])["containers"]
    env = {entry["name"]: entry for entry in container["env"]}
    assert len(env) == len(container["env"])
    assert env["DATABASE_URL"] == {"name": "DATABASE_URL", "value": "mine"}
    assert env["KEY"]["valueFrom"] == {"secretKeyRef": {"name": "shop-secrets", "key": "OTHER"}}


HOOK = "helm.sh/hook"


def test_a_migration_runs_before_a_release_where_its_stores_are_there(helm: Helm, made: Path) -> None:
    external = ("--set", "infra.postgres.external.secret=s")
    for argv in (external, (*external, "--is-upgrade")):
        job = rendered(helm, made, *argv)["Job", "migrate"]
        assert job["metadata"]["name"] == "migrate"
        assert job["metadata"]["annotations"][HOOK] == "pre-install,pre-upgrade"
        assert job["metadata"]["annotations"][f"{HOOK}-delete-policy"] == "before-hook-creation"
        assert pod(job)["serviceAccountName"] == "default"
        assert job["spec"]["backoffLimit"] == 0


def test_a_migration_runs_along_with_the_stores_that_a_release_brings(helm: Helm, made: Path) -> None:
    first = rendered(helm, made)["Job", "migrate"]["metadata"]
    assert first["annotations"].keys() == {"devenv.dev/made-of"}  # for the releases after it
    assert rendered(helm, made)["Job", "migrate"]["spec"]["backoffLimit"] == 6  # until its stores are there
    assert re.fullmatch("migrate-[0-9a-f]{8}", first["name"])
    assert rendered(helm, made)["Job", "migrate"]["metadata"]["name"] == first["name"]
    image = ("--set", "jobs.migrate.image.tag=other")
    assert rendered(helm, made, *image)["Job", "migrate"]["metadata"]["name"] != first["name"]
    external = ("--set", "infra.postgres.external.secret=s")
    # The first of these upgrades finds no such store in the cluster, as one that brings it does.
    for argv in ((), (*external, "--set", "jobs.migrate.hook=false")):
        along = rendered(helm, made, "--is-upgrade", *argv)["Job", "migrate"]
        assert along["metadata"]["name"].startswith("migrate-")


def test_the_volume_of_a_job_is_not_made_anew_with_each_release(helm: Helm, tmp_path: Path) -> None:
    manifest = "name: a\njobs: {warm: {image: x, volumes: {kept: /kept}}}\n"
    made = written(tmp_path / "chart", project(tmp_path, manifest))
    for argv in ((), ("--is-upgrade",)):
        there = rendered(helm, made, "--set", "annotations.owner=me", *argv)
        assert HOOK not in there["Job", "warm"]["metadata"].get("annotations", {})
        claim = there["PersistentVolumeClaim", "warm-kept"]["metadata"]["annotations"]
        assert claim == {"helm.sh/resource-policy": "keep", "owner": "me"}


def test_a_job_that_uses_a_service_runs_after_the_release(helm: Helm, made: Path) -> None:
    there = rendered(helm, made)
    assert there["Job", "warm"]["metadata"]["annotations"][HOOK] == "post-install,post-upgrade"
    assert there["CronJob", "seed"]["spec"]["suspend"] is True


def test_a_release_tells_where_it_is_and_what_its_secret_needs(
    helm: Helm, made: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "chart"))
    (folder / "templates" / "shown.yaml").write_text(SHOWN, encoding="utf-8")
    there = rendered(helm, folder, "-f", made / "values-staging.yaml")
    notes = there["ConfigMap", "notes"]["data"]["text"]
    assert "https://shop.staging.example/" in notes
    assert "Secret shop-secrets" in notes
    for key in ("POSTGRES_PASSWORD.url", "STRIPE_KEY", "SHOP_KEY.json"):
        assert f"  {key}\n" in notes
    closed = rendered(helm, folder)["ConfigMap", "notes"]["data"]["text"]
    assert "port-forward service/kong 8000:8000" in closed


SHOWN = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {text: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}}
"""


def test_the_stacks_secret_has_no_key_for_what_something_else_runs(tmp_path: Path) -> None:
    promoted = charts.promoted(project(tmp_path, SHOP))
    everything = {"POSTGRES_PASSWORD", "POSTGRES_PASSWORD.url", "SHOP_KEY.json", "STRIPE_KEY"}
    assert keys(promoted).keys() == everything
    assert keys(promoted, ["postgres"]).keys() == {"SHOP_KEY.json", "STRIPE_KEY"}


def test_the_same_stack_gives_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    both = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        of = project(tmp_path / name, SHOP)
        both.append(charts.chart(of) | {"values": charts.values_file(of, "staging")})
    assert both[0] == both[1]


def test_rendering_again_takes_out_templates_of_units_that_are_gone(tmp_path: Path) -> None:
    folder = written(tmp_path / "chart", project(tmp_path, SHOP))
    (folder / "templates" / "mine.yaml").write_text("# mine\n", encoding="utf-8")
    export_chart(charts.chart(project(tmp_path, "name: shop\nservices: {web: {image: x}}\n")), folder)
    left = {file.name for file in (folder / "templates").iterdir()}
    assert left >= {"web.yaml", "mine.yaml"}
    assert not left & {"orders.yaml", "kong.yaml", "ingress.yaml"}


def test_a_variable_of_two_stores_is_refused(tmp_path: Path) -> None:
    both = "name: a\nservices:\n  web: {image: x, uses: [postgres, valkey], env: {A: '${postgres.url} ${valkey.url}'}}\n"
    with pytest.raises(UsageError, match="web: the variable A mentions postgres and valkey"):
        charts.chart(project(tmp_path, both))


def test_values_of_an_environment_that_the_chart_does_not_have_are_named_at_once(tmp_path: Path) -> None:
    manifest = """\
name: a
services:
  web: {image: x}
environments:
  prod:
    context: c
    values: {services: {wep: {replicas: 1}, web: {replica: 1, env: {A: b}}}, label: {a: b}}
"""
    with pytest.raises(ManifestInvalid) as refusal:
        charts.values_file(project(tmp_path, manifest), "prod")
    problems = [re.sub("^.*devenv.yaml:", "", str(problem)) for problem in refusal.value.problems]
    assert problems == [
        '7:25: environments.prod.values.services.wep: the chart has no such value - did you mean "web"?',
        "7:51: environments.prod.values.services.web.replica: the chart has no such value"
        ' - did you mean "replicas"?',
        '7:78: environments.prod.values.label: the chart has no such value - did you mean "labels"?',
    ]


def test_a_label_of_a_long_name_and_version_is_one(helm: Helm, tmp_path: Path) -> None:
    name = "a-stack-whose-name-is-as-long-as-that-of-a-release-is"
    made = written(tmp_path / "chart", project(tmp_path, f"name: {name}\nservices: {{web: {{image: x}}}}"))
    about = made / "Chart.yaml"
    about.write_text(re.sub("(?m)^version: .*", "version: 0.1.0+52f7ac534faf", about.read_text()))
    for item in rendered(helm, made).values():
        label = item["metadata"]["labels"]["helm.sh/chart"]
        assert label == f"{name}-0.1.0_52f"
        assert len(label) <= 63


TWO = """\
    name: two
    services:
      web:
        image: x
        uses: [orders, users, s3/files]
        env: {A: "${orders.url}?k=${secret.K}", B: "x${secret.K}", WHERE: "${users.address}"}
    infra:
      orders: {kind: postgres}
      users: {kind: postgres}
      s3: {}
"""


def test_a_container_may_have_two_stores_of_a_kind(helm: Helm, tmp_path: Path) -> None:
    """What both would give another value is left out where one of them is elsewhere, as it is locally."""
    made = written(tmp_path / "chart", project(tmp_path, TWO))
    stack = dict.fromkeys(("ORDERS_PASSWORD.url", "USERS_PASSWORD.url", "S3_PASSWORD", "K"), "pw")
    orders = {"ORDERS_URL": "postgresql://db/orders"}
    secrets = {"two-secrets": stack, "theirs": orders}

    here = environment(pod(rendered(helm, made)["Deployment", "web"])["containers"][0], secrets)
    assert (here["PGUSER"], here["S3_BUCKET"], here["B"]) == ("app", "files", "xpw")
    assert here["A"] == "postgresql://app:pw@orders:5432/app?k=pw"

    elsewhere = rendered(helm, made, "--set", "infra.orders.external.secret=theirs")
    there = environment(pod(elsewhere["Deployment", "web"])["containers"][0], secrets)
    assert (there["ORDERS_URL"], there["A"]) == (orders["ORDERS_URL"], "postgresql://db/orders?k=pw")
    assert here.keys() - there.keys() == {"DEVENV_URL_ORDERS_PASSWORD", "PGPORT", "PGUSER", "PGDATABASE"}
    assert there["USERS_URL"] == here["USERS_URL"]

    secrets["theirs"] = {"USERS_URL": "postgresql://db/users", "USERS_ADDRESS": "db:5432"}
    elsewhere = rendered(helm, made, "--set", "infra.users.external.secret=theirs")
    there = environment(pod(elsewhere["Deployment", "web"])["containers"][0], secrets)
    assert there["WHERE"] == "db:5432"


def test_the_secret_has_what_stands_beside_an_address_of_another_store(tmp_path: Path) -> None:
    promoted = charts.promoted(project(tmp_path, TWO))
    assert keys(promoted, ["orders"]).keys() == {"K", "S3_PASSWORD", "USERS_PASSWORD", "USERS_PASSWORD.url"}


WRITTEN_IN = """\
    name: a
    services:
      web: {image: x, command: "serve --db ${postgres.url}", uses: [postgres]}
    environments:
      one: {context: c, infra: {postgres: {external: {secret: s}}}}
      two: {context: d, infra: {postgres: {external: {host: h}}}}
"""


def test_an_address_where_no_secret_is_read_is_refused_and_a_host_is_taken(
    helm: Helm, tmp_path: Path
) -> None:
    of = project(tmp_path, WRITTEN_IN)
    with pytest.raises(ManifestInvalid) as refusal:
        charts.values_file(of, "one")
    (problem,) = refusal.value.problems
    assert (
        "5:51: environments.one.infra.postgres.external.secret: the command of web has the address of postgres"
        in str(problem)
    )
    made = written(tmp_path / "chart", of, "two")
    args = pod(rendered(helm, made, "-f", made / "values-two.yaml")["Deployment", "web"])["containers"][0]
    assert args["args"][-1].endswith("@postgres:5432/app")
    said = helm("template", "rel", made, "--set", "infra.postgres.external.secret=s", code=1)
    assert "the command of web has the address of postgres in it" in said
