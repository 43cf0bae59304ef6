"""Writes the files with which editors and direnv start a service on this machine: `env --vscode` etc."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.backends.process.session import usual_host
from devenv.errors import DevenvError, UsageError
from devenv.render import launch as files
from devenv.render.launch import Launch
from devenv.stack import text
from devenv.writing import write_for_people

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.loaded import Loaded


def write_envrc(context: Context, service: str) -> None:
    """Have direnv set the variables of a service, or of the whole stack, in the project's folder."""
    _merge(context, context.workspace.root / ".envrc", lambda existing: files.envrc(service, existing))
    context.console.say("allow it: direnv allow")


def write_vscode(context: Context, loaded: Loaded, service: str, variables: Mapping[str, str]) -> None:
    """Add the service to .vscode/launch.json."""
    launch = _launch(context, loaded, service, variables)
    file = context.workspace.root / ".vscode" / "launch.json"
    _merge(context, file, lambda existing: files.vscode(launch, existing))


def write_idea(context: Context, loaded: Loaded, service: str, variables: Mapping[str, str]) -> None:
    """Write a run configuration for the service into .run, where every JetBrains IDE looks."""
    launch = _launch(context, loaded, service, variables)
    file = context.workspace.root / ".run" / f"devenv-{service}.run.xml"
    _merge(context, file, lambda existing: files.idea(launch, existing))


def _launch(context: Context, loaded: Loaded, service: str, variables: Mapping[str, str]) -> Launch:
    """How the service is started, once its variables lie in `.devenv`. Raises `UsageError`."""
    manifest, _, _ = context.project.manifest.parsed
    if service not in manifest.services:
        raise UsageError(
            f"{service} is a job, and editors start services", hint=f"devenv env {service} --export"
        )
    command = context.project.start_line(loaded.stack.unit(service))
    build = manifest.services[service].build
    if command is None:
        usual = usual_host(context.workspace.root / (build.folder if build else ""))
        raise UsageError(
            f"nothing says how {service} runs on this machine",
            why="its program is in its image only" if build else "it has an image, and no sources here",
            hint=f'services.{service}: {{host: "{usual}"}}   says it',
        )
    port = variables.get("PORT", "")
    line = re.sub(r"\$PORT\b|\$\{PORT\}", port, text.public(command, f"services.{service}.host"))
    name = f"env/{service}.env"
    space = context.workspace
    space.write({name: files.env_file(variables)}, private=[name])
    folder = Path(build.folder).as_posix() if build else "."
    return Launch(service, line, folder, f"{space.state.name}/{name}")


def _merge(context: Context, file: Path, merged: Callable[[str], str]) -> None:
    """Put our entry into a file that may be the user's."""
    shown = file.relative_to(context.workspace.root)
    try:
        existing = file.read_text(encoding="utf-8") if file.exists() else ""
        written = merged(existing)
        if written != existing:
            mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
            write_for_people(file, written, mode=mode)
    except (OSError, UnicodeDecodeError) as error:
        raise DevenvError(f"cannot write {shown}", why=str(error)) from error
    except UsageError as error:
        raise UsageError(error.what, where=str(shown), hint=error.hint) from error
    context.console.print(str(shown))
