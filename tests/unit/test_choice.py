"""Which backend, and why."""

from __future__ import annotations

from devenv.plan.choice import Choice, choose
from tests.table import each_row


@each_row(
    [
        ({}, Choice("compose")),
        ({"last": "kube"}, Choice("kube", "as last time")),
        ({"absent": "/no.sock"}, Choice("process", "no Docker engine at /no.sock; -b compose insists")),
        ({"absent": "/no.sock", "last": "compose"}, Choice("compose", "as last time")),
        ({"last": "kube", "manifest": "minikube"}, Choice("minikube", "from backend: in the manifest")),
        ({"manifest": "minikube", "environment": "kube"}, Choice("kube", "from DEVENV_BACKEND")),
        ({"flag": "compose", "environment": "kube", "last": "minikube"}, Choice("compose")),
    ]
)
def test_the_first_that_says_anything_decides(sources: dict[str, str], choice: Choice) -> None:
    assert choose(**sources) == choice
