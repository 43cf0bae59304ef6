"""What a store keeps is kept, whichever image runs it."""

from __future__ import annotations

import io
import json

import docker
import docker.errors
import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine

OLD_LAYOUT = b"FROM busybox:1.37\nVOLUME /var/lib/postgresql/data\n"


@pytest.fixture
def image(engine: docker.DockerClient, checkout: Checkout) -> str:
    """An image whose tag does not say that it keeps its data as PostgreSQL did before 18."""
    name = f"{checkout.name}-old-layout:dev"
    engine.images.build(fileobj=io.BytesIO(OLD_LAYOUT), tag=name, rm=True)
    return name  # goes with the checkout, whose stack's name it begins with


def test_an_image_whose_data_would_go_with_the_container_is_refused_and_nothing_is_made(
    checkout: Checkout, image: str
) -> None:
    checkout.manifest(f"infra: {{db: {{kind: postgres, image: '{image}'}}}}")
    refused = checkout.devenv("up", "-d", exits=1)
    assert "db would lose its data: nothing is mounted on /var/lib/postgresql/data" in refused.stderr
    assert 'infra: {db: {version: "..."}}' in refused.stderr
    assert checkout.containers() == []
    assert checkout.volumes() == []


def test_its_version_said_the_volume_is_where_the_data_is(checkout: Checkout, image: str) -> None:
    command = "compose: {command: [touch, /var/lib/postgresql/data/kept], healthcheck: {disable: true}}"
    checkout.manifest(f"infra: {{db: {{kind: postgres, image: '{image}', version: '15', {command}}}}}")
    checkout.devenv("up", "-d", exits=1)  # it ends at once; all of it was made before
    (mount,) = checkout.units()["db"].raw["Mounts"]
    assert mount["Name"] == f"{checkout.id}_db-data"
    assert mount["Destination"] == "/var/lib/postgresql/data"


def test_a_store_that_no_waiting_lets_anybody_into_is_not_waited_for(checkout: Checkout, image: str) -> None:
    answer = """echo 'FATAL:  role "app" does not exist'; exit 1"""
    fragment = {"command": ["sleep", "1d"], "healthcheck": {"test": ["CMD-SHELL", answer]}}
    store = {"kind": "postgres", "image": image, "version": "15", "compose": fragment}
    checkout.manifest(f"infra: {{db: {json.dumps(store)}}}")
    failed = checkout.devenv("up", "-d", exits=1)
    assert failed.seconds < 15  # the check has 90
    assert 'answer    FATAL:  role "app" does not exist' in failed.stderr
    assert "user and root_password count only for new data" in failed.stderr


def test_a_volume_without_a_name_outlives_a_replaced_container_and_goes_with_its_unit(
    checkout: Checkout, engine: docker.DockerClient
) -> None:
    checkout.write("app/Dockerfile", "FROM busybox:1.37\nVOLUME /kept\nCMD exec sleep 1000\n")
    manifest = "services: {app: {build: ./app, grace: 1s, env: {NUMBER: %s}}}"
    checkout.manifest(manifest % "'1'")
    checkout.devenv("up", "-d")
    checkout.inside("app", "touch", "/kept/file")
    checkout.manifest(manifest % "'2'")
    checkout.devenv("up", "-d")
    assert checkout.inside("app", "ls", "/kept") == "file\n"
    (mount,) = checkout.units()["app"].raw["Mounts"]
    checkout.devenv("down")
    with pytest.raises(docker.errors.NotFound):
        engine.api.inspect_volume(mount["Name"])
