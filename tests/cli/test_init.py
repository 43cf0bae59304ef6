"""`devenv init --from-compose`: what it writes, says and refuses, and that `plan` takes it."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from devenv import assets
from devenv.engine import drafting
from tests.table import each_row

from .conftest import Devenv

BLOG = """
    version: "3.8"
    services:
      wordpress:
        image: wordpress:6
        container_name: blog
        restart: always
        ports: ["8080:80"]
        depends_on: [db]
        environment:
          WORDPRESS_DB_HOST: db:3306
          WORDPRESS_DB_USER: writer
          WORDPRESS_DB_PASSWORD: sesame-open
          WORDPRESS_DB_NAME: blog
          DATABASE_URL: mysql://writer:sesame-open@db:3306/blog
        volumes: [html:/var/www/html]
      db:
        image: mysql:8.4
        environment:
          MYSQL_DATABASE: blog
          MYSQL_USER: writer
          MYSQL_PASSWORD: sesame-open
          MYSQL_ROOT_PASSWORD: ${ROOT:-root-sesame}
        volumes: [data:/var/lib/mysql]
    volumes: {html: {}, data: {}}
"""


@pytest.fixture
def blog(project: Path) -> Path:
    """A folder with a Compose file and no manifest."""
    (project / "devenv.yaml").unlink()
    (project / ".env").unlink()
    (project / "compose.yaml").write_text(dedent(BLOG))
    return project


@pytest.mark.programs
def test_a_compose_project_becomes_a_manifest_that_plan_takes(devenv: Devenv, blog: Path) -> None:
    ended = devenv("init", "--from-compose")
    assert ended.exit_code == 0, ended.output
    manifest = (blog / "devenv.yaml").read_text()
    assert manifest.startswith("# yaml-language-server: $schema=.devenv/schema.json\n")
    assert "sesame" not in manifest
    assert "sesame" not in ended.output
    for line in (
        "    publish: 8080",
        '      WORDPRESS_DB_HOST: "${db.host}:${db.port}"',
        '      WORDPRESS_DB_PASSWORD: "${db.password}"',
        '      DATABASE_URL: "${db.url}"',
        "    volumes: {html: /var/www/html}",
        '  db: {kind: mysql, version: "8.4", database: blog, user: writer}',
    ):
        assert line in manifest.splitlines()
    secrets = blog / ".devenv" / "secrets.env"
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert "DB_PASSWORD='sesame-open'" in secrets.read_text()
    assert "DB_ROOT_PASSWORD='root-sesame'" in secrets.read_text()
    assert ended.stderr.splitlines()[-1] == "next: devenv plan, then devenv up"
    planned = devenv("plan")
    assert planned.exit_code == 0, planned.output


@pytest.mark.programs
def test_nothing_disappears_silently(devenv: Devenv, blog: Path) -> None:
    table = devenv("init", "--from-compose").stdout
    for row in ("version", "container_name", "db.volumes data:/var/lib/mysql"):
        assert any(line.startswith("dropped") and f"  {row}  " in line for line in table.splitlines()), row


@pytest.mark.programs
def test_a_manifest_that_is_there_is_replaced_only_by_force(devenv: Devenv, blog: Path) -> None:
    (blog / "devenv.yml").write_text("mine")
    ended = devenv("init", "--from-compose")
    assert ended.exit_code == 2
    assert "devenv.yml is there already" in ended.stderr
    assert "devenv init --from-compose --force" in ended.stderr
    assert (blog / "devenv.yml").read_text() == "mine"
    assert not (blog / ".devenv").exists()
    assert devenv("init", "--from-compose", "--force").exit_code == 0
    assert "services:" in (blog / "devenv.yml").read_text()


@pytest.mark.programs
def test_two_files_are_one_project_and_a_second_default_is_named(devenv: Devenv, blog: Path) -> None:
    (blog / "docker-compose.yml").write_text("services: {other: {image: x}}")
    (blog / "more.yaml").write_text("services: {mail: {image: 'axllent/mailpit:v1.27'}}")
    assert "docker-compose.yml beside it is not" in devenv("init", "--from-compose").stderr
    assert devenv("init", "--from-compose", "-f", "compose.yaml", "-f", "more.yaml", "--force").exit_code == 0
    assert "mail:" in (blog / "devenv.yaml").read_text()
    assert devenv("init", "--from-compose", "compose.yaml", "more.yaml", "--force").exit_code == 0
    assert "mail:" in (blog / "devenv.yaml").read_text()


@pytest.mark.programs
@pytest.mark.compose
def test_what_compose_refuses_is_said_in_its_words(devenv: Devenv, blog: Path) -> None:
    (blog / "compose.yaml").write_text("services: {web: {image: x, colour: red}}")
    ended = devenv("init", "--from-compose")
    assert ended.exit_code == 2
    assert "Compose refuses compose.yaml" in ended.stderr
    assert "additional properties 'colour' not allowed" in ended.stderr
    assert not (blog / "devenv.yaml").exists()


@pytest.mark.programs
@each_row(
    {
        "nothing": ("", "has no services"),
        "a list": ("- a", "is not a Compose file"),
        "no services": ("volumes: {}", "has no services"),
        "not YAML": ("a: [", "did not find"),
        "large": ("#" * 2_100_000, "has 2 MB"),
    }
)
def test_what_is_no_compose_file(text: str, words: str) -> None:
    import tempfile

    from devenv.errors import UsageError

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "compose.yaml"
        file.write_text(text)
        for tools in (True, False):
            with pytest.MonkeyPatch.context() as patch:
                if not tools:
                    patch.setenv("PATH", "/nowhere")
                with pytest.raises(UsageError) as raised:
                    drafting.composed([file], Path(folder))
                said = f"{raised.value.what} {raised.value.why}"
                assert words in said or (tools and raised.value.what.startswith("Compose refuses")), said


@pytest.mark.programs
def test_without_compose_the_file_alone_is_read(
    devenv: Devenv, blog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert devenv("init", "--from-compose").exit_code == 0
    whole = (blog / "devenv.yaml").read_text()
    monkeypatch.setenv("PATH", os.devnull)
    ended = devenv("init", "--from-compose", "--force")
    assert "without docker compose" in ended.stderr
    assert (blog / "devenv.yaml").read_text() == whole


@pytest.mark.programs
def test_a_project_of_which_nothing_is_left_says_why(devenv: Devenv, blog: Path) -> None:
    (blog / "compose.yaml").write_text("services: {web: {restart: always}}")
    ended = devenv("init", "--from-compose")
    assert ended.exit_code == 1
    assert "web: it has neither image nor build" in ended.stderr
    assert not (blog / "devenv.yaml").exists()


@pytest.mark.programs
def test_without_options_it_looks_at_what_is_here(devenv: Devenv, blog: Path) -> None:
    assert devenv("init").exit_code == 0
    assert "  wordpress:" in (blog / "devenv.yaml").read_text()
    (blog / "compose.yaml").unlink()
    (blog / "api").mkdir()
    (blog / "api" / "Dockerfile").write_text("FROM x\nEXPOSE 9000\n")
    (blog / "api" / "requirements.txt").write_text("psycopg\n")
    assert "devenv init --force" in devenv("init").stderr
    ended = devenv("init", "--force")
    assert ended.exit_code == 0, ended.output
    assert (blog / "devenv.yaml").read_text() == dedent(
        """\
        # yaml-language-server: $schema=.devenv/schema.json
        # Written by `devenv init`.

        services:
          api:
            build: ./api
            port: 9000
            uses: [postgres]
        """
    )
    assert "derived  api.uses postgres  psycopg among its packages" in ended.stdout
    assert ended.stderr.splitlines()[-1] == "next: devenv plan, then devenv up"
    assert devenv("plan").exit_code == 0


def test_what_has_to_be_typed_before_up_is_said(devenv: Devenv, blog: Path) -> None:
    (blog / "compose.yaml").unlink()
    (blog / ".env").write_text("STRIPE_KEY=sesame\n")
    (blog / "Dockerfile").write_text("FROM python:3.13-slim\nEXPOSE 80\n")
    (blog / ".env.example").write_text("STRIPE_KEY=\nMAIL_PASSWORD=\nSIGNING_SECRET=\n")
    ended = devenv("init")
    assert (
        ended.stderr.splitlines()[-1]
        == "next: devenv plan, then devenv onboard, which asks for MAIL_PASSWORD and 1 more"
    )


@pytest.mark.parametrize("composed", [False, True])
@pytest.mark.programs
def test_what_is_there_for_other_tools_is_named(devenv: Devenv, blog: Path, composed: bool) -> None:
    thing = "apiVersion: v1\nkind: Service\n"
    files = {
        "api/Dockerfile": "FROM x\nEXPOSE 80\n",
        "gateway/kong.yml": '_format_version: "3.0"\nservices: []\n',
        "kong-extra.yml": '_format_version: "3.0"\n',
        "k8s/base/api.yaml": thing,
        "k8s/base/db.yaml": f"---\n{thing}",
        "deploy/chart/Chart.yaml": "name: x\napiVersion: v2\n",
        "deploy/chart/templates/api.yaml": thing,
        "node_modules/x/y.yaml": thing,
    }
    if composed:
        files["compose.yaml"] = "services: {api: {build: ./api}}\n"
    else:
        (blog / "compose.yaml").unlink()
    for name, text in files.items():
        (blog / name).parent.mkdir(parents=True, exist_ok=True)
        (blog / name).write_text(text, encoding="utf-8")
    rows = [line.split("  ") for line in devenv("init").stdout.splitlines() if line.startswith("by hand")]
    named = {words[1]: words[-1] for words in ([word.strip() for word in row if word] for row in rows)}
    assert named.keys() == {"gateway/kong.yml", "k8s/base", "deploy/chart"}
    assert "devenv init --force --from-kong gateway/kong.yml" in named["gateway/kong.yml"]
    assert named["k8s/base"].startswith("2 files for Kubernetes")
    assert "devenv init --force --from-kubernetes k8s/base" in named["k8s/base"]
    assert "devenv init --force --from-kubernetes deploy/chart" in named["deploy/chart"]


def test_nothing_to_look_at_says_how_to_begin(devenv: Devenv, blog: Path) -> None:
    (blog / "compose.yaml").unlink()
    ended = devenv("init")
    assert ended.exit_code == 2
    assert "devenv init --template python-api" in ended.stderr


@pytest.mark.parametrize("name", assets.starters())
def test_a_template_is_a_project_that_plan_takes(devenv: Devenv, blog: Path, name: str) -> None:
    ended = devenv("init", "--template", name)
    assert ended.exit_code == 0, ended.output
    assert ended.stderr.splitlines()[-1] == "next: devenv up"
    planned = devenv("plan")
    assert planned.exit_code == 0, planned.output
    again = devenv("init", "--template", name)
    assert again.exit_code == 2
    assert "devenv.yaml" in again.stderr
    assert devenv("init", "--template", name, "-o", "there").exit_code == 0
    assert (blog / "there" / "devenv.yaml").is_file()


def test_a_template_that_is_none(devenv: Devenv, blog: Path) -> None:
    assert 'did you mean "python-api"?' in devenv("init", "--template", "python").stderr


@pytest.mark.programs
def test_paths_are_those_from_the_manifest_and_an_override_counts(devenv: Devenv, blog: Path) -> None:
    (blog / "compose.yaml").unlink()
    (blog / "docker").mkdir()
    (blog / "Dockerfile").write_text("FROM x\n")
    (blog / "docker" / "app.ini").write_text("x")
    (blog / "docker" / "compose.yml").write_text(
        "services: {web: {build: .., volumes: ['./app.ini:/etc/app.ini:ro'], ports: ['8000:80']}}"
    )
    (blog / "docker" / "compose.override.yml").write_text("services: {web: {environment: {MORE: '1'}}}")
    for tools in (os.environ["PATH"], os.devnull):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", tools)
            ended = devenv("init", "--from-compose", "docker", "--force")
        assert ended.exit_code == 0, ended.output
        lines = (blog / "devenv.yaml").read_text().splitlines()
        assert "    build: ." in lines
        assert "    files: {/etc/app.ini: ./docker/app.ini}" in lines
    assert '      MORE: "1"' in lines
