"""What people are told of Secrets that pods need and the namespace lacks: commands that work as they stand."""

from __future__ import annotations

from typing import Any

from devenv.engine.promotion.secrets import ClusterSecrets
from devenv.plan.promotion.changes import Target
from tests.table import each_row
from tests.unit.test_release import Api

KUBECTL = "kubectl --context gke -n shop"
FROM_ENV = "devenv promote staging --create-secrets   takes them from .env; or\n"
CREATE = f"{KUBECTL} create secret generic keys --from-literal=A=... --from-literal=B=..."
EDIT = f"{KUBECTL} edit secret keys   adds what it lacks, under stringData:"


def secret(**labels: str) -> dict[str, Any]:
    return {"keys": {"metadata": {"name": "keys", "labels": labels}, "data": {}}}


@each_row(
    {
        "none": ({}, FROM_ENV + CREATE),
        "ours": (secret(**{"app.kubernetes.io/managed-by": "devenv"}), FROM_ENV + EDIT),
        "of somebody else": (secret(), EDIT),
    }
)
def test_each_has_the_command_that_makes_it(there: dict[str, Any], hint: str) -> None:
    secrets = ClusterSecrets(Api(objects=there), Target("staging", "gke", "shop", "shop"))
    error = secrets.lacking({"keys": {"B", "A"}})
    assert error.why == "keys: A, B"
    assert error.hint == hint


def test_a_credential_is_labelled_for_who_reads_it() -> None:
    secrets = ClusterSecrets(Api(), Target("staging", "gke", "shop", "shop"))
    error = secrets.lacking({"keys": {"key"}}, {"keys": {"konghq.com/credential": "key-auth"}})
    assert error.hint.endswith(f"\n{KUBECTL} label secret keys konghq.com/credential=key-auth")
