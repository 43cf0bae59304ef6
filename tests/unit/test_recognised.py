"""A service of a Compose file that is a kind of the catalogue: it is known by its image, and keeps what it says."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from devenv.drafting import reading
from devenv.drafting.convert import convert
from devenv.drafting.draft import Draft
from devenv.drafting.scene import World
from devenv.drafting.stores import Stores, store_of
from tests import documents
from tests.table import each_row

from .stacks import CATALOGUE

STORES = Stores(CATALOGUE)


def drafted(text: str, **world: Any) -> Draft:
    value = documents.load(dedent(text))
    return convert(
        reading.project(value, value, files=("compose.yaml",), folder=reading.HERE), World(**world), STORES
    )


@each_row([kind for kind in CATALOGUE if not CATALOGUE[kind].block.gateway])
def test_every_kind_is_known_by_its_own_image_at_its_own_name(kind: str) -> None:
    version = CATALOGUE[kind].options.get("version", "1")
    image = CATALOGUE[kind].file.services[kind].image.replace("${version}", str(version))
    others = "".join(
        f"  a-{use}: {{image: '{CATALOGUE[use].file.services[use].image.replace('${version}', 'latest')}'}}\n"
        for use in store_of(CATALOGUE[kind]).uses
    )
    draft = drafted(f"services:\n  mine: {{image: '{image}'}}\n{others}")
    assert draft.value["infra"]["mine"]["kind"] == kind
    assert str(draft.value["infra"]["mine"].get("version", version)) == str(version)


TYPICAL: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "postgres": (
        """
        db:
          image: postgres:16-alpine
          environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: sesame, POSTGRES_DB: shop, PGDATA: /data}
          command: postgres -c max_connections=200
          ports: ["5433:5432"]
        """,
        {"kind": "postgres", "version": "16-alpine", "user": "shop", "database": "shop", "publish": 5433,
         "args": ["-c", "max_connections=200"]},
        {"DB_PASSWORD": "sesame"},
    ),
    "mariadb": (
        """
        db:
          image: mariadb:11
          command: --transaction-isolation=READ-COMMITTED
          environment: {MARIADB_USER: a, MARIADB_PASSWORD: p, MARIADB_DATABASE: d, MARIADB_ROOT_PASSWORD: r}
        """,
        {"kind": "mysql", "image": "mariadb:11", "user": "a", "database": "d",
         "args": ["--transaction-isolation=READ-COMMITTED"]},
        {"DB_PASSWORD": "p", "DB_ROOT_PASSWORD": "r"},
    ),
    "redis with a password": (
        """
        cache:
          image: redis:7
          command: redis-server --requirepass sesame --appendonly yes --maxmemory 512mb
          ports: ["6379:6379"]
        """,
        {"kind": "valkey", "image": "redis:7", "password": "${secret.CACHE_PASSWORD}",
         "appendonly": "yes", "maxmemory": "512mb", "publish": 6379},
        {"CACHE_PASSWORD": "sesame"},
    ),
    "redis with a variable that only other images know": (
        "cache: {image: 'redis:7', environment: {REDIS_PASSWORD: sesame}}",
        {"kind": "valkey", "image": "redis:7"},
        {},
    ),
    "redis whose image knows it": (
        "cache: {image: 'bitnami/redis:7.2', environment: {REDIS_PASSWORD: sesame}}",
        {"kind": "valkey", "password": "${secret.CACHE_PASSWORD}"},
        {"CACHE_PASSWORD": "sesame"},
    ),
    "minio with its console elsewhere": (
        "minio: {image: minio/minio, command: 'server --console-address \":8083\" /data', ports: ['83:8083', '90:9000']}",
        {"user": "minioadmin", "publish": {"console": 83, "s3": 90}},
        {"MINIO_PASSWORD": "minioadmin"},
    ),
    "minio with its data elsewhere": (
        "minio: {image: minio/minio, command: server /export, volumes: ['uploads:/export']}",
        {"user": "minioadmin"},
        {"MINIO_PASSWORD": "minioadmin"},
    ),
    "kafka that keeps its log for long": (
        "kafka: {image: 'apache/kafka:3.8.0', environment: {KAFKA_NODE_ID: 1, KAFKA_LOG_RETENTION_HOURS: 9600}}",
        {"version": "3.8.0", "env": {"KAFKA_LOG_RETENTION_HOURS": "9600"}},
        {},
    ),
    "mongo": (
        "mongo: {image: 'mongo:7', command: [mongod, --replSet, rs0, --bind_ip_all], environment: {MONGO_INITDB_DATABASE: d}}",
        {"version": "7", "database": "d"},
        {},
    ),
    "rabbitmq": (
        """
        queue:
          image: rabbitmq:3.13-management
          environment: [RABBITMQ_DEFAULT_USER=me, RABBITMQ_DEFAULT_PASS=sesame, RABBITMQ_DEFAULT_VHOST=v]
          ports: ["5672:5672", "8080:15672"]
        """,
        {"kind": "rabbitmq", "version": "3.13", "user": "me", "vhost": "v", "publish": {"amqp": 5672, "management": 8080}},
        {"QUEUE_PASSWORD": "sesame"},
    ),
    "memcached": (
        "cache: {image: 'memcached:1.6-alpine', command: memcached -m 128}",
        {"kind": "memcached", "version": "1.6", "cache": "128"},
        {},
    ),
    "nats": (
        "nats: {image: 'nats:2.10-alpine', command: -js -m 8222 --user me --pass sesame, ports: ['4222:4222', '8222:8222']}",
        {"version": "2.10", "user": "me", "publish": {"client": 4222, "monitor": 8222}},
        {"NATS_PASSWORD": "sesame"},
    ),
    "minio": (
        """
        s3:
          image: minio/minio
          command: server /data --console-address ":9001"
          environment: {MINIO_ROOT_USER: me, MINIO_ROOT_PASSWORD: sesame12}
          ports: ["9000:9000", "9001:9001"]
        """,
        {"kind": "minio", "user": "me", "publish": {"s3": 9000, "console": 9001}},
        {"S3_PASSWORD": "sesame12"},
    ),
    "mailhog": (
        "mail: {image: mailhog/mailhog, ports: ['1025:1025', '8025:8025']}",
        {"kind": "mailpit", "publish": {"smtp": 1025, "inbox": 8025}},
        {},
    ),
    "kafka of Confluent": (
        """
        kafka:
          image: confluentinc/cp-kafka:7.6.0
          depends_on: [zookeeper]
          ports: ["9092:9092", "29092:29092"]
          environment:
            KAFKA_BROKER_ID: 1
            KAFKA_ZOOKEEPER_CONNECT: zookeeper:2181
            KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:29092,PLAINTEXT_HOST://localhost:9092
        zookeeper: {image: 'confluentinc/cp-zookeeper:7.6.0', environment: {ZOOKEEPER_CLIENT_PORT: 2181}}
        """,
        {"publish": 9092},
        {},
    ),
    "prometheus": (
        "metrics: {image: 'prom/prometheus:v3.5.0', ports: ['9090:9090']}",
        {"kind": "prometheus", "version": "v3.5.0", "publish": 9090},
        {},
    ),
    "elasticsearch": (
        """
        search:
          image: docker.elastic.co/elasticsearch/elasticsearch:8.15.0
          environment:
            - discovery.type=single-node
            - xpack.security.enabled=false
            - bootstrap.memory_lock=true
            - ES_JAVA_OPTS=-Xms750m -Xmx750m
          ulimits: {memlock: {soft: -1, hard: -1}}
          ports: ["9200:9200"]
        kibana: {image: 'docker.elastic.co/kibana/kibana:8.15.0', environment: {ELASTICSEARCH_HOSTS: 'http://search:9200'}}
        """,
        {"kind": "elasticsearch", "heap": "750m", "publish": 9200},
        {},
    ),
    "opensearch": (
        """
        opensearch:
          image: opensearchproject/opensearch:2.11.0
          environment: [discovery.type=single-node, DISABLE_SECURITY_PLUGIN=true, OPENSEARCH_JAVA_OPTS=-Xms1g -Xmx1g]
        opensearch-dashboards: {image: 'opensearchproject/opensearch-dashboards:2.11.0'}
        """,
        {"version": "2.11.0", "heap": "1g"},
        {},
    ),
    "grafana": (
        """
        grafana:
          image: grafana/grafana-oss:11.2.0
          environment: {GF_SECURITY_ADMIN_USER: me, GF_SECURITY_ADMIN_PASSWORD: sesame, GF_USERS_ALLOW_SIGN_UP: "false"}
          ports: ["3001:3000"]
        prometheus: {image: 'prom/prometheus:v3.5.0'}
        """,
        {"user": "me", "publish": 3001},
        {"GRAFANA_PASSWORD": "sesame"},
    ),
    "jaeger": (
        "jaeger: {image: 'jaegertracing/all-in-one:1.60', environment: [COLLECTOR_OTLP_ENABLED=true], ports: ['16686:16686', '4318:4318']}",
        {"publish": {"otlp": 4318, "ui": 16686}},
        {},
    ),
    "keycloak": (
        """
        keycloak:
          image: quay.io/keycloak/keycloak:26.0
          command: start-dev --import-realm
          environment: {KC_BOOTSTRAP_ADMIN_USERNAME: boss, KC_BOOTSTRAP_ADMIN_PASSWORD: sesame, KC_HTTP_ENABLED: "true"}
          volumes: ["./realm.json:/opt/keycloak/data/import/realm.json"]
          ports: ["8080:8080"]
        """,
        {"version": "26.0", "user": "boss", "realms": ["./realm.json"], "publish": 8080},
        {"KEYCLOAK_PASSWORD": "sesame"},
    ),
    "adminer": (
        "adminer: {image: 'adminer:4.8.1', ports: ['8080:8080'], environment: {ADMINER_DEFAULT_SERVER: db}}\ndb: {image: 'postgres:16'}",
        {"version": "4.8.1", "publish": 8080},
        {},
    ),
    "pgadmin": (
        """
        pgadmin:
          image: dpage/pgadmin4:8.12
          environment: {PGADMIN_DEFAULT_EMAIL: me@a.test, PGADMIN_DEFAULT_PASSWORD: sesame}
          ports: ["5050:80"]
        db: {image: 'postgres:16'}
        """,
        {"version": "8.12", "publish": 5050},
        {"PGADMIN_PASSWORD": "sesame"},
    ),
    "mongo-express": (
        "mongo-express: {image: 'mongo-express:1.0.2', environment: {ME_CONFIG_MONGODB_SERVER: mongo}, ports: ['8081:8081']}\nmongo: {image: 'mongo:7'}",
        {"version": "1.0.2", "publish": 8081},
        {},
    ),
    "kafka-ui": (
        "kafka-ui: {image: provectuslabs/kafka-ui, environment: {KAFKA_CLUSTERS_0_NAME: l, DYNAMIC_CONFIG_ENABLED: 'true'}, ports: ['8080:8080']}\nkafka: {image: 'apache/kafka:3.9.0'}",
        {"publish": 8080},
        {},
    ),
    "redisinsight": (
        "redisinsight: {image: 'redis/redisinsight:2.66', ports: ['8001:5540']}\nredis: {image: 'redis:7'}",
        {"version": "2.66", "publish": 8001},
        {},
    ),
}  # fmt: skip


@each_row(TYPICAL)
def test_a_typical_service_keeps_its_name_version_login_and_ports(
    services: str, fields: dict[str, Any], secrets: dict[str, str]
) -> None:
    text = "services:\n" + "".join(f"  {line}\n" for line in dedent(services).strip().splitlines())
    draft = drafted(text, paths={"./realm.json": "file"})
    name = next(iter(documents.load(text)["services"]))
    assert draft.value["infra"][name] == fields
    assert draft.secrets == secrets
    assert "services" not in draft.value, "nothing of it is left a service"
    assert [row for row in draft.rows if row.fate == "by hand"] == []


@each_row(
    {
        "a login of its own": "{image: 'elasticsearch:8.15.0', environment: {ELASTIC_PASSWORD: x}}",
        "security": "{image: 'elasticsearch:8.15.0', environment: [xpack.security.enabled=true]}",
        "a cluster": "{image: 'opensearchproject/opensearch:2.11.0', environment: [discovery.seed_hosts=a]}",
        "a configuration of its own": "{image: 'prom/prometheus:v3.5.0', volumes: ['./p.yml:/etc/prometheus/prometheus.yml']}",
        "a folder of them": "{image: 'prom/prometheus:v3.5.0', volumes: ['./p:/etc/prometheus']}",
        "another database": "{image: 'quay.io/keycloak/keycloak:26.0', environment: {KC_DB: postgres}}",
        "an old version": "{image: 'quay.io/keycloak/keycloak:19.0'}",
        "nothing to look into": "{image: 'adminer:4.8.1'}",
        "a root user": "{image: 'mongo:7', environment: {MONGO_INITDB_ROOT_USERNAME: a}}",
        "an empty password": "{image: 'mysql:8.4', environment: {MYSQL_ALLOW_EMPTY_PASSWORD: 'yes'}}",
    }
)
def test_what_a_kind_cannot_mean_stays_a_service(service: str) -> None:
    draft = drafted(f"services: {{mine: {service}}}", paths={"./p": "folder", "./p.yml": "file"})
    assert "mine" in draft.value["services"]


def test_programs_reach_what_was_recognised_by_references() -> None:
    draft = drafted(
        """
        services:
          app:
            image: a
            depends_on: [zookeeper, kibana, kafka]
            environment:
              BROKERS: kafka:29092
              NATS: nats://nats:4222
              SEARCH: http://search:9200
              CACHE: redis://:sesame-open@cache:6379/0
          kafka: {image: 'confluentinc/cp-kafka:7.6.0'}
          zookeeper: {image: zookeeper}
          nats: {image: nats}
          search: {image: 'elasticsearch:8.15.0'}
          kibana: {image: 'kibana:8.15.0'}
          cache: {image: 'redis:7', command: redis-server --requirepass sesame-open}
        """
    )
    app = draft.value["services"]["app"]
    assert app["env"] == {
        "BROKERS": "${kafka.host}:${kafka.port}",
        "NATS": "${nats.url}",
        "SEARCH": "${search.url}",
        "CACHE": "${cache.url}",
    }
    assert sorted(app["uses"]) == ["cache", "kafka", "nats", "search"]
    rows = {(row.fate, row.what): row.note for row in draft.rows}
    assert rows["dropped", "zookeeper"] == "the kind kafka needs none"
    assert rows["derived", "kibana"] == "the kind elasticsearch brings it, as search-kibana"


def test_a_root_password_that_nobody_knows_is_made_up_by_the_kind() -> None:
    draft = drafted(
        "services: {db: {image: 'mysql:8.4', environment: {MYSQL_RANDOM_ROOT_PASSWORD: 'yes', MYSQL_DATABASE: a}}}"
    )
    assert draft.value["infra"]["db"] == {"kind": "mysql", "version": "8.4", "database": "a"}


def test_a_volume_that_is_only_read_is_named_as_it_can_be_written_to() -> None:
    draft = drafted("services: {web: {image: nginx, volumes: ['site:/site:ro']}}\nvolumes: {site: {}}")
    (row,) = [row for row in draft.rows if row.fate == "dropped"]
    assert "web.volumes site:/site:ro" in str(row)
