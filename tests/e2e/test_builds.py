"""What reaches the builder, and what it leaves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from tests.serving import free_port

from .checkout import Checkout, eventually
from .conftest import MakeCheckout

pytestmark = pytest.mark.engine


@pytest.fixture
def whole(checkout: Checkout) -> Checkout:
    """A project that is built from its very root, state of a project within it and all."""
    checkout.write("Dockerfile", "FROM busybox:1.37\nCOPY . /srv\n")
    checkout.write(".env", "TOKEN=tell-nobody\n")
    checkout.write(".dockerignore", ".env\nout\n!.devenv\n!**/.devenv/**\n")
    checkout.write("app.txt", "app\n")
    checkout.write("sub/.devenv/secrets.env", "TOKEN=of-another\n")
    (checkout.root / "state").symlink_to(".devenv")
    checkout.manifest("services: {web: {build: ., command: sleep 900, secrets: [TOKEN]}}")
    return checkout


COPIED = {"/srv/.dockerignore", "/srv/Dockerfile", "/srv/app.txt", "/srv/state"}


def test_a_copy_of_the_whole_project_holds_nothing_of_the_state(whole: Checkout) -> None:
    whole.devenv("plan")  # there is some state before the first build
    whole.devenv("up", "-d")

    assert set(whole.inside("web", "find", "/srv", "!", "-type", "d").split()) == COPIED


def test_an_up_after_a_build_of_the_whole_project_has_nothing_to_do(whole: Checkout) -> None:
    whole.devenv("up", "-d")
    before = whole.lives()

    for _ in range(3):
        assert whole.devenv("plan").stdout == ""
        assert "nothing to do" in whole.devenv("up", "-d").output
    assert whole.lives() == before


@pytest.mark.parametrize("output", [(), ("-o", "out"), ("-o", "../beside")])
def test_who_builds_from_the_rendered_file_sends_no_state_either(
    whole: Checkout, output: tuple[str, ...]
) -> None:
    whole.devenv("up", "-d")
    folder = Path(whole.root, whole.devenv("render", *output).stdout.strip())
    file = str(folder / "compose.yaml")

    whole.host("docker", "compose", "-f", file, "build", "--no-cache")

    copied = whole.host("docker", "compose", "-f", file, "run", "--rm", "web", "find", "/srv")
    assert "/srv/app.txt" in copied
    assert "/.devenv" not in copied


def test_a_context_may_lie_below_and_its_dockerfile_deeper_still(checkout: Checkout) -> None:
    checkout.write("apps/web/docker/Web.Dockerfile", "FROM busybox:1.37\nCOPY . /srv\n")
    checkout.write("apps/web/docker/Web.Dockerfile.dockerignore", "left.txt\n")
    checkout.write("apps/web/.dockerignore", "page.txt\n")
    checkout.write("apps/web/page.txt", "page\n")
    checkout.write("apps/web/left.txt", "left\n")
    checkout.write("apps/web/.devenv/secrets.env", "TOKEN=of-another\n")
    checkout.manifest("""
        services:
          web: {build: {context: apps/web, dockerfile: docker/Web.Dockerfile}, command: sleep 900}
    """)
    checkout.devenv("up", "-d")
    file = str(checkout.root / ".devenv/compose/compose.yaml")

    first = checkout.inside("web", "find", "/srv", "-name", "*.txt", "-o", "-name", "*.env")
    checkout.host("docker", "compose", "-f", file, "build", "--no-cache")
    second = checkout.host(
        "docker", "compose", "-f", file, "run", "--rm", "web", "find", "/srv", "-type", "f"
    )

    assert first.split() == ["/srv/page.txt"]
    assert "/srv/page.txt" in second.split()
    assert "left.txt" not in second
    assert "secrets.env" not in second


SEALED = """\
FROM busybox:1.37
RUN --mount=type=secret,id=npm --mount=type=secret,id=pip --mount=type=secret,id=conf \\
    cd /run/secrets && sha256sum npm pip conf > /sums && rm -f /tmp/none
"""
VALUES = {"npm": 'npm-tell-nobody\'s "$5" #x', "pip": "pip-tell-nobody", "conf": "conf-tell-nobody"}
"""From `.env`, from the environment, from a file."""


@pytest.fixture
def sealed(checkout: Checkout) -> Checkout:
    """A service whose build takes a secret from everywhere one can come from."""
    checkout.environment = {**checkout.environment, "PIP_TOKEN": VALUES["pip"]}
    checkout.write(".env", "NPM_TOKEN='npm-tell-nobody\\'s \"$5\" #x'\n")
    checkout.write('c,o "n f', VALUES["conf"])
    checkout.write("web/Dockerfile", SEALED)
    checkout.manifest("""
        services:
          web:
            command: sleep 900
            build:
              context: ./web
              secrets: {npm: $NPM_TOKEN, pip: "${secret.PIP_TOKEN}", conf: './c,o "n f'}
    """)
    return checkout


def sums(values: Mapping[str, str]) -> str:
    """What `sha256sum` prints of files with these names and contents."""
    return "".join(f"{sha256(value.encode()).hexdigest()}  {name}\n" for name, value in values.items())


def test_a_build_sees_its_secrets_and_no_layer_and_no_history_holds_one(sealed: Checkout) -> None:
    ended = sealed.devenv("up", "-d", "-v")
    image = sealed.units()["web"].image

    assert sealed.inside("web", "cat", "/sums") == sums(VALUES)
    layers = b"".join(sealed.engine.images.get(image).save())
    written = layers.decode("latin-1") + str(sealed.engine.api.history(image)) + ended.output
    assert sha256(VALUES["npm"].encode()).hexdigest() in written  # layers are readable as they are
    assert "tell-nobody" not in written
    assert [file for file in (sealed.root / ".devenv/build").rglob("*") if "tell-nobody" in read(file)] == []


def read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def test_who_builds_from_the_rendered_file_has_the_same_secrets(sealed: Checkout) -> None:
    sealed.write("conf", VALUES["conf"])
    manifest = (sealed.root / "devenv.yaml").read_text()
    sealed.write("devenv.yaml", manifest.replace("'./c,o \"n f'", "./conf"))
    file = str(Path(sealed.devenv("render").stdout.strip()) / "compose.yaml")

    sealed.host("docker", "compose", "-f", file, "build", "--no-cache")

    output = sealed.host("docker", "compose", "-f", file, "run", "--rm", "web", "cat", "/sums")
    assert output == sums(VALUES)


def test_a_build_whose_secret_has_no_value_is_refused_before_anything_is_built(sealed: Checkout) -> None:
    sealed.write(".env", "")

    stderr = sealed.devenv("up", "-d", exits=2).stderr

    assert "no value for the secret NPM_TOKEN" in stderr
    assert "devenv.yaml" in stderr
    assert "looked in the environment, .env and .devenv/secrets.env" in stderr
    assert "echo 'NPM_TOKEN=...' >> .env" in stderr
    assert sealed.tags("web") == set()


def builds(checkout: Checkout, *pages: str) -> set[str]:
    """An `up` with each page in turn; the names of the images they were built as."""
    names = set()
    for page in pages:
        checkout.sources("web", page=page)
        checkout.devenv("up", "-d")
        names.add(checkout.units()["web"].image)
    return names


def test_images_of_others_stay_whatever_they_are_called_and_made_from(checkout: Checkout) -> None:
    checkout.manifest("services: {web: {build: ./web, command: sleep 900}}")
    (first,) = builds(checkout, "one")
    for number in range(5):
        checkout.host("docker", "tag", "busybox:1.37", f"{checkout.name}-web:v{number}")
    checkout.host("docker", "tag", first, f"{checkout.name}-web:released")
    checkout.write("own/Dockerfile", f"FROM {first}\nENV MINE=1\n")
    checkout.host("docker", "build", "-q", "-t", f"{checkout.name}-web:derived", "own")
    theirs = checkout.tags("web") - {first}

    ours = builds(checkout, "two", "three", "four", "five")

    assert checkout.tags("web") - ours == theirs
    assert len(checkout.tags("web") & ours) == 3


def test_two_checkouts_leave_each_others_images(checkouts: MakeCheckout) -> None:
    one, other = checkouts("one"), checkouts("other")
    for checkout in (one, other):
        checkout.manifest("services: {web: {build: ./web, command: sleep 900}}")
    first = builds(one, "one", "two")
    one.devenv("down")

    second = builds(other, "three", "four", "five", "six")

    assert first <= one.tags("web")
    assert len(one.tags("web") & second) == 3
    assert "build" not in one.devenv("plan").stdout


def test_a_change_in_a_folder_that_a_build_shares_makes_a_new_image(checkout: Checkout) -> None:
    checkout.write("services/api/Dockerfile", "FROM base\nCOPY --from=shared . /srv\n")
    checkout.write("shared/lib.txt", "one\n")
    contexts = "{shared: ./shared, base: 'docker-image://busybox:1.37'}"
    checkout.manifest(
        f"services: {{api: {{build: {{context: services/api, additional_contexts: {contexts}}}, "
        "command: sleep 900}}"
    )
    checkout.devenv("up", "-d")
    assert checkout.inside("api", "cat", "/srv/lib.txt") == "one\n"
    assert checkout.devenv("plan").stdout == ""

    checkout.write("shared/lib.txt", "two\n")
    assert "build" in checkout.devenv("plan").stdout
    checkout.devenv("up", "-d")
    assert checkout.inside("api", "cat", "/srv/lib.txt") == "two\n"


@pytest.fixture
def repository(checkout: Checkout) -> Iterator[str]:
    """The URL of a repository of somebody else, with an image in a folder of it."""
    folder = checkout.root.parent / "git"
    git = ("git", "-C", str(folder / "site"), "-c", "user.name=ann", "-c", "user.email=ann@site.test")
    (folder / "site/web").mkdir(parents=True)
    (folder / "site/web/Dockerfile").write_text("FROM busybox:1.37\nCOPY page.txt /srv/\n", encoding="utf-8")
    (folder / "site/web/page.txt").write_text("one\n", encoding="utf-8")
    for argv in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "one")):
        checkout.host(*git, *argv)
    port = free_port()
    serve = ["git", "daemon", "--export-all", f"--base-path={folder}", "--listen=127.0.0.1", f"--port={port}"]
    url = f"git://127.0.0.1:{port}/site"
    with subprocess.Popen(serve, start_new_session=True) as daemon:
        try:
            asked = ["git", "ls-remote", url]
            eventually(lambda: not subprocess.run(asked, capture_output=True).returncode, "git daemon")
            yield url
        finally:
            daemon.terminate()


def test_a_repository_is_built_without_a_clone_of_it(checkout: Checkout, repository: str) -> None:
    checkout.manifest(f"services: {{web: {{build: '{repository}#main:web', command: sleep 900}}}}")
    assert "not built yet" in checkout.devenv("plan").stdout
    checkout.devenv("up", "-d")
    assert checkout.inside("web", "cat", "/srv/page.txt") == "one\n"
    before = checkout.lives()
    assert "nothing to do" in checkout.devenv("up", "-d").output
    assert checkout.lives() == before

    file = str(checkout.root / ".devenv/compose/compose.yaml")
    checkout.host("docker", "compose", "-f", file, "build")
    checkout.manifest(f"services: {{web: {{build: '{repository}#gone:web', command: sleep 900}}}}")
    card = checkout.devenv("up", "-d", exits=1).output
    assert f"{repository}#gone:web" in card
    assert checkout.lives() == before
