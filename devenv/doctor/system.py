"""The operating system, and the command that installs or starts something on it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

SCRIPT = "curl -fsSL https://get.docker.com | {sudo}sh"
ENGINES = {
    "ubuntu": "{sudo}apt-get update && {sudo}apt-get install -y docker.io docker-compose-v2 docker-buildx",
    "debian": "{sudo}apt-get update"
    " && {sudo}apt-get install -y docker.io docker-cli docker-compose docker-buildx",
    "fedora": "{sudo}dnf install -y moby-engine docker-cli docker-compose docker-buildx"
    " && {sudo}systemctl enable --now docker",
    "arch": "{sudo}pacman -S --needed --noconfirm docker docker-compose docker-buildx"
    " && {sudo}systemctl enable --now docker",
    "alpine": "{sudo}apk add docker docker-cli-compose docker-cli-buildx && {sudo}rc-service docker start",
    "opensuse": "{sudo}zypper --non-interactive install docker docker-compose docker-buildx"
    " && {sudo}systemctl enable --now docker",
    "macos": "brew install --cask docker-desktop && open -a Docker",
}
"""System -> what installs an engine, Compose and Buildx from its own packages."""

PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
"""The kernel's name of a processor -> the one in images and downloads."""

SINCE = {"ubuntu": 22, "debian": 13}
"""The first release of a system whose packages are new enough."""


@dataclass(frozen=True, slots=True)
class System:
    """An operating system. `names`: its own and those of the systems it derives from.

    `installed`: an engine is installed, if it runs or not.
    """

    names: tuple[str, ...] = ()
    release: int = 0
    processor: str = "amd64"
    root: bool = False
    systemd: bool = False
    installed: bool = False

    @property
    def sudo(self) -> str:
        """What stands before a command that needs root."""
        return "" if self.root else "sudo "

    @property
    def linux(self) -> bool:
        """Whether it is a Linux."""
        return "macos" not in self.names

    @property
    def packaged(self) -> bool:
        """Whether its own packages bring an engine that is new enough."""
        return any(name in ENGINES and self.release >= SINCE.get(name, 0) for name in self.names[:1])

    @property
    def install_engine(self) -> str:
        """The command that installs an engine with Compose and Buildx."""
        return (ENGINES[self.names[0]] if self.packaged else SCRIPT).format(sudo=self.sudo)

    @property
    def start_engine(self) -> str:
        """The command that starts the engine that is installed."""
        return self._service("start") if self.linux else "open -a Docker"

    @property
    def restart_engine(self) -> str:
        """The command that ends an engine that hangs, and starts it."""
        return self._service("restart") if self.linux else "docker desktop restart"

    def _service(self, verb: str) -> str:
        return f"{self.sudo}systemctl {verb} docker" if self.systemd else f"{self.sudo}service docker {verb}"


def look(release: Path = Path("/etc/os-release")) -> System:
    """This machine's system."""
    if sys.platform == "darwin":
        return System(("macos",), installed=Path("/Applications/Docker.app").exists())
    machine = os.uname().machine
    try:
        text = release.read_text(encoding="utf-8", errors="replace")
    except OSError:  # a system that does not say
        text = ""
    engines = (Path(folder) / "dockerd" for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin"))
    return replace(
        read(text),
        processor=PROCESSORS.get(machine, machine),
        root=os.geteuid() == 0,
        systemd=Path("/run/systemd/system").is_dir(),
        installed=any(engine.exists() for engine in engines),
    )


def read(text: str) -> System:
    """A Linux from the text of its /etc/os-release."""
    values = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        values[key] = value.strip("\"'")
    number = values.get("VERSION_ID", "").partition(".")[0]
    names = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    return System(
        tuple(name.partition("-")[0] for name in names if name),
        release=int(number) if number.isdecimal() else 0,
    )
