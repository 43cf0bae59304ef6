"""What only the environment says of a Compose project, and what exists outside of it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from devenv.drafting import reading
from devenv.drafting.commandline import split
from devenv.engine import drafting
from tests import documents
from tests.table import each_row

from .test_recognised import drafted


def test_a_port_in_the_container_is_what_its_variable_says_now() -> None:
    draft = drafted(
        "services: {web: {image: a, ports: ['${WEB}:${WEB}', {target: '${ADMIN}', published: 9}]}}",
        variables={"WEB": "8000", "ADMIN": "8001"},
    )
    web = draft.value["services"]["web"]
    assert web["ports"] == {"http": 8000, "port-8001": 8001}
    assert web["publish"] == {"http": "${env.WEB:-}", "port-8001": 9}
    assert [row for row in draft.rows if row.fate == "by hand"] == []


def test_an_address_in_the_default_of_a_port_is_no_port() -> None:
    draft = drafted(
        """
        services:
          web: {image: a, ports: ["${WEB:-127.0.0.1:8080}:80", "${ADMIN:-0.0.0.0:8443}:443"]}
          db: {image: "postgres:16", ports: ["${DB:-127.0.0.1:5433}:5432"]}
        """
    )
    assert draft.value["services"]["web"]["publish"] == {"http": 8080, "https": 8443}
    assert draft.value["infra"]["db"]["publish"] == 5433
    assert [row.note for row in draft.rows if "DB" in row.what] == [
        "written without DB, whose value is more than a port"
    ]


def test_a_fixed_address_is_the_name_of_its_service_and_no_server_for_names() -> None:
    draft = drafted(
        """
        services:
          dns: {image: coredns, networks: {n: {ipv4_address: 10.5.0.2}}}
          db: {image: "postgres:16", environment: {POSTGRES_PASSWORD: sesame}, networks: {n: {ipv4_address: 10.5.0.3}}}
          web:
            image: a
            dns: [10.5.0.2, 9.9.9.9]
            extra_hosts: ["names:10.5.0.2", "other:10.5.0.9"]
            environment: {DB_HOST: 10.5.0.3, DATABASE_URL: "postgres://postgres:sesame@10.5.0.3:5432/postgres"}
        networks: {n: {ipam: {config: [{subnet: 10.5.0.0/24}]}}}
        """
    )
    web = draft.value["services"]["web"]
    url = "postgres://${db.user}:${db.password}@${db.host}:${db.port}/${db.database}"
    assert web["env"] == {"DB_HOST": "${db.host}", "DATABASE_URL": url}
    assert (web["compose"], web["hosts"]) == ({"dns": ["9.9.9.9"]}, {"other": "10.5.0.9"})
    assert [row.what for row in draft.rows if row.fate == "by hand"] == ["web.dns", "web.extra_hosts names"]


def test_an_image_that_a_variable_names_has_a_name_before_it_is_set() -> None:
    draft = drafted(
        "services: {a: {image: 'quay.io/x/a:${TAG}'}, b: {image: '$B'}, c: {image: 'x:$SET'}}",
        variables={"SET": "1"},
    )
    images = {name: service["image"] for name, service in draft.value["services"].items()}
    assert images == {"a": "quay.io/x/a:${env.TAG:-latest}", "b": "b", "c": "x:${env.SET:-}"}
    assert [row.what for row in draft.rows if row.fate == "by hand"] == ["a.image", "b.image"]


def test_a_password_that_stands_in_a_text_is_a_secret() -> None:
    draft = drafted(
        """
        services:
          a:
            image: a
            environment:
              DB: "postgres://u:hidden-1@db.example.com:5432/x"
              STRING: "Server=1.2.3.4;Password=hidden-2;Encrypt=false"
              SAME: "amqp://other:hidden-1@mq.example.com"
              ADMINPASSWORD: hidden-3
              USER_OF_NOBODY: "http://${USER:-me}@example.com"
        """
    )
    env = draft.value["services"]["a"]["env"]
    assert env == {
        "DB": "postgres://u:${secret.DB_PASSWORD}@db.example.com:5432/x",
        "STRING": "Server=1.2.3.4;Password=${secret.STRING_PASSWORD};Encrypt=false",
        "SAME": "amqp://other:${secret.DB_PASSWORD}@mq.example.com",
        "USER_OF_NOBODY": "http://${env.USER:-me}@example.com",
    }
    assert sorted(draft.secrets.values()) == ["hidden-1", "hidden-2", "hidden-3"]


def test_a_server_of_its_own_has_not_the_password_of_a_store_that_has_the_same() -> None:
    draft = drafted(
        """
        services:
          mq: {image: "rabbitmq:3", environment: {RABBITMQ_DEFAULT_USER: root, RABBITMQ_DEFAULT_PASS: same-1}}
          docs: {image: "mongo:7", environment: {MONGO_INITDB_ROOT_USERNAME: root, MONGO_INITDB_ROOT_PASSWORD: same-1}}
          web: {image: a, environment: {MQ_PASSWORD: same-1}}
        """
    )
    assert draft.value["services"]["docs"]["secrets"] == ["MONGO_INITDB_ROOT_PASSWORD"]
    assert draft.value["services"]["web"]["env"] == {"MQ_PASSWORD": "${mq.password}"}


def test_a_network_of_others_or_without_a_way_out_is_told() -> None:
    draft = drafted(
        """
        services: {web: {image: a, networks: [shared, inner]}}
        networks: {shared: {external: true}, inner: {internal: true}, plain: {driver: bridge}}
        """
    )
    assert [row.what for row in draft.rows if row.fate == "by hand"] == [
        "networks.shared.external",
        "networks.inner.internal",
    ]


def test_a_folder_of_keys_is_read_and_no_source() -> None:
    draft = drafted(
        "services: {web: {build: ., volumes: ['./dev/certs:/https-certs:ro', './src:/app/src:ro']}}",
        paths={"./Dockerfile": "file", "./dev/certs": "folder", "./src": "folder"},
    )
    web = draft.value["services"]["web"]
    assert web["files"] == {"/https-certs": "./dev/certs"}
    assert web["reload"] == {"sync": {"./src": "/app/src"}}


def test_a_name_that_kubernetes_has_not_stays_an_alias_on_compose() -> None:
    draft = drafted(
        """
        services:
          web: {image: nginx, volumes: ["./site.conf:/etc/nginx/conf.d/site.conf:ro"]}
          my_api: {image: a}
        """,
        paths={"./site.conf": "file"},
        texts={"./site.conf": "location / { proxy_pass http://my_api:8000; }"},
    )
    compose = draft.value["services"]["my-api"]["compose"]
    assert compose == {"networks": {"default": {"aliases": ["my_api"]}}}


def test_a_path_above_the_project_is_written_as_people_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir()
    file = tmp_path / "stack/compose.yaml"
    file.write_text(f"services: {{web: {{image: a, volumes: ['${{D:-{tmp_path}/a}}:/a', '../b:/b']}}}}")

    def as_compose_does(files: list[Path], texts: list[str]) -> dict[str, Any]:
        return {"services": {"web": {"image": "a", "volumes": [f"{tmp_path}/a:/a", f"{tmp_path}/b:/b"]}}}

    composed = drafting.composed([file], file.parent, flattened=as_compose_does)
    web = drafting.drafted(composed.project, file.parent, {}).value["services"]["web"]
    assert [host["path"] for host in web["host_paths"].values()] == [f"{tmp_path}/a", "../b"]


def test_a_volume_that_exists_already_is_the_same_one() -> None:
    draft = drafted(
        """
        services:
          web: {image: a, volumes: ["data:/a", "mine:/b"]}
          worker: {image: a, volumes: ["data:/a"]}
        volumes: {data: {external: true, name: shop-data}, mine: {external: true}}
        """
    )
    assert draft.value["volumes"] == {"data": {"external": "shop-data"}, "mine": {"external": "mine"}}
    assert draft.value["services"]["web"]["volumes"] == {"data": "/a", "mine": "/b"}


def test_a_name_that_only_a_file_has_stays_an_alias_also_of_a_link() -> None:
    draft = drafted(
        """
        services:
          web: {image: nginx, links: ["php:fpm"], volumes: ["./site.conf:/etc/nginx/conf.d/site.conf:ro"]}
          php: {image: php, networks: {default: {aliases: [engine, unused]}}}
        """,
        paths={"./site.conf": "file"},
        texts={
            "./site.conf": "location / { fastcgi_pass fpm:9000; } location /a { proxy_pass http://engine; }"
        },
    )
    assert draft.value["services"]["php"]["aliases"] == ["fpm", "engine"]


@each_row(
    {
        "quotes": ("""a "b\\c \\" d" 'e\\f' \\g h\\ i""", ["a", 'bc " d', "e\\f", "g", "h i"]),
        "of a shell": ("a && b; c", ["a"]),
        "a redirection": ("a 2>/dev/null b", ["a"]),
        "in another command": ("echo $(date) `x y`", ["echo", "$$(date)", "`x y`"]),
        "nothing in quotes": ("a \"\" b '' c", ["a", "", "b", "", "c"]),
        "a variable": ("serve --port=${PORT:-80} $$HOME", ["serve", "--port=${PORT:-80}", "$$HOME"]),
        "a default with blanks": ("${CMD:-npm run dev} x", ["npm", "run", "dev", "x"]),
        "one in quotes": ('"${CMD:-npm run dev}" x', ["${CMD:-npm run dev}", "x"]),
        "one that is not set": ("run ${OPTIONS} x", ["run", "x"]),
        "one with blanks here": ("run ${MANY}", ["run", "-a", "-b"]),
    }
)
def test_a_line_is_split_as_compose_splits_it(line: str, words: list[str]) -> None:
    assert split(line, {"MANY": "-a -b"}).words == words


def test_what_compose_leaves_out_of_a_command_is_said() -> None:
    draft = drafted("services: {web: {image: a, command: './back & ./front', entrypoint: '${RUN:-a b} c'}}")
    assert draft.value["services"]["web"] == {"image": "a", "command": "./back", "entrypoint": "a b c"}
    assert [(row.what, row.note) for row in draft.rows if row.fate == "by hand"] == [
        ("web.entrypoint", "written without RUN, whose value is no single word"),
        (
            "web.command",
            "Compose leaves out what begins with &: sh -c './back & ./front' would run all of it",
        ),
    ]


def whole(folder: Path, compose: str, **files: str) -> dict[str, Any]:
    """The manifest of a Compose file in a folder with these files, as `init --from-compose` writes it."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(dedent(text))
    value = documents.load(dedent(compose))
    project = reading.project(value, value, files=("compose.yaml",), folder=reading.Place(str(folder)))
    return drafting.drafted(project, folder, {}).value


def test_paths_are_where_the_variables_of_env_say(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "web.Dockerfile").write_text("FROM scratch\nEXPOSE 80\n")
    manifest = whole(
        tmp_path,
        """
        services:
          web:
            build: {context: "${AT}", dockerfile: "${NAME}.Dockerfile"}
            volumes: ["${UPLOADS}:/var/lib/up", "${CONF}:/etc/web.conf:ro"]
            restart: ${RESTART}
            read_only: ${READ_ONLY:-false}
        """,
        _env="AT=./build\nNAME=web\nUPLOADS=./up\nCONF=./web.conf\nRESTART=always\n",
        web_conf="x",
    )
    assert manifest["services"]["web"] == {
        "build": {"context": "./build", "dockerfile": "web.Dockerfile"},
        "port": 80,
        "publish": False,
        "restart": "always",
        "read_only": False,
        "volumes": {"up": "/var/lib/up"},
        "files": {"/etc/web.conf": "./web.conf"},
    }


def test_variables_in_env_files_are_filled_in_as_compose_does(tmp_path: Path) -> None:
    manifest = whole(
        tmp_path,
        """
        services:
          web:
            image: web
            env_file: [.env, web.env]
            environment: [ADDRESS, "SEARCH=${SEARCH_AT}"]
          search_1: {image: search}
          db:
            image: postgres:16
            environment: {POSTGRES_USER: "${DB_USER}", POSTGRES_PASSWORD: "${DB_WORD}", POSTGRES_DB: shop}
        """,
        _env="""
            DB_USER=app
            DB_WORD=sesame-1
            ADDRESS=postgresql://${DB_USER}:${DB_WORD}@db:5432/shop
            SEARCH_AT=http://search_1:9200
            PRICE='$5'
        """,
        web_env="OWN=one\nBOTH=\"${OWN}-${DB_USER}\"\nALONE=${OWN}!\nLITERAL='${OWN}'\nPLAIN=two\nLOGIN=a://u:hidden@else/${OWN}\n",
    )
    assert manifest["services"]["web"] == {
        "image": "web",
        "uses": ["db", "search-1"],
        "env_file": ["./.env", "./web.env"],
        "env": {
            "ADDRESS": "${db.url}",
            "SEARCH_AT": "http://search-1:9200",
            "SEARCH": "http://search-1:9200",
            "BOTH": "one-${env.DB_USER:-}",
            "ALONE": "one!",
        },
    }


def test_a_variable_that_is_a_secret_is_one_in_every_text() -> None:
    draft = drafted(
        """
        services:
          web: {image: a, environment: {TOKEN: "${API_TOKEN}"}}
          worker: {image: a, command: ["run", "--url", "http://x/?t=${API_TOKEN}"], environment: {U: "a:${API_TOKEN}@b"}}
        """
    )
    worker = draft.value["services"]["worker"]
    assert worker["env"] == {"U": "a:${secret.API_TOKEN}@b"}
    assert worker["command"] == ["run", "--url", "http://x/?t=${secret.API_TOKEN}"]


def test_what_has_to_be_set_stays_a_variable_where_it_is_not(tmp_path: Path) -> None:
    manifest = whole(
        tmp_path, "services: {web: {image: a, environment: {AT: '${AT:?say where}', B: '${B-}'}}}"
    )
    assert manifest["services"]["web"]["env"] == {"AT": "${env.AT:-}", "B": "${env.B-}"}


def test_what_nobody_has_to_set_is_an_empty_secret_until_somebody_does() -> None:
    draft = drafted(
        """
        services:
          web:
            image: a
            environment: {API_KEY: , OPEN_TOKEN: "${OPEN_TOKEN:-}", SIGN_SECRET: "${SIGN}", SET_KEY_TOKEN: "${HERE-}"}
        """,
        variables={"HERE": "1"},
    )
    assert draft.value["services"]["web"]["secrets"] == ["API_KEY", "OPEN_TOKEN"]
    assert draft.secrets == {"API_KEY": "", "OPEN_TOKEN": ""}


@each_row(
    {
        "capitals": ("dbPassword", True),
        "of .NET": ("Auth__ClientSecret", True),
        "a word in a word": ("compass", False),
        "a file": ("DbPasswordFile", False),
        "a key of anything": ("RAILS_MASTER_KEY", True),
        "a key for everybody": ("VAPID_PUBLIC_KEY", False),
        "a key of data": ("KAFKA_PARTITION_KEY", False),
        "a salt": ("AUTH_SALT", True),
    }
)
def test_a_secret_is_known_by_its_name(variable: str, secret: bool) -> None:
    draft = drafted(f"services: {{web: {{image: a, environment: {{{variable}: hidden-1}}}}}}")
    assert bool(draft.secrets) == secret


def test_the_name_of_a_keys_file_is_no_secret() -> None:
    draft = drafted("services: {web: {image: a, environment: {SSL_KEY: certs/server.key}}}")
    assert draft.secrets == {}


def test_an_address_without_a_login_is_no_secret() -> None:
    values = {"PROXY_PASS": "http://api:8000", "HOOK_SECRET": "https://hooks.test/T0/x9"}
    draft = drafted(f"services: {{web: {{image: a, environment: {values}}}, api: {{image: a}}}}")
    assert draft.secrets == {"HOOK_SECRET": "https://hooks.test/T0/x9"}


def test_a_password_in_a_default_is_referred_to_or_told() -> None:
    draft = drafted(
        """
        services:
          web:
            image: a
            environment:
              SA_PASSWORD: Pass@word1
              DB: "${DB:-Server=sql;User Id=sa;Password=Pass@word1}"
              OTHER: "${OTHER:-of Pass@word1}"
        """
    )
    assert (
        draft.value["services"]["web"]["env"]["DB"]
        == "${env.DB:-Server=sql;User Id=sa;Password=${secret.SA_PASSWORD}}"
    )
    assert [row.what for row in draft.rows if row.fate == "by hand"] == ["services.web.env.OTHER"]


@each_row(
    {
        "another command": "{image: 'kong:3.9', command: kong migrations up}",
        "a database of its own": "{image: 'kong:3.9', environment: {KONG_DATABASE: postgres, KONG_PG_HOST: db}}",
        "the usual database": "{image: 'kong:3.9', environment: {KONG_PG_HOST: db}}",
        "UDP": "{image: 'jaegertracing/all-in-one:1.60', ports: ['6831:6831/udp']}",
        "a profile": "{image: 'mysql:8', profiles: [more]}",
    }
)
def test_what_a_store_cannot_mean_stays_a_service(service: str) -> None:
    assert "mine" in drafted(f"services: {{mine: {service}}}").value["services"]


def test_profiles_count_where_none_of_them_is_on() -> None:
    draft = drafted(
        """
        services:
          web:
            image: a
            depends_on: {search: {condition: service_started, required: false}, db: {condition: service_started}}
          search: {image: s, profiles: [search]}
          db: {image: d, profiles: ["", db]}
          docs: {image: b, profiles: [docs, more]}
        """,
        variables={"COMPOSE_PROFILES": "more, other"},
    )
    services = draft.value["services"]
    assert services["web"]["uses"] == ["db"]
    assert [name for name, fields in services.items() if fields.get("manual")] == ["search"]
    assert draft.value["profiles"] == {"search": ["web", "db", "docs", "search"]}
    assert [row.what for row in draft.rows if row.note == "only a profile starts it"] == [
        "web.depends_on search"
    ]


def test_what_a_variable_without_a_value_leaves_open_is_told(tmp_path: Path) -> None:
    compose = """
        services:
          web: {image: a, ports: ["${WEB}:80", "${BOTH-:8443:443}"], volumes: ["${UP}:/up"], restart: "${R:-no}"}
          db: {image: "postgres:16", ports: ["${DB}:5432"]}
    """
    value = documents.load(dedent(compose))
    project = reading.project(value, value, files=("compose.yaml",), folder=reading.Place(str(tmp_path)))
    draft = drafting.drafted(project, tmp_path, {})
    assert draft.value["services"]["web"] == {
        "image": "a",
        "ports": {"http": 80, "https": 443},
        "publish": {"https": 8443},
        "restart": "no",
    }
    assert {row.what: row.note for row in draft.rows if row.fate == "by hand"} == {
        "web.ports ${WEB}:80": "WEB is not set, so any free port leads to it; or publish: 80",
        "web.volumes ${UP}:/up": "the variable of its path is not set: write it to .env first",
        "db.ports ${DB}:5432": "DB is not set, so any free port leads to it; or publish: 5432",
    }


@each_row(["https://git.test/a/b.git#v1:sub", "git@git.test:a/b.git", "github.com/a/b"])
def test_a_build_of_a_repository_is_one(context: str) -> None:
    draft = drafted(f"services: {{web: {{build: '{context}', ports: ['80:80']}}}}")
    assert draft.value["services"]["web"] == {"build": context, "port": 80, "publish": 80}
    assert not [row for row in draft.rows if row.fate == "by hand"]


def test_a_login_in_the_url_of_a_repository_is_not_written_down() -> None:
    draft = drafted("services: {web: {build: 'https://me:t0ken@git.test/a/b.git'}}")
    assert draft.value["services"]["web"] == {"image": "web"}
    (note,) = [row.note for row in draft.rows if row.fate == "by hand"]
    assert note == "a login stands in the URL of its source; name it by SSH, with build.ssh: default"
    assert "t0ken" not in str(draft.rows)


def test_what_is_in_a_home_folder_stays_there() -> None:
    service = {"volumes": [{"type": "bind", "source": "/home/me/.aws", "target": "/a"}]}
    (mount,) = reading.mounts(service, reading.Place("/home/me/shop", ".", "/home/me"))
    assert mount.source == "~/.aws"


def test_this_machine_needs_no_line_where_a_unit_names_it() -> None:
    services = drafted(
        """
        services:
          web: {image: a, environment: [DEBUG=host=host.docker.internal], extra_hosts: ["host.docker.internal:host-gateway", "x:10.0.0.1"]}
          api: {image: a, extra_hosts: {host.docker.internal: host-gateway}}
        """
    ).value["services"]
    assert services["web"]["hosts"] == {"x": "10.0.0.1"}
    assert services["api"]["hosts"] == {"host.docker.internal": "host-gateway"}


def test_what_a_service_has_of_the_machine_below_it_has_fields() -> None:
    draft = drafted(
        """
        services:
          web:
            image: a
            extra_hosts: ["old:10.0.0.1"]
            security_opt: ["no-new-privileges:true", "label=disable"]
            privileged: true
            sysctls: [net.core.somaxconn=1024]
            ulimits: {nofile: {soft: 65536, hard: 65536}, nproc: {soft: 5, hard: 9}, memlock: -1}
            volumes: [/var/log:/logs, "~/.aws:/root/.aws:ro", /etc/localtime:/etc/localtime, /a:/logs]
          db: {image: "postgres:18", platform: linux/x86_64, extra_hosts: [old=10.0.0.1],
            volumes: [/etc/localtime:/etc/localtime:ro]}
        """
    )
    assert draft.value["services"]["web"] == {
        "image": "a",
        "host_paths": {"/logs": {"path": "/var/log", "write": True}, "/root/.aws": "~/.aws"},
        "hosts": {"old": "10.0.0.1"},
        "no_new_privileges": True,
        "privileged": True,
        "sysctls": {"net.core.somaxconn": "1024"},
        "ulimits": {"nofile": 65536, "nproc": {"soft": 5, "hard": 9}, "memlock": -1},
        "compose": {"security_opt": ["label=disable"], "volumes": ["/a:/logs"]},
    }
    store = draft.value["infra"]["db"]
    assert (store["platform"], store["hosts"], "compose" in store) == (
        "linux/amd64",
        {"old": "10.0.0.1"},
        False,
    )


def test_a_port_in_the_container_may_come_from_the_variable_that_its_program_reads() -> None:
    web = drafted(
        "services: {web: {image: a, environment: ['PORT=${PORT:-3000}'], ports: ['${PORT:-3000}:${PORT:-3000}']}}"
    ).value["services"]["web"]
    assert (web["port"], web["publish"]) == ("${env.PORT:-3000}", "${env.PORT:-3000}")


def test_a_password_in_an_env_file_that_fills_in_variables_too_is_the_stores_in_both() -> None:
    own = {"POSTGRES_PASSWORD": "sesame-open"}
    draft = drafted(
        """
        services:
          web: {image: a, env_file: .env, environment: {DB: "pg+x://shop:${POSTGRES_PASSWORD}@db:5432/shop"}}
          db: {image: "postgres:18", env_file: .env, environment: {POSTGRES_USER: shop, POSTGRES_DB: shop}}
        """,
        variables=own,
        env_files={"./.env": own},
    )
    assert draft.value["infra"]["db"]["password"] == "${secret.POSTGRES_PASSWORD}"
    url = "pg+x://${db.user}:${db.password}@${db.host}:${db.port}/${db.database}"
    assert draft.value["services"]["web"]["env"]["DB"] == url
    assert draft.value["services"]["web"]["secrets"] == ["POSTGRES_PASSWORD"]  # a chart has none of them
    assert draft.secrets == {}


def test_nothing_waits_for_an_address_that_another_profile_starts() -> None:
    services = drafted(
        """
        services:
          web: {image: a, environment: [ROUTER=http://router:81, DB=http://db:82]}
          both: {image: a, profiles: [routing], environment: [ROUTER=http://router:81]}
          router: {image: a, profiles: [routing]}
          db: {image: a}
        """
    ).value["services"]
    assert (services["web"]["uses"], services["both"]["uses"]) == (["db"], ["router"])


def test_what_a_profile_starts_and_nothing_starts_again_is_a_job() -> None:
    draft = drafted(
        """
        services:
          fill: {image: a, command: fill --all, profiles: [tools], restart: "no", healthcheck: {disable: true}}
          page: {image: a, profiles: [tools], restart: "no", ports: [80]}
          web: {image: a, restart: "no"}
        """
    )
    assert draft.value["jobs"] == {"fill": {"image": "a", "command": "fill --all", "manual": True}}
    assert {*draft.value["services"]} == {"page", "web"}


def test_a_folder_of_logs_is_written_by_its_program() -> None:
    web = drafted(
        "services: {web: {build: ., volumes: ['./logs:/srv/logs', './src:/srv/src', './tmp:/srv/tmp:ro']}}",
        paths={"./Dockerfile": "file", "./logs": "folder", "./src": "folder", "./tmp": "folder"},
    ).value["services"]["web"]
    assert web["volumes"] == {"logs": "/srv/logs"}
    assert web["reload"] == {"sync": {"./src": "/srv/src", "./tmp": "/srv/tmp"}}


def test_a_folder_that_the_dockerfile_calls_a_volume_is_written_by_its_program() -> None:
    web = drafted(
        "services: {web: {build: ./app, volumes: ['./data/up:/srv/data', './app:/srv', './lib:/srv/lib']}}",
        paths={"./app/Dockerfile": "file", "./data/up": "folder", "./app": "folder", "./lib": "folder"},
        texts={"./app/Dockerfile": 'FROM a\nCOPY . /srv\nVOLUME /srv\nVOLUME ["/srv/data/"]\n'},
    ).value["services"]["web"]
    assert web["volumes"] == {"up": "/srv/data"}
    assert web["reload"] == {"sync": {"./app": "/srv", "./lib": "/srv/lib"}}


def test_a_config_whose_text_stands_in_the_file_stays_there() -> None:
    draft = drafted(
        """
        services:
          web: {image: a, environment: {KEY_TOKEN: hidden-1-token}, configs: [{source: own, target: /etc/own}, said, away]}
          db: {image: "postgres:18"}
        configs:
          own: {content: "url = http://${HOST:-web}:80/$${literal}\\nurl = postgres://db:5432"}
          said: {environment: SAID}
          away: {external: true}
        """
    )
    assert draft.value["services"]["web"]["files"] == {
        "/etc/own": {
            "content": "url = http://${env.HOST:-web}:80/$${literal}\nurl = postgres://${db.host}:${db.port}"
        },
        "/said": {"content": "${env.SAID:-}"},
    }
    assert [row.what for row in draft.rows if row.fate == "by hand"] == ["web.configs away"]


def test_a_route_of_traefik_whose_port_only_the_image_knows_is_offered() -> None:
    draft = drafted(
        """
        services:
          proxy: {image: "traefik:v3"}
          web: {image: a, labels: ["traefik.http.routers.web.rule=Host(`shop.example`)"]}
        """
    )
    (offer,) = draft.offers[("services", "web")]
    assert offer == "route: {path: /, host: shop.example}   # once it has its port"
    (note,) = [row.note for row in draft.rows if row.fate == "by hand"]
    assert "write port:" in note


@each_row(
    [
        ("rabbitmq:4.1-management", {"version": "4.1"}),
        ("rabbitmq:4-alpine", {"version": "4"}),
        ("rabbitmq:4.1", {"version": "4.1"}),
        ("rabbitmq:${TAG:-4.1}-management", {"version": "${env.TAG:-4.1}"}),
        ("rabbitmq:4-management-alpine", {"image": "rabbitmq:4-management-alpine"}),
        ("memcached:1.6-alpine3.20", {"image": "memcached:1.6-alpine3.20"}),
        ("memcached:1.6-alpine", {"version": "1.6"}),
        ("jenkins/jenkins:lts", {"image": "jenkins/jenkins:lts"}),
        ("jenkins/jenkins:2.504.1-lts-jdk21", {"version": "2.504.1"}),
        ("postgres:17-alpine", {"version": "17-alpine"}),
        ("postgres:17-alpine@sha256:0f", {"version": "17-alpine@sha256:0f"}),
        ("rabbitmq:4-management@sha256:0f", {"image": "rabbitmq:4-management@sha256:0f"}),
        ("postgres", {}),
    ]
)
def test_the_image_of_a_kind_with_a_variant_is_one_that_there_is(image: str, written: dict[str, str]) -> None:
    store = drafted(f"services: {{mine: {{image: '{image}'}}}}").value["infra"]["mine"]
    assert {key: store[key] for key in ("version", "image") if key in store} == written


def test_a_path_with_a_variable_that_is_not_set_is_no_path() -> None:
    draft = drafted(
        """
        services:
          web:
            image: a
            volumes: ["/home/${OWNER}/data:/data", "${HOME}/.aws:/aws:ro", "${LOGS:-/var/log}:/logs:ro"]
        """
    )
    web = draft.value["services"]["web"]
    assert web["host_paths"] == {"/aws": "~/.aws", "/logs": "/var/log"}
    (row,) = [row for row in draft.rows if row.fate == "by hand"]
    assert row.what == "web.volumes /home/${OWNER}/data:/data"


def test_a_name_of_several_services_is_told() -> None:
    draft = drafted(
        """
        services:
          cpu: {image: a, container_name: ollama, profiles: [cpu]}
          gpu: {image: a, container_name: ollama, profiles: [gpu]}
          web: {image: a, container_name: front, environment: [AT=http://ollama:80]}
          page: {image: a, container_name: front, command: [front]}
        """
    )
    notes = {row.what: row.note for row in draft.rows if row.fate == "by hand"}
    assert notes == {"ollama": "cpu and gpu are called so: in addresses it is cpu now"}


def test_what_only_the_builder_decides_is_dropped_with_the_reason() -> None:
    draft = drafted(
        "services: {a: {build: {context: ., network: host, shm_size: 1gb, ulimits: {nofile: 9}}},"
        " b: {build: {context: ., network: default, dockerfile_inline: FROM scratch}}}",
        paths={"./Dockerfile": "file"},
    )
    assert draft.value["services"]["a"]["build"] == {"context": ".", "network": "host"}
    notes = {row.what: row.note for row in draft.rows if row.fate == "dropped"}
    assert notes == dict.fromkeys(("a.build.shm_size", "a.build.ulimits"), "the builder decides that")


def test_a_platform_is_what_a_build_or_a_ready_made_image_is_for() -> None:
    services = drafted(
        """
        services:
          web: {build: ., platform: linux/x86_64}
          db: {image: a, platform: linux/amd64}
          any: {image: a, platform: "${PLATFORM:-}"}
        """,
        paths={"./Dockerfile": "file"},
    ).value["services"]
    assert services["web"]["build"] == {"context": ".", "platform": "linux/amd64"}
    assert services["db"] == {"image": "a", "platform": "linux/amd64"}
    assert services["any"] == {"image": "a"}


def test_services_at_the_top_are_read_as_compose_did_until_2016(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        """\
web:
  build: .
  dockerfile: web.Dockerfile
  links: [db:store]
  environment: [AT=http://store:1]
  log_driver: syslog
agent: {image: c, net: host}
db: {image: b}
"""
    )
    (tmp_path / "web.Dockerfile").write_text("FROM x")
    composed = drafting.composed([file], tmp_path)
    services = drafting.drafted(composed.project, tmp_path, {}).value["services"]
    assert services["web"] == {
        "build": {"context": ".", "dockerfile": "web.Dockerfile"},
        "uses": ["db"],
        "env": {"AT": "http://db:1"},
    }
    assert services["agent"]["compose"] == {"network_mode": "host"}
    assert "the form that Compose took until 2016" in composed.remarks[0]


def test_a_build_above_says_where_to_begin_instead(tmp_path: Path) -> None:
    folder = tmp_path / "deploy" / "docker"
    folder.mkdir(parents=True)
    value = documents.load("services: {web: {build: {context: ../..}}, api: {build: ../src}}")
    project = reading.project(value, value, files=("compose.yaml",), folder=reading.Place(str(folder)))
    draft = drafting.drafted(project, folder, {})
    assert {row.what: row.note for row in draft.rows if row.fate == "by hand"} == {
        "web.build": "../.. is outside this folder: cd ../.., then devenv init --from-compose deploy/docker/compose.yaml",
        "api.build": "../src is outside this folder: cd .., then devenv init --from-compose docker/compose.yaml",
    }


def test_a_scheme_is_no_host_where_a_service_is_called_so() -> None:
    draft = drafted(
        """
        services:
          web:
            image: a
            environment:
              BROKER_URL: "${BROKER_URL:-redis://:hidden-1@redis:6379/1}"
              HOST: redis
              DB_KEY_BASE: hidden-2
          redis: {image: "redis:7", command: "redis-server --requirepass ${REDIS_PASSWORD:-hidden-1}"}
        """
    )
    web = draft.value["services"]["web"]
    assert web["env"] == {
        "BROKER_URL": "${env.BROKER_URL:-redis://:${redis.password}@${redis.host}:${redis.port}/1}",
        "HOST": "${redis.host}",
    }
    assert web["secrets"] == ["DB_KEY_BASE"]
    assert [row for row in draft.rows if row.fate == "by hand"] == []


@each_row(
    {
        "a program that does one thing": ("{image: a, command: chown -R 1000 /data}", True),
        "the last of a line": ("{image: a, entrypoint: sh -c 'until mc alias set x; do sleep 1; done; mc mb x/b; exit 0;'}", True),
        "a task of a framework": ("{image: a, command: sh -c 'python manage.py migrate', restart: on-failure}", True),
        "an image of one program": ("{image: 'migrate/migrate:4', command: -path /m up}", True),
        "a server after a task": ("{image: a, command: sh -c 'alembic upgrade head && uvicorn a:b'}", False),
        "one that starts again": ("{image: a, command: chown -R 1000 /data, restart: always}", False),
        "one that listens": ("{image: a, command: touch x, ports: ['80:80']}", False),
        "the image's own command": ("{image: a}", False),
        "an open quote": ("{image: a, command: 'touch \"x'}", False),
        "one whose check is off": ("{image: a, command: touch x, healthcheck: {disable: true}}", True),
    }
)  # fmt: skip
def test_what_ends_by_itself_is_a_job(service: str, ends: bool) -> None:
    manifest = drafted(f"services: {{prepare: {service}, web: {{image: b, depends_on: [prepare]}}}}").value
    assert ("prepare" in manifest.get("jobs", {})) is ends
    assert manifest["services"]["web"]["uses"] == ["prepare"]


@each_row(
    {
        "by its name": ("db-migrator: {build: ., command: ./migrate.sh}", True),
        "by its name, and it listens": ("setup: {image: a, command: serve, ports: ['80:80']}", False),
        "by its name, and it starts again": ("init: {image: a, command: x, restart: always}", False),
        "a name with that in it": ("initiator: {image: a, command: x}", False),
    }
)
def test_what_is_called_so_is_a_job(service: str, ends: bool) -> None:
    manifest = drafted(f"services: {{{service}}}", paths={"./Dockerfile": "file"}).value
    assert ("jobs" in manifest) is ends


def test_mounted_programs_are_sources_also_of_an_image_of_others() -> None:
    draft = drafted(
        "services: {web: {image: acme/app, volumes: ['./app:/srv/app', './conf:/srv/conf', './page:/usr/share/page']}}",
        paths={"./app": "folder", "./app/main.py": "file", "./conf": "folder", "./conf/a.ini": "file",
               "./page": "folder", "./page/a.js": "file"},
    )  # fmt: skip
    web = draft.value["services"]["web"]
    assert web["reload"] == {"sync": {"./app": "/srv/app"}}
    assert web["files"] == {"/srv/conf": "./conf", "/usr/share/page": "./page"}


def test_a_secret_of_env_in_a_command_is_one(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_PASSWORD=hidden-1\n")
    cache = "{image: redis, entrypoint: sh, command: [-c, 'redis-server --requirepass $REDIS_PASSWORD'], env_file: .env}"
    manifest = whole(tmp_path, f"services: {{cache: {cache}}}")
    assert manifest["services"]["cache"]["command"] == [
        "-c",
        "redis-server --requirepass ${secret.REDIS_PASSWORD}",
    ]


def test_a_password_from_the_same_variable_is_the_stores_whatever_it_is_called() -> None:
    draft = drafted(
        """
        services:
          web: {image: a, environment: {REDIS_AUTH: "${REDIS_AUTH:-mine}"}}
          redis: {image: "redis:7", command: "--requirepass ${REDIS_AUTH:-mine}"}
        """
    )
    assert draft.value["services"]["web"]["env"] == {"REDIS_AUTH": "${redis.password}"}


def test_a_name_among_the_words_of_a_command_stays_an_alias() -> None:
    draft = drafted(
        """
        services:
          broker: {image: a, container_name: the-broker, command: "sh -c 'until nc -z the-broker 9092; do :; done'"}
          web: {image: a, container_name: the-web}
        """
    )
    assert draft.value["services"]["broker"]["aliases"] == ["the-broker"]
    assert "aliases" not in draft.value["services"]["web"]


def test_a_password_that_is_written_for_an_address_is_the_stores_too() -> None:
    draft = drafted(
        """
        services:
          db: {image: "postgres:16", environment: {POSTGRES_USER: u, POSTGRES_PASSWORD: "#1@4", POSTGRES_DB: d}}
          web: {image: a, environment: {URL: "postgresql://u:%231%404@db:5432/d", OTHER: "x://u:%231%404@db/d"}}
        """
    )
    assert draft.value["services"]["web"]["env"] == {
        "URL": "${db.url}",
        "OTHER": "x://${db.user}:${secret.OTHER_PASSWORD}@${db.host}/${db.database}",
    }


def test_what_a_kind_does_without_and_others_name_is_told() -> None:
    draft = drafted(
        """
        services:
          zookeeper: {image: confluentinc/cp-zookeeper}
          kafka: {image: confluentinc/cp-kafka, environment: {KAFKA_ZOOKEEPER_CONNECT: "zookeeper:2181"}}
          web: {image: a, environment: {ZK: "zookeeper:2181"}}
        """
    )
    (row,) = [row for row in draft.rows if row.fate == "by hand"]
    assert (row.what, row.note) == ("zookeeper", "web names it, and the kind kafka has none")


def test_a_password_that_a_service_has_as_a_file_too_is_the_same_everywhere() -> None:
    compose = """
        services:
          web: {image: a, secrets: [db_word]}
          db:
            image: mysql:9
            environment: {MYSQL_DATABASE: x, MYSQL_USER: x, MYSQL_PASSWORD_FILE: /run/secrets/db_word}
            secrets: [db_word]
        secrets: {db_word: {file: ./word}}
    """
    draft = drafted(compose, texts={"./word": "sesame-1\n"})
    assert draft.value["services"]["web"]["files"] == {"/run/secrets/db_word": {"secret": "DB_WORD"}}
    assert draft.value["infra"]["db"]["password"] == "${secret.DB_WORD}"
    assert draft.secrets == {"DB_WORD": "sesame-1"}


def test_each_password_of_a_variable_is_a_secret() -> None:
    """One that took the name of another would leave that one in the manifest."""
    nodes = [f"amqp://app:sesame-{number}@mq{number}" for number in range(4)]
    draft = drafted(f"services: {{web: {{image: a, environment: {{NODES: '{','.join(nodes)}'}}}}}}")
    assert [*draft.secrets.values()] == ["sesame-0", "sesame-1", "sesame-2", "sesame-3"]
    written = [f"amqp://app:${{secret.{name}}}@mq{number}" for number, name in enumerate(draft.secrets)]
    assert draft.value["services"]["web"]["env"] == {"NODES": ",".join(written)}
