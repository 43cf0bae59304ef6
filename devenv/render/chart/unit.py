"""The template of a unit: the objects that the kube backend applies, with a value for each knob."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from devenv.render.chart import files, jobs, shared
from devenv.render.chart.knobs import KNOBS, OURS
from devenv.render.chart.page import Page
from devenv.render.chart.promoted import Promoted, value_of
from devenv.render.chart.variables import variables
from devenv.render.kubernetes.objects import RETRIES, Object, of_unit
from devenv.render.kubernetes.objects import kind as kind_of
from devenv.render.kubernetes.overlay import overlay
from devenv.stack import text
from devenv.stack.model import Unit

DRAIN = 5  # seconds that a pod goes on answering after it was taken out of its Service
PART_OF = "app.kubernetes.io/part-of"
NOTHING: Mapping[str, Any] = {}
NEVER = "0 0 31 2 *"  # a schedule has to be there, suspended or not


@dataclass(frozen=True, slots=True)
class Template:
    """The template of a unit, and the values that it reads, with their defaults."""

    text: str
    values: Mapping[str, Any]


def template(promoted: Promoted, unit: Unit) -> Template:
    """A unit's template. Raises `UsageError` for what a chart cannot say."""
    return _Unit(promoted, unit).template()


class _Unit:
    def __init__(self, promoted: Promoted, unit: Unit) -> None:
        self.promoted, self.unit, self.page = promoted, unit, Page()
        self.chart = promoted.stack.name
        self.values: dict[str, Any] = {}
        self.store = promoted.store(unit)
        self.hooks = jobs.hooked(promoted, unit) is not None
        # Helm 3 goes back to no release with an object that a hook made since; a fragment's has a known name.
        moves = self.hooks and "ConfigMap" not in unit.kubernetes
        self.config_map = self.page.inline("$name") if moves else unit.name
        self.defines: dict[str, Any] = {}

    def template(self) -> Template:
        stack, unit = self.promoted.stack, self.unit
        secrets = dict.fromkeys(stack.secrets | stack.generated, "secret")
        objects = of_unit(stack, unit, replace(self.promoted.source, secrets=secrets, registry=""))
        documents = [self._object(item) for item in objects if item["kind"] not in ("Secret", "ConfigMap")]
        return Template(self._text([*self._contents(), *documents]), self._complete())

    def _text(self, documents: list[Object]) -> str:
        texts = [self.page.text(document) for document in documents]
        bodies = "---\n".join(texts) + self._for_many()
        section = self.unit.section
        title = f"{{{{- /* devenv: {self.unit.name}, whose values are in {section} */}}}}\n"
        head = f"{{{{- $unit := index .Values.{section} {json.dumps(self.unit.name)} }}}}\n"
        if self.unit.one_shot:
            head += jobs.head(self.promoted, self.unit, bodies)
        if jobs.lasts(self.unit):
            bodies = "---\n".join([*texts[:-1], jobs.lasting(self.chart, self.unit, head + texts[-1])])
            head = head if texts[1:] else ""
        head = title + head
        for store in self.promoted.without:
            for unit, what in self.promoted.written_into(store):
                if unit == self.unit.name:
                    head += _refusal(store, unit, what)
        for name, content in self.defines.items():
            body = self.page.text(content)
            head += f'{{{{- define "{self.chart}.{self.unit.name}.{name}" -}}}}\n{body}{{{{- end }}}}\n'
        if self.store:
            return head + self._if_deployed(bodies)
        if self.unit.gateway and self.promoted.stack.gateway:
            condition = 'has $.Values.gateway.kind (list "deploy" "loadbalancer")'
            return f"{head}{{{{- if {condition} }}}}\n{bodies}{{{{- end }}}}\n"
        return head + bodies

    def _if_deployed(self, bodies: str) -> str:
        """The objects of a store where it is deployed; where it is a host elsewhere, a name for that."""
        end = "{{- end }}\n"
        condition = f"{{{{- $external := {value_of(self.store)}.external }}}}\n"
        condition += "{{- if not (or $external.secret $external.host) }}\n"
        if self.unit.name != self.store:
            return condition + bodies + end
        spec = {"type": "ExternalName", "externalName": self.page.inline("$external.host | quote")}
        name = self.page.text({**self._new("v1", "Service"), "spec": spec})
        elsewhere = f"{{{{- else if $external.host }}}}\n{name}"
        return condition + bodies + elsewhere + end

    # -- objects

    def _contents(self) -> list[Object]:
        """Its files, and what fragments say of a ConfigMap and of a Secret; its secrets are the stack's."""
        own = {"Secret": {}, "ConfigMap": files.config_map(self.promoted, self.unit, self.page)}
        documents = []
        for kind, data in own.items():
            fragment = dict(self.unit.kubernetes.get(kind, {}))
            identity = self._new(fragment.pop("apiVersion", "v1"), kind, fragment.pop("metadata", {}))
            if kind == "ConfigMap":
                identity["metadata"]["name"] = self.config_map
            if merged := overlay(data, fragment):
                documents.append({**identity, **merged})
        return documents

    def _object(self, item: Object) -> Object:
        kept = {"helm.sh/resource-policy": "keep"} if item["kind"] == "PersistentVolumeClaim" else {}
        item = {**item, "metadata": self._metadata(item["metadata"], kept)}
        match item["kind"]:
            case "PersistentVolumeClaim":
                return {**item, "spec": self._claim(item["spec"], item["metadata"]["name"])}
            case "Service":
                return self._service(item)
            case "Deployment" | "StatefulSet" | "Job":
                return self._workload(item)
        return item

    def _new(self, version: str, kind: str, metadata: Mapping[str, Any] = NOTHING) -> Object:
        named = self._metadata({**metadata, "name": self.unit.name})
        return {"apiVersion": version, "kind": kind, "metadata": named}

    def _include(self, helper: str, *more: str) -> str:
        return self.page.nested(self._helper(helper, *more))

    def _helper(self, helper: str, *more: str) -> str:
        words = " ".join(["$", json.dumps(self.unit.name), json.dumps(self.unit.role), *more])
        return f'include "{self.chart}.{helper}" (list {words})'

    def _metadata(self, metadata: Mapping[str, Any], own: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
        """Name, labels and annotations of an object, and what makes a hook of it."""
        merged = "merge (dict) $hook $.Values.annotations" if self.hooks else "$.Values.annotations"
        return {
            "name": metadata["name"],
            "namespace": self.page.inline("$.Release.Namespace"),
            **self._labels("labels", metadata),
            **self._annotations(merged, {**own, **_added(metadata, "annotations")}),
        }

    def _labels(self, helper: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """A helper's labels, and those that a fragment added."""
        added = _added(metadata, "labels")
        if not added:
            return {"labels": self._include(helper)}
        return {"labels": {**added, self.page.entries(self._helper(helper, *_quoted(added))): None}}

    def _annotations(self, more: str, own: Mapping[str, Any]) -> dict[str, Any]:
        """Its own annotations, and those of a value."""
        if not own:
            annotations = self.page.nested("toYaml .")
            return {self.page.when(f"with {more}", {"annotations": annotations}): None}
        others = f"omit ({more} | default dict) {' '.join(_quoted(own))}"
        return {"annotations": {**own, self.page.more(others): None}}

    def _service(self, item: Object) -> Object:
        spec = item["spec"]
        # What a gateway administers it with is not for everybody in the cluster.
        ports = spec["ports"][:1] if self.unit.gateway else spec["ports"]
        return {**item, "spec": {**spec, "selector": self._include("selector"), "ports": ports}}

    def _claim(self, spec: Mapping[str, Any], volume: str) -> dict[str, Any]:
        """A claim's spec, with the volume's size and class as values."""
        name = volume.removeprefix(f"{self.store or self.unit.name}-")
        volumes = self.values.setdefault("volumes", {})
        volumes[name] = {"size": spec["resources"]["requests"]["storage"], "class": ""}
        at = f"(index $unit.volumes {json.dumps(name)})"
        return {
            **spec,
            "resources": {"requests": {"storage": self.page.inline(f"{at}.size | quote")}},
            self.page.when(f"with {at}.class", {"storageClassName": self.page.inline(". | quote")}): None,
        }

    def _workload(self, item: Object) -> Object:
        spec = {**item["spec"], "template": self._pod(item["spec"]["template"])}
        if item["kind"] == "Job":
            metadata = {**item["metadata"], "name": self.page.inline("$name")}
            spec["activeDeadlineSeconds"] = math.ceil(self.unit.within)
            if self.hooks and spec["backoffLimit"] == RETRIES:  # a hook has all that it needs
                spec["backoffLimit"] = self.page.inline(f"ternary {RETRIES} 0 (empty $hook)")
            return self._by_hand({**item, "metadata": metadata, "spec": spec})
        replicas, template = spec.pop("replicas"), spec.pop("template")
        spec.pop("selector")
        replicas = 0 if self.unit.manual else replicas
        self.values = {"image": self.values.pop("image"), "replicas": replicas, **self.values}
        counted: dict[str, Any] = {"replicas": self.page.inline("$unit.replicas")}
        if self._scales:
            self.values |= {"autoscale": {}, "disruptionBudget": {"maxUnavailable": 1}}
            counted = {self.page.when("if not $unit.autoscale", counted): None}
        if self._scales and not self.unit.own_volumes:
            counted["strategy"] = {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            }
        counted["selector"] = {"matchLabels": self._include("selector")}
        for claim in spec.get("volumeClaimTemplates", ()):
            claim["spec"] = self._claim(claim["spec"], claim["metadata"]["name"])
            claim["metadata"]["labels"] = self._include("selector")
        return {**item, "spec": {**counted, **spec, "template": template}}

    def _by_hand(self, job: Object) -> Object:
        """A job, or what `kubectl create job --from=cronjob/NAME` takes it from."""
        if not self.unit.manual:
            return job
        spec = {"schedule": NEVER, "suspend": True, "jobTemplate": {"spec": job["spec"]}}
        return {**job, "kind": "CronJob", "spec": spec}

    @property
    def _scales(self) -> bool:
        """Whether several of it can run at once: those of a service that keeps data have a volume each."""
        return self.unit.role == "service" or self.unit.gateway

    # -- pods

    def _pod(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        """The pod's template. The values' defaults are what the object says."""
        spec = dict(pod["spec"])
        (container, *others) = spec.pop("containers")
        mounted = files.mounted(self.unit, spec, container, self.page, self.config_map)
        spec, container = mounted.spec, self._container(mounted.container)
        if spec["serviceAccountName"] == self.promoted.stack.name:  # else a fragment's
            spec["serviceAccountName"] = self.page.inline(self._account())
        spec["terminationGracePeriodSeconds"] = self._grace(spec["terminationGracePeriodSeconds"])
        spec["securityContext"] = self._knob("podSecurityContext", spec["securityContext"])
        if mounted.writer is not None:
            writer = {
                **mounted.writer,
                "image": container["image"],
                "securityContext": container["securityContext"],
            }
            spec["initContainers"] = [*spec.get("initContainers", ()), writer]
        spec["containers"] = [container, *others]
        if self.unit.shared_volumes:
            spec = shared.mounted(self.promoted.stack, self.unit, spec, self.page)
        for name in ("nodeSelector", "tolerations", "affinity"):
            default = spec.pop(name, [] if name == "tolerations" else {})
            spec[self._optional(name, default)] = None
        spec |= self._logins(spec.pop("imagePullSecrets", []))
        if self._scales and "topologySpreadConstraints" not in spec:
            spec[self._spread()] = None
        return {"metadata": self._pod_metadata(pod["metadata"]), "spec": spec}

    def _logins(self, own: list[Any]) -> dict[str, Any]:
        """The Secrets with which images are pulled: a fragment's, and those of the values."""
        given = "with $.Values.imagePullSecrets"
        if own:
            return {"imagePullSecrets": [*own, self.page.when(given, [self.page.entries("toYaml .")])]}
        return {self.page.when(given, {"imagePullSecrets": self.page.nested("toYaml .")}): None}

    def _account(self) -> str:
        """The pods' ServiceAccount. Before a release there is none of it yet."""
        ours = f'include "{self.chart}.serviceAccount" $'
        if not self.hooks:
            return f"{ours} | quote"
        return f'ternary "default" ({ours}) (and (not (empty $hook)) $.Values.serviceAccount.create) | quote'

    def _spread(self) -> str:
        self.values["spread"] = "kubernetes.io/hostname"
        constraint = {
            "maxSkew": 1,
            "topologyKey": self.page.inline(". | quote"),
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": self._include("selector")},
        }
        return self.page.when("with $unit.spread", {"topologySpreadConstraints": [constraint]})

    def _pod_metadata(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Labels and annotations; the digest of its files replaces a pod whose files changed."""
        self.values["podAnnotations"] = {}
        own = _added(metadata, "annotations")
        if data := files.config_map(self.promoted, self.unit):
            own["devenv.dev/content"] = text.digest(repr(data))
            if self.unit.gateway and self.promoted.stack.gateway:
                own["devenv.dev/plugins"] = self.page.inline(
                    "toJson $.Values.gateway.plugins | sha256sum | quote"
                )
        return {**self._labels("podLabels", metadata), **self._annotations("$unit.podAnnotations", own)}

    def _grace(self, seconds: int) -> Any:
        if not self._drains:
            return seconds
        return self.page.inline(f"add {seconds} $unit.drainSeconds")

    @property
    def _drains(self) -> bool:
        return bool(self.unit.ports) and (self.unit.role == "service" or self.unit.gateway)

    def _container(self, container: Mapping[str, Any]) -> dict[str, Any]:
        container = dict(container)
        self.values["image"] = image_values(container["image"])
        container["image"] = self.page.inline(f'include "{self.chart}.image" (list $ $unit.image)')
        if self.unit.gateway:
            container["ports"] = container["ports"][:1]
        self._env(container)
        container["resources"] = self._knob("resources", container.get("resources", {}))
        container["securityContext"] = self._knob("securityContext", container["securityContext"])
        if self._drains and "lifecycle" not in container:
            self.values["drainSeconds"] = DRAIN
            sleep = {"preStop": {"sleep": {"seconds": self.page.inline("$unit.drainSeconds")}}}
            container[self.page.when("if $unit.drainSeconds", {"lifecycle": sleep})] = None
        return container

    def _env(self, container: dict[str, Any]) -> None:
        read = variables(self.promoted, self.unit, self.page, container.pop("env", ()))
        self.values["env"] = dict(read.values)
        if read.fixed:
            self.defines["env"] = list(read.fixed)
            name = json.dumps(f"{self.chart}.{self.unit.name}.env")
            container["env"] = self.page.nested(
                f'include "{self.chart}.env" (list $ $unit.env (include {name} $))'
            )
        else:
            listed = self.page.nested(f'include "{self.chart}.env" (list $ . "")')
            container[self.page.when("with $unit.env", {"env": listed})] = None

    def _knob(self, name: str, default: Any) -> str:
        self.values[name] = default
        return self.page.nested(f"toYaml $unit.{name}")

    def _optional(self, name: str, default: Any) -> str:
        self.values[name] = default
        return self.page.when(f"with $unit.{name}", {name: self.page.nested("toYaml .")})

    # -- what a unit of several pods has besides

    def _for_many(self) -> str:
        if not self._scales:
            return ""
        name = self.unit.name
        target = {"apiVersion": "apps/v1", "kind": kind_of(self.unit), "name": name}
        cpu = {"type": "Utilization", "averageUtilization": self.page.inline(".cpu | default 80")}
        scaler = {
            **self._new("autoscaling/v2", "HorizontalPodAutoscaler"),
            "spec": {
                "scaleTargetRef": target,
                "minReplicas": self.page.inline(".min | default 1"),
                "maxReplicas": self.page.inline(".max"),
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}],
            },
        }
        limit = self.page.more('ternary (omit . "maxUnavailable") . (hasKey . "minAvailable")')
        selector = {"selector": {"matchLabels": self._include("selector")}, limit: None}
        budget = {**self._new("policy/v1", "PodDisruptionBudget"), "spec": selector}
        return self._with("autoscale", scaler) + self._with("disruptionBudget", budget)

    def _with(self, value: str, item: Object) -> str:
        return f"{{{{- with $unit.{value} }}}}\n---\n{self.page.text(item)}{{{{- end }}}}\n"

    def _complete(self) -> dict[str, Any]:
        """The values in the order in which an operator reads them."""
        if self.store == self.unit.name:
            self.values["external"] = {"secret": "", "host": ""}
        if self.hooks:
            self.values["hook"] = True
        return {name: self.values[name] for name in KNOBS if name in self.values}


def _added(metadata: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The labels or annotations of an object that a fragment added to ours."""
    return {
        name: value
        for name, value in (metadata.get(key) or {}).items()
        if not re.match(OURS, name) and name != PART_OF
    }


def _quoted(names: Iterable[str]) -> list[str]:
    return [json.dumps(name, ensure_ascii=False) for name in names]


def _refusal(store: str, unit: str, what: str) -> str:
    """What refuses a Secret of a store whose address is written into a unit."""
    why = f"{what} of {unit} has the address of {store} in it: give infra.{store}.external a host, no secret"
    return f"{{{{- if {value_of(store)}.external.secret }}}}{{{{ fail {json.dumps(why)} }}}}{{{{ end }}}}\n"


def image_values(reference: str) -> dict[str, str]:
    """The parts of a reference to an image, as values."""
    name, _, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    return {"repository": repository, "tag": tag, "digest": digest}
