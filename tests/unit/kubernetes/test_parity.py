from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from devenv import assets
from devenv.manifest import models
from devenv.render.chart.parity import FIELDS as CHART
from devenv.render.kubernetes.parity import EXTRA, FIELDS, of_extra
from devenv.stack.kinds.catalogue import Catalogue

ONE_ROW = {"Reload"}  # the field that holds it


def inside(annotation: Any) -> set[type[BaseModel]]:
    """The models that a field of this type holds, and those that they hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        held = {model for field in annotation.model_fields.values() for model in inside(field.annotation)}
        return {annotation, *held}
    return {model for argument in get_args(annotation) for model in inside(argument)}


def test_every_field_of_the_manifest_says_what_becomes_of_it() -> None:
    fields = {name: field.annotation for name, field in models.Manifest.model_fields.items()}
    del fields["environments"]  # no backend reads it
    held = {model for annotation in fields.values() for model in inside(annotation)}
    expected = {model.__name__: set(model.model_fields) for model in held} | {"Manifest": set(fields)}
    expected = {name: names for name, names in expected.items() if name not in ONE_ROW}
    for declared in (FIELDS, CHART):
        assert {name: set(row) for name, row in declared.items()} == expected


def test_whatever_is_not_the_same_says_why() -> None:
    supports = [support for fields in (*FIELDS.values(), *CHART.values()) for support in fields.values()]
    assert [support for support in supports if (support.level == "same") == bool(support.reason)] == []


def test_nothing_of_the_catalogue_is_lost() -> None:
    texts = assets.catalogue()
    catalogue = Catalogue(texts)
    services = [service for kind in texts for service in catalogue[kind].file.services.values()]
    extra = {key for service in services for key in service.extra}
    assert {key for key in extra if of_extra(key).level == "lost"} == set()
    assert extra <= set(EXTRA)
