"""Which way an image goes to a cluster, and which images have to go at all."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from devenv.backends.kube import delivery
from devenv.backends.kube.config import MINIKUBE, Place
from devenv.backends.kube.sink import listening
from devenv.errors import DevenvError
from tests import serving
from tests.unit.kubernetes.stacks import stack

HERE = "https://127.0.0.1:6443"
STACK = "name: shop\nservices: {web: {build: ./web}, cache: {image: 'valkey/valkey:9'}}\n"
NAMED = f"{STACK}registry: ghcr.io/you/\n"


def client(context: str, server: str = HERE, provider: str = "") -> Any:
    return SimpleNamespace(place=Place(context, {"server": server}, {}, provider=provider))


class Engine(serving.Handler):
    """What the engine says of registries: that they have all images, or none."""

    there: ClassVar[bool]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        match self.path.split("/distribution/"):
            case [_, rest]:
                self.asked.append(rest.removesuffix("/json"))
                descriptor = {"Descriptor": {"digest": "sha256:" + "a" * 64}}
                self.send_json(*((descriptor, 200) if self.there else ({"message": "unknown"}, 404)))
            case _:
                self.send_json({"ApiVersion": "1.47"})


@pytest.fixture
def _one_node_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `docker` that lists one container, whatever it looks for."""
    (tmp_path / "docker").write_text("#!/bin/sh\ntest $1 = ps && echo node\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.programs
@pytest.mark.usefixtures("_one_node_here")
@pytest.mark.parametrize(
    ("place", "text", "expected"),
    [
        (client("minikube", provider=MINIKUBE), NAMED, delivery.Nodes),
        (client("kind-dev"), NAMED, delivery.Loaded),
        (client("k3d-dev"), NAMED, delivery.Loaded),
        (client("own"), STACK, delivery.Nodes),
        (client("own"), NAMED, delivery.Registry),
        (client("far", "https://10.1.2.3:6443"), STACK, delivery.Registry),
    ],
)
def test_the_way_that_fits(place: Any, text: str, expected: type) -> None:
    assert type(delivery.choose(place, stack(text))) is expected


@pytest.mark.parametrize("there", [False, True])
def test_what_was_not_built_is_the_clusters_to_fetch(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    Engine.there, Engine.asked = there, []
    shop = stack(NAMED)
    images = {unit.image for unit in shop.units}
    with serving.listening(Engine) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        present = delivery.choose(client("own"), shop).has(images)
    assert present == (images if there else {"valkey/valkey:9"})
    assert Engine.asked == [f"ghcr.io/you/{shop.unit('web').image}"]


def test_nothing_brings_what_was_built_to_a_cluster_elsewhere() -> None:
    shop = stack(STACK)
    with pytest.raises(DevenvError, match="only on this machine") as raised:
        delivery.choose(client("far", "https://10.1.2.3:6443"), shop).bring(
            shop.unit("web").image, lambda line: None
        )
    assert raised.value.hint.startswith("registry: ")


@pytest.mark.engine
@pytest.mark.parametrize("there_before", [True, False])
def test_a_name_that_an_image_had_before_it_was_pushed_stays(there_before: bool) -> None:
    with listening({}) as (registry, pushed):
        shop = stack(f"{STACK}registry: {registry}/you\n")
        image = shop.unit("web").image
        target = f"{registry}/you/{image}"
        for name in (image, target) if there_before else (image,):
            subprocess.run(["docker", "tag", "busybox:1.37", name], check=True)
        try:
            delivery.Registry(client("far"), shop).bring(image, lambda line: None)

            inspection = subprocess.run(
                ["docker", "image", "inspect", target], capture_output=True, check=False
            )
            assert (inspection.returncode == 0) is there_before
            assert pushed.manifests
        finally:
            subprocess.run(["docker", "rmi", image, target], capture_output=True, check=False)
