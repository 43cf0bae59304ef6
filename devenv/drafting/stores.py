"""Which images are stores of the catalogue, and what their variables mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.manifest.versions import name_and_tag


@dataclass(frozen=True, slots=True)
class Store:
    """One kind, as images of it are written in Compose files.

    `own`: images that the kind's `version` means; `like`: images that serve in its place as they are;
    `instead`: images for which the kind's own stands in, as they keep their data elsewhere.
    `options`: variable -> option. `without`: what the server takes for an option that is not set, `$` before
    another option. `secret`: the options whose values are passwords. `unneeded` and `words`: variables, and
    parts of a command, that mean nothing to the kind. `data`: folders of its volumes. `refused`: variables
    that the kind cannot mean, so that the image stays a service, unless another one stands beside them.
    `suffix`: what the kind adds to its version. `ports`: port -> its name in the kind.
    """

    kind: str
    own: tuple[str, ...]
    port: int
    like: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    unneeded: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    seeds: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    ports: Mapping[int, str] = field(default_factory=dict)


STORES = (
    Store(
        "postgres",
        own=("postgres",),
        port=5432,
        like=(
            "postgis/postgis", "pgvector/pgvector", "ankane/pgvector", "timescale/timescaledb",
            "timescale/timescaledb-ha", "tensorchord/pgvecto-rs", "kartoza/postgis",
            "ghcr.io/immich-app/postgres",
        ),
        instead=("bitnami/postgresql", "bitnamilegacy/postgresql"),
        options={
            "POSTGRES_USER": "user", "POSTGRES_PASSWORD": "password", "POSTGRES_DB": "database",
            "POSTGRESQL_USERNAME": "user", "POSTGRESQL_PASSWORD": "password",
            "POSTGRESQL_DATABASE": "database",
        },
        without={"user": "postgres", "database": "$user"},
        secret=("password",),
        unneeded=("PGDATA", "ALLOW_EMPTY_PASSWORD", "POSTGRESQL_POSTGRES_PASSWORD", "TZ", "PGTZ"),
        words=("postgres",),
        data=("/var/lib/postgresql", "/var/lib/postgresql/data", "/bitnami/postgresql"),
        seeds="/docker-entrypoint-initdb.d",
        refused={
            "POSTGRES_MULTIPLE_DATABASES": "", "POSTGRESQL_REPLICATION_MODE": "",
        },
        ports={5432: "sql"},
    ),
    Store(
        "mysql",
        own=("mysql",),
        port=3306,
        like=("mariadb", "percona", "mysql/mysql-server"),
        instead=("bitnami/mysql", "bitnami/mariadb", "bitnamilegacy/mariadb", "bitnamilegacy/mysql"),
        options={
            "MYSQL_USER": "user", "MYSQL_PASSWORD": "password", "MYSQL_DATABASE": "database",
            "MYSQL_ROOT_PASSWORD": "root_password",
            "MARIADB_USER": "user", "MARIADB_PASSWORD": "password", "MARIADB_DATABASE": "database",
            "MARIADB_ROOT_PASSWORD": "root_password",
        },
        without={},
        secret=("password", "root_password"),
        unneeded=(
            "MYSQL_ROOT_HOST", "MYSQL_INITDB_SKIP_TZINFO", "TZ", "MARIADB_AUTO_UPGRADE",
            "ALLOW_EMPTY_PASSWORD",
        ),
        words=("mysqld", "mariadbd", "--default-authentication-plugin=mysql_native_password"),
        data=("/var/lib/mysql", "/bitnami/mysql", "/bitnami/mariadb"),
        seeds="/docker-entrypoint-initdb.d",
        refused={
            "MYSQL_ALLOW_EMPTY_PASSWORD": "MYSQL_ROOT_PASSWORD", "MYSQL_RANDOM_ROOT_PASSWORD": "",
            "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "MARIADB_ROOT_PASSWORD",
            "MARIADB_RANDOM_ROOT_PASSWORD": "", "MARIADB_REPLICATION_MODE": "",
        },
        ports={3306: "sql"},
    ),
    Store(
        "valkey",
        own=("valkey/valkey",),
        port=6379,
        like=("redis", "redis/redis-stack-server"),
        instead=("bitnami/redis", "bitnami/valkey", "bitnamilegacy/redis"),
        unneeded=("ALLOW_EMPTY_PASSWORD", "TZ", "REDIS_REPLICATION_MODE", "REDIS_PORT"),
        words=("redis-server", "valkey-server", "--appendonly", "yes"),
        data=("/data", "/bitnami/redis/data", "/bitnami/valkey/data"),
        refused={
            "REDIS_PASSWORD": "", "REDIS_PASSWORD_FILE": "", "REDIS_MASTER_HOST": "",
        },
        ports={6379: "redis"},
    ),
    Store(
        "mongo",
        own=("mongo",),
        port=27017,
        options={"MONGO_INITDB_DATABASE": "database"},
        without={},
        unneeded=("TZ",),
        words=("mongod", "--replSet", "rs0", "--bind_ip_all"),
        data=("/data/db", "/data/configdb", "/data"),
        seeds="/docker-entrypoint-initdb.d",
        refused={
            "MONGO_INITDB_ROOT_USERNAME": "", "MONGO_INITDB_ROOT_PASSWORD": "",
            "MONGO_INITDB_ROOT_PASSWORD_FILE": "",
        },
        ports={27017: "mongo"},
    ),
    Store(
        "rabbitmq",
        own=("rabbitmq",),
        port=5672,
        instead=("bitnami/rabbitmq", "bitnamilegacy/rabbitmq"),
        options={
            "RABBITMQ_DEFAULT_USER": "user", "RABBITMQ_DEFAULT_PASS": "password",
            "RABBITMQ_DEFAULT_VHOST": "vhost",
            "RABBITMQ_USERNAME": "user", "RABBITMQ_PASSWORD": "password", "RABBITMQ_VHOST": "vhost",
        },
        without={"user": "guest", "password": "guest"},
        secret=("password",),
        suffix="-management",
        unneeded=("RABBITMQ_NODENAME", "TZ"),
        data=("/var/lib/rabbitmq", "/var/log/rabbitmq", "/bitnami/rabbitmq/mnesia"),
        ports={5672: "amqp", 15672: "management", 15692: "metrics"},
    ),
    Store(
        "memcached",
        own=("memcached",),
        port=11211,
        instead=("bitnami/memcached",),
        suffix="-alpine",
        words=("memcached",),
        ports={11211: "cache"},
    ),
    Store(
        "minio",
        own=("pgsty/silo",),
        port=9000,
        instead=("minio/minio", "bitnami/minio", "quay.io/minio/minio", "bitnamilegacy/minio"),
        options={
            "MINIO_ROOT_USER": "user", "MINIO_ROOT_PASSWORD": "password",
            "MINIO_ACCESS_KEY": "user", "MINIO_SECRET_KEY": "password",
        },
        without={"user": "minioadmin", "password": "minioadmin"},
        secret=("password",),
        unneeded=("MINIO_BROWSER", "MINIO_ADDRESS", "TZ", "MINIO_DEFAULT_BUCKETS"),
        words=("minio", "server", "/data", "--console-address", ":9001", ":9090"),
        data=("/data", "/export", "/bitnami/minio/data"),
        refused={
            "MINIO_DISTRIBUTED_MODE_ENABLED": "",
        },
        ports={9000: "s3", 9001: "console"},
    ),
    Store(
        "mailpit",
        own=("axllent/mailpit",),
        port=1025,
        instead=("mailhog/mailhog",),
        unneeded=("TZ",),
        data=("/data", "/maildir"),
        ports={1025: "smtp", 8025: "inbox"},
    ),
)  # fmt: skip


_DEFAULT_REGISTRIES = (
    "docker.io/", "index.docker.io/", "registry.hub.docker.com/", "public.ecr.aws/docker/", "library/",
)  # fmt: skip


def repository(image: str) -> str:
    """`docker.io/library/postgres:16` as `postgres`."""
    name = image.partition("@")[0]
    last = name.rpartition("/")[2]
    name = name[: len(name) - len(last)] + last.partition(":")[0]
    for prefix in _DEFAULT_REGISTRIES:
        name = name.removeprefix(prefix)
    return name


def store_of(image: str) -> Store | None:
    """The kind whose server the image is."""
    name = repository(image)
    return next((store for store in STORES if name in (*store.own, *store.like, *store.instead)), None)


def version_of(image: str) -> str:
    """The version that a tag says, or "" for `latest` and none."""
    tag = name_and_tag(image)[1]
    return "" if tag in ("latest", "") else tag
