"""Whether a pod that is not ready will ever be, and what it waits for until then."""

from __future__ import annotations

import re

from devenv.backends import listening
from devenv.backends.causes import hopeless
from devenv.backends.kube import cards, pulls
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube.channels import printed
from devenv.backends.kube.client import Client
from devenv.backends.kube.verdict import UNBOUND, UNSCHEDULABLE, Verdict
from devenv.stack.model import Unit

UNCLAIMABLE = re.compile(r"storage class is set|storageclass\S* \"[^\"]*\" not found")
"""What the cluster says of a pending claim that no waiting helps."""
REFUSED = re.compile(
    r"violates PodSecurity|(maximum|minimum) \S+ usage per|limit to request ratio|webhook \S+ denied"
)
"""What the cluster says of a pod that it will not make, whatever else goes away."""
COMING = re.compile(r"(secret|configmap)\S* \S+ not found|couldn't find key", re.I)
"""What an operator may still bring: it makes Secrets of what it finds elsewhere."""
ABSENT = re.compile(
    r"executable file not found|no such file or directory|exec format error|permission denied", re.I
)
CHECKED = re.compile(rf'{cards.CHECKED.pattern}[^:]*: (Get "[^"]*": )?(dial tcp \S+: (connect: )?)?')
"""What stands before the answer that a kubelet got."""


def dead_end(client: Client, unit: Unit, pod: pod_of.Pod, *, passed: float) -> Verdict | None:
    """Why a pod never gets ready, whatever becomes ready beside it; None where it still may.

    `passed`: seconds since it was first seen.
    """
    if pod_of.ready(pod):
        return None
    if verdict := unpulled(client, pod) or unmade(pod):
        return verdict
    if unit.volumes and passed > UNSCHEDULABLE and (verdict := unclaimed(client, pod, passed=passed)):
        return verdict
    if not pod_of.running(pod):
        return None
    if unit.role == "infra" and (verdict := unanswered(client, pod)):
        return verdict
    within = unit.probe.within if unit.probe else 0.0
    if passed > listening.soon(within) and (what := amiss(client, unit, pod)).endswith(listening.ONLY):
        return Verdict(failed=what, pod=pod_of.name(pod))
    return None


def unpulled(client: Client, pod: pod_of.Pod) -> Verdict | None:
    """What is wrong with an image that no try will bring."""
    if not pulls.are_hopeless(client, dict(pod)):
        return None
    return Verdict(failed="has an image that cannot be pulled", pod=pod_of.name(pod))


def unmade(pod: pod_of.Pod) -> Verdict | None:
    """Why no container can be made of what the pod says."""
    for container in pod_of.containers(pod):
        waiting = container.get("state", {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), str(waiting.get("message", ""))
        ends = pod_of.ends(container)
        started = [str(end.get("message", "")) for end in ends if end.get("reason") in NOT_STARTED]
        refused = reason == "CreateContainerConfigError" and not COMING.search(message)
        again = any(map(ABSENT.search, [message, *started])) and pod_of.restarts(pod) > 0
        if refused or (again and (started or reason in NOT_MADE)):
            facts = (("message", message or started[0]),)
            return Verdict(failed="could not be started", pod=pod_of.name(pod), facts=facts)
    return None


NOT_MADE = ("CreateContainerError", "RunContainerError")
NOT_STARTED = ("StartError", "ContainerCannotRun")


def unclaimed(client: Client, pod: pod_of.Pod, *, passed: float) -> Verdict | None:
    """The volume that a pod waits for and that nobody makes."""
    pending = {} if pod["spec"].get("nodeName") else cards.pending(client, dict(pod))
    if passed <= UNBOUND and not any(map(UNCLAIMABLE.search, pending.values())):
        return None
    facts = tuple(("claim", f"{name} is pending: {why}") for name, why in pending.items())
    return Verdict(failed="gets no volume", pod=pod_of.name(pod), facts=facts) if facts else None


def unanswered(client: Client, pod: pod_of.Pod) -> Verdict | None:
    """What a store's check got that no waiting mends."""
    answers = cards.check_answers(client, dict(pod))
    if not answers or not (what := hopeless(answers[-1])):
        return None
    return Verdict(failed=what, pod=pod_of.name(pod), facts=(("answer", answers[-1]),))


def amiss(client: Client, unit: Unit, pod: pod_of.Pod) -> str:
    """Why nobody reaches the port that nothing answers on, as far as its container tells."""
    probe = unit.probe
    if probe is None or probe.kind == "exec" or not pod_of.running(pod):
        return ""
    answers = cards.check_answers(client, dict(pod))
    if not answers or "connection refused" not in answers[-1]:
        return ""
    return listening.amiss(_tables(client, unit, pod), probe.port)


def unready(client: Client, unit: Unit, pod: pod_of.Pod) -> tuple[tuple[str, str], ...]:
    """Facts about a pod that was not ready in time, also where no kubelet has checked it yet."""
    probe = unit.probe
    if probe is None or not pod_of.running(pod):
        return ()
    answers = cards.check_answers(client, dict(pod))
    if probe.kind != "exec" and (not answers or "connection refused" in answers[-1]):
        tables = _tables(client, unit, pod)
        if what := listening.amiss(tables, probe.port) or listening.nowhere(tables):
            return (("instead", what),)
    return () if answers else (("answer", "none yet"),)


def _tables(client: Client, unit: Unit, pod: pod_of.Pod) -> str:
    """The sockets of a unit's container, as its kernel lists them; "" where they cannot be read."""
    command, namespace = ["cat", *listening.TABLES], pod["metadata"]["namespace"]
    return printed(client, namespace, pod_of.name(pod), command, container=unit.name)


def awaited(client: Client, unit: Unit, pod: pod_of.Pod) -> str:
    """What a pod waits for, in a few words; "" where the cluster does not say."""
    if pod_of.running(pod):
        if unit.one_shot:
            return ""
        answers = cards.check_answers(client, dict(pod))
        answer = CHECKED.sub("", answers[-1]).strip() if answers else ""
        asked = unit.probe.shown if unit.probe else ""
        asked = "its check" if "\n" in asked else asked  # a script of the kind's
        return ": ".join(filter(None, [asked, *answer.splitlines()[-1:]]))
    scheduled = pod_of.condition(pod, "PodScheduled")
    if scheduled.get("reason") == "Unschedulable":
        return f"fits on no node yet: {_brief(str(scheduled.get('message', '')))}"
    states = [container.get("state", {}) for container in pod_of.containers(pod)]
    if not any("waiting" in state for state in states):
        return ""
    uid, namespace = {"involvedObject.uid": pod_of.uid(pod)}, pod["metadata"]["namespace"]
    for about in ({"type": "Warning"}, {"reason": "Pulling"}):
        if messages := cards.events(client, namespace, [pod_of.name(pod)], **about, **uid):
            return _brief(messages[-1])
    return ""


def _brief(message: str) -> str:
    """A scheduler's message without its second sentence, which is about pods that it might end."""
    return message.partition(". preemption")[0]
