"""OpenSearch and Keycloak: one operation through the injected variables, and what is there after `down` and `up`."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from .conftest import MakeCheckout

pytestmark = [pytest.mark.engine, pytest.mark.kinds]

EXAMPLES = Path(__file__).parents[2] / "examples"
API = 'services: {{api: {{image: "busybox:1.37", command: sleep 900, uses: [{kind}]}}}}\n'


def asked(url: str, body: Any = None, method: str = "") -> Any:
    """A JSON answer."""
    request = urllib.request.Request(
        url,
        json.dumps(body).encode() if body is not None else None,
        {"Content-Type": "application/json"},
        method=method or None,
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_opensearch_has_templates_and_documents_of_the_project_and_keeps_what_it_gets(
    checkouts: MakeCheckout,
) -> None:
    checkout = checkouts()
    for file in ("books.json", "books.ndjson"):
        shutil.copy(EXAMPLES / "search" / file, checkout.root / file)
    options = "infra: {opensearch: {templates: books.json, seed: books.ndjson}}\n"
    checkout.manifest(API.format(kind="opensearch") + options)
    checkout.devenv("up", "-d", "api", "--remap-ports", within=400)  # its pages cannot be had here
    url = checkout.variables()["OPENSEARCH_URL"]
    assert "books" in asked(f"{url}/_index_template/books")["index_templates"][0]["name"]
    found = asked(f"{url}/books/_search", {"query": {"match": {"title": "foxes"}}})
    assert [hit["_source"]["author"] for hit in found["hits"]["hits"]] == ["Acme"]
    asked(f"{url}/books/_doc/3?refresh=true", {"title": "More foxes", "author": "Other"}, "PUT")

    checkout.devenv("down")
    checkout.devenv("up", "-d", "api", "--remap-ports", within=400)
    url = checkout.variables()["OPENSEARCH_URL"]
    assert (
        asked(f"{url}/books/_search", {"query": {"match": {"title": "foxes"}}})["hits"]["total"]["value"] == 2
    )

    checkout.write("books.json", '{"index_patterns": ["books*"], "template": {"mappings": {"nonsense": 1}}}')
    refused = checkout.devenv("up", "-d", "api", "--remap-ports", exits=1, within=400)
    assert "opensearch-setup" in refused.output
    assert "nonsense" in refused.output


def test_keycloak_brings_in_a_realm_whose_keys_stay_the_same(checkouts: MakeCheckout) -> None:
    checkout = checkouts()
    shutil.copy(EXAMPLES / "logins" / "shop.json", checkout.root / "shop.json")
    checkout.manifest(API.format(kind="keycloak") + "infra: {keycloak: {realm: shop, realms: [shop.json]}}\n")
    checkout.devenv("up", "-d", "--remap-ports", within=400)
    known = checkout.variables()
    described = asked(f"{known['OIDC_ISSUER']}/.well-known/openid-configuration")
    assert described["issuer"] == known["OIDC_ISSUER"]
    keys = {key["kid"] for key in asked(known["OIDC_JWKS_URL"])["keys"]}
    assert keys

    checkout.devenv("down")
    checkout.devenv("up", "-d", "--remap-ports", within=400)
    assert {key["kid"] for key in asked(checkout.variables()["OIDC_JWKS_URL"])["keys"]} == keys
