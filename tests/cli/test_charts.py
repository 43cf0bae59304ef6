"""`devenv render --chart`: the chart in a folder of the user's, and what is said of it."""

from __future__ import annotations

from pathlib import Path

from .conftest import Devenv

ENVIRONMENT = "environments:\n  staging: {context: c, host: shop.example, infra: {valkey: deploy}}\n"


def test_a_chart_is_written_into_a_folder_with_the_values_of_an_environment(
    devenv: Devenv, project: Path
) -> None:
    with (project / "devenv.yaml").open("a", encoding="utf-8") as manifest:
        manifest.write(ENVIRONMENT)
    ended = devenv("render", "--chart", "chart", "--environment", "staging")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "chart\n", "")
    files = {file.relative_to(project / "chart").as_posix() for file in (project / "chart").rglob("*.*")}
    assert files >= {"Chart.yaml", "values.yaml", "values-staging.yaml", "templates/web.yaml"}
    assert "shop.example" in (project / "chart/values-staging.yaml").read_text(encoding="utf-8")
    assert not [
        file for file in files if "sesame-open" in (project / "chart" / file).read_text(encoding="utf-8")
    ]


def test_an_environment_is_for_a_chart_and_has_to_be_there(devenv: Devenv) -> None:
    assert "devenv render --chart chart --environment x" in devenv("render", "--environment", "x").stderr
    ended = devenv("render", "--chart", "chart", "--environment", "x")
    assert (ended.exit_code, 'no environment "x"' in ended.stderr) == (2, True)


def test_what_is_for_a_packaged_chart_says_what_to_type(devenv: Devenv) -> None:
    for options, hint in (
        (["--package"], "devenv render --chart chart --package"),
        (["--push", "oci://x/y"], "devenv render --chart chart --push oci://x/y"),
        (["--chart", "chart", "--push", "https://x/y"], "--push oci://x/y"),
    ):
        ended = devenv("render", *options)
        assert (ended.exit_code, hint in ended.stderr) == (2, True)


def test_what_is_for_one_machine_alone_is_named(devenv: Devenv, project: Path) -> None:
    (project / "app").mkdir()
    (project / "app" / "Dockerfile").write_text("FROM scratch AS dev\nCOPY . /app\n", encoding="utf-8")
    (project / "devenv.yaml").write_text(
        "name: shop\nservices:\n  web: {build: {context: ./app, target: dev}, port: 80,"
        " env: {BACK: '${web.public_url}'}}\nenvironments:\n"
        "  prod: {context: c, services: {web: {build: {target: live}, env: {BACK: 'https://shop.example'}}}}\n",
        encoding="utf-8",
    )
    said = " ".join(devenv("render", "--chart", "chart").stderr.split())
    assert "web: BACK is an address of one's own machine, http://localhost:80" in said
    assert "web: the image is built to its stage dev" in said
    assert devenv("render", "--chart", "chart", "--environment", "prod").stderr == ""


def test_what_looks_like_a_secret_and_is_none_is_named(devenv: Devenv, project: Path) -> None:
    (project / "live.env").write_text(
        "SIGNING_KEY=k-1\nDSN=amqp://u:p-1@mq.test\nPLAIN=1\nGIVEN_TOKEN=t\n", encoding="utf-8"
    )
    (project / "devenv.yaml").write_text(
        "name: shop\nservices: {web: {image: a, env_file: live.env, secrets: [GIVEN_TOKEN]}}\n",
        encoding="utf-8",
    )
    (project / ".env").write_text("GIVEN_TOKEN=t\n", encoding="utf-8")
    said = " ".join(devenv("render", "--chart", "chart").stderr.split())
    assert (
        "web: SIGNING_KEY, DSN: in plain text in the chart; secrets: [SIGNING_KEY, DSN] keeps them out"
        in said
    )


def test_a_volume_that_hides_what_the_image_holds_is_named(devenv: Devenv, project: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\nWORKDIR /www\nCOPY . .\n", encoding="utf-8")
    (project / "devenv.yaml").write_text(
        "name: shop\nvolumes: {code: {}}\nservices:\n  app: {build: ., volumes: {code: /www, up: /www/up}}\n"
        "  web: {image: x, volumes: {code: /www}}\n",
        encoding="utf-8",
    )
    (project / ".dockerignore").write_text("chart\n", encoding="utf-8")
    said = " ".join(devenv("render", "--chart", "chart").stderr.split())
    assert (
        "app: the volume code hides what COPY . . puts at /www/: Compose fills a new volume with that" in said
    )
    assert said.count("hides") == 1


def test_a_chart_stays_out_of_the_images_that_it_names(devenv: Devenv, project: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\nCOPY . /app\n", encoding="utf-8")
    (project / "devenv.yaml").write_text("name: shop\nservices: {web: {build: .}}\n", encoding="utf-8")
    ended = devenv("render", "--chart", "chart")
    assert ended.exit_code == 2
    assert "every rendering would change the image" in ended.stderr
    assert "echo chart >> .dockerignore" in ended.stderr
    (project / ".dockerignore").write_text("chart\n", encoding="utf-8")
    assert devenv("render", "--chart", "chart").exit_code == 0


def test_files_for_a_swarm_are_written_into_a_folder(devenv: Devenv, project: Path) -> None:
    ended = devenv("render", "--swarm", "out")
    assert (ended.exit_code, ended.stdout) == (0, "out\n")
    text = (project / "out" / "stack.yaml").read_text(encoding="utf-8")
    assert "sesame-open" not in text
    assert not (project / "out" / ".gitignore").exists()
    refused = devenv("render", "--swarm", "out", "--chart", "chart")
    assert (refused.exit_code, "one command for each" in refused.stderr) == (2, True)


def test_what_a_swarm_cannot_do_is_refused_with_its_place(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").write_text(
        "name: shop\nservices:\n  web: {image: x, compose: {privileged: true, ipc: host}}\n", encoding="utf-8"
    )
    ended = devenv("render", "--swarm", "out")
    assert ended.exit_code == 2
    assert "devenv.yaml:3:29: services.web.compose.privileged: a swarm does not take it" in ended.stderr
    assert "services.web.compose.ipc" in ended.stderr
    assert not (project / "out").exists()


def test_the_parity_report_has_a_column_for_a_swarm_and_says_what_promotion_means(devenv: Devenv) -> None:
    printed = devenv("plan", "--parity").stdout
    assert {"chart", "swarm"} <= set(printed.splitlines()[0].split())
    assert printed.endswith(
        "promotion means Kubernetes, with the chart; to a swarm one deploys by hand: render --swarm\n"
    )
