"""A digest of everything that makes a container stale, and what two of them differ in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from devenv.stack import text
from devenv.stack.model import Probe, Unit

NEW = "new."
"""Prefix of the aspects of a fingerprint that only apply to a store's new data."""


def fingerprint(unit: Unit, secrets: Mapping[str, str], *, own: Any = ()) -> str:
    """A digest of everything that makes a container stale, per aspect: `env:1f0c22d4 files:... image:...`.

    It covers all labels. Order and routes change nothing in the container and are left out. `secrets` are
    digests of the secrets' values, `own` is what only concerns one renderer. `differences` tells in which
    aspects two fingerprints differ.
    """
    aspects = {
        "image": unit.build.base or unit.build.digest if unit.build else unit.image,
        "command": [unit.command, unit.entrypoint, *_supervision(unit), *(["relay"] if unit.hosted else [])],
        "env": sorted(unit.env, key=lambda entry: entry[0]),
        "ports": [
            [
                (port.name, port.container, port.wanted, port.host, *(["udp"] if port.udp else []))
                for port in unit.ports
            ],
            [(link.label, link.url) for link in unit.links],
        ],
        "files": [
            (file.target, file.digest, [secrets.get(name, "") for name in (file.secret, *file.holds)])
            for file in unit.files
        ],
        "volumes": [
            [(volume.external or volume.name, volume.target) for volume in unit.volumes],
            unit.tmpfs,
            *_marks(unit),
        ],
        "health": "none"
        if unit.unchecked
        else unit.probe and {name: getattr(unit.probe, name) for name in _OF_PROBE},
        "settings": [
            (unit.memory, unit.cpu, unit.grace, unit.user, unit.hostname),
            (unit.role, unit.engine, unit.version),
            unit.extra,
            *((name, value) for name in _SETTINGS if (value := getattr(unit, name))),
            *(["no init"] if unit.role in ("service", "job") and not unit.init else []),
            own,
        ],
    }
    aspects |= {NEW + name: value for name, value in (unit.data.settings if unit.data else ())}

    def digest(value: Any) -> str:
        used = sorted(text.secrets_in(value))
        return text.digest(repr(value), *(secrets.get(name, "") for name in used))[:8]

    return " ".join(f"{aspect}:{digest(value)}" for aspect, value in sorted(aspects.items()))


_SETTINGS = (
    "workdir", "read_only", "cap_add", "cap_drop", "shm", "stop_signal", "aliases", "privileged",
    "no_new_privileges", "ulimits", "sysctls", "hosts", "host_paths", "platform",
)  # fmt: skip
"""What few units have; a fingerprint only has those that are set, so that a new one changes no other."""
_OF_PROBE = tuple(item.name for item in fields(Probe) if item.name != "of_image")


def _supervision(unit: Unit) -> tuple[str, ...]:
    """What changes PID 1: nothing where hot reload is off, so that fingerprints stay as they were."""
    return ("supervised", *(["held"] if unit.sourceless else [])) if unit.reloads else ()


def _marks(unit: Unit) -> tuple[str, ...]:
    return (unit.data.unfinished,) if unit.data and unit.data.unfinished else ()


def differences(old: str, new: str) -> list[str]:
    """The aspects in which two fingerprints differ, without those that only apply to new data."""
    before, after = _aspects(old), _aspects(new)
    return [aspect for aspect in after if before.get(aspect) != after[aspect] and not aspect.startswith(NEW)]


def outdated(old: str, new: str) -> list[str]:
    """The options for new data in which two fingerprints differ, of those that both have."""
    before, after = _aspects(old), _aspects(new)
    both = [aspect for aspect in after if aspect.startswith(NEW) and aspect in before]
    return [aspect.removeprefix(NEW) for aspect in both if before[aspect] != after[aspect]]


def _aspects(fingerprint: str) -> dict[str, str]:
    return dict(part.partition(":")[::2] for part in fingerprint.split())
