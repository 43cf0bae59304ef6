"""The playbook that makes a cluster: a run that failed half way is made good by the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests import documents

PLAYBOOK = Path(__file__).parents[2] / "templates/cluster/ansible/cluster.yml"
PLAYS: list[dict[str, Any]] = documents.load(PLAYBOOK.read_text(encoding="utf-8"))
TASKS = [(play, task) for play in PLAYS for task in play["tasks"]]


def test_what_was_changed_before_a_failure_is_still_acted_upon() -> None:
    """By the same run, as the next one finds nothing to change and would tell nobody."""
    notifying = [play for play, task in TASKS if "notify" in task]
    assert notifying
    assert all(play.get("force_handlers") for play in notifying)
    assert [task["name"] for _, task in TASKS if "is changed" in str(task.get("when", ""))] == []


def test_who_is_notified_is_there() -> None:
    for play, task in TASKS:
        handlers = {handler["name"] for handler in play.get("handlers", ())}
        assert {task["notify"]} <= handlers if "notify" in task else True
