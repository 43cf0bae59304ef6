"""What a card says of a unit that is not up, from what an API server answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from devenv.backends.kube.cards import card, check_answers, events, log_tail, pending
from devenv.backends.kube.outlook import awaited
from devenv.backends.kube.verdict import Verdict
from devenv.errors import Card
from devenv.stack.model import Probe, Unit, Volume
from tests.unit.kubernetes.answering import Answering, event

STORE = Unit(
    "db", "infra", "db:1", probe=Probe("exec", command=("ask",)), volumes=(Volume("db-data", "/data"),)
)
QUOTA = event("db", "exceeded quota: small")


def shown(client: Answering, verdict: Verdict) -> Card:
    return card(client, STORE, "shop", verdict)


def test_a_pod_that_failed_is_told_by_its_own_events_and_its_log() -> None:
    client = Answering(event("db-0", "Back-off restarting"), QUOTA, logs={("db-0", False): "a  \nb\n"})
    card = shown(client, Verdict(failed="ended with exit 3", pod="db-0"))
    assert card.facts == (("probe", "ask"), ("event", "Back-off restarting"))
    assert card.output == ("a", "b")
    assert card.hint == "devenv logs db"


def test_where_there_is_no_pod_its_owners_and_its_claims_say_why() -> None:
    claim = event("db-data-db-0", "no volume yet")
    card = shown(Answering(QUOTA, claim, event("other", "no")), Verdict(failed="gets no pod"))
    assert [fact for name, fact in card.facts if name == "event"] == [QUOTA["message"], claim["message"]]
    assert card.hint == "the namespace's quota is used up: kubectl describe quota"
    bare = shown(Answering(), Verdict(failed="gets no pod"))
    assert bare.hint == "kubectl -n shop get events"


def test_who_had_run_was_not_ended_by_a_probe() -> None:
    assert shown(Answering(), Verdict(failed="ended with exit 3", pod="db-0", ended=True)).facts == ()


def test_what_a_verdict_says_is_not_said_again_as_an_event() -> None:
    client = Answering(event("db-0", "0/1 nodes are available"))
    verdict = Verdict(failed="fits on no node", pod="db-0", facts=(("scheduler", "0/1 nodes are available"),))
    facts = shown(client, verdict).facts
    assert facts == (("scheduler", "0/1 nodes are available"), ("probe", "ask"))


def test_what_kubernetes_says_is_a_better_hint_than_what_it_looks_like() -> None:
    client = Answering(event("db-0", "write /var/lib: no space left on device"))
    assert shown(client, Verdict(failed="x", pod="db-0")).hint.startswith("the node's disk is full")


def test_the_log_is_that_of_before_where_the_new_one_has_none() -> None:
    assert log_tail(Answering(logs={("web", True): "why"}), "shop", "web") == ["why"]
    assert log_tail(Answering(logs={("web", False): " \n", ("web", True): "why"}), "shop", "web") == ["why"]
    assert log_tail(Answering(logs={("web", False): "now", ("web", True): "why"}), "shop", "web") == ["now"]
    gone = "unable to retrieve container logs for containerd://7062fc74c61a"
    assert log_tail(Answering(logs={("web", False): gone, ("web", True): "why"}), "shop", "web") == ["why"]
    assert log_tail(Answering(), "shop", "web") == []


def test_events_are_the_three_latest_warnings_each_once() -> None:
    warnings = [
        event("web", text, at=f"10:00:0{at}") for at, text in ((4, "d"), (1, "a"), (3, "c"), (2, "b"))
    ]
    normal = event("web", "Pulled", at="10:00:09", type="Normal")
    client = Answering(*warnings, normal, event("web", "a", at="10:00:00"))
    assert events(client, "shop", ["web"]) == ["b", "c", "d"]
    assert events(client, "shop", ["web"], type="Normal") == ["Pulled"]


RETRY = 'Error creating: pods "web-{}" is forbidden: exceeded quota: small'


def test_a_retry_is_the_same_event_though_it_names_another_pod() -> None:
    names = ["5d9f7c8b6f-x7k2p", "5d9f7c8b6f-bc2zq", "5d9f7c8b6f-44vvt"]
    retries = [
        event("web-5d9f7c8b6f", RETRY.format(name), at=f"10:00:0{at}") for at, name in enumerate(names)
    ]
    other = event("web", 'pods "web-0" is forbidden', at="10:00:05")
    client = Answering(*retries, other)
    assert events(client, "shop", ["web"]) == [RETRY.format(names[-1]), other["message"]]


def test_a_retry_after_the_verdict_is_not_said_again() -> None:
    client = Answering(event("db", RETRY.format("bc2zq")), event("db", RETRY.format("x7k2p")))
    verdict = Verdict(failed="gets no pod", facts=(("event", RETRY.format("44vvt")),))
    assert shown(client, verdict).facts == (("event", RETRY.format("44vvt")), ("probe", "ask"))


def test_an_event_of_the_newer_kind_has_its_moment_elsewhere() -> None:
    late = event("web", "late", eventTime="2026-01-01T12:00:00.000001Z")
    assert events(Answering(late, event("web", "early", at="10:00:00")), "shop", ["web"]) == ["early", "late"]


def test_events_are_about_an_object_and_what_it_made_and_not_about_a_namesake() -> None:
    names = ["web", "web-5d9f7c8b6f", "web-x7k2p", "web-5d9f7c8b6f-x7k2p", "web-admin-console", "webhook"]
    client = Answering(*(event(name, name) for name in names))
    assert events(client, "shop", ["web"]) == ["web", "web-5d9f7c8b6f", "web-x7k2p"]


def test_what_cannot_be_read_is_left_out() -> None:
    class Refusing(Answering):
        def get(self, path: str, **query: Any) -> dict[str, Any]:
            return super().get("/nothing")

    assert events(Refusing(), "shop", ["web"]) == []
    assert shown(Refusing(), Verdict(failed="ended with exit 3", pod="db-0")).what == "ended with exit 3"


def test_answers_of_a_check_are_those_of_this_very_pod() -> None:
    old = event("db-0", "refused", reason="Unhealthy", involvedObject={"name": "db-0", "uid": "before"})
    other = event("db-0", "Back-off", reason="BackOff")
    client = Answering(old, other, event("db-0", "no role", reason="Unhealthy"))
    pod = {"metadata": {"name": "db-0", "namespace": "shop", "uid": "db-0"}}
    assert check_answers(client, pod) == ["no role"]


def test_claims_that_have_no_volume_say_what_was_said_last() -> None:
    volumes = [{"persistentVolumeClaim": {"claimName": name}} for name in ("full", "empty", "quiet", "gone")]
    pod = {
        "metadata": {"name": "db-0", "namespace": "shop"},
        "spec": {"volumes": [{"name": "tmp"}, *volumes]},
    }
    claim = {"name": "empty", "kind": "PersistentVolumeClaim"}
    waits = [
        event("empty", text, at=f"10:00:0{at}", involvedObject=claim) for at, text in ((2, "no"), (1, "wait"))
    ]
    phases = {"full": "Bound", "empty": "Pending", "quiet": "Pending"}
    objects = {name: {"status": {"phase": phase}} for name, phase in phases.items()}
    namesake = event("empty", "I am a pod", at="11:00:00")
    assert pending(Answering(*waits, namesake, objects=objects), pod) == {
        "empty": "no",
        "quiet": "no event says why",
    }


def test_what_a_pod_waits_for_is_one_line_also_where_its_check_printed_a_traceback() -> None:
    printed = 'Traceback (most recent call last):\n  File "x"\nURLError: refused\n'
    client = Answering(event("db-0", f"Readiness probe failed: {printed}", reason="Unhealthy"))
    pod = {"metadata": {"name": "db-0", "namespace": "shop", "uid": "db-0"}}
    pod["status"] = {"containerStatuses": [{"state": {"running": {}}}]}
    assert awaited(client, STORE, pod) == "ask: URLError: refused"
    script = replace(STORE, probe=Probe("exec", command=("sh", "-c", "a\nb")))
    assert awaited(client, script, pod) == "its check: URLError: refused"
