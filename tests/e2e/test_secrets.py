"""Secrets reach the containers, and no eye that does not need them."""

from __future__ import annotations

import json
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from .checkout import Checkout, Ended, eventually

pytestmark = pytest.mark.engine

OURS = "tell-nobody-7f3a"
"""The value of the user's own secret."""
FROM_SHELL = "sh+@:/ quiet'word"
"""Of one from the environment, with everything that a shell, a URL or YAML could trip over."""

MANIFEST = """
    services:
      api:
        build: {context: ./api, args: {TOKEN: "${secret.TOKEN}"}, secrets: {pip: $TOKEN}}
        command: 'echo "starting with $TOKEN and $SHELL_ONLY"; env; sleep 900'
        uses: [inbox, seed]
        secrets: [TOKEN, SHELL_ONLY]
        env: {AUTHORIZATION: "Bearer ${secret.TOKEN}"}
        files: {/run/secrets/token: {secret: TOKEN}}
    jobs:
      seed:
        image: busybox:1.37
        command: 'echo "seeding with $TOKEN"'
        secrets: [TOKEN]
    infra:
      inbox: {kind: mailpit, env: {PASSWORD: "${secret.TOKEN}"}}
"""
DOCKERFILE = """\
FROM busybox:1.37
ARG TOKEN
RUN --mount=type=secret,id=pip echo "building with $TOKEN and $(cat /run/secrets/pip)"
"""


@pytest.fixture
def sealed(shared: Checkout) -> Checkout:
    """A stack with secrets of every kind."""
    shared.environment = {**shared.environment, "SHELL_ONLY": FROM_SHELL}
    shared.write(".env", f"TOKEN={OURS}\n")
    shared.sources("api", dockerfile=DOCKERFILE)
    shared.manifest(MANIFEST)
    return shared


def tells_nothing(ended: Ended) -> None:
    """Neither stream holds the value of any secret."""
    for value in (OURS, FROM_SHELL):
        assert value not in ended.output, f"{ended.argv} shows a secret:\n{ended.output}"


def test_a_missing_secret_stops_only_what_needs_it(checkout: Checkout) -> None:
    checkout.manifest("""
        services: {web: {image: "busybox:1.37", command: sleep 900, secrets: [KEY, OTHER]}}
    """)

    for command in (["up", "-d"], ["render"]):
        stderr = checkout.devenv(*command, exits=2).stderr
        assert "no value for the secrets KEY, OTHER" in stderr
        assert ".env" in stderr
    for command in (["plan"], ["status"], ["down"], ["logs"], ["env"], ["schema"]):
        checkout.devenv(*command)
    assert checkout.containers() == []


def test_up_with_every_line_of_its_build_shows_no_secret(sealed: Checkout) -> None:
    ended = sealed.devenv("up", "-d", "-v")

    assert "building with" in ended.stderr
    tells_nothing(ended)


def test_a_build_has_its_secrets_and_no_program_has_them_as_arguments(sealed: Checkout) -> None:
    slow = 'RUN test "$TOKEN" = "it\'s mine" && echo looking && sleep 3\n'
    sealed.write(".env", 'TOKEN="it\'s mine"\n')
    sealed.sources("api", dockerfile=DOCKERFILE + slow)
    up = sealed.begin("up", "-d", "-v", "api")
    listed = eventually(builds, "the build", within=60)
    assert "--build-arg\0TOKEN\0" in listed
    assert "it's mine" not in "".join(arguments())
    assert up.end().code == 0
    assert not (sealed.root / ".devenv" / "build" / "api" / "build-args").exists()


def arguments() -> list[str]:
    """Those of every program that runs on this machine."""
    every = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            every.append(file.read_text(errors="replace"))
    return every


def builds() -> str:
    """The arguments of docker while it builds."""
    return next((line for line in arguments() if "buildx\0build\0" in line and "TOKEN" in line), "")


def test_secrets_reach_build_environment_and_files(sealed: Checkout) -> None:
    sealed.devenv("up", "-d")
    env = sealed.units()["api"].env

    assert env["TOKEN"] == OURS
    assert env["SHELL_ONLY"] == FROM_SHELL
    assert env["AUTHORIZATION"] == f"Bearer {OURS}"
    assert sealed.inside("api", "cat", "/run/secrets/token") == OURS


@pytest.mark.parametrize(
    "command",
    [
        "logs",
        "logs api",
        "status",
        "status --json",
        "plan",
        "plan --json",
        "env",
        "env api",
        "env api --json",
        "render",
        "open api",
        "restart seed",
        "up -d -v --build",
    ],
)
def test_no_command_shows_a_secret(sealed: Checkout, command: str) -> None:
    sealed.devenv("up", "-d")
    exits = 2 if command.startswith("open") else 0

    tells_nothing(sealed.devenv(*command.split(), exits=exits))


def test_followed_logs_show_no_secret(sealed: Checkout) -> None:
    going = sealed.begin("up")
    going.wait_for("every save builds api")
    tells_nothing(going.interrupt())

    going = sealed.begin("logs", "-f", "api")
    going.wait_for("starting with")
    tells_nothing(going.interrupt())


def test_no_card_shows_a_secret(sealed: Checkout) -> None:
    # Without a check, a program that has not got to its end yet counts as one that runs.
    waiting = "health: {exec: 'false', within: 60s}\n        files:"
    ending = MANIFEST.replace("sleep 900'", "exit 9'").replace("files:", waiting, 1)
    sealed.manifest(ending.replace("seeding with $TOKEN", "seeding ${secret.TOKEN}"))
    ended = sealed.devenv("up", "-d", exits=1)
    assert "x api ended with exit 9" in ended.stderr
    assert "Bearer" in ended.stderr
    tells_nothing(ended)

    sealed.sources("api", dockerfile=DOCKERFILE + "RUN echo failed with $TOKEN && exit 1\n")
    ended = sealed.devenv("up", "-d", exits=1)
    assert "failed with" in ended.stderr
    tells_nothing(ended)

    sealed.sources("api", dockerfile=DOCKERFILE)
    unhealthy = "health: {exec: 'echo it was $TOKEN; exit 1', every: 100ms, within: 500ms}"
    sealed.manifest(MANIFEST.replace("files:", f"{unhealthy}\n        files:"))
    ended = sealed.devenv("up", "-d", exits=1)
    assert "it was" in ended.stderr
    tells_nothing(ended)


def test_the_rendered_file_holds_no_secret_and_works_with_them(sealed: Checkout) -> None:
    folder = Path(sealed.devenv("render").stdout.strip())

    text = (folder / "compose.yaml").read_text()
    assert OURS not in text
    assert FROM_SHELL not in text
    resolved = sealed.host(
        "docker", "compose", "-f", str(folder / "compose.yaml"), "config", "--format", "json"
    )
    assert f"Bearer {OURS}" in resolved


def test_files_with_secrets_are_their_owners_alone(sealed: Checkout) -> None:
    sealed.devenv("up", "-d")
    state = sealed.root / ".devenv"

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(state) == 0o700
    assert mode(state / "compose" / ".env") == 0o600
    assert mode(state / "compose" / "compose.yaml") == 0o600


def test_a_changed_secret_recreates_who_uses_it(sealed: Checkout) -> None:
    sealed.devenv("up", "-d")
    before = sealed.lives()

    changed = sealed.begin("up", "-d", env={"SHELL_ONLY": "another"}).end()

    assert changed.code == 0, changed.output
    after = sealed.lives()
    assert after["api"] != before["api"]
    assert after["inbox"] == before["inbox"]


def test_a_secret_arrives_byte_for_byte_in_words_scripts_checks_and_json(checkout: Checkout) -> None:
    checkout.environment = {**checkout.environment, "KEY": FROM_SHELL}
    checkout.manifest("""
        services:
          words:
            image: busybox:1.37
            command: [sh, -c, 'echo "$0" >/tmp/word; sleep 900', "${secret.KEY}"]
            health: {exec: [grep, -qxF, "${secret.KEY}", /tmp/word], every: 100ms}
          script:
            image: busybox:1.37
            command: echo ${secret.KEY} '${secret.KEY}' >/tmp/script && sleep 900
            env: {JSON: '{"key": "${secret.KEY}"}'}
            health: {exec: 'test "${secret.KEY} ${secret.KEY}" = "$(cat /tmp/script)"', every: 100ms}
    """)
    checkout.devenv("up", "-d")

    assert checkout.inside("words", "cat", "/tmp/word").strip() == FROM_SHELL
    assert checkout.inside("script", "cat", "/tmp/script").strip() == f"{FROM_SHELL} {FROM_SHELL}"
    assert json.loads(checkout.units()["script"].env["JSON"]) == {"key": FROM_SHELL}


def test_generated_passwords_are_kept_private_and_come_again(checkout: Checkout) -> None:
    checkout.manifest("""
        services: {api: {image: "busybox:1.37", command: 'echo "$DATABASE_URL"; sleep 900', uses: [postgres]}}
    """)
    checkout.devenv("render")
    kept = checkout.root / ".devenv" / "secrets.env"
    first = kept.read_text()
    password = next(line.partition("=")[2] for line in first.splitlines() if line.startswith("POSTGRES_"))

    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(password) >= 16
    for command in ("env", "env --json", "plan", "plan --json"):
        assert password not in checkout.devenv(*command.split()).output
    assert password in checkout.devenv("env", "--export").stdout

    checkout.host("rm", "-rf", ".devenv")
    checkout.devenv("render")
    assert kept.read_text() == first
