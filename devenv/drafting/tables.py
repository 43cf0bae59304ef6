"""What Compose's keys become: the tables that the conversion reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from devenv.drafting.interpolation import plain
from devenv.drafting.reading import listed
from devenv.manifest.fragments import pairs
from devenv.manifest.source import as_text

Convert = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> Any:
    return str(as_text(value))


def _restart(value: Any) -> Any:
    word = str(as_text(value)).partition(":")[0]
    return {"unless-stopped": "always", "false": "no"}.get(word, word)


_TIME = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(value: Any) -> float:
    """A duration of Compose's, `1h30m` or `1m30s`, in seconds; 0 for what is none."""
    if isinstance(value, int | float):
        return float(value)
    return sum(float(number) * _UNITS[unit] for number, unit in _TIME.findall(plain(str(value))))


def _grace(value: Any) -> Any:
    return f"{seconds_of(value):g}s"


def _pairs(value: Any) -> Any:
    items = value if isinstance(value, dict) else pairs([str(item) for item in listed(value)])
    return {name: as_text(item) for name, item in items.items()}


def _ulimits(value: Any) -> Any:
    """Each limit as one number, where soft and hard are the same."""
    limits = {}
    for name, limit in value.items():
        same = isinstance(limit, dict) and limit.get("soft", "none") == limit.get("hard")
        limits[name] = limit["soft"] if same else limit
    return limits


FIELDS: Mapping[str, tuple[str, Convert]] = {
    "restart": ("restart", _restart),
    "user": ("user", _text),
    "working_dir": ("workdir", _same),
    "read_only": ("read_only", _same),
    "init": ("init", _same),
    "tmpfs": ("tmpfs", listed),
    "shm_size": ("shm", _same),
    "stop_signal": ("stop_signal", _text),
    "stop_grace_period": ("grace", _grace),
    "scale": ("replicas", _same),
    "privileged": ("privileged", _same),
    "sysctls": ("sysctls", _pairs),
    "ulimits": ("ulimits", _ulimits),
}
"""Compose's key -> the field of a service that says the same, and how it is written."""

OF_SERVICES: Mapping[str, str] = {
    "restart": "a crash is seen, and devenv restart NAME starts it again",
    "scale": "a job runs once",
}
"""Keys that mean nothing for a job, and why."""

UNNEEDED: Mapping[str, str] = {
    "version": "Compose itself ignores it",
    "networks": "every unit reaches every other by its name",
    "container_name": "units are called by their names: devenv logs NAME",
    "hostname": "a unit's host name is its name",
    "domainname": "a unit's host name is its name",
    "logging": "devenv logs has everything",
    "expose": "units reach all ports of each other",
    "links": "every unit reaches every other by its name",
    "tty": "devenv exec asks for a terminal when there is one",
    "stdin_open": "devenv exec asks for a terminal when there is one",
    "labels": "labels are for other programs",
    "annotations": "annotations are for other programs",
    "pull_policy": "devenv pulls what is missing",
    "label_file": "labels are for other programs",
    "attach": "devenv logs says which",
    "memswap_limit": "memory is limited by resources",
    "mem_reservation": "resources says what a service may take at most",
    "mem_swappiness": "memory is limited by resources",
    "oom_kill_disable": "memory is limited by resources",
    "credential_spec": "it is for Windows",
    "isolation": "it is for Windows",
    "develop": "reload: says it",
}
"""What nothing here needs, and why."""

READ = frozenset(
    (
        "build", "image", "command", "entrypoint", "environment", "env_file", "depends_on", "ports",
        "volumes", "healthcheck", "deploy", "mem_limit", "cpus", "profiles", "secrets", "configs", "cap_add",
        "cap_drop", "extends", "platform",
    )
)  # fmt: skip
"""Keys that the conversion itself reads."""

PORT_NAMES: Mapping[int, str] = {
    21: "ftp", 22: "ssh", 25: "smtp", 53: "dns", 80: "http", 443: "https", 1025: "smtp", 1883: "mqtt",
    2181: "zookeeper", 2222: "ssh", 3000: "http", 3306: "mysql", 4317: "otlp", 5000: "http", 5432: "postgres",
    5672: "amqp", 6379: "redis", 8000: "http", 8080: "http", 8443: "https", 9090: "http", 9092: "kafka",
    9200: "http", 15672: "management", 27017: "mongo",
}  # fmt: skip
"""Port -> what to call it where a service has several; the first of a name takes it."""

IMAGE_PORTS: Mapping[str, int] = {
    "nginx": 80, "httpd": 80, "caddy": 80, "wordpress": 80, "adminer": 8080, "phpmyadmin": 80,
    "rabbitmq": 5672, "elasticsearch": 9200, "opensearch": 9200, "kibana": 5601, "kafka": 9092,
    "cp-kafka": 9092, "zookeeper": 2181, "cp-zookeeper": 2181, "nats": 4222, "memcached": 11211, "etcd": 2379,
    "consul": 8500, "vault": 8200, "grafana": 3000, "prometheus": 9090, "loki": 3100, "jaeger": 16686,
    "influxdb": 8086, "cassandra": 9042, "neo4j": 7474, "couchdb": 5984, "solr": 8983, "nextcloud": 80,
    "ghost": 2368, "mongo": 27017, "redis": 6379, "mysql": 3306, "mariadb": 3306, "postgres": 5432,
    "mongo-express": 8081, "node-exporter": 9100, "cadvisor": 8080, "alertmanager": 9093, "mosquitto": 1883,
    "eclipse-mosquitto": 1883,
}  # fmt: skip
"""Image -> the port that it listens on, where the file names none."""

DATA_FOLDERS = (
    "/data", "/var/lib", "/var/opt", "/bitnami", "/storage", "/backup", "/var/backups", "/uploads", "/media",
    "/downloads", "/var/log", "/logs", "/config", "/consume", "/export", "/library", "/music", "/tv",
    "/movies", "/books", "/photos",
)  # fmt: skip
"""Where containers keep what they write."""

WRITTEN_FOLDERS = ("logs", "log", "tmp", "cache", "backups", "uploads", "upload", "attachments", "sessions")
"""What people call a folder that a program writes to."""

CONFIG_FOLDERS = (
    "/etc", "/usr/share", "/usr/local/etc", "/docker-entrypoint", "/conf", "/usr/local/apache2",
    "/usr/local/share", "/provisioning", "/run", "/certs", "/ssl",
)  # fmt: skip
"""Where containers only read."""

IN_UTC = "containers run in UTC; env: {TZ: ...} says another zone"
HOST_CLOCK = ("/etc/localtime", "/etc/timezone")
