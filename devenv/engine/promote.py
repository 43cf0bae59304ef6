"""Promotion: a stack into the cluster of one of its environments, as a release of Helm."""

from __future__ import annotations

import base64
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from devenv.backends.helm import Helm, HelmFailed
from devenv.errors import DevenvError, UnitFailed, UsageError
from devenv.plan.promotion import (
    OWNER,
    SERVED,
    Change,
    Origin,
    Revision,
    changes,
    deployed,
    earlier,
    pending,
    secrets_needed,
)

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client
    from devenv.backends.kube.config import Place
    from devenv.engine.project import Project
    from devenv.stack.model import Probe, Stack, Unit

WITHIN = 300  # seconds that a rollout may take, as Helm's own default
LOOK = 1.0  # seconds between two looks at the pods
LATE = 4.0  # seconds a pod may take to be ready until its card is made, and made again as its log goes on
TRIES = 15  # looks at a route that does not answer: a gateway may still be learning its routes

Say = Callable[[str, str], None]
"""Takes a step of the promotion and a line about it."""


@dataclass(frozen=True)
class Target:
    """An environment of the manifest: where its release lives."""

    environment: str
    context: str
    namespace: str
    release: str

    @property
    def where(self) -> str:
        """For people."""
        return f"context {self.context}, namespace {self.namespace}"


@dataclass(frozen=True)
class Parcel:
    """What is promoted: a chart, the text of the environment's values, and where both came from."""

    stack: Stack
    chart: Mapping[str, str]
    values: str
    origin: Origin


def parcel(project: Project, environment: str, images: Mapping[str, str], origin: Origin) -> Parcel:
    """The project for an environment; `images` are references by unit.

    Raises `UsageError`, `ManifestInvalid`.
    """
    from devenv.engine import charts

    stack = charts.promoted(project, environment).stack
    return Parcel(stack, charts.chart(project), charts.values_file(project, environment, images), origin)


@dataclass(frozen=True)
class Packed:
    """A parcel as files, for Helm."""

    chart: Path
    values: Path


@contextmanager
def packed(parcel: Parcel) -> Iterator[Packed]:
    """The parcel in a folder that only we can read, for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="devenv-") as folder:
        chart, values = Path(folder, "chart"), Path(folder, "values.yaml")
        for name, text in parcel.chart.items():
            file = chart / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        values.write_text(parcel.values, encoding="utf-8")
        yield Packed(chart, values)


@dataclass
class Release:
    """The release of a stack in one environment."""

    target: Target
    _cards: dict[str, UnitFailed] = field(default_factory=dict)
    _late: dict[str, tuple[float, UnitFailed]] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)

    @cached_property
    def place(self) -> Place:
        """The context that the environment names. Raises `UsageError` where the kubeconfig has none."""
        from devenv.backends.kube.config import find

        return find(self.target.context)

    @cached_property
    def client(self) -> Client:
        """The cluster's API."""
        from devenv.backends.kube.client import Client

        return Client(self.place)

    @cached_property
    def helm(self) -> Helm:
        """Raises `ToolMissing`, and `UsageError` for a context that is not there."""
        _ = self.place
        return Helm.find(self.target.context, self.target.namespace)

    @cached_property
    def history(self) -> list[Revision]:
        """All revisions, the oldest first; asked for once."""
        return self.helm.history(self.target.release)

    @property
    def platform(self) -> str:
        """What the nodes run, as `linux/amd64`; nothing where we may not ask, or they differ."""
        try:
            nodes = self.client.get("/api/v1/nodes")["items"]
        except DevenvError:
            return ""
        systems = {node["status"]["nodeInfo"]["operatingSystem"] for node in nodes}
        architectures = {node["status"]["nodeInfo"]["architecture"] for node in nodes}
        return "/".join((*systems, *architectures)) if len(systems) == len(architectures) == 1 else ""

    # -- what must hold before anything is changed

    def guard(self, stack: str) -> None:
        """Raises `DevenvError` for a cluster that is away, and a release that is not ours or not settled."""
        self.client.get("/version")
        self.require_ours(stack)
        target = self.target
        if begun := pending(self.history):
            raise DevenvError(
                f"revision {begun.number} of {target.release} was begun and not ended ({begun.status})",
                where=f"{target.where}, since {begun.moment[:19]}",
                why="another promotion is under way, or one was killed",
                hint=f"wait if somebody promotes; else: devenv rollback {target.environment}"
                if deployed(self.history)
                else f"wait if somebody promotes; else: devenv retire {target.environment}",
            )

    def require_ours(self, stack: str) -> None:
        """Raises `UsageError` for a release that something else than this stack was installed as."""
        target = self.target
        owner = self.helm.annotations(target.release).get(OWNER, "") if self.history else stack
        if owner != stack:
            raise UsageError(
                f"the release {target.release} is not this stack's",
                where=f"{target.where}, chart {self.history[-1].chart}",
                why=f"it is of the stack {owner}" if owner else "its chart was not made by devenv",
                hint=f"name another namespace: under environments.{target.environment}",
            )

    def missing_secrets(self, objects: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
        """Secret -> keys that pods need and the namespace lacks; no key: the Secret itself is not there."""
        missing = {}
        for name, keys in secrets_needed(objects).items():
            secret = self.client.find(f"/api/v1/namespaces/{self.target.namespace}/secrets/{name}")
            if secret is None:
                missing[name] = keys
            elif lacking := keys - set(secret.get("data") or {}):
                missing[name] = lacking
        return missing

    # -- what would change

    def objects(self, files: Packed) -> list[dict[str, Any]]:
        """What the chart makes of the values, hooks as well. Raises `HelmFailed`."""
        return _parsed(self.helm.rendered(self.target.release, files.chart, [files.values]))

    def changes(self, objects: Sequence[Mapping[str, Any]]) -> list[Change]:
        """What these objects would change of what serves now."""
        now = deployed(self.history)
        before = _parsed(self.helm.manifest(self.target.release, now.number)) if now else []
        return changes(before, objects)

    def rehearse(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Have the cluster judge every object without keeping it. A hook is made anew, so it is left out.

        Raises `DevenvError` for an object that the cluster refuses, or that is not of this release.
        """
        from devenv.backends.kube.client import APPLY
        from devenv.backends.kube.resources import Resources

        if self.client.find(f"/api/v1/namespaces/{self.target.namespace}") is None:
            return  # Helm makes it; until then nothing in it can be judged
        resources = Resources(self.client)
        query = {"fieldManager": "helm", "force": "true", "dryRun": "All"}
        for item in objects:
            metadata = {"namespace": self.target.namespace, **item["metadata"]}
            if HOOK in (metadata.get("annotations") or {}):
                continue
            whole = {**item, "metadata": metadata}
            path = resources.of(whole)
            self._require_of_release(self.client.find(path))
            try:
                self.client.request("PATCH", path, query=query, body=whole, content=APPLY)
            except DevenvError as error:
                name = f"{item['kind']} {metadata['name']}"
                hint = (
                    IMMUTABLE
                    if "immutable" in error.why or "Forbidden: updates to" in error.why
                    else error.hint
                )
                raise DevenvError(
                    f"the cluster refuses {name}; nothing was changed",
                    where=error.where,
                    why=error.why or error.what,
                    hint=hint.format(name=name.lower().replace(" ", "/", 1), namespace=self.target.namespace),
                ) from error

    def _require_of_release(self, item: Mapping[str, Any] | None) -> None:
        """Raises `UsageError` for an object that is there already, of no release or another."""
        if item is None:
            return
        metadata, target = item["metadata"], self.target
        owner = (metadata.get("annotations") or {}).get("meta.helm.sh/release-name", "")
        if owner != target.release:
            name = f"{item['kind']} {metadata['name']}"
            raise UsageError(
                f"{name} is there already and not of this release; nothing was changed",
                where=target.where,
                why=f"it is of the release {owner}" if owner else "somebody made it without Helm",
                hint=f"name another namespace: under environments.{target.environment}, or remove it:"
                f"\nkubectl --context {target.context} -n {target.namespace} delete {name.lower()}",
            )

    # -- changing it

    def promote(self, files: Packed, parcel: Parcel, say: Say, *, within: int = WITHIN) -> None:
        """Roll out and wait until all is ready; Helm goes back by itself if it is not.

        Raises `UnitFailed` with the card of the unit that was in the way, else `HelmFailed`; after Ctrl-C
        `KeyboardInterrupt`.
        """
        with self._watched(parcel.stack, say):
            try:
                with self._interruptible("upgrade", "Helm goes back to what served before", say) as told:
                    self.helm.upgrade(
                        self.target.release,
                        files.chart,
                        [files.values],
                        within=within,
                        description=str(parcel.origin),
                        on_interrupt=told,
                    )
            except HelmFailed as error:
                raise self._cause(error) from error

    @contextmanager
    def _interruptible(self, step: str, meanwhile: str, say: Say) -> Iterator[Callable[[], None]]:
        """What to call at the first Ctrl-C. Says what Helm does then, and in the end what serves.

        Raises `KeyboardInterrupt` where Helm was stopped, or left alone by a second one.
        """
        calls: list[str] = []

        def told() -> None:
            calls.append(step)
            say(step, f"interrupted: {meanwhile}; Ctrl-C again leaves it alone")

        try:
            yield told
        except HelmFailed as error:
            if not calls:
                raise
            now = deployed(self.helm.history(self.target.release))
            say(step, f"stopped: revision {now.number} serves" if now else "stopped: nothing serves")
            raise KeyboardInterrupt from error
        except KeyboardInterrupt:
            listed = f"devenv history {self.target.environment}"
            say(step, f"Helm goes on by itself: {listed}   shows what becomes of it")
            raise

    def _cause(self, error: HelmFailed) -> DevenvError:
        """Why a rollout failed: the first unit that did, and where the release stands now."""
        now = deployed(self.helm.history(self.target.release))
        stands = f"revision {now.number} serves" if now else "nothing serves"
        error.hint = f"{stands}; fix it, then devenv promote {self.target.environment}"
        late = (card for _, card in self._late.values())
        first = next(iter((*self._cards.values(), *late)), None)
        if first is None:
            return error
        card = first.card
        hint = error.hint if card.hint.startswith("devenv logs") else f"{card.hint}\n{error.hint}"
        return UnitFailed(replace(card, hint=hint))

    def secret_values(
        self, project: Project, missing: Mapping[str, set[str]], environment: Mapping[str, str]
    ) -> dict[str, str]:
        """Key -> value of the stack's secrets, for Secrets that lack them.

        Where a Secret has a password already, its other forms are made of that one.
        """
        from devenv.engine import charts
        from devenv.render.chart import keys

        promoted = charts.promoted(project, self.target.environment)
        wanted = keys(promoted)
        values = project.workspace.secret_values_elsewhere(
            wanted={secret.name for secret in wanted.values()},
            generated=promoted.stack.generated,
            environment=environment,
        )
        for name in missing:
            secret = self.client.find(f"/api/v1/namespaces/{self.target.namespace}/secrets/{name}") or {}
            for key, value in (secret.get("data") or {}).items():
                if key in wanted and wanted[key].place == "plain":
                    values[key] = base64.b64decode(value).decode(errors="replace")
        return {key: secret.value(values) for key, secret in wanted.items() if secret.name in values}

    def create_secrets(self, missing: Mapping[str, set[str]], values: Mapping[str, str]) -> None:
        """Make Secrets that are not there, and add keys to those of ours that lack some."""
        namespace, labels = self.target.namespace, {MANAGED: "devenv"}
        path = f"/api/v1/namespaces/{namespace}/secrets"
        if self.client.find(f"/api/v1/namespaces/{namespace}") is None:
            self.client.create(
                "/api/v1/namespaces",
                {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}},
            )
        for name, keys in missing.items():
            data = {"stringData": {key: values[key] for key in sorted(keys)}}
            if self.client.find(f"{path}/{name}") is None:
                metadata = {"name": name, "namespace": namespace, "labels": labels}
                self.client.create(path, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **data})
            else:
                self.client.patch(f"{path}/{name}", data)

    def require_makeable(self, missing: Mapping[str, set[str]], values: Mapping[str, str]) -> None:
        """Raises `UsageError` for keys without a value, and for a Secret that somebody else made."""
        unknown = sorted({key for keys in missing.values() for key in keys if not values.get(key)})
        whole = sorted(name for name, keys in missing.items() if not keys)
        if unknown or whole:
            raise UsageError(
                f"no value for {', '.join([*unknown, *whole])}",
                why="looked in the environment, .env and .devenv/secrets.env",
                hint=f"echo '{(unknown or whole)[0]}=...' >> .env",
            )
        for name, keys in missing.items():
            secret = self.client.find(f"/api/v1/namespaces/{self.target.namespace}/secrets/{name}")
            if secret is not None and (secret["metadata"].get("labels") or {}).get(MANAGED) != "devenv":
                raise UsageError(
                    f"the Secret {name} lacks {', '.join(sorted(keys))}, and devenv did not make it",
                    where=self.target.where,
                    why="what somebody else made is not changed",
                    hint=f"kubectl --context {self.target.context} -n {self.target.namespace}"
                    f" edit secret {name}",
                )

    def rollback(self, revision: int, say: Say, *, within: int = WITHIN) -> None:
        """Go back to a revision and wait until all is ready.

        Raises `HelmFailed`, and `KeyboardInterrupt` after Ctrl-C.
        """
        with self._interruptible("rollback", "Helm stops going back", say) as told:
            self.helm.rollback(self.target.release, revision, within=within, on_interrupt=told)

    def verify(self, stack: Stack, say: Say, *, within: int = WITHIN) -> None:
        """Smoke what was rolled out, and go back to what served before if it fails.

        Raises `DevenvError`.
        """
        try:
            self.smoke(stack, say)
        except DevenvError as error:
            before = deployed(self.history)  # from before the upgrade
            if before is None:
                raise
            say("rollback", f"to revision {before.number}")
            self.rollback(before.number, say, within=within)
            again = f"fix it, then devenv promote {self.target.environment}"
            error.hint = f"revision {before.number} serves again; {again}"
            raise

    def smoke(self, stack: Stack, say: Say) -> None:
        """Ask the gateway for the path of every route, and every routed service for its health.

        Raises `DevenvError` for one that does not answer.
        """
        if stack.gateway is None:
            return
        gateway = stack.unit(stack.gateway.unit)
        port = gateway.ports[0].container
        base = f"/api/v1/namespaces/{self.target.namespace}/services/{gateway.name}:{port}/proxy"
        for unit in stack.units:
            for route in unit.routes:
                answer = self._answer(f"{base}{route}")
                say("smoke", f"{unit.name}  {route}  {answer or 'answers'}")
                if answer:
                    raise DevenvError(
                        f"{route} does not answer through the gateway",
                        where=self.target.where,
                        why=answer,
                        hint=f"devenv rollback {self.target.environment}   goes back to what served before",
                    )
            if unit.routes and unit.probe and unit.probe.kind == "http":
                self._check_health(unit, unit.probe)

    def _check_health(self, unit: Unit, probe: Probe) -> None:
        """Raises `DevenvError` for a service that is not as well as its manifest says."""
        from devenv.backends.kube.refusals import Refused

        path = (
            f"/api/v1/namespaces/{self.target.namespace}/services/{unit.name}:{probe.port}/proxy{probe.path}"
        )
        try:
            self.client.text(path)
        except Refused as error:
            raise DevenvError(
                f"{unit.name} is not healthy: {probe.shown}",
                where=self.target.where,
                why=error.why or error.what,
                hint=f"devenv rollback {self.target.environment}   goes back to what served before",
            ) from error

    def _answer(self, path: str) -> str:
        """What is wrong with the answer for a path; nothing where a service answered."""
        from devenv.backends.kube.refusals import Refused

        wrong = ""
        for _ in range(TRIES):
            try:
                self.client.text(path)
                return ""
            except Refused as error:
                wrong = error.why or error.what
                if error.status < 500 and "no Route matched" not in wrong:
                    return ""  # the service itself refused us, as it may without a login
            time.sleep(LOOK)
        return wrong

    def earlier(self, revision: int) -> int:
        """The revision to go back to, by default the one that served before. Raises `UsageError`."""
        listed = f"devenv history {self.target.environment}"
        asked = next((row for row in self.history if row.number == revision), None)
        if revision and asked is None:
            raise UsageError(f"no revision {revision}", hint=listed)
        if asked and asked.status not in SERVED:
            raise UsageError(f"revision {revision} never served", why=f"it is {asked.status}", hint=listed)
        row = asked or earlier(self.history)
        if row is None and pending(self.history):
            retire = f"devenv retire {self.target.environment}   takes it away"
            raise UsageError("there is no revision to go back to", why="none ever served", hint=retire)
        if row is None:
            raise UsageError("there is no earlier revision to go back to", hint=listed)
        return row.number

    # -- looking while Helm waits

    @contextmanager
    def _watched(self, stack: Stack, say: Say) -> Iterator[None]:
        """Say how far the pods are; keep the cards of those that fail, as Helm removes them to go back."""
        over = threading.Event()
        looking = threading.Thread(target=self._look, args=(stack, say, over), daemon=True, name="rollout")
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()

    def _look(self, stack: Stack, say: Say, over: threading.Event) -> None:
        from devenv.backends.kube.client import Client

        client, shown = Client(self.place), dict[str, str]()
        try:
            before = {str(pod["metadata"]["uid"]) for pod in self._pods(client, stack)}
            while True:
                ended = over.is_set()
                pods = [pod for pod in self._pods(client, stack) if str(pod["metadata"]["uid"]) not in before]
                for unit, line in self._progress(client, stack, pods):
                    if shown.get(unit) != line:
                        shown[unit] = line
                        say("upgrade", line)
                if ended:
                    return
                over.wait(LOOK)
        finally:
            client.close()

    def _pods(self, client: Client, stack: Stack) -> list[dict[str, Any]]:
        from devenv.stack.labels import LABEL

        path = f"/api/v1/namespaces/{self.target.namespace}/pods"
        try:
            return list(client.look(path, labelSelector=f"{LABEL}stack={stack.name}")["items"])
        except DevenvError:  # away for a moment, or nothing there yet
            return []

    def _progress(
        self, client: Client, stack: Stack, pods: Sequence[dict[str, Any]]
    ) -> Iterator[tuple[str, str]]:
        from devenv.backends.kube import pods as pod_of
        from devenv.backends.kube.resources import label

        for unit in stack.units:
            own = [pod for pod in pods if label(pod, "unit") == unit.name]
            if not own:
                continue
            if unit.one_shot and any(pod["status"].get("phase") == "Succeeded" for pod in own):
                self._cards.pop(unit.name, None)  # it was tried again, and went well
                yield unit.name, f"{unit.name}  done"
                continue
            ready = sum(map(pod_of.ready, own))
            self._note_failure(client, unit, own, all_ready=ready == len(own))
            failed = self._cards.get(unit.name)
            what = f"  {failed.card.what}" if failed else ""
            yield unit.name, f"{unit.name}  {ready} of {len(own)} ready{what}"

    def _note_failure(
        self, client: Client, unit: Unit, pods: Sequence[dict[str, Any]], *, all_ready: bool
    ) -> None:
        from devenv.backends.kube import cards
        from devenv.backends.kube import pods as pod_of
        from devenv.backends.kube.verdict import Expected, Verdict, failure

        if all_ready:
            self._cards.pop(unit.name, None)
            self._late.pop(unit.name, None)
            return
        now, namespace = time.monotonic(), self.target.namespace
        for pod in pods:
            passed = now - self._since.setdefault(pod_of.uid(pod), now)
            verdict = failure(unit, pod, Expected(""), passed=passed)
            if verdict is not None:
                self._cards[unit.name] = UnitFailed(cards.card(client, unit, namespace, verdict))
            elif passed > LATE and now - self._late.get(unit.name, (0.0, None))[0] > LATE:
                late = Verdict(failed="was not ready in time", pod=pod_of.name(pod))
                self._late[unit.name] = now, UnitFailed(cards.card(client, unit, namespace, late))


HOOK = "helm.sh/hook"
MANAGED = "app.kubernetes.io/managed-by"

IMMUTABLE = (
    "that field can only be set when the object is made: delete it, then promote again"
    "  kubectl -n {namespace} delete {name} --cascade=orphan"
)


def _parsed(text: str) -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [item for item in yaml.load_all(text, Loader=loader) if item]
