"""The chart of a stack, as both majors of Helm read it."""

from __future__ import annotations

from tests.helm import Helm


def test_helm_is_of_the_major_that_was_asked_for(helm: Helm) -> None:
    assert helm("version", "--template", "{{.Version}}").startswith(f"v{helm.major}.")
