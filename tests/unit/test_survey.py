"""A manifest of Dockerfiles and package files: what is derived, and from what."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.drafting import survey
from devenv.drafting.languages import DRIVERS
from tests.table import each_row

DOCKERFILE = "FROM x\nCOPY . .\nEXPOSE 9000\n"


def services(files: dict[str, str]) -> dict[str, Any]:
    return survey.draft(files, "My Project", DRIVERS).value.get("services", {})  # type: ignore[no-any-return]


@each_row(
    {
        "requirements": ("requirements.txt", "psycopg[binary]>=3.1\n# redis\n-r more.txt\nboto3==1", {"psycopg", "boto3"}),
        "pyproject": ("pyproject.toml", 'dependencies = ["asyncpg>=1", "httpx"]\n[tool.poetry.dependencies]\npymongo = "4"', {"asyncpg", "pymongo"}),
        "package.json": ("package.json", '{"dependencies": {"pg": "8"}, "devDependencies": {"ioredis": "5"}}', {"pg", "ioredis"}),
        "go.mod": ("go.mod", "module x\n\nrequire (\n\tgithub.com/jackc/pgx/v5 v5.1.0\n)\nrequire github.com/lib/pq v1", {"github.com/jackc/pgx/v5", "github.com/lib/pq"}),
        "pom.xml": ("pom.xml", "<dependency><groupId>org.postgresql</groupId><artifactId>postgresql</artifactId></dependency>", {"org.postgresql", "postgresql"}),
        "Gemfile": ("Gemfile", "source 'https://rubygems.org'\ngem 'mysql2', '~> 0.5'\n  gem \"sidekiq\"\n# gem 'pg'", {"mysql2", "sidekiq"}),
        "broken": ("package.json", "{", set()),
        "a list": ("package.json", "[]", set()),
        "no mapping": ("package.json", '{"dependencies": ["pg"]}', set()),
    }
)  # fmt: skip
def test_packages(file: str, text: str, expected: set[str]) -> None:
    drivers = {driver for names in DRIVERS.values() for driver in names}
    found = survey.packages(file, text)
    assert expected <= found
    assert found & drivers == expected & drivers


def test_a_dockerfile_with_its_port_and_stores() -> None:
    files = {"api/Dockerfile": DOCKERFILE, "api/requirements.txt": "psycopg\nredis"}
    assert services(files) == {"api": {"build": "./api", "port": 9000, "uses": ["postgres", "valkey"]}}


@each_row(
    {
        "EXPOSE": ({"Dockerfile": DOCKERFILE}, 9000),
        "words": ({"Dockerfile": 'FROM x\nCMD ["uvicorn", "--port", "8010"]'}, 8010),
        "an address": ({"Dockerfile": "FROM x\nCMD gunicorn --bind 0.0.0.0:8020 app"}, 8020),
        "a framework": ({"Dockerfile": "FROM x", "package.json": '{"dependencies": {"vite": "1"}}'}, 5173),
        "a language": ({"Dockerfile": "FROM x", "go.mod": "module x"}, 8080),
        "none": ({"Dockerfile": "FROM x"}, None),
    }
)
def test_where_a_port_comes_from(files: dict[str, str], port: int | None) -> None:
    assert services(files)["my-project"].get("port") == port


def test_sources_without_a_dockerfile_run_in_an_image_of_their_language() -> None:
    files = {"web/package.json": '{"scripts": {"dev": "next dev"}, "dependencies": {"next": "1"}}'}
    web = services(files)["web"]
    assert web["image"] == "node:24-slim"
    assert web["command"] == ["sh", "-c", "cd /app && npm install && npm run dev"]
    assert web["reload"] == {"sync": {"./web": "/app"}}
    assert web["port"] == 3000


def test_a_procfile_names_more_programs_of_the_same_code() -> None:
    files = {
        "Dockerfile": "FROM x",
        "Gemfile": "gem 'rails'\ngem 'pg'",
        "Procfile": "web: bin/rails server -p 3100\nworker: bundle exec sidekiq\nrelease: bin/rails db:migrate\n",
    }
    value = survey.draft(files, "shop", DRIVERS).value
    assert value["services"]["shop"]["command"] == "bin/rails server -p 3100"
    assert value["services"]["shop"]["port"] == 3100
    assert value["services"]["shop-worker"] == {
        "build": ".",
        "command": "bundle exec sidekiq",
        "uses": ["postgres"],
    }
    assert value["jobs"]["shop-release"]["command"] == "bin/rails db:migrate"


def test_an_example_of_variables() -> None:
    example = (
        "# comment\nDATABASE_URL=postgres://localhost/x\nDB_HOST=localhost\nSTRIPE_KEY=\n"
        'export LOG_LEVEL="info"\nPORT=8000\nSESSION_SECRET=change-me\nPRICE=$5\nREF=${X}\n'
    )
    files = {"Dockerfile": DOCKERFILE, "requirements.txt": "psycopg", ".env.example": example}
    service = services(files)["my-project"]
    assert service["env"] == {
        "DB_HOST": "${postgres.host}",
        "STRIPE_KEY": "${env.STRIPE_KEY:-}",
        "LOG_LEVEL": "${env.LOG_LEVEL:-info}",
        "PRICE": "${env.PRICE:-$5}",
        "REF": "${env.REF:-$${X}}",
    }
    assert service["secrets"] == ["SESSION_SECRET"]


@pytest.mark.parametrize("folder", ["", "a/"])
def test_what_nothing_says_how_to_run_is_left_to_people(folder: str) -> None:
    draft = survey.draft({f"{folder}requirements.txt": "fastapi\nredis"}, "shop", DRIVERS)
    assert draft.value == {}
    assert [(row.fate, row.what) for row in draft.table()] == [("by hand", f"{folder}requirements.txt")]


def test_a_program_for_a_store_that_is_no_kind_is_named() -> None:
    draft = survey.draft(
        {"Dockerfile": "FROM x", "package.json": '{"dependencies": {"kafkajs": "2"}}'}, "shop", ["postgres"]
    )
    assert ("by hand", "kafka") in [(row.fate, row.what) for row in draft.table()]
