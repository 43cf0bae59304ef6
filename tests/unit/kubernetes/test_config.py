from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devenv.backends.kube.client import Client
from devenv.backends.kube.config import MINIKUBE, Place, current, find, keep_current
from devenv.backends.kube.target import (
    Target,
    elsewhere,
    guard,
    identity,
    out_of_reach,
    recall,
    remember,
    require_same,
)
from devenv.backends.kube.transport import Official, Plain
from devenv.errors import ToolMissing, UsageError
from tests.unit.kubernetes.answering import Responding


def write(file: Path, *names: str, current: str = "", user: Any = None, **extra: Any) -> Path:
    cluster = {"server": f"https://{file.stem}.example:6443", "certificate-authority": "ca.crt", **extra}
    file.write_text(
        yaml.safe_dump(
            {
                "current-context": current,
                "contexts": [
                    {"name": name, "context": {"cluster": name, "user": name, "namespace": "own"}}
                    for name in names
                ],
                "clusters": [{"name": name, "cluster": cluster} for name in names],
                "users": [{"name": name, "user": user or {"token": "t"}} for name in names],
            }
        )
    )
    return file


def environment(*files: Path) -> dict[str, str]:
    return {"KUBECONFIG": ":".join(map(str, files))}


def test_of_several_files_the_first_to_say_something_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "one", "a", "b")
    second = write(tmp_path / "two", "b", "c", current="c")
    missing = tmp_path / "missing"
    place = find(environment=environment(missing, first, second))
    assert (place.context, place.server, place.namespace) == ("c", "https://two.example:6443", "own")
    assert find("b", environment=environment(first, second)).server == "https://one.example:6443"


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    place = find("a", environment=environment(write(tmp_path / "one", "a")))
    assert place.cluster["certificate-authority"] == str(tmp_path / "ca.crt")
    with pytest.raises(UsageError, match=r'the certificates of the context "a" cannot be read'):
        _ = place.tls


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    file = write(tmp_path / "one", "staging")
    with pytest.raises(UsageError) as raised:
        find("stagin", environment=environment(file))
    assert raised.value.hint == 'did you mean "staging"?'
    with pytest.raises(ToolMissing, match="no current Kubernetes context"):
        find(environment=environment(file))


def test_no_kubeconfig_at_all(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no Kubernetes cluster is set up"):
        find(environment=environment(tmp_path / "missing"))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "broken"
    for text in ("a: [", "just text"):
        file.write_text(text)
        with pytest.raises(UsageError, match="broken"):
            find(environment=environment(file))


def test_who_made_a_context_is_read_from_its_cluster_too(tmp_path: Path) -> None:
    extension = [{"name": "cluster_info", "extension": {"provider": MINIKUBE, "version": "v1.36.0"}}]
    file = write(tmp_path / "one", "shop", extensions=extension)
    assert find("shop", environment=environment(file)).provider == MINIKUBE


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "abc"}, "Bearer abc"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"tokenFile": "token"}, "Bearer from a file"),
    ],
)
def test_signing_in(tmp_path: Path, user: Any, header: str) -> None:
    (tmp_path / "token").write_text("from a file\n")
    (tmp_path / "ca.crt").write_text("")
    file = write(tmp_path / "one", "a", user=user)
    place = find("a", environment=environment(file))
    assert Plain(place).headers() == Official(place).headers() == {"Authorization": header}


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_token_that_cannot_be_read_is_no_cluster_that_is_away(
    tmp_path: Path, content: bytes | None
) -> None:
    if content:
        (tmp_path / "token").write_bytes(content)
    file = write(tmp_path / "one", "a", user={"tokenFile": "token"}, server="http://127.0.0.1:9")
    client = Client(find("a", environment=environment(file)))
    with pytest.raises(UsageError, match='the token of the context "a" cannot be read') as refused:
        client.get("/version")
    assert refused.value.where == str(tmp_path / "token")
    assert refused.value.why == ("it is no text" if content else "No such file or directory")


@pytest.mark.programs
def test_signing_in_by_a_plugin_again_when_that_has_ended(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"

    def gives(token: str) -> None:
        status = {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"}
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": status,
        }
        plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")

    gives("xyz")
    plugin.chmod(0o755)
    (tmp_path / "ca.crt").write_text("")
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    file = write(tmp_path / "one", "a", user={"exec": command})
    client = Client(find("a", environment=environment(file)))
    assert client.transport.headers() == {"Authorization": "Bearer xyz"}
    gives("abc")
    assert client.transport.headers() == {"Authorization": "Bearer abc"}


@pytest.mark.programs
def test_a_plugin_that_does_not_sign_in_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def refused(script: str, **more: str) -> ToolMissing:
        plugin = tmp_path / "plugin"
        plugin.write_text(f"#!/bin/sh\n{script}\n")
        plugin.chmod(0o755)
        command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), **more}
        file = write(tmp_path / "one", "a", user={"exec": command})
        with pytest.raises(ToolMissing, match='signing in to "a" did not work') as error:
            Client(find("a", environment=environment(file))).get("/version")
        return error.value

    (tmp_path / "ca.crt").write_text("")
    failed = refused("echo the session has expired, run: acme login >&2; exit 3")
    assert "the session has expired, run: acme login" in failed.why
    assert failed.hint.startswith("kubectl --context a get namespaces")
    absent = refused("", command="acme-login", installHint="brew install acme")
    assert "acme-login" in absent.why
    assert absent.hint.startswith("brew install acme")
    assert "missing key" in refused("echo '{}'").why
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {}}
    assert "missing token" in refused(f"echo '{json.dumps(credential)}'").why
    assert capfd.readouterr().err == ""


@pytest.mark.programs
def test_a_file_that_is_empty_does_not_keep_a_plugin_from_signing_in(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    (tmp_path / "empty").write_text("# nothing yet\n")
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"},
    }  # fmt: skip
    (tmp_path / "plugin").write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    (tmp_path / "plugin").chmod(0o755)
    user = {"exec": {"apiVersion": credential["apiVersion"], "command": "./plugin"}}
    file = write(tmp_path / "one", "a", user=user)
    place = find("a", environment=environment(tmp_path / "empty", file))
    assert Client(place).transport.headers() == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("year", "expired"),
    [(2024, "2024-02-29"), (2044, ""), (2052, "")],
    ids=["ended", "goes on", "four digits"],
)
def test_when_a_client_certificate_ends(tmp_path: Path, year: int, expired: str) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    ends = datetime(year, 2, 29, 12, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, ends - timedelta(days=9999), ends)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "me.crt").write_bytes(b"Bag Attributes\n" + pem + pem)
    for user in ({"client-certificate": "me.crt"}, {"client-certificate-data": b64encode(pem).decode()}):
        assert find("a", environment=environment(write(tmp_path / "one", "a", user=user))).expired == expired
    assert find("a", environment=environment(write(tmp_path / "one", "a"))).expired == ""


@pytest.mark.parametrize("name", ["prod", "gke_acme_production", "eu-live-1", "PRD"])
def test_what_looks_like_production_has_to_be_named_by_hand(tmp_path: Path, name: str) -> None:
    place = find(name, environment=environment(write(tmp_path / "one", name)))
    with pytest.raises(UsageError, match="looks like production"):
        guard(place, by_hand=False)
    guard(place, by_hand=True)


@pytest.mark.parametrize("name", ["minikube", "product-catalogue", "delivery", "reproduce", "kind-dev"])
def test_what_does_not(tmp_path: Path, name: str) -> None:
    guard(find(name, environment=environment(write(tmp_path / "one", name))), by_hand=False)


def test_a_context_that_leads_to_another_cluster_is_used_only_where_it_is_named() -> None:
    def cluster(uid: str) -> Client:
        return Responding(lambda path, **query: {"metadata": {"uid": uid}})

    last = Target("lab", "shop", "shop-1", cluster=identity(cluster("one")))
    require_same(cluster("one"), last)
    require_same(cluster("two"), None)
    require_same(cluster("two"), Target("other", "shop", "shop-1", cluster="one"))
    with pytest.raises(UsageError, match="the context lab leads to another cluster") as refused:
        require_same(cluster("two"), last)
    assert refused.value.hint == "to use it anyway: --context lab"


def test_where_the_stack_is_is_remembered_and_can_be_forgotten(tmp_path: Path) -> None:
    wanted = Target("lab", "shop", "shop-1", "c0ffee", (("networking.k8s.io/v1", "Ingress"),))
    assert recall(tmp_path) is None
    remember(tmp_path, wanted)
    assert recall(tmp_path) == wanted
    (tmp_path / "target.json").write_text('{"context": 1}')
    assert recall(tmp_path) is None
    assert recall(None) is None


def test_a_context_that_this_terminal_lacks_is_found_by_the_kubeconfig_of_the_last_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(tmp_path / "one", "lab")
    last = Target("lab", "shop", "shop-1", kubeconfig=str(one))
    other, another_way = write(tmp_path / "two", "other"), write(tmp_path / "three", "lab")
    for file, lacks in {tmp_path / "none": True, other: True, another_way: False, one: False}.items():
        monkeypatch.setenv("KUBECONFIG", str(file))
        place = elsewhere(last)
        assert (place.server if place else "") == ("https://one.example:6443" if lacks else "")
    monkeypatch.setenv("KUBECONFIG", str(other))
    assert out_of_reach(last).hint == f"export KUBECONFIG={one}"
    write(one, "other")  # as `minikube delete` leaves it
    assert elsewhere(last) is None


def test_the_current_context_is_put_back_where_it_stood(tmp_path: Path) -> None:
    first, second = write(tmp_path / "one", "a", current=""), write(tmp_path / "two", "b", "c", current="c")
    first.write_text(first.read_text().replace("current-context: ''\n", ""))
    before = first.read_text()
    assert current(environment(first, second)) == "c"
    keep_current("b", environment(first, second))
    assert current(environment(first, second)) == "b"
    assert first.read_text() == before
    assert find(environment=environment(first, second)).context == "b"


def test_an_address_without_tls_reads_no_authorities() -> None:
    counts = [
        Place("lab", {"server": server, **cluster}, {}).tls.cert_store_stats()["x509"]
        for server, cluster in (("http://h:8080", {}), ("HTTP://h:8080", {"certificate-authority": "/none"}))
    ]
    assert counts == [0, 0]
