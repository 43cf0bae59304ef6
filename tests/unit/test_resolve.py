"""What a manifest leaves to defaults, and what a service gets for naming what it uses."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest

from devenv.stack import text
from devenv.stack.model import Need, Probe
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.resolve import host_environment
from devenv.stack.text import secret
from devenv.stack.world import World

from .stacks import CATALOGUE, env, manifest, stack, unit

ONE = "name: a\nservices:\n  api: {{image: x, {}}}\n"


def env_of_api(service: str, rest: str = "") -> dict[str, str]:
    return env(ONE.format(service) + rest, "api")


def test_a_database_comes_with_every_name_that_libraries_look_for() -> None:
    url = "postgresql://app:|POSTGRES_PASSWORD|@postgres:5432/app"
    assert env_of_api("uses: [postgres]") == {
        "POSTGRES_URL": url,
        "DATABASE_URL": url,
        "PGHOST": "postgres",
        "PGPORT": "5432",
        "PGUSER": "app",
        "PGPASSWORD": "|POSTGRES_PASSWORD|",
        "PGDATABASE": "app",
    }


def test_two_databases_leave_database_url_to_the_manifest() -> None:
    variables = env_of_api("uses: [postgres, mysql]")
    assert "DATABASE_URL" not in variables
    assert variables["MYSQL_URL"] == "mysql://app:|MYSQL_PASSWORD|@mysql:3306/app"
    assert variables["PGHOST"] == "postgres"


def test_a_part_is_a_database_of_its_own_on_the_same_server() -> None:
    text = ONE.format("uses: [postgres/billing]")
    variables = env(text, "api")
    url = "postgresql://app:|POSTGRES_PASSWORD|@postgres:5432/billing"
    assert variables["POSTGRES_BILLING_URL"] == variables["POSTGRES_URL"] == variables["DATABASE_URL"] == url
    assert "for database in billing;" in (unit(text, "postgres-databases").command or ())[-1]


def test_a_store_beside_one_of_its_parts_keeps_its_short_names() -> None:
    variables = env_of_api("uses: [postgres, postgres/billing]")
    assert variables["POSTGRES_URL"].endswith("/app")
    assert variables["POSTGRES_BILLING_URL"].endswith("/billing")
    assert "DATABASE_URL" not in variables


def test_without_more_databases_nothing_makes_them() -> None:
    assert "postgres-databases" not in stack(ONE.format("uses: [postgres]"))


def test_a_renamed_store_renames_what_it_gives() -> None:
    variables = env_of_api(
        "uses: [legacy]", "infra:\n  legacy: {kind: mysql, database: old, password: secret-enough}\n"
    )
    assert variables["LEGACY_URL"] == "mysql://app:secret-enough@legacy:3306/old"


def test_a_password_is_quoted_in_urls_and_nowhere_else() -> None:
    variables = env_of_api("uses: [postgres]", 'infra:\n  postgres: {password: "p@ss/w:rd"}\n')
    assert variables["PGPASSWORD"] == "p@ss/w:rd"
    assert variables["DATABASE_URL"] == "postgresql://app:p%40ss%2Fw%3Ard@postgres:5432/app"


def test_the_first_bucket_is_the_bucket() -> None:
    variables = env_of_api("uses: [minio]", "infra:\n  minio: {buckets: [invoices, uploads]}\n")
    assert variables["S3_BUCKET"] == "invoices"
    assert env_of_api("uses: [minio]")["S3_BUCKET"] == "app"


def test_what_the_manifest_says_wins() -> None:
    assert env_of_api("uses: [postgres], env: {DATABASE_URL: mine}")["DATABASE_URL"] == "mine"


def test_services_are_found_by_their_name_and_port() -> None:
    text = (
        "name: a\nservices:\n  api: {image: x, uses: [my-db]}\n  my-db: {image: x, ports: {sql: 99, ui: 8}}\n"
    )
    assert env(text, "api") == {"MY_DB_URL": "http://my-db:99"}


def test_a_service_learns_its_own_port() -> None:
    assert env_of_api("port: 8000") == {"PORT": "8000"}


def test_references_are_filled_in_and_doubled_dollars_left_to_the_shell() -> None:
    variables = env_of_api(
        'port: 80, uses: [valkey], env: {A: "${api.url}", B: "$${HOME} $PORT", C: "${valkey.host}:${valkey.port}",'
        ' D: "${stack.name}/${stack.namespace}", E: "${secret.KEY}"}'
    )
    assert [variables[key] for key in "ABCDE"] == [
        "http://api:80",
        "${HOME} $PORT",
        "valkey:6379",
        "a/a",
        "|KEY|",
    ]


def test_references_are_filled_in_wherever_they_may_stand() -> None:
    text = """
    name: shop
    services:
      api:
        image: "api:${stack.name}"
        port: 80
        command: [serve, "--at=${api.url}"]
        entrypoint: "run ${stack.namespace}"
        health: {exec: "test ${api.port} = $PORT"}
        route: {path: "/${stack.name}", host: "${stack.name}.localhost", plugins: [{acl: {allow: ["${stack.name}"]}}]}
      page: {build: {context: ., args: {NAME: "${stack.name}"}}, port: 81, health: "/${stack.name}/up"}
    infra:
      postgres: {image: "postgres:${stack.name}", user: "${stack.name}", password: "${secret.DB}", env: {A: "${api.url}"}}
    gateway:
      consumers: {me: {key: "${secret.KEY}", custom_id: "${stack.name}", groups: ["${stack.name}"]}}
    """
    app = stack(text)
    api, page, postgres = (app.unit(name) for name in ("api", "page", "postgres"))
    assert (api.image, api.command, api.entrypoint) == (
        "api:shop",
        ("serve", "--at=http://api:80"),
        ("run", "shop"),
    )
    assert api.probe is not None
    assert page.probe is not None
    assert page.build is not None
    assert (api.probe.command, page.probe.path, page.build.args) == (
        ("sh", "-c", "test 80 = $PORT"),
        "/shop/up",
        (("NAME", "shop"),),
    )
    assert postgres.image == "postgres:shop"
    assert (
        dict(postgres.env).items()
        >= {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": secret("DB"), "A": "http://api:80"}.items()
    )
    assert app.gateway is not None
    (route,), (me,) = app.gateway.routes, app.gateway.consumers
    assert (route.path, route.hosts, api.routes) == ("/shop", ("shop.localhost",), ("/shop",))
    assert route.plugins[0].config == {"allow": ["shop"]}
    assert (me.keys, me.custom_id, me.groups) == ((secret("KEY"),), "shop", ("shop",))


def test_a_password_reaches_the_store_and_its_users_as_it_was_written() -> None:
    text = ONE.format("uses: [postgres]") + "infra:\n  postgres: {password: 'a$$b$${c}$d'}\n"
    password = "a$$b${c}$d"  # only `$${` is ours
    assert env(text, "api")["PGPASSWORD"] == env(text, "postgres")["POSTGRES_PASSWORD"] == password
    assert unquote(urlsplit(env(text, "api")["DATABASE_URL"]).password or "") == password


def test_one_bucket_needs_no_brackets_and_no_version_is_the_pinned_one() -> None:
    text = ONE.format("uses: [minio/bills]") + "infra:\n  minio: {buckets: uploads, version: }\n"
    assert env(text, "api")["S3_BUCKET"] == "bills"
    assert "for bucket in uploads bills;" in (unit(text, "minio-buckets").command or ())[-1]
    assert unit(text, "minio").image == unit(ONE.format("uses: [minio]"), "minio").image


def test_no_bucket_is_a_store_without_one() -> None:
    text = ONE.format("uses: [minio]") + "infra:\n  minio: {buckets: []}\n"
    assert env(text, "api")["S3_BUCKET"] == ""
    assert "minio-buckets" not in stack(text)


def test_secrets_are_names_and_the_stack_knows_whose_they_are() -> None:
    app = stack(ONE.format("uses: [postgres], secrets: [STRIPE_KEY]"))
    assert app.secrets == {"STRIPE_KEY"}
    assert app.generated == {"POSTGRES_PASSWORD"}


def test_using_a_store_waits_for_what_sets_it_up() -> None:
    api = unit(ONE.format("uses: [minio]"), "api")
    assert api.needs == (Need("minio"), Need("minio-buckets", done=True))


REFERRED = {
    "in a variable": 'env: {A: "${postgres.url}"}',
    "in a word": 'command: [run, "--db=${postgres.host}"]',
    "in an entrypoint": 'entrypoint: "run ${postgres.url}"',
    "in a probe": 'health: {exec: "ask ${postgres.host}"}',
}


@pytest.mark.parametrize("service", REFERRED.values(), ids=REFERRED)
def test_a_reference_is_a_use(service: str) -> None:
    for section in ("infra: {postgres: {databases: [b]}}", "jobs: {j: {image: x, uses: [postgres/b]}}"):
        api = unit(f"name: a\nservices:\n  api: {{image: x, {service}}}\n{section}\n", "api")
        assert api.needs == (Need("postgres"), Need("postgres-databases", done=True))
        assert "DATABASE_URL" not in dict(api.env)  # it is env_of_api no more than it asks for


def test_a_reference_that_would_close_a_circle_makes_nobody_wait() -> None:
    text = """
    name: a
    services:
      a: {image: x, port: 80, env: {SELF: "${a.url}", B: "${b.url}", C: "${c.public_url}"}}
      b: {image: x, port: 80, env: {A: "${a.url}"}}
      c: {image: x, port: 80, uses: [d]}
      d: {image: x, port: 80, env: {C: "${c.url}"}}
    jobs:
      j: {like: a, env: {D: "${d.host}"}}
    """
    needs = {unit.name: [need.unit for need in unit.needs] for unit in stack(text).units}
    assert needs == {"a": ["b"], "b": [], "c": ["d"], "d": [], "j": ["d", "a", "b"]}


def test_using_a_job_waits_for_its_success() -> None:
    text = "name: a\nservices:\n  api: {image: x, uses: [seed]}\njobs:\n  seed: {image: x}\n"
    assert unit(text, "api").needs == (Need("seed", done=True),)


def test_a_job_like_a_service_takes_its_image_variables_and_secrets() -> None:
    text = """
    name: a
    services:
      api: {build: ., env: {A: "1", B: "1"}, secrets: [KEY], files: {/etc/a: ./a}}
    jobs:
      seed: {like: api, command: seed it, env: {B: "2"}}
    """
    api, seed = (stack(text).unit(name) for name in ("api", "seed"))
    assert (seed.image, seed.build, seed.files) == (api.image, api.build, api.files)
    assert dict(seed.env) == {"A": "1", "B": "2", "KEY": secret("KEY")}
    assert seed.command == ("seed", "it")


COMMANDS = {
    "run --port 80": ("run", "--port", "80"),
    "run --port $PORT": ("sh", "-c", "run --port $PORT"),
    "a && b": ("sh", "-c", "a && b"),
    "say 'one word'": ("say", "one word"),
}


def test_a_shell_is_only_there_for_what_needs_one() -> None:
    commands = {line: unit(ONE.format(f'command: "{line}"'), "api").command for line in COMMANDS}
    assert commands == COMMANDS


def test_ready_means_the_port_is_open_unless_it_is_said_otherwise() -> None:
    assert unit(ONE.format("port: 80"), "api").probe == Probe("tcp", 80)
    assert unit(ONE.format(""), "api").probe is None
    assert unit(ONE.format("port: 80, health: {http: /h, every: 2s, within: 1m}"), "api").probe == Probe(
        "http", 80, "/h", every=2.0, within=60.0
    )
    assert unit(ONE.format("health: {exec: test -f /up}"), "api").probe == Probe(
        "exec", command=("sh", "-c", "test -f /up")
    )


def test_an_older_postgres_keeps_its_data_where_it_always_did() -> None:
    def data(version: str) -> str:
        text = ONE.format("uses: [postgres]") + f"infra:\n  postgres: {{version: {version}}}\n"
        return unit(text, "postgres").volumes[0].target

    assert data('"17"') == data("16.4") == "/var/lib/postgresql/data"
    assert data('"18"') == data("18.6") == "/var/lib/postgresql"


def test_a_version_written_as_a_number_is_the_version() -> None:
    text = ONE.format("uses: [valkey]") + "infra:\n  valkey: {version: 9.10}\n"
    assert unit(text, "valkey").image == "valkey/valkey:9.10"


def test_seeds_are_mounted_in_the_order_they_are_named() -> None:
    text = ONE.format("uses: [postgres]") + "infra:\n  postgres: {seed: [b.sql, sql/*.sql]}\n"
    files = {"b.sql": (("b.sql", "1"),), "sql/*.sql": (("sql/a.sql", "2"), ("sql/c.sql", "3"))}
    mounts = stack(text, files=files).unit("postgres").files
    assert [(file.source, file.target.rpartition("/")[2]) for file in mounts if file.source] == [
        ("b.sql", "100-b.sql"),
        ("sql/a.sql", "101-a.sql"),
        ("sql/c.sql", "102-c.sql"),
    ]


def test_what_is_built_alike_is_built_once() -> None:
    text = "name: a\nservices:\n  one: {build: .}\n  two: {build: .}\n  other: {build: {context: ., target: t}}\n"
    one, two, other = (stack(text).unit(name).image for name in ("one", "two", "other"))
    assert one == two != other


def test_secrets_of_a_build_are_secrets_of_the_stack() -> None:
    app = stack(
        "name: a\nservices:\n  api: {build: {context: ., secrets: {npm: $NPM, pip: '${secret.PIP}', ca: ./ca.pem}}}\n"
    )
    build = app.unit("api").build
    assert build is not None
    assert dict(build.secrets) == {"npm": text.secret("NPM"), "pip": text.secret("PIP"), "ca": "./ca.pem"}
    assert app.secrets == {"NPM", "PIP"}


def test_the_gateway_comes_with_the_first_route() -> None:
    assert "kong" not in stack(ONE.format("port: 80"))
    app = stack(ONE.format("port: 80, route: {path: /, methods: get}"))
    assert app.gateway is not None
    assert [(route.path, route.service, route.port, route.methods) for route in app.gateway.routes] == [
        ("/", "api", 80, ("GET",))
    ]


def test_there_is_one_gateway_under_whatever_name() -> None:
    text = ONE.format("port: 80, route: /") + "infra:\n  gate: {kind: kong}\n"
    app = stack(text)
    assert [unit.name for unit in app.units] == ["gate", "api"]
    assert app.gateway is not None
    assert app.gateway.unit == "gate"


def test_what_a_program_on_this_machine_is_given_leads_to_published_ports() -> None:
    text = """
    name: a
    services:
      api: {image: x, port: 80, publish: 8080, uses: [postgres, web], env: {SELF: "${api.url}", NAME: "${stack.name}"}, secrets: [KEY]}
      web: {image: x, port: 81, publish: 8181}
      worker: {image: x}
    jobs:
      seed: {image: x, uses: [postgres]}
    """
    parsed = manifest(text)
    ports, _ = allot(
        outline(parsed, CATALOGUE).claims, taken={5432: "x"}, current={}, checkout="c", remap=False
    )
    world = World("c", ports)
    variables = host_environment(parsed, CATALOGUE, world, "api")
    port = ports["postgres", 5432]
    assert {key: variables[key] for key in ("PGHOST", "PGPORT", "WEB_URL", "SELF", "NAME", "KEY")} == {
        "PGHOST": "localhost",
        "PGPORT": str(port),
        "WEB_URL": "http://localhost:8181",
        "SELF": "http://localhost:8080",
        "NAME": "a",
        "KEY": secret("KEY"),
    }
    everything = host_environment(parsed, CATALOGUE, world)
    assert everything["API_URL"] == "http://localhost:8080"
    assert "WORKER_URL" not in everything
    assert "PGHOST" in host_environment(parsed, CATALOGUE, world, "seed")


def test_links_follow_the_ports_that_were_given() -> None:
    text = ONE.format("port: 8001, route: /")  # 8001 is wished for by kong's admin API too
    app = stack(text)
    assert dict(app.unit("kong").env)["KONG_ADMIN_GUI_API_URL"] == "http://localhost:8001"
    (port,) = app.unit("api").ports
    assert port.host != 8001
    assert app.unit("api").links[0].url == f"http://localhost:{port.host}"
