"""A text file is UTF-8 on every machine: no file is opened as text with the encoding left to the locale."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.conftest import ROOT
from tests.syntax import parsed
from tests.table import each_row

MODE = {"open": 1, "fdopen": 1, "NamedTemporaryFile": 0, "TemporaryFile": 0, "SpooledTemporaryFile": 1}
"""Function -> the place of its mode among the arguments."""
BYTES = {"NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"}
"""They open in binary mode where none is said."""
OTHERS = {"os", "webbrowser", "tarfile", "backend", "self", "opener"}
"""What has an `open` that opens no text file."""


SUSPECT = re.compile(rf"\b({'|'.join(MODE)}|read_text|write_text)\(|\b(text|universal_newlines)=True")
"""What every call that opens text has; to look through a tree takes long, and most files open nothing."""


def left_to_the_locale(source: str) -> Iterator[int]:
    """The lines of calls that open text without saying how it is encoded."""
    if not SUSPECT.search(source):
        return
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call):
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            if "encoding" not in keywords and opens_text(node, keywords):
                yield node.lineno


def opens_text(call: ast.Call, keywords: dict[str | None, ast.expr]) -> bool:
    """Whether a call reads or writes text, a program's output included."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            method = isinstance(call.func, ast.Attribute)
        case _:
            name, method = "", False
    if name in ("read_text", "write_text"):
        return method
    if name in MODE:
        owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        if name == "open" and owner in OTHERS:
            return False
        place = 0 if name == "open" and owner not in ("", "io") else MODE[name]
        mode = keywords.get("mode") or (call.args[place] if len(call.args) > place else None)
        return name not in BYTES if mode is None else "b" not in ast.unparse(mode)
    return any(
        key in keywords and ast.unparse(keywords[key]) == "True" for key in ("text", "universal_newlines")
    )


@each_row(
    [
        ("path.read_text()", 1),
        ("path.write_text(text)", 1),
        ("path.open()", 1),
        ("path.open('a+')", 1),
        ("open(name)", 1),
        ("open(name, mode='w')", 1),
        ("os.fdopen(handle, 'w')", 1),
        ("NamedTemporaryFile('w')", 1),
        ("subprocess.run(argv, text=True)", 1),
        ("path.read_text(encoding='utf-8')", 0),
        ("path.open('rb')", 0),
        ("open(name, 'wb')", 0),
        ("os.fdopen(handle, 'rb')", 0),
        ("os.open(name, os.O_RDONLY)", 0),
        ("NamedTemporaryFile(prefix='a')", 0),
        ("read_text(path)", 0),
        ("Response(text=page)", 0),
    ]
)
def test_the_rule_bites(line: str, count: int) -> None:
    assert len(list(left_to_the_locale(line))) == count


def test_no_text_is_left_to_the_locale() -> None:
    files = sorted((ROOT / "devenv").rglob("*.py"))
    assert files
    assert [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files
        for line in left_to_the_locale(file.read_text(encoding="utf-8"))
    ] == []
