"""Whether a node that cannot pull an image will ever do it: from what it said of each try."""

from __future__ import annotations

import re

from devenv.backends.kube import pods as pod_of
from devenv.backends.kube.client import Client, Object
from devenv.errors import DevenvError

NEVER = ("InvalidImageName", "ErrImageNeverPull")
"""States in which a node does not even try."""
BACKING_OFF = "ImagePullBackOff"
FAILED = "Failed to pull image"

ANSWER = re.compile(
    r"not found|manifest unknown|name unknown|denied|unauthorized|forbidden|authentication required"
    r"|no match for platform|no matching manifest"
)
"""A registry's own word: it has no such image, or not for this cluster."""
ANSWERS = 2  # tries after which that is believed: the second comes ten seconds after the first
SILENCES = 4  # the same where a registry is not reached: the fourth comes after more than a minute


def are_hopeless(client: Client, pod: Object) -> bool:
    """Whether a pod waits for an image that its node does not get, however long it waits."""
    states = [container.get("state", {}) for container in pod_of.containers(pod)]
    reasons = {(state.get("waiting") or {}).get("reason") for state in states}
    if reasons.intersection(NEVER):
        return True
    if BACKING_OFF not in reasons:
        return False
    failures = _failures(client, pod)
    answers = sum(count for message, count in failures if ANSWER.search(message))
    return answers >= ANSWERS or sum(count for _, count in failures) >= SILENCES


def _failures(client: Client, pod: Object) -> list[tuple[str, int]]:
    """What was said of tries that failed, and how often; nothing where we may not read it."""
    metadata = pod["metadata"]
    fields = f"involvedObject.uid={metadata['uid']},reason=Failed"
    path = f"/api/v1/namespaces/{metadata['namespace']}/events"
    try:
        events = client.get(path, fieldSelector=fields)["items"]
    except DevenvError:
        return []
    about = [(str(event.get("message") or ""), int(event.get("count") or 1)) for event in events]
    return [(message, count) for message, count in about if message.startswith(FAILED)]
