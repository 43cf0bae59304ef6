"""Compose's forms read as values, and what is made of them."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from devenv.drafting import interpolation, limits, reading, writing
from devenv.drafting.convert import convert
from devenv.drafting.scene import World
from devenv.drafting.shape import faults
from devenv.drafting.stores import Stores, repository
from devenv.manifest.source import as_yaml, read
from tests.table import each_row

from .stacks import CATALOGUE


@each_row(
    {
        "none": ("plain", "plain", "plain"),
        "a dollar": ("$$HOME $5 $", "$HOME $5 $", "$HOME $5 $"),
        "a variable": ("${A}-$B", "${env.A:-}-${env.B:-}", "-"),
        "a default": ("${A:-x}", "${env.A:-x}", "x"),
        "a default without a colon": ("${A-x}", "${env.A-x}", "x"),
        "a default in a default": ("${A:-${B:-c}}", "${env.A:-${env.B:-c}}", "c"),
        "a message": ("${A:?set it}", "${env.A:?set it}", ""),
        "an alternative": ("${A:+yes}", "", ""),
        "of the shell": ("$${A} $$A", "$${A} $A", "${A} $A"),
        "not closed": ("${A", "$${A", "${A"),
        "no name": ("${1} ${a b}", "$${1} $${a b}", "${1} ${a b}"),
    }
)
def test_variables_of_compose(text: str, ours: str, plain: str) -> None:
    assert interpolation.ours(text) == ours
    assert interpolation.plain(text) == plain


@each_row(
    {
        "a number": (3000, [(3000, "")]),
        "both": ("8080:80", [(80, "8080")]),
        "an address": ("127.0.0.1:8080:80", [(80, "8080")]),
        "any": ("127.0.0.1::80", [(80, "")]),
        "a variable": ("${PORT:-8080}:80", [(80, "${PORT:-8080}")]),
        "variables": ("${A:-1}:${B:-2}", [(2, "${A:-1}")]),
        "a range": ("3000-3002:4000-4002", [(4000, "3000"), (4001, "3001"), (4002, "3002")]),
        "long": ({"target": 80, "published": "8080", "protocol": "tcp"}, [(80, "8080")]),
    }
)
def test_ports_of_compose(item: Any, expected: list[tuple[int, str]]) -> None:
    ports = reading.ports({"ports": [item]})
    assert [(port.container, port.host) for port in ports] == expected


@each_row(
    {
        "a volume": ("data:/x", ("volume", "data", "/x", False)),
        "a folder": ("./a:/x:ro", ("bind", "./a", "/x", True)),
        "a folder above": ("../a:/x", ("bind", "../a", "/x", False)),
        "with a variable": ("${D:-./data}:/x:rw", ("bind", "./data", "/x", False)),
        "anonymous": ("/x", ("anonymous", "", "/x", False)),
        "long": (
            {"type": "bind", "source": "/p/a", "target": "/x", "read_only": True},
            ("bind", "./a", "/x", True),
        ),
        "elsewhere": ("/srv/media:/media", ("bind", "/srv/media", "/media", False)),
        "one letter": ({"type": "volume", "target": "v:/x"}, ("volume", "v", "/x", False)),
    }
)
def test_mounts_of_compose(item: Any, expected: tuple[str, str, str, bool]) -> None:
    (mount,) = reading.mounts({"volumes": [item]}, reading.Place("/p"))
    assert (mount.kind, mount.source, mount.target, mount.read_only) == expected


@each_row(
    {
        "curl": ("curl -f http://localhost:8000/health || exit 1", 8000, "/health"),
        "wget": (["CMD", "wget", "-q", "--spider", "http://127.0.0.1:80/"], 80, "/"),
        "port 80": (["CMD", "curl", "-f", "http://localhost"], 80, "/"),
        "another port": ("curl -f localhost:9000/ping", 80, {"exec": "curl -f localhost:9000/ping"}),
        "a pipe": ("curl -s localhost:80/ | grep ok", 80, {"exec": "curl -s localhost:80/ | grep ok"}),
        "words": (["CMD", "pg_isready", "-U", "$$USER"], 0, {"exec": ["pg_isready", "-U", "$USER"]}),
        "off": (["NONE"], 0, "none"),
        "a word that YAML takes for a truth value": (True, 0, {"exec": "true"}),
    }
)
def test_health_of_compose(test: Any, port: int, expected: Any) -> None:
    service = {"healthcheck": {"test": test, "interval": "5s", "retries": 3}}
    assert limits.health(service, port) == expected


@each_row(
    {
        "docker.io/library/postgres:16": "postgres",
        "postgres@sha256:0f": "postgres",
        "library/redis:7-alpine": "redis",
        "ghcr.io/acme/postgres:1": "ghcr.io/acme/postgres",
        "localhost:5000/a/b:1": "localhost:5000/a/b",
    }.items()
)
def test_an_image_without_its_registry_and_tag(image: str, name: str) -> None:
    assert repository(image) == name


@each_row(
    [
        "plain", "", "a b", " a", "yes", "On", "null", "1", "1.10", "0x1f", "1e3", "12:30", "5s", "512m", "- a", "-c",
        "a: b", "a #b", "#", "*x", "&x", "!x", "%x", "@x", "`x`", "{a}", "[a]", "a,b", "it's", 'say "hi"', "it's \"so\"",
        "$HOME", "${db.url}", "a\nb", "a\nb\n", " a\nb", "a \nb", "\t", "\x07", "é", "2024-01-01", "~", "?", "? a", "|",
        "C:\\x", "a\\nb", ".", "/", "=", "<<", "\u2028", "a:", ":a", "'", '"',
    ]
)  # fmt: skip
def test_every_text_is_read_back_as_it_was(value: str) -> None:
    from devenv.drafting.draft import Draft

    assert read(f"a: {writing.flow([value, {'k': value}])}", file="").value == {"a": [value, {"k": value}]}
    draft = Draft("x")
    draft.set(("services", "a", "env", "K"), value)
    draft.set(("services", "a", "command"), ["sh", "-c", value, "x" * 120])
    assert read(writing.text(draft), file="").value == draft.value


@each_row(
    {
        "a port": ("services: {a: {ports: 5}}", "c.yaml:1:16: services.a.ports: expected a list"),
        "a command": (
            "services: {a: {command: {}}}",
            "c.yaml:1:16: services.a.command: expected text or a list",
        ),
        "a dependency": (
            "services: {a: {depends_on: [[b]]}}",
            "c.yaml:1:29: services.a.depends_on[0]: expected text",
        ),
        "nothing": ("services: {a: {ports: [~]}}", "c.yaml:1:24: services.a.ports[0]: is empty"),
        "limits": ("services: {a: {ulimits: [x]}}", "c.yaml:1:16: services.a.ulimits: expected a mapping"),
        "a flag": ("services: {a: {init: {}}}", "c.yaml:1:16: services.a.init: expected text"),
        "services": ("services: [a]", "c.yaml:1:1: services: expected a mapping"),
    }
)
def test_a_form_that_compose_does_not_take(text: str, problem: str) -> None:
    document = read(text, file="c.yaml")
    assert [str(document.problem(*fault)) for fault in faults(document.value)] == [problem]


STORES = Stores(CATALOGUE)


def imported(compose: str, **world: Any) -> dict[str, Any]:
    """The manifest of a Compose file, before anything is checked."""
    value = as_yaml(read(dedent(compose), file="compose.yaml").value)
    project = reading.project(value, value, files=("compose.yaml",), folder=reading.HERE)
    return convert(project, World(**world), STORES).value


@each_row(
    {
        "keys without a value": "{image: x, ulimits: , restart: , init: , tmpfs: }",
        "a limit that says nothing": "{image: x, ulimits: {nofile: {}}}",
        "a mount of no type": "{image: x, volumes: [{type: '', target: /a}]}",
    }
)
def test_a_form_that_says_nothing_is_no_error(service: str) -> None:
    text = f"services: {{a: {service}}}"
    assert [*faults(as_yaml(read(text, file="c.yaml").value))] == []
    assert imported(text)["services"]["a"]["image"] == "x"


@each_row(
    {
        "the user's": ({"DB_USER": "wp", "DB_PASSWORD": "same-pw"}, "${db.password}"),
        "root's": ({"DB_USER": "root", "DB_PASSWORD": "same-pw"}, "${db.root_password}"),
        "nobody's": ({"DB_PASSWORD": "same-pw"}, "${db.password}"),
        "root's in an address": (
            {"DB": "mysql://root:same-pw@db/x"},
            "mysql://root:${db.root_password}@${db.host}/x",
        ),
    }
)
def test_of_two_equal_passwords_each_user_gets_its_own(variables: dict[str, str], last: str) -> None:
    """The store makes up others in the next checkout, which are not the same."""
    lines = "".join(f"\n      {name}: {value}" for name, value in variables.items())
    mysql = "MYSQL_ROOT_PASSWORD: same-pw, MYSQL_PASSWORD: same-pw, MYSQL_USER: wp, MYSQL_DATABASE: wp"
    text = f"services:\n  db: {{image: 'mysql:8.0', environment: {{{mysql}}}}}\n  web:\n    image: x\n    environment:{lines}"
    *_, value = imported(text)["services"]["web"]["env"].values()
    assert value == last


@each_row(
    {
        "the store's own url": ("postgresql://app:pw-1@db:5432/shop", "${db.url}"),
        "another scheme": (
            "postgres://app:pw-1@db:5432/shop",
            "postgres://${db.user}:${db.password}@${db.host}:${db.port}/${db.database}",
        ),
        "another user": (
            "postgresql://root:other@db:5432/x",
            "postgresql://root:${secret.ADDRESS_PASSWORD}@${db.host}:${db.port}/x",
        ),
        "a user called as the host": (
            "postgres://db:pw-1@db:5432/shop",
            "postgres://db:${db.password}@${db.host}:${db.port}/${db.database}",
        ),
        "without a login": ("jdbc:postgresql://db:5432/shop", "jdbc:postgresql://${db.host}:${db.port}/shop"),
        "a query": (
            "postgres://app:pw-1@db/shop?sslmode=disable",
            "postgres://${db.user}:${db.password}@${db.host}/${db.database}?sslmode=disable",
        ),
        "words": (
            "host=db user=app password=pw-1 dbname=shop",
            "host=${db.host} user=app password=${db.password} dbname=shop",
        ),
        "host and port": ("db:5432", "${db.host}:${db.port}"),
        "another port": ("db:6000", "${db.host}:6000"),
        "a service": ("http://my_api:8000/x", "http://my-api:8000/x"),
        "its other name": ("http://backend:8000/x", "http://my-api:8000/x"),
        "a default": ("${DB:-my_api}", "${env.DB:-my-api}"),
        "a store as a default": ("${DB:-db}", "${env.DB:-${db.host}}"),
        "two": ("my_api:1000,db:5432", "my-api:1000,${db.host}:${db.port}"),
        "no host": ("the db is mydb, db-2 and db.example.com", "the db is mydb, db-2 and db.example.com"),
        "a variable": ("postgres://${U:-app}@db/x", "postgres://${env.U:-app}@${db.host}/x"),
    }
)
def test_addresses_in_variables(text: str, expected: str) -> None:
    compose = """
        services:
          web: {image: web, environment: {ADDRESS: "%s"}}
          my_api: {image: api, hostname: backend}
          db: {image: "postgres:16", environment: {POSTGRES_USER: app, POSTGRES_PASSWORD: pw-1, POSTGRES_DB: shop}}
    """
    assert imported(compose % text)["services"]["web"]["env"]["ADDRESS"] == expected


@each_row(
    {
        "postgres": ("image: 'postgres:16'", {"kind": "postgres", "version": "16"}),
        "with a registry": ("image: 'docker.io/library/postgres:16-alpine'", {"kind": "postgres", "version": "16-alpine"}),
        "pgvector": ("image: 'pgvector/pgvector:pg17'", {"kind": "postgres", "image": "pgvector/pgvector:pg17"}),
        "bitnami": ("image: 'bitnami/postgresql:16'", {"kind": "postgres"}),
        "redis": ("{image: 'redis:7', command: redis-server --appendonly yes}", {"kind": "valkey", "image": "redis:7"}),
        "mailhog": ("image: mailhog/mailhog", {"kind": "mailpit"}),
    }
)  # fmt: skip
def test_stores_by_image(service: str, expected: dict[str, Any]) -> None:
    text = service if service.startswith("{") else f"{{{service}}}"
    store = imported(f"services: {{store: {text}}}")["infra"]["store"]
    assert {key: store[key] for key in ("kind", "version", "image") if key in store} == expected


@each_row(
    {
        "too old": "{image: 'mysql:5.6'}",
        "a password in a file": "{image: 'bitnami/redis:7', environment: {REDIS_PASSWORD_FILE: /run/secrets/p}}",
        "a file of its own": "{image: 'redis:7', command: [redis-server, /redis.conf]}",
        "users": "{image: 'mongo:7', environment: {MONGO_INITDB_ROOT_USERNAME: root}}",
        "built": "{image: 'postgres:16', build: ./db}",
        "an entrypoint": "{image: 'postgres:16', entrypoint: /run.sh}",
        "without a password": "{image: 'mysql:8', environment: {MYSQL_ALLOW_EMPTY_PASSWORD: '1'}}",
    }
)
def test_what_a_kind_cannot_mean_stays_a_service(service: str) -> None:
    assert "store" in imported(f"services: {{store: {service}}}")["services"]


def test_passwords_move_and_are_referred_to() -> None:
    compose = """
        services:
          api:
            image: api
            command: [serve, --token, hidden-1-token, 'x=hidden-1-token', 'x-hidden-1-token']
            environment: {API_TOKEN: hidden-1-token, AMQP: "amqp://u:broker-pw@mq:5672", PASSWORD_FILE: /run/x, USE_TOKEN: "yes"}
          mq: {image: emqx, environment: {EMQX_PASSWORD: broker-pw}}
    """
    value = as_yaml(read(dedent(compose), file="c").value)
    project = reading.project(value, value, files=("c",), folder=reading.HERE)
    draft = convert(project, World(), STORES)
    assert draft.secrets == {"API_TOKEN": "hidden-1-token", "EMQX_PASSWORD": "broker-pw"}
    api = draft.value["services"]["api"]
    assert api["secrets"] == ["API_TOKEN"]
    assert api["command"] == [
        *("serve", "--token", "${secret.API_TOKEN}", "x=${secret.API_TOKEN}", "x-hidden-1-token"),
    ]
    assert api["env"] == {
        "AMQP": "amqp://u:${secret.EMQX_PASSWORD}@mq:5672",
        "PASSWORD_FILE": "/run/x",
        "USE_TOKEN": "yes",
    }
    assert [row.what for row in draft.rows if row.fate == "by hand"] == ["services.api.command"]


@each_row(
    {
        "after its user": ("mc alias set m http://s3:9000 app app && mc mb m/x", "mc alias set m http://${s3.host}:${s3.port} app ${s3.password} && mc mb m/x"),
        "after an option": ("tool --host http://s3:9000 -papp -a app", "tool --host http://${s3.host}:${s3.port} -p${s3.password} -a ${s3.password}"),
        "a name": ("tool http://s3:9000 --bucket app", "tool http://${s3.host}:${s3.port} --bucket app"),
    }
)  # fmt: skip
def test_a_password_among_the_words_of_a_command_is_referred_to(line: str, expected: str) -> None:
    """A colleague's store has a password of its own, with which the command would not get in."""
    store = "image: minio/minio, environment: {MINIO_ROOT_USER: app, MINIO_ROOT_PASSWORD: app}"
    value = imported(f"services: {{s3: {{{store}}}, buckets: {{image: x, entrypoint: [sh, -c, '{line}']}}}}")
    (unit,) = {**value.get("services", {}), **value.get("jobs", {})}.values()
    assert unit["entrypoint"] == ["sh", "-c", expected]


def test_a_service_has_the_port_that_its_stage_exposes() -> None:
    dockerfile = "FROM x AS base\nFROM base AS worker\nFROM base AS api\nEXPOSE 8000 9000\n"
    value = imported(
        "services: {api: {build: {context: ., target: api}}, worker: {build: {context: ., target: worker}}}",
        paths={"./Dockerfile": "file"},
        texts={"./Dockerfile": dockerfile},
    )
    assert [service.get("port") for service in value["services"].values()] == [8000, None]


def test_a_proxy_that_only_routes_is_offered_as_routes() -> None:
    compose = """
        services:
          proxy: {image: "nginx:1", ports: ["80:80"], volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf"]}
          web: {image: web, expose: [3000]}
          api: {image: api, expose: [8000]}
    """
    conf = """
        upstream backend { server api:8000; }
        server {
          listen 80;
          location / { proxy_pass http://web:3000; }
          location /api/ { proxy_pass http://backend/; }
        }
    """
    value = as_yaml(read(dedent(compose), file="c").value)
    project = reading.project(value, value, files=("c",), folder=reading.HERE)
    world = World(paths={"./nginx.conf": "file"}, texts={"./nginx.conf": conf})
    text = writing.text(convert(project, world, STORES))
    assert "  web:\n    # route: /   # as ./nginx.conf has it; then proxy can go\n" in text
    assert "    # route: {path: /api, strip: true}   # as ./nginx.conf has it; then proxy can go\n" in text
    assert read(text, file="x").value["services"]["proxy"]["image"] == "nginx:1"


def test_an_env_file_is_kept_and_what_is_called_otherwise_here_stands_beside_it() -> None:
    compose = """
        services:
          web: {image: web, env_file: ./app.env, environment: {LEVEL: debug}}
          my_db: {image: "postgres:16", env_file: [./app.env]}
    """
    env = {"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "pw-1", "DB_HOST": "my_db", "PRICE": "$5"}
    manifest = imported(compose, env_files={"./app.env": env})
    web = manifest["services"]["web"]
    assert web["env_file"] == ["./app.env"]
    assert web["env"] == {
        "POSTGRES_PASSWORD": "${my-db.password}",
        "DB_HOST": "${my-db.host}",
        "LEVEL": "debug",
    }
    assert manifest["infra"]["my-db"]["user"] == "app"


def test_one_port_of_another_protocol_has_its_name() -> None:
    services = imported("services: {a: {image: a, ports: ['9092:9092']}, b: {image: b, ports: ['81:80']}}")[
        "services"
    ]
    assert (services["a"]["ports"], services["a"]["publish"]) == ({"kafka": 9092}, 9092)
    assert (services["b"]["port"], services["b"]["publish"]) == (80, 81)
