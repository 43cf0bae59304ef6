"""Compose's forms read as values, and what is made of them."""

from __future__ import annotations

from typing import Any

from devenv.drafting import interpolation, limits, reading, writing
from devenv.drafting.shape import faults
from devenv.drafting.stores import repository
from devenv.manifest.source import read
from tests.table import each_row


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
        "services": ("services: [a]", "c.yaml:1:1: services: expected a mapping"),
    }
)
def test_a_form_that_compose_does_not_take(text: str, problem: str) -> None:
    document = read(text, file="c.yaml")
    assert [str(document.problem(*fault)) for fault in faults(document.value)] == [problem]
