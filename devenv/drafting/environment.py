"""The variables of a service: in files, in the manifest, and as secrets."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, count

from devenv.drafting import reading
from devenv.drafting.addresses import named_in, rewritten
from devenv.drafting.draft import Fate
from devenv.drafting.filling import has_login
from devenv.drafting.interpolation import Variable, escaped, parts, plain, variables
from devenv.drafting.scene import Scene, Unit, variable_of
from devenv.stack.secretnames import is_secret


def convert(scene: Scene, unit: Unit) -> None:
    """Write its variables, those of its files and its secrets."""
    values = reading.environment(unit.keys)
    files: list[str] = []
    for file, required in scene.env_files(unit):
        if file not in scene.world.env_files:
            fate: Fate = "by hand" if required else "dropped"
            scene.draft.say(fate, unit.at(f"env_file {file}"), f"it is not there; then env_file: [{file}]")
            continue
        own = dict(scene.world.env_files[file])
        if reading.inside(file):
            files.append(file)  # what in it means something else here is written under env:, which wins
            own = {key: value for key, value in own.items() if _means_else(scene, unit, file, key, value)}
        else:
            scene.draft.say("derived", unit.at(f"env_file {file}"), "its variables stand under env:")
        values = {**own, **values}
    secrets: list[str] = []
    if files:
        scene.draft.set((*unit.path, "env_file"), files, origin=unit.at("env_file"))
        secrets += _of_env(scene, unit, files, values)
    for variable, value in values.items():
        if reference := _of_store(scene, unit, variable, value):
            path = (*unit.path, "env", variable)
            scene.draft.set(path, reference, origin=unit.at(f"environment.{variable}"))
            continue
        if name := _secret(scene, unit, variable, value):
            if name == variable:
                secrets.append(variable)
            else:
                path = (*unit.path, "env", variable)
                scene.draft.set(path, f"${{secret.{name}}}", origin=unit.at("environment"))
            continue
        text = f"${{{variable}:-}}" if value is None else value
        user = _user_beside(values, variable)
        options = rewritten(scene, text, variable, user, _shared_with(scene, unit)) or [""]
        instead = {"environment": [variable]} if value is None else {}
        origin = unit.at(f"environment.{variable}")
        scene.draft.set((*unit.path, "env", variable), *options, origin=origin, instead=instead)
    if secrets:
        scene.draft.set((*unit.path, "secrets"), secrets, origin=unit.at("environment"))


def _shared_with(scene: Scene, unit: Unit) -> Collection[str] | None:
    """The stores whose passwords it may repeat, None for any: another server has passwords of its own."""
    return scene.uses.get(unit.name, ()) if unit.name in scene.servers else None


def _of_env(scene: Scene, unit: Unit, files: Collection[str], others: Collection[str]) -> Iterator[str]:
    """The secrets among the variables of `.env`, where devenv looks for those as well; none of `others`."""
    for file, variable in secrets_of_env(scene, files):
        if variable not in others:
            note = f"the secret {variable}, which a chart does not hold"
            scene.draft.say("derived", unit.at(f"env_file {file} {variable}"), note)
            yield variable


def secrets_of_env(scene: Scene, files: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The secrets of `.env`, where that is one of these env files: the file and the variable."""
    for file in files:
        if posixpath.normpath(file) == ".env":
            for variable, value in scene.world.env_files.get(file, {}).items():
                if plain(value) and is_secret(variable, plain(value)):
                    yield file, variable


def _means_else(scene: Scene, unit: Unit, file: str, variable: str, value: str) -> bool:
    """Whether a value of an env file has variables, or another form here; a login stays in the file."""
    text = rewritten(scene, value, variable)[0]
    if text == escaped(scene.world.literals.get(file, {}).get(variable, plain(value))):
        return False
    if has_login(text):
        if any(name != own for name, own in scene.hosts.items() if named_in(value, name)):
            note = f"names a service that is called otherwise here: change it in {file}"
            scene.draft.say("by hand", unit.at(f"env_file {file} {variable}"), note)
        return False
    return True


def _user_beside(values: Mapping[str, str | None], variable: str) -> str:
    """Whose password a variable is: what `DB_USER` says beside `DB_PASSWORD`."""
    stem = _PASSWORD.sub("", variable)
    named = (values.get(f"{stem}{word}") for word in ("USER", "USERNAME", "LOGIN"))
    return next(filter(None, named), "")


def _of_store(scene: Scene, unit: Unit, variable: str, value: str | None) -> str:
    """A reference to the user or the database of a store, where a private variable repeats it."""
    if not value or not scene.is_private(unit, variable) or is_secret(variable, value):
        return ""
    for store in scene.stores.values():
        for option, endings in _REPEATED.items():
            if store.options.get(option) == value and variable.upper().endswith(endings):
                return f"${{{store.name}.{option}}}"
    return ""


_PASSWORD = re.compile(r"(PASSWORD|PASSWD|PASS|PWD)$")
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_ADDRESS = re.compile(
    r"(?:[a-z][\w+.:-]*://)?(?:[\w.$-]*(?::\$?)?@)?\$(?::(?:\$|\d+))?(?:/[\w$.-]*)*(?:\?(?P<query>[\w=&.,-]*))?"
)
"""An address whose host, and whose password if it has one, are references, each as one `$`."""
_REPEATED = {"user": ("USER", "USERNAME", "LOGIN"), "database": ("DATABASE", "DB", "NAME", "DBNAME")}


def source(variable: str, value: str | None, *, private: bool = False) -> str:
    """The variable that a secret's value comes from; "" where it is none alone, or no secret."""
    text = value if value is not None else f"${{{variable}}}"
    if not private and not is_secret(variable, plain(text) or "x" * bool(value is None or "$" in text)):
        return ""
    whole = [*parts(text)]
    return whole[0].name if len(whole) == 1 and isinstance(whole[0], Variable) else ""


def _secret(scene: Scene, unit: Unit, variable: str, value: str | None) -> str:
    """The name of the secret that a variable holds, or "" where it is none or one of a store's."""
    text = value if value is not None else f"${{{variable}}}"
    private = scene.is_private(unit, variable) and value != ""
    if not private and not is_secret(variable, plain(text) or "x" * bool(value is None or "$" in text)):
        return ""
    references = (
        rewritten(scene, text, variable, uses=_shared_with(scene, unit))[0]
        .replace("${env.", "")
        .replace("${secret.", "")
    )
    if "${" in references and (not private or _is_address(references)):
        return ""
    names = [item.name for item in variables(text)]
    if not names:
        return moved(scene, unit, variable, text)
    if not source(variable, value, private=private):
        return ""
    if default := plain(text):
        if names[0] not in scene.world.variables:
            scene.draft.secrets[names[0]] = default
            scene.draft.say(
                "derived",
                unit.at(f"environment.{variable}"),
                f"the secret {names[0]}; its default went to .devenv/secrets.env",
            )
        return names[0]
    note = f"the secret {names[0]}, from the environment or .env"
    if value is None or all(item.sign.endswith("-") for item in variables(text)):  # Compose does without
        if names[0] not in scene.world.variables:
            scene.draft.secrets[names[0]] = ""
        note = f"{note}; empty without a value there"
    scene.draft.say("derived", unit.at(f"environment.{variable}"), note)
    return names[0]


def _is_address(text: str) -> bool:
    """Whether a text is the address of a store and nothing else in it can be a secret."""
    match = _ADDRESS.fullmatch(_REFERENCE.sub("$", text))
    pairs = (pair.partition("=")[::2] for pair in (match["query"] or "").split("&")) if match else ()
    return match is not None and not any(is_secret(key, value) for key, value in pairs)


def moved(scene: Scene, unit: Unit, variable: str, text: str) -> str:
    """The secret that holds a value which stood in plain text: one for each value of a variable."""
    short = variable_of(variable)
    own = f"{variable_of(unit.name)}_{short}"
    names = chain((short, own), (f"{own}_{number}" for number in count(2)))
    name = next(name for name in names if scene.moved.get(name, text) == text)
    if name not in scene.moved:
        scene.draft.say(
            "derived",
            unit.at(f"environment.{variable}"),
            f"a secret; its value went to .devenv/secrets.env as {name}",
        )
    scene.moved[name] = text
    scene.draft.secrets[name] = plain(text)
    return name
