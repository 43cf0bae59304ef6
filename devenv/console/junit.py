"""What became of each unit of an `up`, as JUnit XML, which every CI server shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from devenv.console.board import WELL, Row
from devenv.errors import DevenvError, UnitFailed

NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(stack: str, rows: Iterable[Row], failures: Sequence[tuple[DevenvError, str]]) -> str:
    """One test case a unit, and one for each failure of none. `failures`: errors, and as they are printed."""
    of_unit = {error.card.unit: text for error, text in failures if isinstance(error, UnitFailed)}
    suite = ElementTree.Element("testsuite", name=stack)
    for row in rows:
        case = _case(suite, stack, row.unit.name, (row.built or 0.0) + (row.took or 0.0))
        if row.phase == "failed":
            _failure(case, of_unit.pop(row.unit.name, f"{row.unit.name} failed"))
        elif row.phase not in WELL:
            ElementTree.SubElement(case, "skipped", message="not started")
    for error, text in failures:
        if not isinstance(error, UnitFailed) or error.card.unit in of_unit:
            _failure(_case(suite, stack, "devenv up", 0.0), text)
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f".//{tag}"))))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, stack: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=stack, name=name, time=f"{seconds:.3f}")


def _failure(case: ElementTree.Element, text: str) -> None:
    clean = NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    ElementTree.SubElement(case, "failure", message=clean.partition("\n")[0]).text = clean
