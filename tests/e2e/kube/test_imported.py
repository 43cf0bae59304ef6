"""A Compose project comes up on a cluster by the manifest that was made of it, and answers as it did."""

from __future__ import annotations

import pytest

from tests.answering import STACKS, Project
from tests.e2e.kube.conftest import OnCluster
from tests.e2e.test_imported import imported

pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.long]


@pytest.mark.parametrize("stack", STACKS)
def test_each_style_of_a_compose_project_answers_the_same_on_a_cluster(
    cluster: OnCluster, stack: str
) -> None:
    project = Project.copied(stack, cluster.root, cluster.name)
    imported(cluster)
    cluster.on("up", "-d", within=180)
    assert project.wrong(everywhere=True) == {}
