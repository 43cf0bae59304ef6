"""A manifest of Dockerfiles and package files: what is derived, and from what."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.drafting import survey
from devenv.drafting.languages import DRIVERS
from devenv.drafting.packages import packages
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
        "mix.exs": ("mix.exs", '[{:phoenix, "~> 1.7"}, {:postgrex, ">= 0.0.0"}, {:redix, "~> 1.2"}]', {"postgrex", "redix"}),
        "broken": ("package.json", "{", set()),
        "a list": ("package.json", "[]", set()),
        "no mapping": ("package.json", '{"dependencies": ["pg"]}', set()),
    }
)  # fmt: skip
def test_packages(file: str, text: str, expected: set[str]) -> None:
    drivers = {driver for names in DRIVERS.values() for driver in names}
    found = packages(file, text)
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


def test_each_secret_of_several_examples_is_named_once() -> None:
    files = {
        "Dockerfile": DOCKERFILE,
        ".env.example": "STRIPE_SECRET_KEY=\n# for tests:\nSTRIPE_SECRET_KEY=\n",
        ".env.sample": "MAIL_PASSWORD=\n",
    }
    assert services(files)["my-project"]["secrets"] == ["STRIPE_SECRET_KEY", "MAIL_PASSWORD"]


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
        "uses": ["postgres", "shop-release"],
    }
    assert value["services"]["shop"]["uses"] == ["postgres", "shop-release"]
    assert value["jobs"]["shop-release"]["uses"] == ["postgres"]
    assert value["jobs"]["shop-release"]["command"] == "bin/rails db:migrate"


def test_the_processes_of_a_procfile_share_the_variables_of_its_example() -> None:
    files = {
        "Dockerfile": "FROM x",
        "requirements.txt": "boto3",
        "Procfile": "web: gunicorn app:app --bind 0.0.0.0:$PORT\nworker: python worker.py\nrelease: python migrate.py\n",
        ".env.example": "S3_ENDPOINT=http://localhost:9000\nS3_PUBLIC_URL=http://localhost:9000/\nMAIL_HOST=localhost\n"
        "MAIL_PORT=1025\nOTHER=http://localhost:9999\nSECRET_KEY=\nS3_ACCESS_KEY=\nS3_SECRET_KEY=\nS3_BUCKET_NAME=x\n",
    }
    value = survey.draft(files, "shop", DRIVERS).value
    web, worker = value["services"]["shop"], value["services"]["shop-worker"]
    assert web["uses"] == worker["uses"] == ["minio", "mailpit", "shop-release"]
    assert worker["env"] == {
        "S3_ENDPOINT": "${minio.url}",
        "S3_PUBLIC_URL": "${minio.public_url}",
        "MAIL_HOST": "${mailpit.host}",
        "MAIL_PORT": "${mailpit.port}",
        "OTHER": "${env.OTHER:-http://localhost:9999}",
        "S3_ACCESS_KEY": "${minio.user}",
        "S3_SECRET_KEY": "${minio.password}",
        "S3_BUCKET_NAME": "${minio.bucket}",
    }
    assert web["env"] == {"PORT": "8000", **worker["env"]}
    release = value["jobs"]["shop-release"]
    assert (release["env"], release["secrets"]) == (worker["env"], ["SECRET_KEY"])


def test_an_example_of_variables() -> None:
    example = (
        "# comment\nDATABASE_URL=postgres://localhost/x\nDB_HOST=localhost\nSTRIPE_KEY=\n"
        'export LOG_LEVEL="info"\nPORT=8000\nSESSION_SECRET=change-me\nPRICE=$5\nREF=${X}\n'
    )
    files = {"Dockerfile": DOCKERFILE, "requirements.txt": "psycopg", ".env.example": example}
    service = services(files)["my-project"]
    assert service["env"] == {
        "DB_HOST": "${postgres.host}",
        "LOG_LEVEL": "${env.LOG_LEVEL:-info}",
        "PRICE": "${env.PRICE:-$5}",
        "REF": "${env.REF:-$${X}}",
    }
    assert service["secrets"] == ["STRIPE_KEY", "SESSION_SECRET"]


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


FASTAPI, FLASK = "app = FastAPI()\n", "def create_app():\n    return Flask(__name__)\n"
INSTALLED = "cd /app && pip install -r requirements.txt && "


@each_row(
    {
        "FastAPI in a package": ({"requirements.txt": "fastapi", "app/main.py": FASTAPI}, f"{INSTALLED}uvicorn app.main:app --host 0.0.0.0 --port 8000 --reload"),
        "Flask's factory": ({"requirements.txt": "flask", "shop/__init__.py": FLASK}, f"{INSTALLED}flask --app shop run --host 0.0.0.0 --port 8000"),
        "uv": ({"pyproject.toml": "[project]", "app.py": "Flask("}, "cd /app && pip install uv && uv pip install --system -r pyproject.toml && flask run --host 0.0.0.0 --port 8000"),
        "Poetry": ({"pyproject.toml": "[tool.poetry]", "main.py": ""}, "cd /app && pip install poetry && poetry config virtualenvs.create false && poetry install --no-root && python main.py"),
        "Streamlit": ({"requirements.txt": "streamlit", "app.py": "import streamlit"}, f"{INSTALLED}streamlit run app.py --server.address 0.0.0.0 --server.port 8000"),
        "a command of Go": ({"go.mod": "", "cmd/server/main.go": "", "cmd/admin/main.go": ""}, "cd /app && go run ./cmd/server"),
        "Gradle": ({"build.gradle.kts": 'id("org.springframework.boot")'}, "cd /app && gradle bootRun"),
        "Laravel with its pages": ({"composer.json": "{}", "artisan": "", "package.json": '{"scripts": {"dev": "vite"}}'}, "cd /app && docker-php-ext-install pdo_mysql && composer install && php artisan serve --host 0.0.0.0 --port 8000"),
        "Rails with its pages": ({"Gemfile": "", "bin/rails": "", "package.json": '{"scripts": {"dev": "x"}}'}, "cd /app && bundle install && bin/rails server -b 0.0.0.0"),
        "PHP": ({"composer.json": "{}", "public/index.php": ""}, "cd /app && composer install && php -S 0.0.0.0:8000 -t public"),
        "Rust": ({"Cargo.toml": "", "src/main.rs": ""}, "cd /app && cargo run"),
        ".NET": ({"Api.csproj": 'Sdk="Microsoft.NET.Sdk.Web"'}, "cd /app && dotnet watch run --urls http://0.0.0.0:8080"),
        "Nest": ({"package.json": '{"scripts": {"start": "nest start", "start:dev": "nest start --watch"}}'}, "cd /app && npm install && npm run start:dev"),
        "Vite": ({"package.json": '{"scripts": {"dev": "vite"}}'}, "cd /app && npm install && npm run dev -- --host"),
        "pnpm": ({"package.json": '{"scripts": {"dev": "vite"}}', "pnpm-lock.yaml": ""}, "cd /app && npm install --global pnpm && pnpm install && pnpm run dev --host"),
        "Yarn": ({"package.json": '{"scripts": {"start": "x"}}', "yarn.lock": ""}, "cd /app && yarn install && yarn run start"),
        "Bun": ({"package.json": '{"scripts": {"dev": "x"}}', "bun.lockb": ""}, "cd /app && bun install && bun run dev"),
        "a Procfile": ({"requirements.txt": "", "Procfile": "web: gunicorn shop.wsgi"}, f"{INSTALLED}gunicorn shop.wsgi"),
    }
)  # fmt: skip
def test_how_sources_start(files: dict[str, str], line: str) -> None:
    assert services(files)["my-project"]["command"] == ["sh", "-c", line]


def test_a_program_of_a_procfile_is_told_where_to_listen() -> None:
    service = services({"requirements.txt": "", "Procfile": "web: gunicorn shop.wsgi"})["my-project"]
    assert (service["port"], service["env"]) == (8000, {"PORT": "8000"})
    service = services({"requirements.txt": "", "Procfile": "web: serve --port 80"})["my-project"]
    assert (service["port"], service.get("env")) == (80, None)


def test_a_workspace_is_sent_as_a_whole_and_its_libraries_start_nothing() -> None:
    files = {
        "package.json": '{"workspaces": ["apps/*", "packages/*"], "scripts": {"dev": "turbo dev"}}',
        "yarn.lock": "",
        "apps/web/package.json": '{"scripts": {"dev": "next dev"}, "dependencies": {"next": "15"}}',
        "packages/ui/package.json": '{"name": "ui"}',
    }
    draft = survey.draft(files, "shop", DRIVERS)
    assert draft.value["services"] == {
        "web": {
            "image": "node:24-slim",
            "command": ["sh", "-c", "cd /app && yarn install && cd apps/web && yarn run dev"],
            "reload": {"sync": {".": "/app"}},
            "port": 3000,
        }
    }
    assert [row.what for row in draft.table() if row.fate == "dropped"] == ["packages/ui/package.json"]


def test_dockerfiles_with_names_are_a_service_each_but_for_those_of_stages() -> None:
    files = {"Dockerfile.api": "FROM x\nEXPOSE 9000", "Dockerfile.worker": "FROM x", "go.mod": "module x"}
    assert services(files) == {
        "api": {"build": {"context": ".", "dockerfile": "Dockerfile.api"}, "port": 9000},
        "worker": {"build": {"context": ".", "dockerfile": "Dockerfile.worker"}},
    }
    stages = {"Dockerfile.dev": "FROM x\nEXPOSE 9000", "Dockerfile.prod": "FROM x"}
    assert services(stages)["my-project"]["build"] == {"context": ".", "dockerfile": "Dockerfile.dev"}


def test_an_address_in_an_example_is_a_store_that_is_used() -> None:
    example = (
        "DATABASE_URL=postgresql://me@localhost/x\nMONGO_URI='mongodb://localhost:27017/x'\nPORT=4000\n"
        "CACHE=localhost:6379\nREDIS_URL=redis://localhost\nOTHER=localhost:1234\n"
        "CELERY_RESULT_BACKEND=redis://localhost:6379/1\n"
    )
    files = {"package.json": '{"scripts": {"start": "node x"}}', ".env.example": example}
    service = services(files)["my-project"]
    assert service["uses"] == ["postgres", "mongo", "valkey"]
    assert service["port"] == 4000
    assert service["env"] == {
        "MONGO_URI": "${mongo.url}",
        "PORT": "${env.PORT:-4000}",
        "CACHE": "${valkey.host}:${valkey.port}",
        "OTHER": "${env.OTHER:-localhost:1234}",
        "CELERY_RESULT_BACKEND": "redis://${valkey.host}:${valkey.port}/1",
    }


MYSQL = "mysql+pymysql://${mysql.user}:${mysql.password}@${mysql.host}:${mysql.port}/${mysql.database}"


@each_row(
    {
        "an example names it": ("pymysql", "DATABASE_URL=mysql+pymysql://a:b@localhost:3306/a?charset=utf8mb4", f"{MYSQL}?charset=utf8mb4"),
        "a variable of another name": ("pymysql", "DB_URI=mysql+pymysql://a:b@localhost/a", MYSQL),
        "SQLAlchemy would take another": ("SQLAlchemy==2\npymysql[rsa]", "", MYSQL),
        "the one that it takes": ("sqlalchemy\nmysqlclient\npymysql", "", ""),
        "two of them": ("sqlalchemy\naiomysql\npymysql", "", ""),
        "no SQLAlchemy": ("pymysql", "DATABASE_URL=mysql://a:b@localhost/a", ""),
    }
)  # fmt: skip
def test_the_driver_of_a_database_stays_in_its_address(packages: str, example: str, expected: str) -> None:
    files = {"Dockerfile": DOCKERFILE, "requirements.txt": packages, ".env.example": example}
    service = services(files)["my-project"]
    assert service["uses"] == ["mysql"]
    assert [*service.get("env", {}).values()] == [expected] * bool(expected)


@each_row(
    {
        "Prisma": ("package.json", {"prisma/schema.prisma": 'provider = "mysql"'}, "mysql"),
        "Gradle": (
            "build.gradle",
            {"build.gradle": 'runtimeOnly "org.postgresql:postgresql:42"'},
            "postgres",
        ),
        "Composer": ("composer.json", {"composer.json": '{"require": {"predis/predis": "2"}}'}, "valkey"),
        "Cargo": ("Cargo.toml", {"Cargo.toml": 'sqlx = { features = ["postgres"] }'}, "postgres"),
        ".NET": ("a.csproj", {"a.csproj": '<PackageReference Include="Npgsql" />'}, "postgres"),
    }
)
def test_drivers_of_other_languages(package: str, files: dict[str, str], kind: str) -> None:
    found = services({"Dockerfile": "FROM x", package: "{}", **files})["my-project"]
    assert found["uses"] == [kind]


@each_row(
    {
        "of nothing that starts": ({"frontend/package.json": "{}"}, {}),
        "of the only one that starts": (
            {"frontend/package.json": "{}", "api/Dockerfile": DOCKERFILE},
            {"api": {"build": "./api", "port": 9000, "env": {"DEBUG": "${env.DEBUG:-1}"}}},
        ),
    }
)
def test_whose_an_example_beside_the_programs_is(files: dict[str, str], written: dict[str, Any]) -> None:
    assert services({**files, ".env.example": "PORT=3000\nDEBUG=1\n"}) == written


def test_folders_and_files_with_blanks_are_quoted_for_the_shell() -> None:
    package = '{"scripts": {"start": "node index.js"}}'
    workspace = {"package.json": '{"workspaces": ["my app"]}', "my app/package.json": package}
    assert "&& cd 'my app' &&" in services(workspace)["my-app"]["command"][-1]
    page = {"requirements.txt": "streamlit", "my page.py": "import streamlit\nst.title('x')"}
    assert "streamlit run 'my page.py'" in services(page)["my-project"]["command"][-1]


OF_API = "src/Api/Dockerfile"


@each_row(
    {
        "a path from above, of .NET": (
            {OF_API: 'FROM x\nCOPY ["src/Api/Api.csproj", "src/Api/"]\n', "Shop.sln": "", "src/Api/Api.csproj": ""},
            {"context": ".", "dockerfile": OF_API},
        ),
        "another part": (
            {"apps/a/Dockerfile": "FROM x\nCOPY --chown=1 packages/ui ./ui\n", "packages/ui/package.json": "{}"},
            {"context": ".", "dockerfile": "apps/a/Dockerfile"},
        ),
        "a lock file above": (
            {"apps/a/Dockerfile": "FROM x\nCOPY pnpm-lock.yaml ./\n", "pnpm-lock.yaml": "", "apps/a/package.json": "{}"},
            {"context": ".", "dockerfile": "apps/a/Dockerfile"},
        ),
        "a package of a workspace": (
            {"apps/a/Dockerfile": "FROM x\nCOPY . .\nRUN pnpm i --filter a\n", "package.json": "{}"},
            {"context": ".", "dockerfile": "apps/a/Dockerfile"},
        ),
        "its own files": (
            {"apps/a/Dockerfile": "FROM x\nCOPY package.json src ./\n", "package.json": "{}", "apps/a/package.json": "{}"},
            "./apps/a",
        ),
        "another image's": ({"a/Dockerfile": "FROM x\nCOPY --from=b a/b /b\n"}, "./a"),
    }
)  # fmt: skip
def test_a_dockerfile_whose_paths_begin_above_its_folder_is_built_there(
    files: dict[str, str], build: Any
) -> None:
    (service,) = (one for one in services(files).values() if "build" in one)
    assert service["build"] == build


@each_row(
    [
        ("properties", "a=b\nserver.port = ${PORT:8081}\n"),
        ("yml", "spring: {a: b}\nserver:\n  servlet:\n    context-path: /x\n  port: 8081\n"),
        ("yaml", "server: {port: 8081}\n"),
        ("yml", "server.port: 8081\n"),
    ]
)
def test_the_port_of_spring_is_where_its_settings_say(ending: str, text: str) -> None:
    files = {
        "Dockerfile": "FROM x\n",
        "pom.xml": "spring-boot",
        f"src/main/resources/application.{ending}": text,
    }
    assert services(files)["my-project"]["port"] == 8081


def test_variables_of_several_services_are_named_for_people_to_place() -> None:
    files = {"a/Dockerfile": DOCKERFILE, "b/Dockerfile": DOCKERFILE}
    example = "A=1\n# B=2\nexport C=3\nD=\nE=5\nF=6\n"
    (row,) = [
        row
        for row in survey.draft({**files, ".env.example": example}, "x", []).table()
        if row.fate == "by hand"
    ]
    where = "under env: or secrets: of whose they are"
    assert (row.what, row.note) == (
        ".env.example",
        f"of several services: write A, C, D, E and 1 more {where}",
    )


@each_row(
    {
        "a variable may say another": ("vite.config.ts", "target: process.env.API_URL || 'http://localhost:8000'", {"API_URL": "${api.url}"}, []),
        "loaded by Vite": ("vite.config.js", "const env = loadEnv()\nx: env.VITE_API ?? `ws://127.0.0.1:8000`", {"VITE_API": "${api.url}"}, []),
        "the address alone": ("next.config.mjs", 'destination: "http://localhost:8000/:path*"', None, ["web/next.config.mjs"]),
        "package.json": ("package.json", '{"dependencies": {"react-scripts": "5"}, "proxy": "http://localhost:8000"}', None, ["web/package.json"]),
        "something else": ("vite.config.js", "'http://localhost:9999'", None, []),
        "no proxy": ("package.json", '{"homepage": "http://localhost:8000"}', None, []),
    }
)  # fmt: skip
def test_where_a_development_server_passes_requests_on(
    file: str, text: str, env: dict[str, str] | None, by_hand: list[str]
) -> None:
    files = {
        "api/Dockerfile": "FROM x\nEXPOSE 8000",
        "web/Dockerfile": "FROM y\nEXPOSE 5173",
        f"web/{file}": text,
    }
    draft = survey.draft(files, "shop", DRIVERS)
    web = draft.value["services"]["web"]
    assert web.get("env") == env
    assert [row.what for row in draft.table() if row.fate == "by hand"] == by_hand
    assert ("api" in web.get("uses", [])) is bool(env or by_hand)


def test_a_server_of_grpc_has_a_port_of_that_name() -> None:
    files = {"Dockerfile": "FROM x\nEXPOSE 50051", "requirements.txt": "grpcio"}
    assert services(files)["my-project"]["ports"] == {"grpc": 50051}
    assert services({**files, "requirements.txt": "flask"})["my-project"]["port"] == 50051
