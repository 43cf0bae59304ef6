"""What a release rolls out, and whether waiting for it makes sense: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from devenv.stack.labels import LABEL
from devenv.stack.model import Unit

Object = Mapping[str, Any]

JOB = "Job"
KINDS = ("Deployment", "StatefulSet", "DaemonSet", JOB)
JOB_NAME = "batch.kubernetes.io/job-name"
"""The label that Kubernetes gives a Job's pods."""

ENDS = 4  # of a program, after which it is not what only came too early: the fourth comes after half a minute
AGAIN = 2  # of them since the last unit beside it became ready, which it may have waited for


@dataclass(frozen=True, slots=True)
class Part:
    """A workload of a release: what runs in it, and the labels of its pods."""

    unit: Unit
    labels: Mapping[str, str]

    def has(self, pod: Object) -> bool:
        """Whether a pod is one of its."""
        return self.labels.items() <= (pod["metadata"].get("labels") or {}).items()


def parts(objects: Iterable[Object], units: Iterable[Unit] = ()) -> list[Part]:
    """The workloads among the objects of a release, with what is known of those that are these units."""
    described = {unit.name: unit for unit in units}
    return list(_parts(objects, described))


def balanced(objects: Iterable[Object]) -> list[str]:
    """The Services that wait for a load balancer of the cluster."""
    return [
        str(item["metadata"]["name"])
        for item in objects
        if item["kind"] == "Service" and item["spec"].get("type") == "LoadBalancer"
    ]


def _parts(objects: Iterable[Object], described: Mapping[str, Unit]) -> Iterator[Part]:
    for item in objects:
        if item["kind"] not in KINDS:
            continue
        spec, metadata = item["spec"], item["metadata"]
        template = spec["template"]
        marks = {
            key: value
            for key, value in (template["metadata"].get("labels") or {}).items()
            if key in (f"{LABEL}stack", f"{LABEL}unit")
        }
        own = {JOB_NAME: metadata["name"]} if item["kind"] == JOB else spec["selector"].get("matchLabels", {})
        name = marks.get(f"{LABEL}unit", metadata["name"])
        image = str(template["spec"]["containers"][0]["image"])
        unit = described.get(name) or Unit(name, "job" if item["kind"] == JOB else "service", image)
        yield Part(replace(unit, replicas=int(spec.get("replicas", unit.replicas))), marks or own)


@dataclass(frozen=True, slots=True)
class Row:
    """How far a part is. `ends`: how often its program ended; `wrong`: why it is not up, if that is known.

    `final`: no waiting mends that. `awaits`: what it is late for.
    """

    part: Part
    pods: int = 0
    ready: int = 0
    done: bool = False
    ends: int = 0
    wrong: str = ""
    final: bool = False
    awaits: str = ""

    @property
    def name(self) -> str:
        """The unit's."""
        return self.part.unit.name

    @property
    def wanted(self) -> int:
        """How many pods have to be ready."""
        return max(self.pods, self.part.unit.replicas)

    @property
    def is_up(self) -> bool:
        """Whether nothing of it is waited for."""
        return self.done if self.part.unit.one_shot else self.ready >= self.wanted

    def line(self) -> str:
        """For people."""
        detail = self.wrong or self.awaits
        if self.part.unit.one_shot:
            state = "done" if self.done else detail or "runs"
            return f"{self.name}  {state}"
        return f"{self.name}  {self.ready} of {self.wanted} ready{f'  {detail}' if detail else ''}"


@dataclass
class Prospect:
    """Whether programs that end again and again may still stay up, once what comes up beside them is there.

    `ends`: how often each had ended when the last one came up.
    """

    up: set[str] = field(default_factory=set)
    ends: dict[str, int] = field(default_factory=dict)

    def hopeless(self, rows: Iterable[Row]) -> Row | None:
        """The first that nothing will bring up; rows are those of one look."""
        rows = list(rows)
        late = [row for row in rows if not row.is_up]
        if final := next((row for row in late if row.final), None):
            return final
        came_up = {row.name for row in rows if row.is_up} - self.up
        if came_up or any(row.ends == 0 for row in late):
            self.up |= came_up
            self.ends = {row.name: row.ends for row in rows}
            return None
        return next(
            (
                row
                for row in late
                if row.wrong and row.ends >= ENDS and row.ends - self.ends.get(row.name, 0) >= AGAIN
            ),
            None,
        )
