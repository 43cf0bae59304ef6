"""docs/manifest.md: each of its examples is a manifest that resolves, and each field of the models is in one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pydantic import BaseModel

from devenv.manifest import base, environments, models, workloads
from tests.conftest import ROOT
from tests.table import each_row

from .stacks import manifest, stack

PAGE = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?P<added><!-- added to the first manifest -->\n)?```yaml\n(?P<text>.*?)```", re.DOTALL)

Field = tuple[str, str]
"""A field: the model that declares it, and its name there."""


@cache
def examples() -> dict[str, str]:
    """Where each example begins on the page -> the whole manifest that it is, or that it is added to."""
    blocks = [*BLOCK.finditer(PAGE)]
    manifests = [(blocks[0]["text"] if block["added"] else "") + block["text"] for block in blocks]
    lines = [PAGE.count("\n", 0, block.start("text")) + 1 for block in blocks]
    return {
        f"docs/manifest.md:{line}": text if text.startswith("name:") else f"name: shop\n{text}"
        for line, text in zip(lines, manifests, strict=True)
    }


def declared() -> set[Field]:
    """Every field that a model of the manifest declares itself."""
    items = [item for module in (base, workloads, environments, models) for item in vars(module).values()]
    classes = [item for item in items if isinstance(item, type) and issubclass(item, BaseModel)]
    return {(_owner(model, name), name) for model in classes for name in model.model_fields}


def written(value: object) -> Iterator[Field]:
    """Every field that is written somewhere in a manifest."""
    match value:
        case BaseModel():
            model = type(value)
            for name in value.model_fields_set & model.model_fields.keys():
                yield _owner(model, name), name
                yield from written(getattr(value, name))
        case dict():
            for item in value.values():
                yield from written(item)
        case list():
            for item in value:
                yield from written(item)


def _owner(model: type[BaseModel], field: str) -> str:
    return next(
        base.__name__ for base in reversed(model.__mro__) if field in vars(base).get("__annotations__", ())
    )


@each_row(examples())
def test_an_example_is_a_manifest_that_resolves(text: str) -> None:
    assert stack(text).units


def test_every_field_has_an_example() -> None:
    shown = {field for text in examples().values() for field in written(manifest(text))}
    assert sorted(declared() - shown) == []  # add an example of it to docs/manifest.md
