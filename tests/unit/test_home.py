"""A user who has neither a home nor a name, as the numbers under which CI runs containers."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from devenv import home
from devenv.backends import registry
from devenv.backends.kube import config
from devenv.cli.context import Context
from devenv.cli.promotion import run


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_STATE_HOME", "DOCKER_CONFIG", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


def test_a_user_without_a_home_has_the_root_as_containers_say_it() -> None:
    assert home.folder() == Path("/")
    assert home.cache({}) == Path("/.cache/devenv")  # and not a folder called ~ in the project
    assert home.state() == Path("/.local/state/devenv")


def test_what_is_looked_for_at_home_is_not_there() -> None:
    assert config.files({}) == config.files({"KUBECONFIG": "~/.kube/config"}) == []
    assert registry.login("registry.example") is None


def test_who_promotes_has_the_number_where_there_is_no_name() -> None:
    assert run._who(Context({})) == str(os.getuid())
    assert run._who(Context({"GITHUB_ACTOR": "ada"})) == "ada"
