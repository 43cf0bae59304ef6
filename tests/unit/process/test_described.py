"""How a unit is run without its image, as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from devenv.render.bundle import Source
from devenv.render.process import described, start_line
from devenv.stack.model import Build, Identity, Port, Process, Stack, Unit
from devenv.stack.text import secret
from devenv.stack.world import Recipe
from tests.table import each_row

PORTS = (Port("http", 8000, 20001),)
BUILD = Build("./api")


def way(unit: Unit, dockerfile: str = "FROM scratch") -> dict[str, Any]:
    """The only way to run a unit."""
    source = Source(secrets={"KEY": "s3cret"}, recipes={BUILD.key: Recipe(dockerfile, "")})
    stack = Stack("a", "a", Identity.of_checkout("a", "c0ffee"), (unit,))
    (way,) = described(stack, unit, source)["ways"]
    return dict(way)


@each_row(
    [
        ({"host": "run --port $PORT"}, 'FROM x\nCMD ["other"]', ["sh", "-c", "run --port $PORT"]),
        ({"command": ("serve", "--port=8000")}, 'FROM x\nCMD ["other"]', ["serve", "--port=20001"]),
        ({}, 'FROM x\nCMD ["serve", "0.0.0.0:8000"]', ["serve", "127.0.0.1:20001"]),
        (
            {"command": ("serve", "--host=0.0.0.0", "[::]:8000", "10.0.0.0", "f00::")},
            "FROM x",
            ["serve", "--host=127.0.0.1", "127.0.0.1:20001", "10.0.0.0", "f00::"],
        ),
        ({}, 'FROM x\nENTRYPOINT ["serve"]\nCMD ["-p", "8000"]', ["serve", "-p", "20001"]),
        ({"command": ("-q",)}, 'FROM x\nENTRYPOINT ["serve"]\nCMD ["-p", "8000"]', ["serve", "-q"]),
        ({"entrypoint": ("mine",)}, 'FROM x\nENTRYPOINT ["serve"]\nCMD ["-p", "8000"]', ["mine"]),
        ({"command": ("serve", "18000", "8000.5", "v8000")}, "FROM x", ["serve", "18000", "8000.5", "v8000"]),
        ({}, 'FROM x\nWORKDIR /m\nCOPY run.sh .\nCMD ["sh", "/m/run.sh"]', ["sh", "./run.sh"]),
        ({}, 'FROM x\nWORKDIR /m\nCOPY . .\nCMD ["python", "/m/a/b.py", "/n"]', ["python", "./a/b.py", "/n"]),
        ({}, 'FROM x\nCOPY src /app\nCMD ["/app/run", "/usr/bin"]', ["./src/run", "/usr/bin"]),
        ({}, 'FROM x\nCOPY a.sh /usr/local/bin/b\nENTRYPOINT ["/usr/local/bin/b"]', ["./a.sh"]),
        ({}, 'FROM x\nCOPY . /\nCMD ["/bin/sh", "x"]', ["/bin/sh", "x"]),
        ({}, "FROM x", []),
    ]
)
def test_the_words_are_those_of_host_or_of_the_manifest_or_of_the_dockerfile(
    more: dict[str, Any], dockerfile: str, argv: list[str]
) -> None:
    unit = Unit("api", "service", "a-api", build=BUILD, ports=PORTS, **more)
    assert way(unit, dockerfile)["argv"] == argv


@each_row(
    [
        ({"host": "run --port $PORT"}, 'FROM x\nCMD ["other"]', "run --port $PORT"),
        ({}, 'FROM x\nCMD ["node", "server.js"]', "node server.js"),
        ({}, 'FROM x\nCMD ["serve", "0.0.0.0:8000", "a b", "$X"]', "serve 127.0.0.1:$PORT 'a b' '$X'"),
        ({}, "FROM x\nCMD serve --port=8000 | tee log", "serve --port=$PORT | tee log"),
        ({"command": ("serve", "-p8000", "9000")}, "FROM x", "serve -p8000 20002"),
        (
            {},
            'FROM x AS b\nRUN go build -o /api ./cmd\nFROM y\nCOPY --from=b /api /api\nCMD ["/api", "-v"]',
            "go run ./cmd -v",
        ),
        ({}, 'FROM x\nCMD ["./run.sh", "-v"]', "./run.sh -v"),
        ({}, 'FROM x\nCMD ["/usr/bin/other"]', None),
        ({"command": ("serve", secret("KEY"))}, "FROM x", None),
        ({}, "FROM x", None),
    ]
)
def test_a_shell_starts_a_service_as_its_image_does(
    more: dict[str, Any], dockerfile: str, line: str | None
) -> None:
    ports = (*PORTS, Port("admin", 9000, 20002))
    unit = Unit("api", "service", "a-api", build=BUILD, ports=ports, **more)
    assert start_line(unit, Recipe(dockerfile, "")) == line


def test_variables_of_the_dockerfile_come_before_those_of_the_manifest() -> None:
    unit = Unit("api", "service", "a-api", build=BUILD, env=(("MODE", "dev"),))
    dockerfile = "FROM x\nENV MODE=prod APP=main PATH=/app/bin:$PATH HOME=$WHEREVER"
    assert way(unit, dockerfile)["environment"] == {"MODE": "dev", "APP": "main"}


def test_what_has_a_port_is_to_listen_for_this_machine_alone() -> None:
    unit = Unit("api", "service", "a-api", build=BUILD, ports=PORTS)
    assert way(unit, "FROM x")["environment"] == {"HOST": "127.0.0.1"}
    everywhere = "FROM x\nENV HOST=0.0.0.0 BIND=:: NET=10.0.0.0"
    here = {"HOST": "127.0.0.1", "BIND": "127.0.0.1", "NET": "10.0.0.0"}
    assert way(unit, everywhere)["environment"] == here
    mine = replace(unit, env=(("HOST", "0.0.0.0"),))
    assert way(mine, everywhere)["environment"]["HOST"] == "0.0.0.0"
    assert way(replace(unit, ports=()), "FROM x")["environment"] == {}


def test_no_secret_is_a_word_of_a_command() -> None:
    unit = Unit("api", "service", "x", command=("serve", "--key", secret("KEY")))
    described = way(unit)
    assert "s3cret" not in str(described["argv"])
    assert "s3cret" in described["environment"].values()


def test_a_store_without_a_recipe_has_no_words_and_one_with_it_has_its_own() -> None:
    store = Unit("db", "infra", "db:1", engine="db", command=("of", "the", "image"))
    assert way(store)["argv"] == []
    recipe = Process("exec dbd -D $DATA", "dbd", environment=(("A", "1"),), stop="INT")
    known = way(Unit("db", "infra", "db:1", engine="db", version="4.2", process=(recipe,)))
    assert known["argv"] == ["sh", "-ec", "exec dbd -D $DATA"]
    assert (known["wanted"], known["environment"], known["stop"]) == (
        ["dbd", "", "", "4.2", "", "", ""],
        {"A": "1"},
        "INT",
    )
