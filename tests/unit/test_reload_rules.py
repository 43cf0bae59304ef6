"""What a changed file causes: rules from Dockerfiles in the style of public projects, and decisions as values."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from operator import eq

import pytest
from pathspec import GitIgnoreSpec

from devenv.stack import copies, dockerfile, patterns
from devenv.stack.model import Reload
from devenv.stack.reloading.decisions import Action, Decision, base, decide, landed, synced, targets_of
from devenv.stack.reloading.reloaders import RELOADERS, SERVERS, reloader
from devenv.stack.reloading.rules import IGNORED, Rules, Source, infer, of_process, unmatched, with_manifest
from devenv.stack.reloading.ruletable import rows
from tests.table import each_row

NONE, SYNC, RUN, RESTART, REBUILD = Action

Expected = tuple[Action, *tuple[str, ...]]

FASTAPI = """\
FROM python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
CMD ["uvicorn", "main:app", "--host", "0.0.0.0"]
"""

STYLES: dict[str, tuple[str, Mapping[str, Expected]]] = {
    "FastAPI": (
        FASTAPI,
        {
            "main.py": (RESTART, "/app/main.py"),
            "api/deep/x.py": (RESTART, "/app/api/deep/x.py"),
            "requirements.txt": (REBUILD,),
            "Dockerfile": (REBUILD,),
            ".dockerignore": (REBUILD,),
            "__pycache__/main.cpython-313.pyc": (NONE,),
            ".git/index": (NONE,),
            "node_modules/x/index.js": (NONE,),
        },
    ),
    "Poetry exports in a stage of its own": (
        """\
        ARG VARIANT=3.12
        FROM python:${VARIANT} as requirements-stage
        WORKDIR /tmp
        RUN pip install poetry
        COPY ./pyproject.toml ./poetry.lock* /tmp/
        RUN poetry export -f requirements.txt --output requirements.txt
        FROM python:${VARIANT}
        WORKDIR /code
        COPY --from=requirements-stage /tmp/requirements.txt /code/requirements.txt
        RUN pip install -r /code/requirements.txt
        COPY ./app /code/app
        CMD ["uvicorn", "app.main:app", "--reload"]
        """,
        {
            "app/main.py": (SYNC, "/code/app/main.py"),
            "pyproject.toml": (REBUILD,),
            "poetry.lock": (REBUILD,),
            "README.md": (NONE,),
        },
    ),
    "uv with mounts, as docker init writes it": (
        """\
        # syntax=docker/dockerfile:1
        FROM python:3.13-slim AS base
        WORKDIR /app
        ARG UID=10001
        RUN adduser --disabled-password --gecos "" --home "/nonexistent" --uid "${UID}" appuser
        RUN --mount=type=cache,target=/root/.cache/uv \\
            --mount=type=bind,source=uv.lock,target=uv.lock \\
            --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
            uv sync --locked --no-install-project
        USER appuser
        COPY . .
        EXPOSE 8000
        CMD python -m flask --app hello --debug run --host=0.0.0.0
        """,
        {"hello.py": (SYNC, "/app/hello.py"), "uv.lock": (REBUILD,), "pyproject.toml": (REBUILD,)},
    ),
    "uv in a stage of its own": (
        """\
        FROM ghcr.io/astral-sh/uv:python3.12-bookworm-slim AS builder
        WORKDIR /app
        RUN --mount=type=bind,source=uv.lock,target=uv.lock \\
            --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
            uv sync --locked --no-install-project --no-dev
        COPY . /app
        FROM python:3.12-slim-bookworm
        RUN useradd nonroot
        COPY --from=builder --chown=nonroot:nonroot /app /app
        USER nonroot
        WORKDIR /app
        CMD ["fastapi", "dev", "--host", "0.0.0.0", "src/main.py"]
        """,
        {"src/main.py": (SYNC, "/app/src/main.py"), "uv.lock": (REBUILD,), "pyproject.toml": (REBUILD,)},
    ),
    "a stage that holds sources, at another place": (
        """\
        FROM python:3 AS made
        WORKDIR /build
        COPY src ./src
        COPY conf /etc/shop/
        FROM python:3-slim
        WORKDIR /srv/
        COPY --from=made /build .
        COPY --from=made /etc/shop /etc/shop
        CMD python src/main.py
        """,
        {"src/main.py": (RESTART, "/srv/src/main.py"), "conf/a.ini": (RESTART, "/etc/shop/a.ini")},
    ),
    "a stage from which a part is copied twice": (
        """\
        FROM python:3 AS made
        COPY . /build/
        FROM python:3-slim
        COPY --from=made /build /srv
        COPY --from=made /build/static /var/www
        CMD python /srv/main.py
        """,
        {"main.py": (REBUILD,), "static/a.css": (REBUILD,)},
    ),
    "a stage of which a part is copied": (
        """\
        FROM node:24 AS made
        WORKDIR /app
        COPY . .
        FROM nginx
        COPY --from=made /app/public /usr/share/nginx/html
        """,
        {"public/a.css": (REBUILD,), "src/a.js": (REBUILD,)},
    ),
    "a stage that others use as well": (
        """\
        FROM node:24 AS made
        COPY src /app/src
        FROM made AS tested
        RUN node --test /app
        FROM node:24-slim
        RUN --mount=from=made,source=/app,target=/x node /x/src/make.js
        COPY --from=made /app /app
        CMD node /app/src/main.js
        """,
        {"src/main.js": (REBUILD,)},
    ),
    "a stage that makes files executable": (
        """\
        FROM node:24 AS made
        COPY src /app/src
        RUN chmod +x /app/src/start
        FROM node:24-slim
        COPY --from=made /app /app
        CMD /app/src/start
        """,
        {"src/start": (REBUILD,)},
    ),
    "Django with a collected folder": (
        """\
        FROM python:3
        ENV PYTHONUNBUFFERED 1
        RUN mkdir /code
        WORKDIR /code
        ADD requirements.txt /code/
        RUN pip install -r requirements.txt
        COPY . /code/
        RUN python manage.py collectstatic --noinput
        RUN adduser -D myuser
        CMD gunicorn site.wsgi:application --bind 0.0.0.0:$PORT
        """,
        {"site/views.py": (REBUILD,), "requirements.txt": (REBUILD,)},
    ),
    "Django with a user and an entrypoint": (
        """\
        FROM python:3.12-slim
        WORKDIR /usr/src/app
        COPY requirements.txt /usr/src/app
        RUN pip install -r requirements.txt
        COPY ./entrypoint.sh /entrypoint.sh
        COPY . /usr/src/app
        RUN apt-get update && apt-get install -y --no-install-recommends netcat-traditional \\
            # for the entrypoint

            && rm -rf /var/lib/apt/lists/*
        RUN chmod +x /entrypoint.sh && addgroup --system app; adduser --system --ingroup app app
        RUN chown -R app:app /usr/src/app
        USER app
        ENTRYPOINT ["/entrypoint.sh"]
        CMD ["python", "manage.py", "runserver", "0.0.0.0:8000"]
        """,
        {
            "shop/views.py": (SYNC, "/usr/src/app/shop/views.py"),
            "entrypoint.sh": (RESTART, "/entrypoint.sh", "/usr/src/app/entrypoint.sh"),
            "requirements.txt": (REBUILD,),
        },
    ),
    "PHP whose packages the image installs": (
        """\
        FROM php:8.4-fpm
        WORKDIR /app
        COPY web/composer.* web/
        RUN cd web && composer install --no-scripts
        COPY . .
        """,
        {
            "web/src/Kernel.php": (SYNC, "/app/web/src/Kernel.php"),
            "web/vendor/autoload.php": (NONE,),
            "web/templates/vendor/page.twig": (SYNC, "/app/web/templates/vendor/page.twig"),
            "web/composer.lock": (REBUILD,),
        },
    ),
    "PHP whose packages come from this machine": (
        """\
        FROM php:8.4-fpm
        WORKDIR /app
        COPY vendor vendor
        COPY . .
        """,
        {"vendor/autoload.php": (SYNC, "/app/vendor/autoload.php")},
    ),
    "PHP with a step and packages of this machine": (
        """\
        FROM php:8.4-fpm
        WORKDIR /app
        RUN composer install --working-dir /opt/tools
        COPY vendor vendor
        """,
        {"vendor/autoload.php": (SYNC, "/app/vendor/autoload.php")},
    ),
    ".NET that watches": (
        """\
        FROM mcr.microsoft.com/dotnet/sdk:9.0
        WORKDIR /src
        COPY Api/Api.csproj Api/
        RUN dotnet restore Api/Api.csproj
        COPY . .
        CMD ["dotnet", "watch", "run", "--project", "Api"]
        """,
        {
            "Api/Program.cs": (SYNC, "/src/Api/Program.cs"),
            "Api/obj/project.assets.json": (NONE,),
            "Lib/bin/Debug/Lib.dll": (NONE,),
            "Api/Api.csproj": (REBUILD,),
        },
    ),
    "Elixir that recompiles at a request": (
        """\
        FROM elixir:1.18
        WORKDIR /app
        COPY mix.exs mix.lock ./
        RUN mix deps.get
        COPY . .
        CMD ["mix", "phx.server"]
        """,
        {
            "lib/app_web/router.ex": (SYNC, "/app/lib/app_web/router.ex"),
            "_build/dev/lib/app/ebin/app.beam": (NONE,),
            "deps/plug/mix.exs": (NONE,),
            "lib/deps/tree.ex": (SYNC, "/app/lib/deps/tree.ex"),
        },
    ),
    "Node with a dev script": (
        """\
        FROM node:22
        WORKDIR /app
        COPY ["package.json", "package-lock.json*", "./"]
        RUN npm ci
        COPY --chown=node:node . .
        USER node
        CMD ["npm", "run", "dev"]
        """,
        {
            "src/index.ts": (SYNC, "/app/src/index.ts"),
            "package.json": (REBUILD,),
            "package-lock.json": (REBUILD,),
        },
    ),
    "Node, plain": (
        'FROM node\nWORKDIR /app\nCOPY package.json /app\nRUN yarn\nCOPY . /app\nCMD ["node", "server.js"]\n',
        {"server.js": (RESTART, "/app/server.js"), "package.json": (REBUILD,)},
    ),
    "Node, which watches its files and loses sight of them": (
        'FROM node\nWORKDIR /app\nCOPY . /app\nCMD ["node", "--watch", "server.js"]\n',
        {"server.js": (RESTART, "/app/server.js")},
    ),
    "Node, everything before the install": (
        'FROM node\nWORKDIR /app\nCOPY . .\nRUN npm ci\nCMD ["nodemon", "index.js"]\n',
        {"index.js": (REBUILD,), "package.json": (REBUILD,)},
    ),
    "a single page behind nginx": (
        """\
        FROM node:20 AS build
        WORKDIR /app
        COPY package*.json ./
        RUN npm ci
        COPY ./src ./src
        RUN npm run build
        FROM nginx:alpine
        COPY --from=build /app/dist /usr/share/nginx/html
        COPY docker/nginx.conf /etc/nginx/conf.d/default.conf
        """,
        {
            "src/App.tsx": (REBUILD,),
            "package-lock.json": (REBUILD,),
            "docker/nginx.conf": (RESTART, "/etc/nginx/conf.d/default.conf"),
            "docker/other.conf": (NONE,),
        },
    ),
    "static files behind nginx": (
        "FROM nginx\nCOPY public /usr/share/nginx/html\n",
        {"public/css/a.css": (SYNC, "/usr/share/nginx/html/css/a.css"), "index.html": (NONE,)},
    ),
    "Next.js in many stages": (
        """\
        FROM node:20-alpine AS base
        FROM base AS deps
        WORKDIR /app
        COPY package.json yarn.lock* package-lock.json* .npmrc* ./
        RUN npm ci
        FROM base AS dev
        WORKDIR /app
        COPY --from=deps /app/node_modules ./node_modules
        COPY . .
        CMD ["npx", "next", "dev"]
        FROM base AS builder
        COPY . .
        RUN npm run build
        """,
        {"app/page.tsx": (SYNC, "/app/app/page.tsx"), "package.json": (REBUILD,), ".npmrc": (REBUILD,)},
    ),
    "Go in two stages": (
        """\
        FROM golang:1.23 AS build
        WORKDIR /go/src/app
        COPY go.mod go.sum .
        RUN go mod download
        COPY . .
        RUN CGO_ENABLED=0 go build -o /go/bin/app ./src
        FROM gcr.io/distroless/static-debian12
        COPY --from=build /go/bin/app /
        COPY config.yaml /etc/app/config.yaml
        CMD ["/app"]
        """,
        {"src/main.go": (REBUILD,), "go.mod": (REBUILD,), "config.yaml": (REBUILD,)},
    ),
    "Go with air": (
        """\
        FROM golang:1.22 AS build
        WORKDIR /app
        COPY go.mod ./
        COPY go.sum ./
        RUN go mod download && \\
            go install github.com/air-verse/air@latest
        COPY *.go ./
        RUN chmod +x /app
        ENTRYPOINT [ "air" ]
        """,
        {"main.go": (SYNC, "/app/main.go"), "docs/a.go": (NONE,), "go.mod": (REBUILD,)},
    ),
    "Spring Boot": (
        """\
        FROM maven:3-eclipse-temurin-21 AS build
        WORKDIR /app
        copy pom.xml .
        RUN mvn dependency:go-offline
        COPY src ./src
        RUN mvn clean package -DskipTests
        FROM eclipse-temurin:21-jre
        COPY --from=build /app/target/*.jar app.jar
        CMD ["java", "-jar", "app.jar"]
        """,
        {"src/main/java/A.java": (REBUILD,), "pom.xml": (REBUILD,), "README.md": (NONE,)},
    ),
    "a jar that is built outside": (
        'FROM openjdk:21\nWORKDIR /app\nCOPY target/shop.jar app.jar\nCMD ["java", "-jar", "app.jar"]\n',
        {"target/shop.jar": (RESTART, "/app/app.jar"), "src/A.java": (NONE,)},
    ),
    "Rails": (
        """\
        FROM ruby:3.3
        WORKDIR /app
        COPY Gemfile Gemfile.lock ./
        RUN bundle install
        COPY . ./
        ENTRYPOINT ["bin/docker-entrypoint"]
        CMD ["bin/rails", "server", "-b", "0.0.0.0"]
        """,
        {
            "app/models/order.rb": (SYNC, "/app/app/models/order.rb"),
            "Gemfile": (REBUILD,),
            "bin/docker-entrypoint": (RESTART, "/app/bin/docker-entrypoint"),
        },
    ),
    "Rails in production": (
        """\
        FROM ruby:3.3
        WORKDIR /rails
        ENV RAILS_ENV="production" \\
            BUNDLE_WITHOUT="development"
        COPY . .
        CMD ["./bin/rails", "server"]
        """,
        {"app/models/order.rb": (RESTART, "/rails/app/models/order.rb")},
    ),
    "PHP behind Apache": (
        """\
        FROM composer:2 AS composer
        COPY src/composer.json src/composer.lock ./
        RUN composer install --no-dev
        FROM php:8.3-apache
        COPY src/ .
        COPY --from=composer /app/vendor/ /var/www/html/vendor/
        RUN a2enmod rewrite && docker-php-ext-install pdo_mysql
        RUN chown -R www-data:www-data /var/www/html
        """,
        {
            "src/index.php": (SYNC, "/var/www/html/index.php"),
            "src/composer.json": (REBUILD,),
            "src/vendor/autoload.php": (REBUILD,),
        },
    ),
    "PHP with composer after the sources": (
        "FROM php:8-apache\nCOPY . /var/www/html\nRUN composer install\n",
        {"index.php": (REBUILD,)},
    ),
    "ASP.NET": (
        """\
        FROM mcr.microsoft.com/dotnet/sdk:9.0 AS build
        WORKDIR /src
        COPY *.csproj .
        RUN dotnet restore
        COPY . .
        RUN dotnet publish -c release -o /app
        FROM mcr.microsoft.com/dotnet/aspnet:9.0
        WORKDIR /app
        COPY --from=build /app .
        ENTRYPOINT ["dotnet", "shop.dll"]
        """,
        {"Program.cs": (REBUILD,), "shop.csproj": (REBUILD,)},
    ),
    "dotnet watch": (
        'FROM mcr.microsoft.com/dotnet/sdk:9.0\nWORKDIR /src\nCOPY . .\nENTRYPOINT ["dotnet", "watch"]\n',
        {"Program.cs": (SYNC, "/src/Program.cs")},
    ),
    "Phoenix, inline settings and a harmless script": (
        """\
        FROM elixir:1.17
        WORKDIR /app
        COPY mix.exs mix.lock ./
        RUN mix deps.get
        COPY . .
        COPY <<EOF /etc/shop.conf
        COPY nothing /here
        EOF
        RUN <<EOF
        mkdir -p /app/priv
        chown -R 1000 /app
        EOF
        CMD ["mix", "phx.server"]
        """,
        {"lib/shop.ex": (SYNC, "/app/lib/shop.ex"), "mix.exs": (REBUILD,), "nothing": (SYNC, "/app/nothing")},
    ),
}


def unindented(text: str) -> str:
    return "\n".join(line.removeprefix("        ") for line in text.splitlines()) + "\n"


def rules_of(text: str, **more: object) -> Rules:
    return infer(unindented(text), **({"context": "."} | more))  # type: ignore[arg-type]


@each_row(STYLES)
def test_what_a_change_causes(text: str, expected: Mapping[str, Expected]) -> None:
    rules = rules_of(text, target="dev" if " AS dev\n" in text else None)
    assert {path: (decide(rules, [path]).action, *targets_of(rules, path)) for path in expected} == expected


def test_the_same_in_a_folder_of_the_project() -> None:
    rules = infer(FASTAPI, context="./services/api", name="docker/api.Dockerfile")
    assert targets_of(rules, "services/api/x/main.py") == ("/app/x/main.py",)
    assert decide(rules, ["services/api/docker/api.Dockerfile"]).action is REBUILD
    assert decide(rules, ["services/api/docker/api.Dockerfile.dockerignore"]).action is REBUILD
    assert decide(rules, ["services/api/Dockerfile"]).action is RESTART
    for elsewhere in ("main.py", "services/api2/main.py", "requirements.txt", "services"):
        assert decide(rules, [elsewhere]).action is NONE, elsewhere


LANDINGS: dict[str, tuple[str, Mapping[str, str]]] = {
    "a file into a folder that is there": ("COPY a.txt /etc", {"a.txt": "/etc/a.txt"}),
    "a file as a file": ("COPY a.txt /srv/b.txt", {"a.txt": "/srv/b.txt"}),
    "a file to where only the base image knows": ("COPY a.conf /opt/conf", {"a.conf": ""}),
    "a folder to a new folder": ("COPY src /srv/app", {"src/a": "/srv/app/a", "src/b/c": "/srv/app/b/c"}),
    "a folder with a slash": ("COPY src/ /srv/app/", {"src/a": "/srv/app/a"}),
    "several": ("COPY a src /srv/x/", {"a": "/srv/x/a", "src/c": "/srv/x/c"}),
    "JSON with blanks": ('COPY ["a b", "c d", "/x y/"]', {"a b": "/x y/a b", "c d": "/x y/c d"}),
    "words with quotes": ('COPY "a b" /x/', {"a b": "/x/a b"}),
    "a working folder": ("WORKDIR /a\nWORKDIR b\nCOPY . c", {"x": "/a/b/c/x"}),
    "up": ("WORKDIR /a/b\nCOPY . ..", {"x": "/a/x"}),
    "a glob of folders": ("COPY pack* /x/", {"pack1/a": "/x/a", "pack.json": "/x/pack.json", "a": ""}),
    "a glob within": ("COPY */src/*.py /x/", {"a/src/b.py": "/x/b.py", "a/src/c/b.py": "", "src/b.py": ""}),
    "out of the context": ("COPY ../../a /x/", {"a": "/x/a"}),
    "from the top": ("COPY /a/b /x/", {"a/b": "/x/b"}),
    "with parents": ("COPY --parents a/b c/*.txt /x/", {"a/b": "/x/a/b", "c/d.txt": "/x/c/d.txt"}),
    "from a pivot on": ("COPY --parents a/./b/c /x/", {"a/b/c": "/x/b/c", "a/b/c/d": "/x/b/c/d"}),
    "without some": ("COPY --exclude=*.md --exclude=t/ . /x/", {"a.md": "", "t/a": "", "a.py": "/x/a.py"}),
    "an archive": ("ADD a.tar.gz /x/\nADD b.txt /x/", {"a.tar.gz": "", "b.txt": "/x/b.txt"}),
    "from the net": ("ADD https://example.org/a /x/", {"a": "", "example.org/a": ""}),
    "an argument": ("ARG D=src\nCOPY $D /x/${D}", {"src/a": "/x/src/a"}),
    "an argument that is passed": ("ARG GIVEN=src\nCOPY ${GIVEN}/ /x/", {"lib/a": "/x/a"}),
    "an argument of the whole file": ("ARG TOP\nCOPY a /${TOP}/", {"a": "/top/a"}),
    "a default": ("COPY ${NO:-src} /x${YES:+/y}/", {"src/a": "/x/a"}),
    "a variable": ("ENV HOME=/home/me X=1\nENV OLD a b\nCOPY a $HOME/", {"a": "/home/me/a"}),
    "a variable of the base image": ("COPY a $PHP_INI_DIR/", {"a": ""}),
    "a platform": ("ARG TARGETARCH\nCOPY bin-$TARGETARCH /x/bin", {"bin-amd64": "/x/bin", "bin-amd64/a": "/x/bin/a"}),
    "lower case": ("copy a /x/", {"a": "/x/a"}),
    "a continued line": ("COPY a \\\n# comment\n\n  b \\\n  /x/", {"a": "/x/a", "b": "/x/b"}),
    "made by mkdir": ("RUN mkdir -p /opt/app\nCOPY a.py /opt/app", {"a.py": "/opt/app/a.py"}),
    "two places": ("COPY . /a/\nCOPY x.conf /etc/", {"x.conf": "/a/x.conf /etc/x.conf", "y": "/a/y"}),
    "over each other": ("COPY . /a/\nCOPY x.prod /a/x", {"x.prod": "/a/x.prod /a/x", "x": "", "y": "/a/y"}),
    "a file over itself": ("COPY . /a/\nCOPY x /a/x", {"x": "/a/x"}),
    "one letter of several": ("COPY a[12]? /x/", {"a1b": "/x/a1b", "a3b": ""}),
    "links are links": ("COPY --link --chown=1:2 a /x/", {"a": "/x/a"}),
}  # fmt: skip


@each_row(LANDINGS)
def test_where_a_file_lands(text: str, expected: Mapping[str, str]) -> None:
    rules = infer(f"ARG TOP=top\nFROM busybox\n{text}\n", context=".", args={"GIVEN": "lib"})
    assert {path: " ".join(targets_of(rules, path)) for path in expected} == expected


def test_a_file_that_may_land_as_a_folder_needs_a_build() -> None:
    rules = infer("FROM x\nWORKDIR /\nCOPY a.conf /opt/conf\n", context=".")
    assert decide(rules, ["a.conf"]) == Decision(
        REBUILD,
        reason="a.conf: COPY a.conf /opt/conf (Dockerfile:3): where a file lands depends on the base image",
        cheaper="a build may use it, so sending it is not enough",
    )
    assert targets_of(rules, "a.conf/b") == ("/opt/conf/b",)


@each_row(
    [
        ("python:3", "/"),
        ("docker.io/library/node", "/"),
        ("php:8-apache", "/var/www/html"),
        ("golang:1", "/go"),
        ("mcr.microsoft.com/dotnet/sdk:9.0", "/"),
        ("scratch", "/"),
        ("ghcr.io/me/python", None),
        ("mine", None),
    ]
)
def test_a_relative_path_starts_where_the_base_image_says(base_image: str, workdir: str | None) -> None:
    rules = infer(f"FROM {base_image}\nCOPY a ./b/\n", context=".")
    assert targets_of(rules, "a") == ((f"{workdir.rstrip('/')}/b/a",) if workdir else ())
    assert (decide(rules, ["a"]).action is REBUILD) is (workdir is None)


def test_instructions_as_a_builder_reads_them() -> None:
    text = (
        "\ufeff# escape=`\n# not a directive\nFROM a `\n\n  # comment\n AS b\r\nCOPY a\\b `\t\n c\n"
        "RUN <<A cat <<-'B' && x\n# body\nA\n\tCOPY x y\n\tB\nrun [\"<<C\"]\nONBUILD COPY <<D /x\nFROM no\nD\nCMD x `"
    )
    steps = list(dockerfile.instructions(text))
    assert [(step.keyword, step.text, step.line) for step in steps] == [
        ("FROM", "a  AS b", 3), ("COPY", "a\\b  c", 7), ("RUN", "<<A cat <<-'B' && x", 9), ("RUN", '["<<C"]', 14),
        ("ONBUILD", "COPY <<D /x", 15), ("CMD", "x", 18),
    ]  # fmt: skip
    assert steps[2].heredocs == ("# body", "COPY x y")
    assert steps[4].trigger.heredocs == ("FROM no",)


@each_row(["", "\n", "hello", "FROM", "COPY a b", "FROM a\nCOPY\nRUN\nCMD\nENV\nARG", "FROM a\nCOPY ["])
def test_any_text_is_read(text: str) -> None:
    rules = infer(text, context=".")
    assert decide(rules, ["Dockerfile"]).action is REBUILD
    assert decide(rules, ["x"]).action in (NONE, REBUILD)


STAGES = """\
FROM node AS base
WORKDIR /srv
COPY shared ./shared
FROM base AS one
COPY one .
RUN make
FROM base AS two
COPY two .
FROM base AS final
COPY --from=one /srv/out ./out
COPY app .
"""


@each_row(
    [
        (None, "shared/a one/a", "app/a", "two/a"),
        ("FINAL", "shared/a one/a", "app/a", "two/a"),
        ("two", "", "shared/a two/a", "one/a app/a"),
        ("2", "", "shared/a two/a", "one/a app/a"),
        ("one", "shared/a one/a", "", "two/a app/a"),
        ("base", "", "shared/a", "one/a two/a app/a"),
        ("gone", "shared/a one/a two/a app/a", "", ""),
    ]
)
def test_only_the_stages_that_the_target_needs_count(
    target: str | None, rebuilt: str, sent: str, nothing: str
) -> None:
    rules = infer(STAGES, context=".", target=target)
    assert [path for path in rebuilt.split() if decide(rules, [path]).action is not REBUILD] == []
    assert [path for path in sent.split() if decide(rules, [path]).action is not RESTART] == []
    assert [path for path in nothing.split() if decide(rules, [path]).action is not NONE] == []


def test_a_trigger_of_an_earlier_stage_copies() -> None:
    rules = infer("FROM node AS a\nWORKDIR /a\nONBUILD COPY x .\nFROM a\nWORKDIR /b\n", context=".")
    assert targets_of(rules, "x") == ("/a/x",)
    assert decide(infer("FROM node:20-onbuild\n", context="."), ["x"]).action is REBUILD
    assert [step.trigger.keyword for step in dockerfile.instructions("ONBUILD\nRUN a")] == ["ONBUILD", "RUN"]


def test_a_frontend_of_its_own_may_read_any_file() -> None:
    rules = infer("# syntax=acme/front\nFROM a\nCOPY . .\n", context="a")
    decision = decide(rules, ["a/x"])
    assert decision.action is REBUILD
    assert "acme/front" in decision.reason
    assert ("a", REBUILD, "", decision.reason.removeprefix("a/x: ")) in rows(rules)


HARMLESS = {
    "chown -R node:node /app": True, "chmod 755 a && mkdir -p b/{c,d}": True, "set -eux; useradd -m me": True,
    "apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*": True,
    "apk add --no-cache git > /dev/null 2>&1": True, '["chown", "me", "/app"]': True, "sh -c 'ls -la'": False,
    "/bin/echo -e 'a < b (c)' > /etc/x": True, "DEBIAN_FRONTEND=noninteractive apt-get install -y tini": True,
    "<<EOF\nchown me /app\nmkdir x\nEOF": True, "pip install --no-cache-dir gunicorn==21.2 uvicorn[standard]": True,
    "npm install -g nodemon": True, "corepack enable": True, '["sh", "-c", "chmod +x a"]': True,
    "pip install -r requirements.txt": False, "pip install .": False, "pip install -e x": False,
    "pip install x.whl": False, "npm install -g .": False, "npm ci": False, "npm install": False,
    "apt-get install -y ./x.deb": False, "rm -rf /app/tests": False, "mv a b": False, "echo $(cat a)": False,
    "chown me a || make": False, "ls | sh": False, "cat < a": False, "echo `cat a`": False, "if x; then y; fi": False,
    "<<EOF\n#!/usr/bin/env python\nprint(1)\nEOF": False, "python <<EOF\nchown\nEOF": False, "echo 'open": False,
    "--mount=type=bind,target=/src chown me /app": True, "find . -exec chmod +x {} ;": False, "./chown": False,
    "(ls)": False, "> /etc/x": True, "true; > /etc/x && make": False,
}  # fmt: skip


@each_row(HARMLESS.items())
def test_which_commands_cannot_depend_on_what_was_copied(command: str, harmless: bool) -> None:
    image = copies.image(f"FROM node\nWORKDIR /app\nCOPY . .\nRUN {command}\n")
    assert (image.copies[0].used == "") is harmless


def test_installers_read_settings_of_the_system() -> None:
    for target, used in (("/etc/apt/sources.list", True), ("/", True), ("/app/sources.list", False)):
        (copy,) = copies.image(f"FROM debian\nCOPY sources.list {target}\nRUN apt-get update\n").copies
        assert bool(copy.used) is used, target


COMMANDS = {
    "uvicorn main:app --reload": "uvicorn --reload", "python -m uvicorn a:b --reload": "uvicorn --reload",
    "uvicorn main:app": "", "uvicorn a:b --reload-dir x": "", "gunicorn --reload a:b": "gunicorn --reload",
    "gunicorn a:b": "", "fastapi dev a.py": "fastapi dev", "fastapi run a.py": "", "flask --app x --debug run": "flask --debug",
    "flask run --debug": "flask --debug", "flask run": "", "sh -c flask run --debug": "flask --debug",
    "sh -c python manage.py migrate && exec python3 -u manage.py runserver 0:80": "manage.py runserver",
    "python manage.py runserver --noreload": "", "npx nodemon --watch src x": "nodemon", "poetry run uvicorn a:b --reload": "uvicorn --reload",
    "entrypoint.sh uvicorn a:b --reload": "uvicorn --reload", "celery -A x worker": "", "python app.py": "",
    "nodemon index.js": "nodemon", "npx nodemon x": "nodemon", "yarn nodemon": "nodemon", "node index.js": "",
    "node_modules/.bin/nodemon x": "nodemon", "node --watch a.js": "node --watch", "node --watch-path=./src a.js": "node --watch",
    "tsx watch a.ts": "tsx watch", "tsx a.ts": "", "ts-node-dev --respawn a.ts": "ts-node-dev", "vite": "vite",
    "npx vite --host": "vite", "vite build": "", "vite preview": "", "next dev": "next dev", "next start": "",
    "nuxt dev": "nuxt dev", "npx nuxi dev": "nuxt dev", "ng serve --host 0.0.0.0": "ng serve",
    "nest start --watch": "nest start --watch", "nest start": "", "webpack serve": "webpack serve",
    "webpack": "", "npm run dev": "the script dev", "npm run start:dev": "the script start:dev",
    "pnpm dev": "the script dev", "yarn run dev:server": "the script dev:server", "npm start": "", "npm run device": "",
    "bun --hot a.ts": "bun --watch", "bun run a.ts": "", "deno run --watch a.ts": "deno --watch",
    "air -c .air.toml": "air", "repair -x": "", "python worker.py air": "", "go run .": "", "cargo run": "",
    "cargo watch -x run": "cargo watch", "watchexec -r x": "watchexec", "bin/rails server": "rails server",
    "bundle exec rails s": "rails server", "rails server -e production": "", "rails console": "",
    "mix phx.server": "mix phx.server", "dotnet watch run": "dotnet watch", "dotnet a.dll": "", "java -jar a.jar": "",
    "./mvnw quarkus:dev": "quarkus dev", "./gradlew -t bootRun": "gradle --continuous", "php artisan serve": "php",
    "php -S 0.0.0.0:80 -t public": "php", "php worker.php": "", "apache2-foreground": "php", "php-fpm": "php",
    "nginx -g daemon off;": "nginx", "docker-entrypoint.sh nginx": "nginx", "httpd-foreground": "Apache",
    "python -m http.server 80": "http.server", "serve -s build": "serve", "npx http-server .": "http-server",
    "": "",
}  # fmt: skip


@each_row(COMMANDS.items())
def test_which_programs_reload_by_themselves(command: str, name: str) -> None:
    by = reloader(command.split(" "), {})
    assert (by.name if by else "") == name


def test_variables_that_make_a_program_reload_or_not() -> None:
    def name(command: str, **environment: str) -> str:
        by = reloader(command.split(), environment)
        return by.name if by else ""

    assert name("flask run", FLASK_DEBUG="1") == "FLASK_DEBUG"
    assert name("flask run", FLASK_DEBUG="0") == ""
    assert name("flask run --no-reload", FLASK_DEBUG="1") == ""
    assert name("rails server", RAILS_ENV="production") == ""
    assert name("rails server", RAILS_ENV="development") == "rails server"
    assert name("mix phx.server", MIX_ENV="prod") == ""


def test_a_program_that_misses_files_is_started_again_and_the_table_says_why() -> None:
    by_script = infer(
        "FROM node\nCOPY . /app\nCMD npm run dev\n", context="web", scripts={"dev": "node --watch a.js"}
    )
    for rules in (by_script, of_process("web", ["node", "--watch-path=src", "a.js"], None)):
        (row,) = [row for row in rows(rules) if row.what == "web"]
        assert "node --watch loses sight of a file that is replaced" in row.reason


def test_a_script_of_package_json_is_looked_up() -> None:
    scripts = {
        "dev": "nodemon x",
        "dev:db": "npm run --silent dev",
        "start": "next dev",
        "watch": "node x",
        "a": "yarn a",
    }
    expected = {
        "npm run dev": "nodemon", "yarn dev:db": "nodemon", "npm start": "next dev", "npm run watch": "",
        "pnpm run a": "", "npm run other": "",
        "pnpm --filter web dev": "nodemon", "pnpm -F web run dev": "nodemon", "yarn workspace web dev": "nodemon",
        "npm -w web run dev": "nodemon", "npm run dev --workspace=web": "nodemon", "pnpm --filter=web dev": "nodemon",
    }  # fmt: skip
    names = {
        line: by.name if (by := reloader(line.split(), {}, scripts=scripts)) else "" for line in expected
    }
    assert names == expected


def test_every_name_in_the_table_is_tried() -> None:
    tried = {*COMMANDS.values()}
    untried = {
        "hypercorn --reload": "hypercorn a --reload", "granian --reload": "granian a:b --reload",
        "litestar --reload": "litestar run --reload", "sanic --dev": "sanic a --dev", "streamlit run": "streamlit run a.py",
        "watchfiles": "watchfiles 'python a.py'", "watchmedo": "watchmedo auto-restart x", "mkdocs serve": "mkdocs serve",
        "react-scripts start": "react-scripts start", "vue-cli-service serve": "vue-cli-service serve",
        "astro dev": "astro dev", "remix dev": "remix vite:dev", "react-router dev": "react-router dev",
        "gatsby develop": "gatsby develop", "parcel": "parcel index.html", "wrangler dev": "wrangler dev",
        "pm2 --watch": "pm2-runtime start a.js --watch", "CompileDaemon": "CompileDaemon -command=x",
        "reflex": "reflex -r x", "gow": "gow run .", "wgo": "wgo run x", "bacon": "bacon run", "rerun": "rerun ruby a.rb",
        "jekyll serve": "jekyll serve", "entr": "entr -r x", "hugo server": "hugo server", "Caddy": "caddy run",
    }  # fmt: skip
    for name, command in untried.items():
        by = reloader(command.split(), {})
        assert by is not None
        assert by.name == name
    assert tried | {*untried} >= {*RELOADERS, *SERVERS}


def test_the_manifests_command_replaces_the_images() -> None:
    dockerfile_ = 'FROM node\nWORKDIR /a\nCOPY . .\nENTRYPOINT ["nodemon"]\nCMD ["x.js"]\n'
    assert decide(infer(dockerfile_, context="."), ["x.js"]).action is SYNC
    assert decide(infer(dockerfile_, context=".", command=["y.js"]), ["x.js"]).action is SYNC
    rules = infer(dockerfile_, context=".", entrypoint=["node"])
    assert rules.command == "node"
    assert decide(rules, ["x.js"]).action is RESTART
    rules = infer(
        "FROM node\nWORKDIR /a\nCOPY . .\nCMD flask run\n", context=".", environment={"FLASK_DEBUG": "1"}
    )
    assert decide(rules, ["x"]).action is SYNC


def test_setting_an_entrypoint_clears_the_command_before_it() -> None:
    image = copies.image('FROM x AS a\nCMD ["a"]\nFROM a\nENTRYPOINT ["b"]\n')
    assert (image.entrypoint, image.command) == (("b",), ())


def test_modes_that_the_dockerfile_gives() -> None:
    text = """\
        FROM node
        WORKDIR /app
        COPY --chmod=0755 bin /usr/local/bin/
        COPY --chmod=644 etc /etc/app/
        COPY . .
        RUN chmod +x start.sh ./tools/*.sh && chmod -R u+x scripts && chmod -x no.sh && chmod +x lib
        """
    files = dict.fromkeys(
        ("bin/a", "etc/a", "start.sh", "tools/a.sh", "tools/a.py", "scripts/a/b", "no.sh", "lib/a"), "d"
    )
    rules, contents = rules_of(text), files | {"had.sh": "dx", "link": "->a"}
    held = synced(rules, ".", contents)
    assert {target for target, source in held.items() if source.digest == "dx"} == {
        "/usr/local/bin/a", "/app/start.sh", "/app/tools/a.sh", "/app/scripts/a/b", "/app/had.sh",
    }  # fmt: skip
    assert held["/app/link"] == Source("link", "->a")
    one_by_one = [landed(rules, path, digest) for path, digest in contents.items()]
    assert {target: source for files in one_by_one for target, source in files.items()} == held


def test_what_the_ignore_file_excludes_causes_nothing() -> None:
    rules = replace(infer(FASTAPI, context="api"), ignored=lambda path: path.startswith("docs/"))
    assert decide(rules, ["api/docs/a.md"]) == Decision(
        NONE, reason="api/docs/a.md: .dockerignore excludes it"
    )
    assert decide(rules, ["api/readme.md"]).action is RESTART


def manifested(reload: Reload, text: str = FASTAPI, **more: object) -> Rules:
    return with_manifest(rules_of(text, **more), reload)


def test_explicit_sync_replaces_the_inferred_one() -> None:
    rules = manifested(Reload(sync=(("./src", "/srv/src"), ("web/index.html", "/srv/i.html"))))
    assert {path: (decide(rules, [path]).action, *targets_of(rules, path)) for path in ("src/a.py", "web/index.html")} == {
        "src/a.py": (RESTART, "/srv/src/a.py"), "web/index.html": (RESTART, "/srv/i.html")
    }  # fmt: skip
    left_out = decide(rules, ["main.py"])
    assert left_out.action is REBUILD
    assert "reload.sync leaves it out" in left_out.reason
    assert decide(rules, ["requirements.txt"]).action is REBUILD


def test_explicit_sync_wins_over_a_copy_that_a_build_uses_but_not_over_one_of_a_part() -> None:
    text = "FROM node\nWORKDIR /a\nCOPY package.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build\n"
    rules = manifested(Reload(sync=((".", "/a"),)), text)
    assert (decide(rules, ["x.js"]).action, targets_of(rules, "x.js")) == (RESTART, ("/a/x.js",))
    assert decide(rules, ["package.json"]).action is REBUILD
    rules = manifested(Reload(sync=((".", "/a"), ("package.json", "/a/package.json"))), text)
    assert decide(rules, ["package.json"]).action is RESTART


def test_a_file_of_what_is_synced_is_sent_to_where_a_copy_of_its_own_brings_it_too() -> None:
    text = 'FROM debian\nCOPY conf/s.conf /etc/s.conf\nCOPY . /opt/app\nCMD ["supervisord"]\n'
    rules = manifested(Reload(sync=((".", "/opt/app"),)), text)
    assert targets_of(rules, "conf/s.conf") == ("/etc/s.conf", "/opt/app/conf/s.conf")
    assert targets_of(rules, "app.py") == ("/opt/app/app.py",)


def test_an_image_without_sources_that_are_mounted() -> None:
    rules = with_manifest(
        infer("", context=None, command=["nodemon", "x.js"]), Reload(sync=(("web/app", "/app"),))
    )
    assert decide(rules, ["web/app/x.js"]).action is SYNC
    assert synced(rules, "web/app", {"x.js": "1", "node_modules/y": "2"}) == {
        "/app/x.js": Source("web/app/x.js", "1")
    }
    assert base(rules, "web/app", {"x.js": "1", "node_modules/y": "2"}) == {}
    assert decide(rules, ["web/x.js", "Dockerfile"]).action is NONE


def test_sync_from_outside_the_context_and_of_what_the_ignore_file_excludes() -> None:
    sync = Reload(sync=(("shared", "/app/shared"), ("api/gen", "/app/gen")))
    rules = with_manifest(replace(rules_of(FASTAPI, context="api"), ignored=lambda path: True), sync)
    assert targets_of(rules, "shared/a.py") == ("/app/shared/a.py",)
    assert targets_of(rules, "api/gen/a.py") == ("/app/gen/a.py",)
    assert synced(rules, "shared", {"a.py": "1"}) == {"/app/shared/a.py": Source("shared/a.py", "1")}


def test_a_run_rule_sends_what_otherwise_needs_a_build() -> None:
    rules = manifested(Reload(run=(("requirements.txt", ("pip", "install", "-r", "requirements.txt")),)))
    decision = decide(rules, ["requirements.txt"])
    assert (decision.action, decision.files) == (RESTART, ("requirements.txt",))
    assert decision.run == (("pip", "install", "-r", "requirements.txt"),)
    quiet = replace(rules, restart=False)
    assert decide(quiet, ["requirements.txt", "main.py"]) == Decision(
        RUN,
        ("main.py", "requirements.txt"),
        (("pip", "install", "-r", "requirements.txt"),),
        "requirements.txt: run rule requirements.txt",
        "reload.run asks for it",
    )
    assert base(rules, ".", {"requirements.txt": "1"}) == {}


def test_a_run_rule_needs_a_place_to_send_the_file_to() -> None:
    text = "FROM a AS b\nCOPY . .\nRUN make\nFROM a\nCOPY --from=b /x /x\n"
    rules = manifested(Reload(run=(("*.c", ("make",)),)), text)
    assert decide(rules, ["a.c"]).action is REBUILD


@each_row(
    [
        (None, "python x.py", RESTART),
        (None, "uvicorn a:b --reload", SYNC),
        (False, "python x.py", SYNC),
        (True, "uvicorn a:b --reload", RESTART),
        (("*.py",), "uvicorn a:b --reload", RESTART),
        (("*.py",), "python x.py", RESTART),
        (("*.toml", "a/"), "python x.py", SYNC),
        ((), "python x.py", SYNC),
    ]
)
def test_when_the_program_is_started_again(
    restart: bool | tuple[str, ...] | None, command: str, action: Action
) -> None:
    rules = manifested(Reload(restart=restart), command=command.split())
    assert decide(rules, ["x.py"]).action is action


def test_rebuild_and_ignore_rules() -> None:
    rules = manifested(
        Reload(rebuild=("*.proto", "/conf/**"), ignore=("*.md", "!README.md", "!node_modules"))
    )
    assert {path: decide(rules, [path]).action for path in ("a/b.proto", "conf/a", "a/conf/a", "x.md", "README.md")} == {
        "a/b.proto": REBUILD, "conf/a": REBUILD, "a/conf/a": RESTART, "x.md": NONE, "README.md": RESTART
    }  # fmt: skip
    assert decide(rules, ["node_modules/a"]).action is RESTART
    assert decide(rules, [".git/HEAD"]) == Decision(NONE, reason=".git/HEAD: ignored: .git")


def test_files_of_editors_cause_nothing() -> None:
    rules = rules_of(FASTAPI)
    names = (
        "main.py~",
        ".main.py.swp",
        ".main.py.swpx",
        "4913",
        "main.py___jb_tmp___",
        ".#main.py",
        "#main.py#",
    )
    assert [name for name in names if decide(rules, [f"a/{name}"]).action is not NONE] == []
    kept = ("main.py", ".env", "swp", "49130", "a~b", "venv.py", "git", ".gitignore", ".gitkeep")
    assert [name for name in kept if decide(rules, [name]).action is NONE] == []


def test_patterns_that_match_nothing_are_found() -> None:
    reload = Reload(
        ignore=("*.tmp", "docs/"),
        run=(("requirements.txt", ("pip",)), ("deps/*.txt", ("pip",))),
        restart=("src/*.py", "api/src/*.py", "!api/src/x.py"),
        rebuild=("nowhere",),
    )
    rules = with_manifest(infer(FASTAPI, context="api"), reload)
    files = ["api/requirements.txt", "api/src/x.py", "api/docs/x"]
    assert [tuple(row) for row in unmatched(rules, files)] == [
        ("reload.rebuild", "nowhere", ""),
        ("reload.run", "deps/*.txt", ""),
        ("reload.restart", "src/*.py", "api/src/*.py"),
        ("reload.ignore", "*.tmp", ""),
    ]
    assert list(unmatched(infer(FASTAPI, context="api"), [])) == []


def untracked(*patterns: str) -> Callable[[Iterable[str]], set[str]]:
    spec = GitIgnoreSpec.from_lines(patterns)
    return lambda paths: {path for path in paths if spec.match_file(path)}


def test_what_git_ignores_is_sent_and_starts_nothing_by_itself() -> None:
    rules = replace(rules_of(FASTAPI), untracked=untracked("*.log", "gen/"))
    decision = decide(rules, ["a.log", "gen/api.py"])
    assert (decision.action, decision.files) == (SYNC, ("a.log", "gen/api.py"))
    assert decision.reason == "a.log: Git ignores it, so it restarts nothing (and 1 more)"
    assert decide(rules, ["a.log", "main.py"]) == Decision(
        RESTART,
        ("a.log", "main.py"),
        (),
        "main.py: uvicorn main:app --host 0.0.0.0 does not reload by itself",
        "the program read it when it started",
    )


def test_what_git_ignores_builds_nothing_by_itself() -> None:
    rules = replace(rules_of("FROM node\nCOPY . /app\nRUN npm run build\n"), untracked=untracked("coverage/"))
    decision = decide(rules, ["coverage/index.html"])
    assert (decision.action, decision.files) == (NONE, ())
    assert decision.reason.startswith("coverage/index.html: Git ignores it, and ")
    assert decide(rules, ["coverage/index.html", "main.ts"]).action is REBUILD
    assert base(rules, ".", {"coverage/index.html": "1"}) == {"coverage/index.html": "1"}  # up builds it


NAMED: dict[str, tuple[str, Reload]] = {
    "COPY": ("COPY gen /app/gen\n", Reload()),
    "COPY of a part": ("COPY gen/api.py /app/gen/api.py\n", Reload()),
    "sync": ("", Reload(sync=(("gen", "/app/gen"),))),
    "a restart rule": ("", Reload(restart=("gen/",))),
    "an exception": ("", Reload(ignore=("!gen/",))),
}


@pytest.mark.parametrize(("copy", "reload"), NAMED.values(), ids=NAMED)
def test_what_git_ignores_counts_where_a_rule_names_it(copy: str, reload: Reload) -> None:
    rules = manifested(reload, f"FROM python\nCOPY . /app\n{copy}")
    rules = replace(rules, untracked=untracked("gen/"))
    assert decide(rules, ["gen/api.py"]).action is RESTART


def test_one_decision_for_a_batch() -> None:
    rules = rules_of(FASTAPI)
    assert decide(rules, ["main.py", "b.py", ".git/x"]) == Decision(
        RESTART,
        ("b.py", "main.py"),
        (),
        "b.py: uvicorn main:app --host 0.0.0.0 does not reload by itself (and 1 more)",
        "the program read it when it started",
    )
    assert decide(rules, ["main.py", "requirements.txt"]) == Decision(
        REBUILD,
        (),
        (),
        "requirements.txt: COPY requirements.txt . before RUN pip install --no-cache-dir -r requirement... (Dockerfile:3)",
        "a build may use it, so sending it is not enough",
    )
    assert decide(rules, []) == Decision(NONE, reason="nothing changed")
    assert decide(manifested(Reload(restart=("*.py",))), ["main.py"]).reason == "main.py: restart rule *.py"


def test_a_vanished_folder_that_the_build_needs() -> None:
    rules = infer("FROM node\nWORKDIR /a\nCOPY conf/app/x.json ./x.json\nCOPY src .\n", context=".")
    assert decide(rules, ["conf"]).action is REBUILD
    assert targets_of(rules, "src/deep") == ("/a/deep",)


def test_ten_thousand_files_are_decided_at_once() -> None:
    rules = manifested(Reload(restart=("*.py", "conf/*"), run=(("*.txt", ("x",)),), ignore=("*.md",)))
    paths = [f"src/pkg{number % 100}/module_{number}.{end}" for number, end in enumerate(("py", "md") * 5000)]
    started = time.process_time()
    decision = decide(rules, paths)
    assert time.process_time() - started < 1.0
    assert (decision.action, len(decision.files)) == (RESTART, 5000)


def test_the_table_for_people() -> None:
    text = """\
        FROM node:22
        WORKDIR /app
        COPY package*.json ./
        RUN npm ci
        COPY . .
        CMD nodemon x.js
        """
    rules = infer(unindented(text), context="web")
    assert [tuple(row) for row in rows(rules)] == [
        ("web/Dockerfile", REBUILD, "", "it says how the image is built"),
        ("web/package*.json", REBUILD, "", "COPY package*.json ./ before RUN npm ci (Dockerfile:3)"),
        ("web", SYNC, "/app/", "COPY . . (Dockerfile:5); nodemon restarts by itself"),
    ]
    asked = with_manifest(
        rules, Reload((("web/src", "/srv"),), (), (("*.sql", ("psql",)),), ("*.json",), ("*.proto",))
    )
    assert [tuple(row) for row in rows(asked)] == [
        ("*.proto", REBUILD, "", "reload.rebuild"),
        ("web/Dockerfile", REBUILD, "", "it says how the image is built"),
        ("*.sql", RUN, "", "psql"),
        ("*.json", RESTART, "", "reload.restart"),
        ("web/package*.json", REBUILD, "", "COPY package*.json ./ before RUN npm ci (Dockerfile:3)"),
        ("web/src", SYNC, "/srv", "reload.sync"),
        ("web", REBUILD, "", "reload.sync leaves it out, so only a build brings it"),
    ]


PIECES = (
    "COPY . .", "COPY a /x/", "COPY a/b /x/b", "COPY *.py /y/", "COPY c.py /x/b/c.py", "RUN make", "RUN chown me /x",
    "COPY --from=0 /x /app/a", "COPY --from=0 /x /x/b", "WORKDIR /x", "COPY $HOME /z", "ADD a/b/f.tgz /z/",
    "RUN --mount=type=bind,source=a/b make",
)  # fmt: skip
FILES = tuple(
    "/".join(parts) for parts in product(("a", "b", "node_modules"), ("b", "d"), ("f.py", "f.tgz", "g~"))
)
CONTENTS = {
    path: f"digest of {path}" for path in (*FILES, "c.py", "d.md", "Dockerfile", ".dockerignore", "x/y")
}
MANIFESTS = (
    Reload(),
    Reload(sync=(("p/a", "/srv"),), restart=("*.py",)),
    Reload(sync=(("p", "/srv"), ("p/a/b", "/other"))),
    Reload(run=(("*.py", ("x",)),), rebuild=("d/",), ignore=("b/d", "!node_modules")),
)


@each_row(range(40))
def test_every_file_is_built_or_sent_or_causes_nothing(seed: int) -> None:
    pick = random.Random(seed)
    for reload in MANIFESTS:
        steps = "\n".join(pick.sample(PIECES, pick.randint(1, 8)))
        text = f"FROM node\nWORKDIR /s\nCOPY b /x\nRUN make\nFROM python\nWORKDIR /app\n{steps}\n"
        excluded = pick.choice(FILES)
        inferred = replace(infer(text, context="p"), ignored=partial(eq, excluded))
        rules = with_manifest(inferred, reload)
        check_partition(rules, text)


def check_partition(rules: Rules, text: str) -> None:
    built, held = base(rules, "p", CONTENTS), synced(rules, "p", CONTENTS)
    actions = {path: decide(rules, [f"p/{path}"]).action for path in CONTENTS}
    assert built == {path: CONTENTS[path] for path, action in actions.items() if action is REBUILD}, text
    sent = {path for path, action in actions.items() if action not in (NONE, REBUILD)}
    assert {source.path.removeprefix("p/") for source in held.values()} <= sent, text
    for path in CONTENTS:
        targets = targets_of(rules, f"p/{path}")
        assert bool(targets) == (path in sent), text
        assert all(target in held and target.startswith("/") for target in targets), text
    assert {decision.action for decision in [decide(rules, [f"p/{path}" for path in CONTENTS])]} == {
        max(actions.values(), key=list(Action).index)
    }


GLOBS = (
    "a",
    "*.py",
    "/a",
    "a/",
    "a/b",
    "/a/*",
    "**/b",
    "a/**",
    "a/**/c",
    "*a*",
    "?.py",
    "[ab].py",
    "[!a]",
    "./b",
    "a.*",
    "b/*.py",
)
PATHS = tuple(
    "/".join(parts) for length in (1, 2, 3) for parts in product(("a", "b", "c.py", "a.py"), repeat=length)
)


@each_row([*GLOBS])
def test_patterns_are_gits(glob: str) -> None:
    spec = GitIgnoreSpec.from_lines([glob.removeprefix("./")])
    assert [path for path in PATHS if bool(patterns.match([glob], path)) != spec.match_file(path)] == []


def test_the_last_pattern_decides() -> None:
    globs = ("*.py", "!c.py", "a/c.py")
    matched = {path: patterns.match(globs, path) for path in ("x.py", "c.py", "b/c.py", "a/c.py", "x")}
    assert matched == {"x.py": "*.py", "c.py": "", "b/c.py": "", "a/c.py": "a/c.py", "x": ""}
    assert patterns.match(IGNORED, "x/__pycache__/y") == "__pycache__"
