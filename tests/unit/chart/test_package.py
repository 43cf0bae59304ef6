"""The chart as one file: its version, its bytes, and a registry that takes it or does not."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from devenv.backends import helmcharts
from devenv.engine.promotion import charts
from devenv.errors import DevenvError, ToolMissing, UsageError
from devenv.render.chart.version import chart_version
from tests import documents
from tests.helm import Helm
from tests.table import each_row
from tests.unit.test_git import git

from .charts import project

STACK = "name: shop\nservices: {web: {image: 'web:1'}}\n"


@pytest.fixture
def own(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> Helm:
    """The Helm that our code finds."""
    monkeypatch.setenv("PATH", f"{helm.program.parent}:/usr/bin:/bin")
    for name, folder in helm.homes.items():
        monkeypatch.setenv(name, folder)
    return helm


@each_row(
    [
        (["v1.2.3"], "c0ffee", False, "1.2.3"),
        (["latest", "1.10.0", "1.9.0"], "c0ffee", False, "1.10.0"),
        (["v2.0.0-rc.1", "v2.0.0"], "c0ffee", False, "2.0.0"),
        (["v2.0.0-rc.1"], "c0ffee", False, "2.0.0-rc.1"),
        (["v2.0.0-rc.9", "v2.0.0-rc.10"], "c0ffee", False, "2.0.0-rc.10"),
        (["v2.0.0-1", "v2.0.0-beta"], "c0ffee", False, "2.0.0-beta"),
        (["v1.02.3", "1.2"], "0123456789abcdef", False, "0.1.0+0123456789ab"),
        (["v1.2.3"], "0123456789abcdef", True, "0.1.0+0123456789ab.ab12cd34"),
        ([], "", False, "0.1.0+ab12cd34"),
    ]
)
def test_a_version_is_the_tags_or_names_the_commit(
    tags: list[str], commit: str, changed: bool, version: str
) -> None:
    made = chart_version("0.1.0", tags=tags, commit=commit, manifest="ab12cd34", changed=changed)
    assert made == version


@pytest.mark.programs
def test_a_commit_is_packaged_under_its_tag_and_always_as_the_same_bytes(own: Helm, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    of = project(tmp_path / "shop", STACK)
    git(tmp_path / "shop", "init", "-q")
    (tmp_path / "shop/.gitignore").write_text(".devenv\n.cache\n")
    git(tmp_path / "shop", "add", "-A")
    git(tmp_path / "shop", "commit", "-q", "-m", "first")
    commit = git(tmp_path / "shop", "rev-parse", "HEAD").strip()
    first = charts.package(of, tmp_path / "one")
    assert first.file.name == f"shop-0.1.0+{commit[:12]}.tgz"
    if own.major >= 4:  # Helm 3 writes the time of packaging into it
        assert charts.package(of, tmp_path / "two").file.read_bytes() == first.file.read_bytes()

    git(tmp_path / "shop", "tag", "v1.2.0")
    tagged = charts.package(of, tmp_path / "one")
    assert tagged.file == tmp_path / "one/shop-1.2.0.tgz"
    with tarfile.open(tagged.file) as archive:
        about = documents.load(archive.extractfile("shop/Chart.yaml"))  # type: ignore[arg-type]
    assert (about["version"], about["appVersion"]) == ("1.2.0", commit)
    assert "Deployment" in own("template", "shop", tagged.file)

    (tmp_path / "shop/new").write_text("")
    with pytest.raises(UsageError, match="files differ from the commit") as error:
        charts.package(of, tmp_path / "one", push="oci://registry.example/charts")
    assert error.value.where == "new"
    assert not list((tmp_path / "one").glob("*+*.ab*"))


def test_an_address_that_is_none_says_what_to_type() -> None:
    helmcharts.require_address("oci://ghcr.io/acme/charts", "--push")
    for wrong, right in (
        ("ghcr.io/acme/charts", "--push oci://ghcr.io/acme/charts"),
        ("https://ghcr.io/acme", "--push oci://ghcr.io/acme"),
        ("oci://", "--push oci://ghcr.io/you/charts"),
    ):
        with pytest.raises(UsageError) as error:
            helmcharts.require_address(wrong, "--push")
        assert error.value.hint == right


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        ("response status code 401: Unauthorized", "helm registry login ghcr.io   then again"),
        ("403: denied: permission_denied: write_package", "helm registry login ghcr.io   then again"),
        ("dial tcp: connection refused", "again once ghcr.io answers"),
        ("http: server gave HTTP response to HTTPS client", "again once ghcr.io answers"),
    ],
)
def test_a_registry_that_refuses_says_what_to_type(why: str, hint: str) -> None:
    assert helmcharts.refused("shop.tgz cannot be pushed", "oci://ghcr.io/acme", why).hint == hint


@pytest.mark.programs
def test_a_registry_that_is_not_there_is_an_error_not_a_traceback(own: Helm, tmp_path: Path) -> None:
    package = charts.package(project(tmp_path, STACK), tmp_path / "out")
    with pytest.raises(DevenvError, match=r"shop-0\.1\.0\+\w{8}\.tgz cannot be pushed") as error:
        helmcharts.push(package.file, "oci://127.0.0.1:9/charts")
    assert "connection refused" in error.value.why


@pytest.mark.programs
def test_without_helm_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="the helm command is missing"):
        charts.package(project(tmp_path, STACK), tmp_path / "out")
