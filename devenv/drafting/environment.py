"""The variables of a service: in files, in the manifest, and as secrets."""

from __future__ import annotations

from devenv.drafting import reading
from devenv.drafting.addresses import is_secret, rewritten
from devenv.drafting.draft import Fate
from devenv.drafting.interpolation import ours, plain, variables
from devenv.drafting.scene import SECTIONS, Scene, Unit, variable_of


def convert(scene: Scene, unit: Unit) -> None:
    """Write its variables, those of its files and its secrets."""
    values = reading.environment(unit.keys)
    files: list[str] = []
    for file, required in scene.env_files(unit):
        if file not in scene.world.env_files:
            fate: Fate = "by hand" if required else "dropped"
            scene.draft.say(fate, unit.at(f"env_file {file}"), f"it is not there; then env_file: [{file}]")
            continue
        own = {key: value.replace("$", "$$") for key, value in scene.world.env_files[file].items()}
        if scene.has(SECTIONS[unit.role], "env_file") and reading.inside(file):
            files.append(file)  # what in it is called otherwise here is written under env:, which wins
            own = {key: value for key, value in own.items() if rewritten(scene, value, key)[0] != ours(value)}
        else:
            scene.draft.say("derived", unit.at(f"env_file {file}"), "its variables stand under env:")
        values = {**own, **values}
    if files:
        scene.draft.set((*unit.path, "env_file"), files, origin=unit.at("env_file"))
    secrets: list[str] = []
    for variable, value in values.items():
        if name := _secret(scene, unit, variable, value):
            if name == variable:
                secrets.append(variable)
            else:
                path = (*unit.path, "env", variable)
                scene.draft.set(path, f"${{secret.{name}}}", origin=unit.at("environment"))
            continue
        text = f"${{{variable}:-}}" if value is None else value
        options = rewritten(scene, text, variable) or [""]
        instead = {"environment": [variable]} if value is None else {}
        origin = unit.at(f"environment.{variable}")
        scene.draft.set((*unit.path, "env", variable), *options, origin=origin, instead=instead)
    if secrets:
        scene.draft.set((*unit.path, "secrets"), secrets, origin=unit.at("environment"))


def _secret(scene: Scene, unit: Unit, variable: str, value: str | None) -> str:
    """The name of the secret that a variable holds, or "" where it is none or one of a store's."""
    text = value if value is not None else f"${{{variable}}}"
    if not is_secret(variable, plain(text) or "x" * bool(value is None or "$" in text)):
        return ""
    if "${" in rewritten(scene, text, variable)[0].replace("${env.", ""):
        return ""
    names = [item.name for item in variables(text)]
    if not names:
        return moved(scene, unit, variable, text)
    if (text not in (f"${names[0]}",) and not text.startswith(f"${{{names[0]}")) or not text.endswith(
        ("}", names[0])
    ):
        return ""
    if default := plain(text):
        if names[0] not in scene.world.variables:
            scene.draft.secrets[names[0]] = default
            scene.draft.say(
                "derived",
                unit.at(f"environment.{variable}"),
                f"the secret {names[0]}; its default went to .devenv/secrets.env",
            )
    else:
        scene.draft.say(
            "derived",
            unit.at(f"environment.{variable}"),
            f"the secret {names[0]}, from the environment or .env",
        )
    return names[0]


def moved(scene: Scene, unit: Unit, variable: str, text: str) -> str:
    """The secret that holds a value which stood in plain text: one for each value of a variable."""
    name = variable_of(variable)
    if scene.moved.get(name, text) != text:
        name = f"{variable_of(unit.name)}_{name}"
    if name not in scene.moved:
        scene.draft.say(
            "derived",
            unit.at(f"environment.{variable}"),
            f"a secret; its value went to .devenv/secrets.env as {name}",
        )
    scene.moved[name] = text
    scene.draft.secrets[name] = plain(text)
    return name
