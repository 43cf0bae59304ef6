#!/usr/bin/env python3
"""Records what Minikube answers, for the unit tests of whatever calls it: recorded/*.json.

    eval "$(bash tests/machine/cluster.sh env)" && python3 tests/machine/cluster/record.py

Starts, stops and deletes a profile of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROFILE = "shop"
RECORDED = Path(__file__).parent / "recorded"

# (file, arguments, exit code), in the order they are run. No file: run, not recorded.
STEPS: list[tuple[str, str, int]] = [
    ("version", "minikube version -o json", 0),
    ("status-absent", "minikube status -p {profile} -o json", 85),
    ("start-new", "minikube start -p {profile} --keep-context -o json", 0),
    ("start-running", "minikube start -p {profile} --keep-context -o json", 0),
    ("status-running", "minikube status -p {profile} -o json", 0),
    ("profile-list-running", "minikube profile list -o json", 0),
    ("start-other-driver", "minikube start -p {profile} --keep-context -o json --driver ssh", 81),
    ("ip", "minikube ip -p {profile}", 0),
    ("ssh-key", "minikube ssh-key -p {profile}", 0),
    ("image-ls", "minikube image ls -p {profile} --format json", 0),
    ("image-load-absent", "minikube image load no.such/image:1 -p {profile}", 0),
    ("kubeconfig", "kubectl config view -o json --minify --context {profile}", 0),
    ("addons-list", "minikube addons list -p {profile} -o json", 0),
    ("stop", "minikube stop -p {profile} -o json", 0),
    ("stop-stopped", "minikube stop -p {profile} -o json", 0),
    ("status-stopped", "minikube status -p {profile} -o json", 7),
    ("profile-list-stopped", "minikube profile list -o json", 0),
    ("ip-stopped", "minikube ip -p {profile}", 83),
    ("start-stopped", "minikube start -p {profile} --keep-context -o json", 0),
    ("", "docker stop {profile}", 0),
    ("status-killed", "minikube status -p {profile} -o json", 7),
    ("delete", "minikube delete -p {profile} -o json", 0),
    ("profile-list-absent", "minikube profile list -o json", 0),
]


def neutral(text: str) -> str:
    """The same output on a machine where everything lies where Minikube puts it by default."""
    for name, usual in (("MINIKUBE_HOME", "~"), ("KUBECONFIG", "~/.kube/config"), ("HOME", "~")):
        if name in os.environ:
            text = text.replace(os.environ[name], usual)
    return text


def only_ours(stdout: str) -> str:
    """`profile list` without the profiles of others."""
    answer = json.loads(stdout)
    for kind in ("valid", "invalid"):
        answer[kind] = [profile for profile in answer.get(kind) or [] if profile["Name"] == PROFILE]
    return json.dumps(answer, separators=(",", ":"))


def main() -> int:
    wrong = 0
    RECORDED.mkdir(exist_ok=True)
    for name, line, expected in STEPS:
        argv = line.format(profile=PROFILE).split()
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != expected:
            wrong += 1
        print(f"{name:22} exit {done.returncode} (expected {expected})", file=sys.stderr)
        if not name:
            continue
        stdout = only_ours(done.stdout) if name.startswith("profile-list") and done.stdout else done.stdout
        record = {
            "argv": argv,
            "exit": done.returncode,
            "stdout": neutral(stdout),
            "stderr": neutral(done.stderr),
        }
        (RECORDED / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    return wrong and 1


if __name__ == "__main__":
    sys.exit(main())
