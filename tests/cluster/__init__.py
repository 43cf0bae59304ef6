"""A fake cluster and a kubeconfig that leads there, made after a real one's recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.fake import Server

CONTEXT = "kind-fake"  # kind's nodes say themselves which images they have


@contextmanager
def fake_cluster() -> Iterator[Server]:
    """A fake cluster that the whole process takes for the one in use, without a Docker engine beside it."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, closing(Server()) as server:
        config = Path(folder) / "config"
        context = {"cluster": CONTEXT, "user": CONTEXT}
        users = [{"name": CONTEXT, "user": {"token": "t"}}]
        clusters = [{"name": CONTEXT, "cluster": {"server": server.address}}]
        contexts = [{"name": CONTEXT, "context": context}]
        config.write_text(
            json.dumps(
                {"current-context": CONTEXT, "contexts": contexts, "clusters": clusters, "users": users}
            )
        )
        patch.setenv("KUBECONFIG", str(config))
        patch.setenv("DOCKER_HOST", f"unix://{folder}/nothing.sock")
        yield server
