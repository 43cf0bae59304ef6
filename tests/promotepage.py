"""The commands that docs/promote.md and the README's part about promotion tell people to type, in order."""

from __future__ import annotations

import re
from functools import cache

from tests.conftest import ROOT

PROGRAMS = ("ansible-playbook", "devenv", "docker", "git", "helm", "kubectl")
CODE = re.compile(r"```(?P<kind>\w*)\n(?P<block>.*?)```|`(?P<span>[^`]+)`", re.DOTALL)

WALK = "tests/e2e/kube/test_delivery.py"

ELSEWHERE = {
    "devenv promote staging --rehearse": (
        "tests/e2e/kube/test_rehearse.py",
        '"promote", "staging", "--rehearse"',
    ),
    "kubectl get namespaces -l devenv.dev/rehearsal": (
        "tests/e2e/kube/test_rehearse.py",
        '"kubectl", "get", "namespaces", "-l"',
    ),
    "devenv up -b minikube": ("tests/e2e/kube/test_minikube.py", '"up", "-d", "-b", "minikube"'),
    "helm lint --strict": ("tests/unit/chart/test_chart.py", 'helm("lint", "--strict"'),
    "docker stack deploy": ("tests/e2e/test_swarm.py", '"docker", "stack", "deploy"'),
    "docker service scale -d shop_seed=1": ("tests/e2e/test_swarm.py", '"docker", "service", "scale", "-d"'),
    "devenv logs --save": ("tests/cli/test_commands.py", 'devenv("logs", "--save"'),
    "devenv up --junit": ("tests/cli/test_commands.py", 'devenv("up", "-d", "--junit"'),
}
"""Command -> the file of the test that runs it, and where in it."""

NOWHERE = {"ansible-playbook -i inventory.yml cluster.yml"}  # it wants machines; the page says so


@cache
def texts() -> tuple[str, str]:
    """The README's part, and the page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    part = readme.split("\n## On to the cluster\n")[1].split("\n## ")[0]
    return part, (ROOT / "docs" / "promote.md").read_text(encoding="utf-8")


def environments() -> str:
    """What the page has people write into `devenv.yaml`."""
    return next(match["block"] for match in CODE.finditer(texts()[1]) if match["kind"] == "yaml")


def commands() -> list[str]:
    """Each command once, in the order of the page: after a prompt, or as code in a sentence or a table.

    Code that is only the beginning of another command, as `devenv rollback`, is its name.
    """
    prompted: set[str] = set()
    found: list[str] = []
    for match in (match for text in texts() for match in CODE.finditer(text)):
        if match["kind"] == "console":
            lines = re.findall(r"^\$ (.+)$", match["block"], re.MULTILINE)
            prompted.update(lines)
            found += lines
        elif match["span"] is not None:
            words = " ".join(match["span"].split())
            found += [words] if words.startswith(tuple(f"{program} " for program in PROGRAMS)) else []
    names = {each for each in found if any(other.startswith(f"{each} ") for other in found)} - prompted
    return [command for command in dict.fromkeys(found) if command not in names]


def walked() -> list[str]:
    """The commands that the walk types, in its order."""
    source = (ROOT / WALK).read_text(encoding="utf-8")
    return re.findall(r'\.types\(\s*"([^"]+)"', source)
