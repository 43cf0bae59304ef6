"""The data that ships with devenv: compose/, minikube/ and templates/."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds them: inside an installed package, or the checkout itself."""
    checkout = _HERE.parent
    return checkout if (checkout / "pyproject.toml").is_file() else _HERE / "_assets"


def catalogue() -> dict[str, str]:
    """Infra kind -> the text of its file."""
    return {file.stem: file.read_text() for file in sorted((root() / "compose").glob("*.yaml"))}


def fragments() -> dict[str, str]:
    """Infra kind -> the text that says what must differ for it on Kubernetes."""
    return {file.stem: file.read_text() for file in sorted((root() / "minikube").glob("*.yaml"))}
