from __future__ import annotations

from pydantic import BaseModel

from devenv import assets
from devenv.manifest import models
from devenv.render.chart.parity import FIELDS as CHART
from devenv.render.kubernetes.parity import EXTRA, FIELDS, of_extra
from devenv.stack.catalogue import Catalogue

ELSEWHERE = {
    "Model", "Workload",                       # what others are made of
    "Reload",                                  # one row: the field that holds it
    "Environment", "Override", "ServiceOverride", "BuildOverride", "Autoscale", "Ingress",  # the chart alone
    "External", "ExternalInfra", "Deployed", "DeployedInfra",
}  # fmt: skip


def test_every_field_of_the_manifest_says_what_becomes_of_it() -> None:
    fields_of = {
        name: set(model.model_fields)
        for name, model in vars(models).items()
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == models.__name__
    }
    fields_of["Manifest"].remove("environments")  # no backend reads it
    expected = {name: fields for name, fields in fields_of.items() if name not in ELSEWHERE}
    for declared in (FIELDS, CHART):
        assert {name: set(fields) for name, fields in declared.items()} == expected


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
