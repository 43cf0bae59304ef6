"""Images that are for another processor than the engine's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from devenv.backends import containers
from devenv.doctor.engine import Engine, Silence
from devenv.doctor.verdict import Verdict, failed, passed, warned
from devenv.errors import DevenvError
from devenv.stack.model import Unit

EMULATOR = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64", "arm": "qemu-arm"}
"""Processor in an image -> the kernel's name of what emulates it."""

ELSEWHERE = "external: {url: ...}   uses one that runs elsewhere"


def look(address: str, images: Sequence[str]) -> Mapping[str, str]:
    """Image -> the processor that it is for; those that are not on the machine are left out."""
    processors: dict[str, str] = {}
    for name in images:
        try:
            details = containers.image(address, name)
        except DevenvError:
            return processors
        if details is not None:
            processors[name] = str(details.get("Architecture") or "")
    return processors


def emulated(folder: Path = Path("/proc/sys/fs/binfmt_misc")) -> frozenset[str]:
    """Processors that this kernel emulates."""
    return frozenset(name for name, file in EMULATOR.items() if (folder / file).exists())


def fixed(units: Iterable[Unit]) -> Mapping[str, str]:
    """Image -> the one processor that it is run for, whatever the engine's is: there may be no other."""
    said = {unit.image: unit.compose.get("platform") or unit.platform for unit in units}
    return {image: str(said).split("/")[1] for image, said in said.items() if "/" in str(said)}


def judge(
    images: Mapping[str, str],
    engine: Engine | Silence | None,
    emulated: frozenset[str] | None,
    fixed: Collection[str] = (),
) -> Iterator[Verdict]:
    """Which images run slowly or not at all. `emulated`: None where that is the engine's own affair.

    Of the `fixed` ones there is no other for the engine's processor.
    """
    if not isinstance(engine, Engine) or not engine.processor or not images:
        return
    foreign: dict[str, list[str]] = {}
    for name, processor in images.items():
        if processor and processor != engine.processor:
            foreign.setdefault(processor, []).append(name)
    for processor, names in foreign.items():
        verb = "is" if len(names) == 1 else "are"
        text = f"{', '.join(names)} {verb} for {processor}, and the engine is {engine.processor}"
        if emulated is not None and processor not in emulated:
            command = f"docker run --privileged --rm tonistiigi/binfmt --install {processor}"
            yield failed("processor", f"{text}: no program of it starts", command)
        else:
            other = next((name for name in names if name not in fixed), "")
            command = f"docker pull --platform linux/{engine.processor} {other}" if other else ELSEWHERE
            yield warned("processor", f"{text}: emulated, and slow", command)
    if not foreign:
        yield passed("processor", f"{engine.processor}, as all images that are here")
