"""Docker's habit of dropping all that this machine forwards, which takes the network from pods.

An engine that finds forwarding off switches it on, and has iptables drop all packets between interfaces that
are not its own. Only read here: a firewall is its owner's to change.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devenv import proc
from devenv.doctor.system import System
from devenv.doctor.verdict import Verdict, Wanted, failed, passed
from devenv.errors import ToolMissing

TABLES = ("iptables", "iptables-legacy", "iptables-nft")
ACCEPTED = re.compile(r"KUBE-FORWARD|CNI-FORWARD|-[io] (cni0|virbr|bridge)")
CLUSTERS = ("minikube", "kube")
ROUTED = ("none", "kvm2", "qemu", "kvm")
"""Minikube's drivers whose pods or machines reach the network through this machine's own chain."""
ADVICE = (
    """echo '{"ip-forward-no-drop": true}' | sudo tee /etc/docker/daemon.json"""
    " && sudo systemctl restart docker"
)
MERGE = 'sudoedit /etc/docker/daemon.json && sudo systemctl restart docker   # add "ip-forward-no-drop": true'


@dataclass(frozen=True, slots=True)
class Firewall:
    """What is known of forwarding. `drops`: the policy, None where it could not be read.

    `accepts`: rules let pods through all the same. `exempt`: the engine is configured not to do it.
    """

    forwards: bool = True
    drops: bool | None = None
    accepts: bool = False
    exempt: bool = False
    configured: bool = False


def look(system: System, seconds: float, wanted: Wanted, *, driver: str) -> Firewall:
    """Read the policy where it may matter: as root, else by a sudo that asks for no password.

    That is only tried where much depends on it, as a sudo that is refused is reported to whoever runs this
    machine.
    """
    before = () if system.root else ("sudo", "-n")
    chains = ""
    if wanted.backend in CLUSTERS and (system.root or driver in ROUTED):
        for table in filter(shutil.which, TABLES):
            for chain in ("FORWARD", "DOCKER-USER"):
                chains += _printed((*before, table, "-S", chain), seconds)
    try:
        config = Path("/etc/docker/daemon.json").read_text(encoding="utf-8")
    except OSError:
        config = ""
    return described(_setting("/proc/sys/net/ipv4/ip_forward"), chains, config)


def described(forwards: str, chains: str, config: str) -> Firewall:
    """The same from texts: the kernel's switch, what `iptables -S` prints, and the engine's configuration."""
    policies = re.findall(r"^-P FORWARD (\w+)", chains, re.M)
    user = re.findall(r"^-A DOCKER-USER .*-j ACCEPT", chains, re.M)
    try:
        settings = json.loads(config or "{}")
    except ValueError:
        settings = {}
    return Firewall(
        forwards=forwards.strip() != "0",
        drops="DROP" in policies if policies else None,
        accepts=bool(user) or bool(ACCEPTED.search(chains)),
        exempt=isinstance(settings, dict) and settings.get("ip-forward-no-drop") is True,
        configured=bool(config.strip()),
    )


def judge(wanted: Wanted, firewall: Firewall, system: System, *, driver: str) -> Iterator[Verdict]:
    """Whether pods get through. Compose needs nothing: its networks are the engine's own."""
    if not system.linux or wanted.backend not in CLUSTERS:
        return
    routed = wanted.backend == "minikube" and driver in ROUTED
    if not firewall.forwards:
        text = "this machine forwards nothing between networks: pods and containers reach no other"
        yield failed("firewall", text, f"{system.sudo}sysctl -w net.ipv4.ip_forward=1")
    elif firewall.drops is None:
        yield passed("firewall", "iptables' policy for FORWARD was not read: that takes root")
    elif not firewall.drops:
        yield passed("firewall", "iptables forwards")
    elif firewall.accepts or firewall.exempt:
        yield passed("firewall", "iptables drops what is forwarded, but accepts what pods send")
    elif routed:
        text = f"iptables drops what is forwarded, so pods of the driver {driver} reach no names and no hosts"
        yield failed("firewall", text, MERGE if firewall.configured else ADVICE)
    else:
        yield passed(
            "firewall", "iptables drops what is forwarded, which the nodes in containers do not need"
        )


def _printed(argv: tuple[str, ...], seconds: float) -> str:
    try:
        return proc.run_within(argv, seconds).stdout
    except ToolMissing:
        return ""


def _setting(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError:
        return ""
