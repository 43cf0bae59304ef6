"""What a changed file causes where a service runs from the project's own files."""

from __future__ import annotations

from devenv.stack.model import Reload
from devenv.stack.reloading.decisions import Action, decide
from devenv.stack.reloading.rules import of_process
from devenv.stack.reloading.ruletable import rows
from tests.table import each_row

ITSELF, PLAIN = ("uvicorn", "main:app", "--reload"), ("python", "main.py")


@each_row(
    [
        (PLAIN, None, "api/main.py", Action.REBUILD),
        (PLAIN, None, "web/main.py", Action.NONE),
        (PLAIN, None, "api/__pycache__/main.pyc", Action.NONE),
        (PLAIN, Reload(ignore=("*.md",)), "api/README.md", Action.NONE),
        (PLAIN, Reload(restart=False), "api/main.py", Action.NONE),
        (PLAIN, Reload(restart=("*.toml",)), "api/main.py", Action.NONE),
        (PLAIN, Reload(restart=("*.toml",)), "api/settings.toml", Action.REBUILD),
        (ITSELF, None, "api/main.py", Action.NONE),
        (ITSELF, Reload(restart=True), "api/main.py", Action.REBUILD),
        (ITSELF, None, "api/requirements.txt", Action.REBUILD),
        (ITSELF, None, "api/package-lock.json", Action.REBUILD),
    ]
)
def test_a_process_starts_anew_unless_it_takes_up_files_by_itself(
    command: tuple[str, ...], reload: Reload | None, path: str, action: Action
) -> None:
    assert decide(of_process("./api", command, reload), [path]).action is action


def test_the_table_says_what_a_save_does() -> None:
    def table(*command: str) -> list[tuple[str, Action, str]]:
        return [(row.what, row.action, row.reason) for row in rows(of_process("api", command, None))]

    installed = ("/api/uv.lock", Action.RESTART, "it says what is installed")
    assert installed in table(*PLAIN)
    assert table(*PLAIN)[-1] == ("api", Action.RESTART, "its program reads the project's own files")
    assert table(*ITSELF)[-1] == ("api", Action.NONE, "uvicorn --reload restarts by itself")
