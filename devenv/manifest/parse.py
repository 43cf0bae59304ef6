"""Parses manifest text to a `Manifest`, or to all problems in it at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from devenv.errors import ManifestInvalid, Problem
from devenv.manifest import composekeys, environments, models, source, workloads
from devenv.manifest.composekeys import near
from devenv.manifest.exposed import Exposed, hinted, with_exposed
from devenv.manifest.models import Manifest
from devenv.manifest.rules import check
from devenv.manifest.rules.names import as_label
from devenv.manifest.rules.references import filled_in, in_fragment
from devenv.manifest.rules.scope import Kinds
from devenv.manifest.rules.variables import VARIABLE, secrets_shown
from devenv.manifest.source import Filled, Path, Source, scalar
from devenv.variables import START, filled, names_in

NOTHING: Mapping[str, Any] = {}


def parse(
    text: str,
    *,
    file: str,
    kinds: Kinds,
    folder: str = "",
    variables: Mapping[str, str] = NOTHING,
    exposed: Exposed = NOTHING,
) -> tuple[Manifest, Source]:
    """Read a manifest.

    `kinds`: infra kinds by name. Without `name:`, the stack is named after its `folder`. `variables`: the
    environment, as far as the text names it. `exposed`: what the Dockerfiles of services without a port say.
    Raises `ManifestInvalid`.
    """
    shown: dict[Path, frozenset[str]] = {}  # where the environment was filled in, and what it was

    def fill(text: str, path: Path, quotes: str) -> Any:
        shown[path] = names_in(text)
        return _filled(text, path, variables, plain=not quotes)

    document = source.read(text, file=file, fill=fill)
    _refuse_other_files(document)
    if "name" not in document.value and (name := as_label(folder)):
        document.value["name"] = name
    if exposed and "services" in document.value:
        document.value["services"] = with_exposed(document.value["services"], exposed)
    manifest, problems, pruned = _validate(document)
    if "name" not in document.value and folder:
        better = as_label(f"stack-{folder}")
        why = f'is missing, and the folder "{folder}" cannot be one'
        problems = [problem for problem in problems if problem.path != "name"]
        problems.append(document.problem(("name",), why, f"write name: {better}"))
    if manifest is not None:
        problems += [
            document.problem(*hinted((path, message, suggestion), exposed))
            for path, message, suggestion in check(manifest, kinds)
            if not _misleads(path, suggestion, pruned)
        ]
        problems += [document.problem(*finding) for finding in secrets_shown(manifest, shown)]
    if problems or manifest is None:
        raise ManifestInvalid(problems)
    return manifest, document


def _filled(text: str, path: Path, variables: Mapping[str, str], *, plain: bool) -> Any:
    """A text with its variables, such that whatever reads it next takes their values as they are.

    Fragments are not ours: only what is written there without quotes may be a number.
    """
    if path[2:3] == ("compose",):
        value = filled(text, variables, literal=lambda value: value.replace("$", "$$"))
    elif filled_in(path):
        value = filled(text, variables, literal=lambda value: value.replace("${", "$${"))
    else:
        value = filled(text, variables, escaped=START)
    if not in_fragment(path):
        return Filled(value)
    return scalar(value) if plain else value


def _refuse_other_files(document: Source) -> None:
    value = document.value
    if isinstance(value, dict) and "inputs" in value and "services" not in value:
        hint = "name the stack's manifest with -f FILE or DEVENV_FILE"
        message = "this is the configuration of the Nix tool that is also called devenv"
        raise ManifestInvalid([document.problem(("inputs",), message, hint)])
    if not isinstance(value, dict):
        message = "the file is empty" if value is None else "a manifest is a mapping"
        raise ManifestInvalid([document.problem((), message, "begin with `services:`")])


def _validate(document: Source) -> tuple[Manifest | None, list[Problem], list[Path]]:
    """Validate; remove what is wrong and validate again, so that the rules can check the rest too."""
    try:
        return Manifest.model_validate(document.value), [], []
    except ValidationError as error:
        details = error.errors()
    problems = list(problems_of(document, details))
    pruned = [_marked_path(document, detail["loc"]) for detail in details]
    value = copy.deepcopy(document.value)
    for path in sorted(pruned, key=len, reverse=True):
        _take_out(value, path)
    try:
        return Manifest.model_validate(value), problems, pruned
    except ValidationError:
        return None, problems, pruned


def _misleads(path: Path, suggestion: str, pruned: list[Path]) -> bool:
    """Whether a finding is only there because a value, reported already, was removed."""
    return any(
        bad[: len(path)] == path or (bad[:2] == path[:2] and suggestion.startswith("add ")) for bad in pruned
    )


def _marked_path(document: Source, loc: tuple[int | str, ...]) -> Path:
    """The longest prefix of pydantic's location that is in the file."""
    path: Path = ()
    for part in loc:
        if (*path, part) in document.marks:
            path = (*path, part)
    return path


def _take_out(value: Any, path: Path) -> None:
    for part in path[:-1]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return
    if path and isinstance(value, dict):
        value.pop(path[-1], None)


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "list_type": "a list",
    "model_type": "a mapping",
}


def problems_of(
    document: Source, details: list[ErrorDetails], root: type[BaseModel] = Manifest
) -> Iterator[Problem]:
    """One problem per mistake: for a value of several allowed types, pydantic reports an error for each."""
    places: dict[Path, list[ErrorDetails]] = {}
    for detail in details:
        places.setdefault(_marked_path(document, detail["loc"]), []).append(detail)
    for path, mistakes in places.items():
        types = [detail for detail in mistakes if detail["type"] in _EXPECTED]
        others = [detail for detail in mistakes if detail["type"] not in _EXPECTED]
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in places)
        for detail in others:
            if detail["type"] != "literal_error":
                yield _problem(document, detail, root)
            elif not (
                deeper and isinstance(detail["input"], Mapping)
            ):  # else it is meant as one of the forms
                choices = detail["ctx"]["expected"]
                yield _no_choice(document, path, detail["input"], choices, [*map(_form, types)])
        if types and not others and not deeper:
            value = types[0]["input"]
            expected = dict.fromkeys(_EXPECTED[detail["type"]] for detail in types)
            hint = _form_here(path, value, root)
            hint = hint or next((hint for detail in types if (hint := _hint(detail["type"], value))), "")
            yield document.problem(path, f"expected {' or '.join(expected)}, found {_described(value)}", hint)


_OF_OURS = frozenset(
    ("no_value", "duration", "size", "cpu", "plugin", "kind", "restart", "signal", "capability")
)
"""Errors of fields of our own: a message, and after a dash what to write."""


def _problem(document: Source, detail: ErrorDetails, root: type[BaseModel]) -> Problem:
    path, kind = _marked_path(document, detail["loc"]), detail["type"]
    value = detail["input"]
    match kind:
        case "extra_forbidden":
            return document.problem(path, "unknown key", _instead(detail["loc"], value, root))
        case "missing":
            return document.problem((*path, str(detail["loc"][-1])), "is missing")
        case "no_value" if path[-2:-1] in (("env",), ("args",)) and VARIABLE.match(str(path[-1])):
            own = f'write ${{env.{path[-1]}}} for this machine\'s, or "" if it is to be empty'
            return document.problem(path, "has no value", own)
        case _ if kind in _OF_OURS:
            message, _, hint = detail["msg"].partition(" - ")
            return document.problem(path, message, hint)
        case "greater_than_equal" | "less_than_equal":
            return document.problem(
                path, f"{value} is out of range", detail["msg"].removeprefix("Input ").lower()
            )
    return document.problem(path, detail["msg"][0].lower() + detail["msg"][1:])


def _no_choice(document: Source, path: Path, value: Any, words: str, forms: list[str]) -> Problem:
    """The problem of a value that is none of some words, nor of these other forms."""
    if forms:
        words = f"{', '.join([words.replace(' or ', ', '), *forms[:-1]])} or {forms[-1]}"
    return document.problem(path, f"cannot be {value!r}", f"one of {words}")


_MODULES = (models, workloads, environments)


def _form(detail: ErrorDetails) -> str:
    """How a value of the type that was expected is written: `{httproute: ...}`."""
    name = str(detail.get("ctx", {}).get("class_name"))
    model = next((vars(module)[name] for module in _MODULES if name in vars(module)), None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):  # of a kind's file, say
        return _EXPECTED[detail["type"]]
    fields = model.model_fields
    return f"{{{', '.join(f'{name}: ...' for name in fields if fields[name].is_required())}}}"


def _described(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f'the text "{value[:40]}"'
        case list():
            return "a list"
    return "a mapping"


def _hint(kind: str, value: Any) -> str:
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return "remove the quotes"
    if kind == "int_type" and isinstance(value, str) and value.endswith("/tcp"):
        return f"write {value.removesuffix('/tcp')}"
    if kind == "int_type" and isinstance(value, str) and value.endswith("/udp"):
        return f"write {value.removesuffix('/udp')}: the protocol is that of the port in the container"
    if kind == "string_type" and isinstance(value, (int, float, bool)):
        return "put it in quotes"
    return ""


def _instead(loc: tuple[int | str, ...], value: Any, root: type[BaseModel]) -> str:
    """What to write instead of a key that is not there: a key of Compose's has its answer."""
    from devenv.manifest.walk import model_at

    model, key = model_at(loc[:-1], root), str(loc[-1])
    if model is None:
        return ""
    keys = {field.alias or name for name, field in model.model_fields.items()}
    return composekeys.answer_for(model, key, value) or near(
        key, keys, getattr(model, "listed", composekeys.LISTED)
    )


def _form_here(path: Path, value: Any, root: type[BaseModel]) -> str:
    from devenv.manifest.walk import model_at

    while path and isinstance(path[-1], int):
        path = path[:-1]
    model = model_at(path[:-1], root) if path else None
    return composekeys.form_of(model, str(path[-1]), value) if model else ""
